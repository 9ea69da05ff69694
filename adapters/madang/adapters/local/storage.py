"""Objects as files on this machine's disk."""

import asyncio
import contextlib
import dataclasses
import heapq
import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from madang.adapters.local import capabilities, files
from madang.adapters.local.files import BodyFile, Description
from madang.adapters.local.keys import check_key, folder_of, key_of
from madang.adapters.local.settings import LocalSettings
from madang.adapters.local.signatures import Permission
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected, Unavailable
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

NAME: Final = "local"
CHUNK: Final = 256 * 1024
BUFFER: Final = 1024 * 1024
MOUNT: Final = "/local-storage"
OBJECTS: Final = "/objects"


class LocalStorage:
    """Fulfils `Storage`: a replaced object is the old one or the new one at every moment, also after a crash."""

    def __init__(self, settings: LocalSettings, context: ProviderContext) -> None:
        self._root = Path(settings.root).expanduser() if settings.root else context.data_dir / "storage"
        self._max_bytes = min(settings.max_object_bytes, capabilities.STORAGE.max_object_bytes)
        self._context = context

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> StorageCapabilities:
        return dataclasses.replace(capabilities.STORAGE, max_object_bytes=self._max_bytes)

    async def check(self) -> ProviderHealth:
        """Whether the folder can be written. Raises `Misconfigured` when not."""
        started = time.perf_counter()
        try:
            await asyncio.to_thread(self._touch)
        except OSError as error:
            raise Misconfigured(
                f"{self._root} cannot be written: {error.strerror}", provider=NAME, operation="check"
            ) from error
        return ProviderHealth(True, str(self._root), (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        """Nothing is held between calls."""

    async def put(self, request: PutObject) -> ObjectInfo:
        check_key(request.key, "put")
        with _disk_errors("put"):
            body = await asyncio.to_thread(BodyFile, self._root, request.key)
            try:
                await self._fill(body, request)
                _check_size(body.size, request.size)
            except BaseException:
                body.discard()
                raise
            # Once begun it ends, whoever stops waiting: half a commit is what must not be.
            committing = asyncio.to_thread(body.commit, request.content_type, request.metadata, request.cache_control)
            described = await asyncio.shield(committing)
        return described.info(request.key)

    async def get(self, key: str) -> StoredObject:
        description = await self._described(key, "get")
        return StoredObject(description.info(key), self.read_range(key, description, 0, description.size))

    async def head(self, key: str) -> ObjectInfo | None:
        description = await self.describe(key, "head")
        return description.info(key) if description else None

    async def delete_many(self, keys: Sequence[str]) -> DeleteReport:
        deleted: list[str] = []
        failed: dict[str, str] = {}
        for key in dict.fromkeys(keys):
            try:
                check_key(key, "delete_many")
                await asyncio.to_thread(files.delete, self._root, key)
                deleted.append(key)
            except Rejected as error:
                failed[key] = error.reason
            except OSError as error:
                failed[key] = error.strerror or type(error).__name__
        return DeleteReport(deleted, failed)

    async def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> ObjectPage:
        with _disk_errors("list"):
            return await asyncio.to_thread(self._page, prefix, cursor, max(1, limit))

    async def presign_get(self, request: PresignGet) -> PresignedRequest:
        check_key(request.key, "presign_get")
        permission = Permission(
            "GET",
            request.key,
            _expiry(request.expires_in, "presign_get"),
            content_type=request.content_type,
            filename=request.filename,
        )
        return self._presigned(permission)

    async def presign_put(self, request: PresignPut) -> PresignedRequest:
        permission = self._upload("PUT", request)
        return dataclasses.replace(self._presigned(permission), headers={"content-type": request.content_type})

    async def presign_post(self, request: PresignPut) -> PresignedRequest:
        permission = self._upload("POST", request)
        fields = {"key": request.key, **permission.parameters(self._context.signing_key)}
        return PresignedRequest("POST", f"{self._context.base_url}{MOUNT}{OBJECTS}", _moment(permission.expires), fields=fields)

    async def describe(self, key: str, operation: str) -> Description | None:
        """The object's description with the name of its body; None when it is not there."""
        check_key(key, operation)
        with _disk_errors(operation):
            return await asyncio.to_thread(files.read_description, self._root, key)

    async def read_range(self, key: str, description: Description, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop` of the body that the description names."""
        try:
            file = await asyncio.to_thread(files.body_path(self._root, key, description).open, "rb")
        except FileNotFoundError:
            raise Unavailable("the object was replaced or deleted before it was read", provider=NAME, operation="get") from None
        try:
            await asyncio.to_thread(file.seek, start)
            while start < stop and (chunk := await asyncio.to_thread(file.read, min(CHUNK, stop - start))):
                start += len(chunk)
                yield chunk
        finally:
            file.close()

    async def _fill(self, body: BodyFile, request: PutObject) -> None:
        self._check_limit(request.size or 0, None)
        if isinstance(request.body, bytes):
            self._check_limit(len(request.body), request.size)
            await asyncio.to_thread(body.write, request.body)
            return
        buffer = bytearray()
        async for chunk in request.body:
            buffer += chunk
            self._check_limit(body.size + len(buffer), request.size)
            if len(buffer) >= BUFFER:
                await asyncio.to_thread(body.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(body.write, bytes(buffer))

    def _check_limit(self, size: int, announced: int | None) -> None:
        if size > self._max_bytes or (announced is not None and size > announced):
            raise Rejected("the body is larger than allowed or announced", reason="too_large", provider=NAME, operation="put")

    async def _described(self, key: str, operation: str) -> Description:
        description = await self.describe(key, operation)
        if description is None:
            raise Rejected("no object has this key", reason="not_found", provider=NAME, operation=operation)
        return description

    def _page(self, prefix: str, cursor: str | None, limit: int) -> ObjectPage:
        top = self._root / "objects"
        found = {key for file in _walk(folder_of(top, prefix)) if (key := key_of(top, file)).startswith(prefix)}
        later = heapq.nsmallest(limit + 1, (key for key in found if cursor is None or key > cursor))
        listed = [self._listed(key) for key in later[:limit]]
        return ObjectPage(listed, later[limit - 1] if len(later) > limit else None)

    def _listed(self, key: str) -> ObjectInfo:
        description = files.read_description(self._root, key)
        if description is not None:
            return description.info(key)
        # Only what a dead process left of a write: it must be seen, so that a purge can remove it.
        written_at = datetime.fromtimestamp(files.last_written(self._root, key), UTC)
        return ObjectInfo(key, 0, "application/octet-stream", '"incomplete"', written_at)

    def _upload(self, method: str, request: PresignPut) -> Permission:
        operation = f"presign_{method.lower()}"
        check_key(request.key, operation)
        if not 0 < request.max_size <= self._max_bytes:
            raise Rejected("max_size is beyond what may be stored", reason="too_large", provider=NAME, operation=operation)
        return Permission(method, request.key, _expiry(request.expires_in, operation), request.content_type, request.max_size)

    def _presigned(self, permission: Permission) -> PresignedRequest:
        parameters: Mapping[str, str] = permission.parameters(self._context.signing_key)
        url = f"{self._context.base_url}{MOUNT}{OBJECTS}/{quote(permission.key)}?{urlencode(parameters)}"
        return PresignedRequest(permission.method, url, _moment(permission.expires))

    def _touch(self) -> None:
        (self._root / "objects").mkdir(parents=True, exist_ok=True, mode=0o700)
        with files.locked(self._root, "check"):
            pass


def _walk(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if "@" in name)


def _check_size(size: int, announced: int | None) -> None:
    if announced is not None and size != announced:
        raise Rejected("the body is not as long as announced", reason="invalid_request", provider=NAME, operation="put")


def _expiry(expires_in: timedelta, operation: str) -> int:
    if not timedelta(0) < expires_in <= capabilities.STORAGE.max_presign:
        raise Rejected("an address lives up to seven days", reason="invalid_request", provider=NAME, operation=operation)
    return int((datetime.now(UTC) + expires_in).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@contextlib.contextmanager
def _disk_errors(operation: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Misconfigured(f"no permission on {error.filename}", provider=NAME, operation=operation) from error
    except OSError as error:
        raise Unavailable(error.strerror or type(error).__name__, provider=NAME, operation=operation) from error
