"""`Storage` in memory."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected, unsupported
from madang.ports.errors import Rejected
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

MAX_KEY_BYTES: Final = 1024
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Kept:
    info: ObjectInfo
    body: bytes


class MemoryStorage(MemoryProvider):
    """Fulfils `Storage`. Nobody reaches it from outside, so there are no presigned addresses."""

    @property
    def capabilities(self) -> StorageCapabilities:
        return capabilities.STORAGE

    @property
    def objects(self) -> dict[str, bytes]:
        """Every body by its key, in key order."""
        return {key: kept.body for key, kept in sorted(self._kept.items())}

    async def put(self, request: PutObject) -> ObjectInfo:
        _check_key(request.key, "put")
        body = await _body_of(request)
        digest = hashlib.sha256(body).hexdigest()
        info = ObjectInfo(
            request.key, len(body), request.content_type, f'"{digest[:32]}"', datetime.now(UTC), digest, dict(request.metadata)
        )

        def act() -> ObjectInfo:
            former = self._kept.get(request.key)
            if former is not None and (former.body, former.info.content_type, former.info.metadata) == (
                body, info.content_type, info.metadata
            ):  # fmt: skip
                return former.info
            self._kept[request.key] = _Kept(info, body)
            return info

        return await self.world.effect("storage.put", act, request.timeout)

    async def get(self, key: str) -> StoredObject:
        _check_key(key, "get")
        kept = await self.world.look("storage.get", lambda: self._kept.get(key))
        if kept is None:
            raise rejected("no object has this key", "not_found", "get")
        return StoredObject(kept.info, _chunks(kept.body))

    async def head(self, key: str) -> ObjectInfo | None:
        _check_key(key, "head")
        kept = await self.world.look("storage.head", lambda: self._kept.get(key))
        return kept.info if kept else None

    async def delete_many(self, keys: Sequence[str]) -> DeleteReport:
        deleted: list[str] = []
        failed: dict[str, str] = {}
        for key in keys:
            try:
                _check_key(key, "delete_many")
                deleted.append(key)
            except Rejected as error:
                failed[key] = error.reason

        def act() -> DeleteReport:
            for key in deleted:
                self._kept.pop(key, None)
            return DeleteReport(deleted, failed)

        return await self.world.effect("storage.delete_many", act)

    async def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> ObjectPage:
        def look() -> ObjectPage:
            later = sorted(key for key in self._kept if key.startswith(prefix) and (cursor is None or key > cursor))
            page = later[: max(1, limit)]
            return ObjectPage([self._kept[key].info for key in page], page[-1] if len(later) > len(page) else None)

        return await self.world.look("storage.list", look)

    async def presign_get(self, request: PresignGet) -> PresignedRequest:
        raise unsupported("presign_get")

    async def presign_put(self, request: PresignPut) -> PresignedRequest:
        raise unsupported("presign_put")

    async def presign_post(self, request: PresignPut) -> PresignedRequest:
        raise unsupported("presign_post")

    @property
    def _kept(self) -> dict[str, _Kept]:
        return self.world.shelf("storage")


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _body_of(request: PutObject) -> bytes:
    """The whole body. Raises `Rejected` when it is not as long as announced, or longer than anything may be."""
    most = capabilities.STORAGE.max_object_bytes
    allowed = most if request.size is None else request.size
    if allowed > most:
        raise rejected("the object is larger than allowed", "too_large", "put")
    body = bytearray()
    if isinstance(request.body, bytes):
        body += request.body
    else:
        async for chunk in request.body:
            body += chunk
            if len(body) > allowed:
                break
    if len(body) > allowed:
        raise rejected("the body is larger than allowed or announced", "too_large", "put")
    if request.size not in (None, len(body)):
        raise rejected("the body is not as long as announced", "invalid_request", "put")
    return bytes(body)


def _check_key(key: str, operation: str) -> None:
    size = len(key.encode(errors="replace"))
    if size > MAX_KEY_BYTES or {"", ".", ".."} & set(key.split("/")) or _FORBIDDEN.search(key):
        raise rejected("a key is slash-separated, relative, without . or .., at most 1024 bytes", "invalid_key", operation)
