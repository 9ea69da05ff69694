"""Finished pictures, fetched from where Replicate serves them (`replicate.delivery`) without our key: that is for the API."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Final

import httpx

from madang.adapters.provider_http.bounds import BoundedTransport
from madang.adapters.provider_http.failures import TooLong
from madang.adapters.replicate.payload import NAME
from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.errors import Misconfigured, Rejected, Unavailable
from madang.ports.image_model import RemotePicture
from madang.ports.text_model import Picture

MAX_PICTURE_BYTES: Final = 64 * 1024**2
KEPT: Final = 20
"""Connections that wait for the next picture."""
SECONDS: Final = 60.0
SIGNATURES: Final[Mapping[bytes, str]] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
}
_GONE: Final = (403, 404, 410)
_LOOPBACK: Final = ("127.0.0.1", "localhost")


class PictureDelivery:
    """A connection pool of its own. An answer names the address: only `delivery_hosts` are asked, and the API's own host, which
    alone gets the key."""

    def __init__(self, settings: ReplicateSettings) -> None:
        self._hosts = settings.delivery_hosts
        self._api = httpx.URL(settings.base_url)
        self._key = settings.api_key
        self._http = httpx.AsyncClient(
            transport=BoundedTransport(NAME, MAX_PICTURE_BYTES, proxy=settings.proxy, kept=KEPT),
            trust_env=False,
            follow_redirects=False,
            headers={"accept-encoding": "identity", "user-agent": "madang"},
        )

    async def fetch(self, picture: RemotePicture) -> Picture:
        """Raises `Rejected` (`not_found`, `too_large`), `Unavailable`, and `Misconfigured` for a host that is not named."""
        if picture.reference.startswith("data:"):
            return _picture(_inline(picture.reference))
        url = self._allowed(picture.reference)
        try:
            async with asyncio.timeout(SECONDS):
                return _picture(await self._receive(url))
        except TooLong:
            raise _rejected("the picture is larger than 64 MiB", "too_large") from None
        except httpx.InvalidURL:
            raise _rejected("this is no address of a picture", "not_found") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unavailable(f"the picture did not arrive: {type(error).__name__}") from None

    async def close(self) -> None:
        await self._http.aclose()

    async def _receive(self, url: httpx.URL) -> bytes:
        headers = {"authorization": f"Bearer {self._key.reveal()}"} if self._is_api(url) else {}
        async with self._http.stream("GET", url, headers=headers, timeout=SECONDS) as response:
            if response.status_code in _GONE:
                raise _rejected("the picture is gone", "not_found", str(response.status_code))
            if response.status_code != 200:
                raise _unavailable(f"the picture's host answers {response.status_code}")
            return b"".join([piece async for piece in response.aiter_raw()])

    def _allowed(self, reference: str) -> httpx.URL:
        try:
            url = httpx.URL(reference)
        except httpx.InvalidURL:
            raise _rejected("this is no address of a picture", "not_found") from None
        secure = url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK)
        if not url.host or url.userinfo or not secure:
            raise _rejected("this is no address of a picture", "not_found")
        places = (url.host, f"{url.host}:{url.port}")
        if self._is_api(url) or any(_lies_under(place, host) for place in places for host in self._hosts):
            return url
        message = "the picture lies on a host that plugins.replicate.delivery_hosts does not name"
        raise Misconfigured(message, provider=NAME, operation="download")

    def _is_api(self, url: httpx.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._api.scheme, self._api.host, self._api.port)


def _lies_under(place: str, host: str) -> bool:
    return place == host or place.endswith(f".{host}")


def _picture(data: bytes) -> Picture:
    """What it is, is seen by its first bytes. Raises `Unavailable` for what is no picture: it may be one the next time."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Picture(data, "image/webp")
    for signature, media_type in SIGNATURES.items():
        if data.startswith(signature):
            return Picture(data, media_type)
    raise _unavailable("what came is no picture")


def _inline(reference: str) -> bytes:
    try:
        return base64.b64decode(reference.partition(";base64,")[2], validate=True)
    except binascii.Error:
        return b""


def _rejected(message: str, reason: str, code: str | None = None) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="download", code=code)


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, provider=NAME, operation="download")
