"""The application behind presigned addresses: it serves and takes objects as the signature allows, and streams both ways."""

import contextlib
import email.utils
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from madang.adapters.local import forms
from madang.adapters.local.files import Description
from madang.adapters.local.settings import LocalSettings
from madang.adapters.local.signatures import Permission, PresignRefused, permission_of
from madang.adapters.local.storage import MOUNT, OBJECTS, LocalStorage
from madang.ports.context import ProviderContext
from madang.ports.errors import PortError, Rejected
from madang.ports.storage import PutObject

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
SAFE: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
"""Stored files are other people's: nothing in them may run on our origin."""


class Refusal(Exception):
    """An answer that says no: `status` and `code` for the client, `message` for the person who reads it."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def create_app(settings: LocalSettings, context: ProviderContext) -> AsgiApp:
    """The ASGI application to mount at `/local-storage`."""
    return LocalStoragePages(LocalStorage(settings, context), context)


class LocalStoragePages:
    def __init__(self, storage: LocalStorage, context: ProviderContext) -> None:
        self._storage = storage
        self._signing_key = context.signing_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except Refusal as refusal:
            await _send_refusal(send, refusal)
        except PresignRefused as refused:
            await _send_refusal(send, Refusal(403, refused.code, refused.message))
        except Rejected as rejected:
            await _send_refusal(send, _refusal_of(rejected))
        except PortError as error:
            await _send_refusal(send, Refusal(503, "STORAGE_UNAVAILABLE", error.message))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        method, key = scope["method"], _key_of(scope)
        if method == "POST":
            await self._take_form(headers, receive, send)
            return
        if method not in ("GET", "HEAD", "PUT"):
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"{method} is not possible here", allow="GET, HEAD, PUT, POST")
        parameters = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        permission = permission_of("GET" if method == "HEAD" else method, key, parameters, self._signing_key)
        if method == "PUT":
            await self._take_body(permission, headers, receive, send)
        else:
            await self._serve(permission, method == "HEAD", headers, send)

    async def _take_body(self, permission: Permission, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        _require_type(permission, headers.get("content-type", ""))
        length = headers.get("content-length", "")
        if length.isdecimal():
            _require_size(permission, int(length))
        await self._store(permission, bounded(permission, body_of(receive)), send)

    async def _take_form(self, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(forms.read(headers.get("content-type", ""), body_of(receive))) as parts:
            try:
                form = await forms.leading_fields(parts)
            except forms.FormRefused as error:
                raise Refusal(400, "FORM_INVALID", str(error)) from None
            permission = permission_of("POST", form.fields.get("key", ""), form.fields, self._signing_key)
            _require_type(permission, form.content_type)
            await self._store(permission, bounded(permission, form.file), send)

    async def _store(self, permission: Permission, body: AsyncIterator[bytes], send: Send) -> None:
        try:
            stored = await self._storage.put(
                PutObject(permission.key, body, permission.content_type or "application/octet-stream")
            )
        except forms.FormRefused as error:
            raise Refusal(400, "FORM_INVALID", str(error)) from None
        await _send(send, 200, {**SAFE, "etag": stored.etag, "content-length": "0"}, b"")

    async def _serve(self, permission: Permission, head: bool, headers: Mapping[str, str], send: Send) -> None:
        described = await self._storage.describe(permission.key, "get")
        if described is None:
            raise Refusal(404, "NOT_FOUND", "there is no such object")
        answer = _headers_of(permission, described)
        if headers.get("if-none-match", "") in (answer["etag"], "*"):
            await _send(send, 304, answer, None)
            return
        status, start, stop = _range_of(headers, described, answer["etag"])
        answer["content-length"] = str(stop - start)
        if status == 206:
            answer["content-range"] = f"bytes {start}-{stop - 1}/{described.size}"
        if head:
            await _send(send, status, answer, None)
            return
        async with contextlib.aclosing(self._storage.read_range(permission.key, described, start, stop)) as chunks:
            await _stream(send, status, answer, chunks)


def bounded(permission: Permission, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks as long as they stay within the signed size; beyond it, the upload ends with 413."""

    async def counted() -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            _require_size(permission, size)
            yield chunk

    return counted()


async def body_of(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it comes. A client that goes away in the middle has uploaded nothing."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "UPLOAD_INCOMPLETE", "the connection ended before the body did")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _key_of(scope: Scope) -> str:
    """The key out of the path, whether or not the server took the mount's prefix off."""
    path = str(scope["path"])
    local = path.removeprefix(MOUNT) if path.startswith(MOUNT + OBJECTS) else path
    return local.removeprefix(OBJECTS).strip("/")


def _require_type(permission: Permission, content_type: str) -> None:
    if content_type.strip().lower() != (permission.content_type or "").lower():
        raise Refusal(403, "CONTENT_TYPE_MISMATCH", f"this address takes {permission.content_type} only")


def _require_size(permission: Permission, size: int) -> None:
    if permission.max_size is not None and size > permission.max_size:
        raise Refusal(413, "PAYLOAD_TOO_LARGE", f"this address takes at most {permission.max_size} bytes")


def _headers_of(permission: Permission, described: Description) -> dict[str, str]:
    info = described.info(permission.key)
    disposition = "inline"
    if permission.filename is not None:
        plain = re.sub(r'[^ -~]|["\\]', "_", permission.filename)
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(permission.filename, safe='')}"
    return {
        **SAFE,
        "content-type": permission.content_type or info.content_type,
        "content-disposition": disposition,
        "etag": info.etag,
        "last-modified": email.utils.format_datetime(info.modified_at, usegmt=True),
        "accept-ranges": "bytes",
        "cache-control": described.cache_control or "private, no-store",
    }


def _range_of(headers: Mapping[str, str], described: Description, etag: str) -> tuple[int, int, int]:
    """Status and the half-open range of bytes; a range that is not understood, or of another version, is the whole."""
    asked = RANGE.fullmatch(headers.get("range", "").strip())
    if asked is None or asked.group(0) == "bytes=-" or headers.get("if-range", etag) != etag:
        return 200, 0, described.size
    first, last = asked[1], asked[2]
    start = int(first) if first else max(0, described.size - int(last))
    stop = min(int(last) + 1, described.size) if first and last else described.size
    if start >= described.size or stop <= start:
        raise Refusal(416, "RANGE_NOT_SATISFIABLE", "the object is shorter", **{"content-range": f"bytes */{described.size}"})
    return 206, start, stop


def _refusal_of(rejected: Rejected) -> Refusal:
    status = 413 if rejected.reason == "too_large" else 400
    return Refusal(status, rejected.reason.upper(), rejected.message)


async def _send_refusal(send: Send, refusal: Refusal) -> None:
    error = {"code": refusal.code, "message": refusal.message, "retryable": refusal.status == 503}
    body = json.dumps({"success": False, "error": error}).encode()
    headers = {**SAFE, "content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    if refusal.status == 413:
        headers["connection"] = "close"
    await _send(send, refusal.status, headers, body)


async def _send(send: Send, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body or b"", "more_body": False})


async def _stream(send: Send, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
