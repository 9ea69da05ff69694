"""Port: objects by key, private unless a presigned address says otherwise."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from madang.ports.provider import Provider


@dataclass(frozen=True, slots=True)
class PutObject:
    """Store `body` under `key`, replacing what is there. Putting the same key and body again changes nothing.

    Keys are slash-separated, relative, without `.` or `..` parts, ≤ 1024 bytes of UTF-8. `size` is required with a
    streamed body.
    """

    key: str
    body: bytes | AsyncIterable[bytes] = field(repr=False)
    content_type: str
    size: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    cache_control: str | None = None
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """`size` in bytes; `etag` is the provider's own; `sha256` is lower-case hex where the provider keeps one."""

    key: str
    size: int
    content_type: str
    etag: str
    modified_at: datetime
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object being read: iterate `chunks` once."""

    info: ObjectInfo
    chunks: AsyncIterator[bytes] = field(repr=False)

    async def read(self) -> bytes:
        """The whole body; for objects that are known to be small."""
        return b"".join([chunk async for chunk in self.chunks])


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page of a listing in key order; `cursor` is None on the last page."""

    objects: Sequence[ObjectInfo]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteReport:
    """Keys surely gone (also those that never were), and keys that could not be deleted with the reason."""

    deleted: Sequence[str]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PresignGet:
    """A time-limited address to read one object. `filename` makes the browser save it under that name."""

    key: str
    expires_in: timedelta
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class PresignPut:
    """A time-limited address to write one object by PUT with exactly this type, and at most `max_size` bytes where enforced."""

    key: str
    expires_in: timedelta
    content_type: str
    max_size: int


@dataclass(frozen=True, slots=True)
class PresignedRequest:
    """What the client must send: the method, the address, headers that are part of the signature, and form fields for POST."""

    method: str
    url: str = field(repr=False)
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageCapabilities:
    """`enforces_size`: a presigned upload larger than announced is refused by the storage itself."""

    presigned_get: bool = True
    presigned_put: bool = True
    presigned_post: bool = False
    enforces_size: bool = False
    max_object_bytes: int = 5 * 1024**3
    max_presign: timedelta = timedelta(days=7)


class Storage(Provider, Protocol):
    """A store of objects by key. Putting the same bytes again and deleting what is gone change nothing."""

    @property
    def capabilities(self) -> StorageCapabilities: ...

    async def put(self, request: PutObject) -> ObjectInfo:
        """Raises `Unavailable`, `RateLimited`, `Rejected` (`invalid_key`, `too_large`), `OutcomeUnknown`, `Misconfigured`."""
        ...

    async def get(self, key: str) -> StoredObject:
        """Raises `Rejected(reason="not_found")` for a key that is not there."""
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """The object's description, None when it is not there."""
        ...

    async def delete_many(self, keys: Sequence[str]) -> DeleteReport:
        """Delete any number of keys; one that is not there counts as deleted."""
        ...

    async def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> ObjectPage:
        """Objects whose key starts with `prefix`."""
        ...

    async def presign_get(self, request: PresignGet) -> PresignedRequest:
        """An address that reads one object until it expires. Made locally: it does not say whether the object is there."""
        ...

    async def presign_put(self, request: PresignPut) -> PresignedRequest:
        """An address that writes one object until it expires; `Unsupported` unless `capabilities.presigned_put`."""
        ...

    async def presign_post(self, request: PresignPut) -> PresignedRequest:
        """A form upload; `Unsupported` unless `capabilities.presigned_post`."""
        ...
