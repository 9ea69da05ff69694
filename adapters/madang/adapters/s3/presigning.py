"""Addresses that allow one thing for a time: signed here, nobody is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from madang.adapters.s3.client import S3Client
from madang.adapters.s3.keys import check_key
from madang.adapters.s3.mapping import disposition_of, is_header
from madang.adapters.s3.store import Store
from madang.ports.errors import Rejected, Unsupported
from madang.ports.storage import PresignedRequest, PresignGet, PresignPut

_DATE: Final = "%Y%m%dT%H%M%SZ"


class Presigner:
    def __init__(self, client: S3Client, store: Store) -> None:
        self._client = client
        self._store = store

    async def get(self, request: PresignGet) -> PresignedRequest:
        """The type and the name to save under are signed, too: the storage answers with them."""
        check_key(request.key, self._store.name, "presign_get")
        self._check_header(request.content_type, "presign_get")
        wanted = {"ResponseContentType": request.content_type} if request.content_type is not None else {}
        if request.filename is not None:
            wanted["ResponseContentDisposition"] = disposition_of(request.filename)
        return await self._address("presign_get", "GET", "get_object", request.key, request.expires_in, wanted)

    async def put(self, request: PresignPut) -> PresignedRequest:
        """The type is signed; nothing of the API's can bound the size of a PUT."""
        self._check_upload(request, "presign_put")
        wanted = {"ContentType": request.content_type}
        signed = await self._address("presign_put", "PUT", "put_object", request.key, request.expires_in, wanted)
        return PresignedRequest(signed.method, signed.url, signed.expires_at, {"content-type": request.content_type})

    async def post(self, request: PresignPut) -> PresignedRequest:
        """A form whose policy pins the key and the type and bounds the size. Raises `Unsupported` for R2, which takes none."""
        if not self._store.capabilities.presigned_post:
            raise Unsupported("this storage takes no forms", provider=self._store.name, operation="presign_post")
        self._check_upload(request, "presign_post")
        pinned = {"Content-Type": request.content_type}
        form = await self._client.sign(
            "presign_post",
            "generate_presigned_post",
            Bucket=self._store.bucket,
            Key=request.key,
            Fields=dict(pinned),
            Conditions=[pinned, ["content-length-range", 0, request.max_size]],
            ExpiresIn=self._seconds(request.expires_in, "presign_post"),
        )
        expires_at = _moment(form["fields"]["x-amz-date"]) + _whole(request.expires_in)
        return PresignedRequest("POST", form["url"], expires_at, fields=form["fields"])

    async def _address(
        self, operation: str, verb: str, method: str, key: str, expires_in: timedelta, wanted: dict[str, Any]
    ) -> PresignedRequest:
        url: str = await self._client.sign(
            operation,
            "generate_presigned_url",
            ClientMethod=method,
            Params={"Bucket": self._store.bucket, "Key": key, **wanted},
            ExpiresIn=self._seconds(expires_in, operation),
        )
        signed_at = _moment(dict(parse_qsl(urlsplit(url).query))["X-Amz-Date"])
        return PresignedRequest(verb, url, signed_at + _whole(expires_in))

    def _check_upload(self, request: PresignPut, operation: str) -> None:
        check_key(request.key, self._store.name, operation)
        self._check_header(request.content_type, operation)
        if not 0 < request.max_size <= self._store.capabilities.max_object_bytes:
            raise self._rejected("max_size is beyond what may be stored", "too_large", operation)

    def _check_header(self, value: str | None, operation: str) -> None:
        if value is not None and not is_header(value):
            raise self._rejected("a header holds a character that none may", "invalid_request", operation)

    def _seconds(self, expires_in: timedelta, operation: str) -> int:
        if not timedelta(0) < expires_in <= self._store.capabilities.max_presign:
            raise self._rejected("an address lives up to seven days", "invalid_request", operation)
        return int(_whole(expires_in).total_seconds())

    def _rejected(self, message: str, reason: str, operation: str) -> Rejected:
        return Rejected(message, reason=reason, provider=self._store.name, operation=operation)


def _whole(expires_in: timedelta) -> timedelta:
    """The API counts seconds, and knows none shorter than one."""
    return timedelta(seconds=max(1, int(expires_in.total_seconds())))


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, _DATE).replace(tzinfo=UTC)
