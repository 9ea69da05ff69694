"""Putting an object: in one request, or in parts when it is large; one that fails leaves nothing of it behind."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.s3.bodies import parts_of
from madang.adapters.s3.client import S3Client
from madang.adapters.s3.mapping import date_of, is_header, metadata_of
from madang.adapters.s3.store import Store
from madang.ports.errors import OutcomeUnknown, PortError, Rejected, Unavailable
from madang.ports.storage import ObjectInfo, PutObject

_log: Final = logging.getLogger(__name__)
_ABORT_SECONDS: Final = 10.0
_PUT: Final = "put"


class Uploads:
    def __init__(self, client: S3Client, store: Store) -> None:
        self._client = client
        self._store = store

    async def put(self, request: PutObject) -> ObjectInfo:
        """`sha256` is kept of what comes whole or in a single part: of a longer stream it is known too late to be stored."""
        return await _Upload(self._client, self._store, request).run()


class _Upload:
    """One `put`: everything in it shares one time limit."""

    def __init__(self, client: S3Client, store: Store, request: PutObject) -> None:
        self._client = client
        self._store = store
        self._request = request
        self._until = asyncio.get_running_loop().time() + request.timeout
        self._limit = store.capabilities.max_object_bytes
        self._size = 0

    async def run(self) -> ObjectInfo:
        self._check_request()
        body = self._request.body
        async with aclosing(parts_of(body, self._store.part_bytes)) as parts:
            first = await self._next(parts)
            second = await self._next(parts)
            if second is None:
                return await self._put_at_once(first or b"")
            return await self._put_in_parts([first or b"", second], parts)

    async def _put_at_once(self, body: bytes) -> ObjectInfo:
        self._check_end()
        digest = await _digest_of(body)
        properties = self._properties(digest)
        answer = await self._client.call(_PUT, "put_object", self._left(), effect=True, Body=body, **properties)
        return self._info(answer, digest)

    async def _put_in_parts(self, begun: list[bytes], parts: AsyncIterator[bytes]) -> ObjectInfo:
        body = self._request.body
        digest = await _digest_of(body) if isinstance(body, bytes) else None
        created = await self._client.call(_PUT, "create_multipart_upload", self._left(), **self._properties(digest))
        upload_id = created.get("UploadId")
        if not upload_id:
            raise Unavailable("the answer has no id of an upload", provider=self._store.name, operation=_PUT)
        upload = {"Key": self._request.key, "UploadId": upload_id}
        try:
            etags = await self._send_parts(upload, begun, parts)
            self._check_end()
            listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
            completed = {"MultipartUpload": {"Parts": listed}}
            answer = await self._client.call(
                _PUT, "complete_multipart_upload", self._left(), effect=True, **upload, **completed
            )
            return self._info(answer, digest)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._abort(upload)))
            raise

    async def _send_parts(self, upload: Mapping[str, Any], begun: list[bytes], parts: AsyncIterator[bytes]) -> list[str]:
        etags: list[str] = []
        while begun:
            answer = await self._client.call(
                _PUT, "upload_part", self._left(), PartNumber=len(etags) + 1, Body=begun.pop(0), **upload
            )
            if not answer.get("ETag"):
                raise Unavailable("a part was not taken", provider=self._store.name, operation=_PUT)
            etags.append(answer["ETag"])
            if not begun and (following := await self._next(parts)) is not None:
                begun.append(following)
        return etags

    async def _abort(self, upload: Mapping[str, Any]) -> None:
        """What cannot be taken back now is left to the bucket's rule for uploads that never end."""
        try:
            await self._client.call(_PUT, "abort_multipart_upload", _ABORT_SECONDS, **upload)
        except PortError as error:
            _log.warning("an upload in parts could not be taken back: %s", type(error).__name__)

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._until) as limit:
                part = await anext(parts, None)
        except TimeoutError:
            if not limit.expired():
                raise  # it is the body's own
            message = "its time was over before all of it was sent"
            raise Unavailable(message, provider=self._store.name, operation=_PUT) from None
        self._size += len(part or b"")
        if self._size > self._limit or (self._request.size is not None and self._size > self._request.size):
            raise self._rejected("the body is larger than allowed or announced", "too_large")
        return part

    def _left(self) -> float:
        return self._until - asyncio.get_running_loop().time()

    def _check_request(self) -> None:
        request, size = self._request, self._request.size
        known = len(request.body) if isinstance(request.body, bytes) else size
        if known is not None and known > self._limit:
            raise self._rejected("the body is larger than allowed", "too_large")
        if not is_header(request.content_type) or not is_header(request.cache_control or "-"):
            raise self._rejected("a header holds a character that none may", "invalid_request")

    def _check_end(self) -> None:
        if self._request.size is not None and self._size != self._request.size:
            raise self._rejected("the body is not as long as announced", "invalid_request")

    def _properties(self, digest: str | None) -> dict[str, Any]:
        request = self._request
        try:
            metadata = metadata_of(request.metadata, digest)
        except ValueError as error:
            raise self._rejected(str(error), "invalid_request") from None
        cached = {"CacheControl": request.cache_control} if request.cache_control is not None else {}
        return {"Key": request.key, "ContentType": request.content_type, "Metadata": metadata, **cached}

    def _info(self, answer: Mapping[str, Any], digest: str | None) -> ObjectInfo:
        """The storage tells no time of the object here: it is that of its answer."""
        etag = answer.get("ETag")
        if not etag:
            raise OutcomeUnknown("the answer names no object", provider=self._store.name, operation=_PUT)
        request = self._request
        return ObjectInfo(
            key=request.key,
            size=self._size,
            content_type=request.content_type,
            etag=etag,
            modified_at=date_of(answer, datetime.now(UTC)),
            sha256=digest,
            metadata=dict(request.metadata),
        )

    def _rejected(self, message: str, reason: str) -> Rejected:
        return Rejected(message, reason=reason, provider=self._store.name, operation=_PUT)


async def _digest_of(body: bytes) -> str:
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()
