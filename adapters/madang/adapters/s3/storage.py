"""Objects in a bucket behind the S3 API."""

import functools
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from madang.adapters.s3.client import S3Client
from madang.adapters.s3.downloads import Chunks
from madang.adapters.s3.keys import check_key, fits_in_xml
from madang.adapters.s3.mapping import info_of, listed_info_of
from madang.adapters.s3.presigning import Presigner
from madang.adapters.s3.store import Store
from madang.adapters.s3.uploads import Uploads
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.provider import ProviderHealth
from madang.ports.storage import (
    DeleteReport,
    ObjectInfo,
    ObjectPage,
    PresignedRequest,
    PresignGet,
    PresignPut,
    PutObject,
    StorageCapabilities,
    StoredObject,
)

NOTHING_THERE: Final = "InvalidRange"
"""An object without any byte has no first one."""
MOST_AT_ONCE: Final = 1000
"""Keys of one deletion, and of one page of a listing."""


class S3Storage:
    """Fulfils `Storage`. An object is replaced as a whole: the API has it so, also for what is sent in parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client = S3Client(store)
        self._uploads = Uploads(self._client, store)
        self._presigner = Presigner(self._client, store)

    @property
    def name(self) -> str:
        return self._store.name

    @property
    def capabilities(self) -> StorageCapabilities:
        return self._store.capabilities

    async def check(self) -> ProviderHealth:
        """Whether the bucket can be listed with these keys."""
        started = time.perf_counter()
        await self._listed("check", MaxKeys=1)
        return ProviderHealth(True, f"bucket {self._store.bucket}", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def put(self, request: PutObject) -> ObjectInfo:
        check_key(request.key, self.name, "put")
        return await self._uploads.put(request)

    async def get(self, key: str) -> StoredObject:
        check_key(key, self.name, "get")
        answer, response = await self._client.open("get", "get_object", self._store.seconds, Key=key)
        try:
            info = info_of(key, answer)
        except ValueError:
            await response.aclose()
            raise Unavailable("the answer is no object", provider=self.name, operation="get") from None
        return StoredObject(info, Chunks(response, self.name, self._store.seconds, info.size))

    async def head(self, key: str) -> ObjectInfo | None:
        """Asked by GET for a single byte: an answer to HEAD has no words, so it does not tell a missing object from a missing
        bucket, nor a busy storage from a broken one."""
        check_key(key, self.name, "head")
        asked = functools.partial(self._client.call, "head", "get_object", self._store.seconds, Key=key)
        try:
            answer = await asked(Range="bytes=0-0")
        except Rejected as error:
            if error.reason == "not_found":
                return None
            if error.code != NOTHING_THERE:
                raise
            answer = await asked()
        try:
            return info_of(key, answer)
        except ValueError:
            raise Unavailable("the answer is no object", provider=self.name, operation="head") from None

    async def delete_many(self, keys: Sequence[str]) -> DeleteReport:
        deleted: list[str] = []
        failed: dict[str, str] = {}
        allowed: list[str] = []
        for key in dict.fromkeys(keys):
            try:
                check_key(key, self.name, "delete_many")
                allowed.append(key)
            except Rejected as error:
                failed[key] = error.reason
        for batch in _batches([key for key in allowed if fits_in_xml(key)]):
            refused = await self._delete(batch)
            failed |= refused
            deleted += [key for key in batch if key not in refused]
        for key in [key for key in allowed if not fits_in_xml(key)]:
            await self._client.call("delete_many", "delete_object", self._store.seconds, effect=True, Key=key)
            deleted.append(key)
        return DeleteReport(deleted, failed)

    async def list(self, prefix: str, *, cursor: str | None = None, limit: int = MOST_AT_ONCE) -> ObjectPage:
        """A cursor is the last key of the page before: it stays good whatever is deleted meanwhile."""
        after = {"StartAfter": cursor} if cursor is not None else {}
        answer = await self._listed("list", Prefix=prefix, MaxKeys=min(max(1, limit), MOST_AT_ONCE), **after)
        try:
            objects = [listed_info_of(entry) for entry in answer.get("Contents", ())]
        except KeyError:
            raise Unavailable("the answer is no listing", provider=self.name, operation="list") from None
        return ObjectPage(objects, objects[-1].key if answer["IsTruncated"] and objects else None)

    async def presign_get(self, request: PresignGet) -> PresignedRequest:
        return await self._presigner.get(request)

    async def presign_put(self, request: PresignPut) -> PresignedRequest:
        return await self._presigner.put(request)

    async def presign_post(self, request: PresignPut) -> PresignedRequest:
        return await self._presigner.post(request)

    async def _listed(self, operation: str, **asked: Any) -> Mapping[str, Any]:
        answer = await self._client.call(operation, "list_objects_v2", self._store.seconds, **asked)
        if not isinstance(answer.get("IsTruncated"), bool):
            raise Unavailable("the answer is no listing", provider=self.name, operation=operation)
        return answer

    async def _delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """The keys that stay, each with the storage's code."""
        asked = {"Objects": [{"Key": key} for key in keys]}
        answer = await self._client.call("delete_many", "delete_objects", self._store.seconds, effect=True, Delete=asked)
        gone = {entry.get("Key") for entry in answer.get("Deleted", ())}
        refused = {entry.get("Key"): entry.get("Code") or "refused" for entry in answer.get("Errors", ())}
        if not gone and not refused:
            raise OutcomeUnknown("the answer names no key", provider=self.name, operation="delete_many")
        return {key: refused.get(key, "no answer") for key in keys if key in refused or key not in gone}


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    waiting = iter(keys)
    while batch := list(itertools.islice(waiting, MOST_AT_ONCE)):
        yield batch
