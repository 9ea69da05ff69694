"""Conformance of presigned addresses, each used by a plain client as a browser would."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx
import pytest

from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, outcome, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Rejected, Unsupported
from madang.ports.storage import PresignedRequest, PresignGet, PresignPut, PutObject, Storage

HOUR: Final = timedelta(hours=1)
BODY: Final = b"what is behind the address"
OBJECT: Final = PutObject("portraits/1/나의 사진+1.jpg", BODY, "image/jpeg")
FILENAME: Final = '나의 "리즈"; 50%.jpg'
REFUSED: Final = (400, 401, 403)


class PresignedAddresses(ProviderConformance):
    """The part of `StorageConformance` that meets the addresses."""

    async def lapse(self, stage: Stage, address: PresignedRequest) -> None:
        """Until the address has expired. One whose remote side has a clock may put that forward."""
        await asyncio.sleep(max(0.0, (address.expires_at - datetime.now(UTC)).total_seconds()) + 0.1)

    @must("A presigned address serves the object to anybody who has it, with its type, and nothing of our key in it.")
    async def test_a_presigned_address_is_read_by_a_plain_client(self, stage: Stage, provider: Storage) -> None:
        await self._unless_able(provider)
        await provider.put(replace(OBJECT, cache_control="private, max-age=60"))
        address = await provider.presign_get(PresignGet(OBJECT.key, HOUR))
        assert abs(address.expires_at - datetime.now(UTC) - HOUR) < timedelta(seconds=5)
        assert not [name for name, secret in stage.secrets().items() if secret in repr(vars_of(address))]
        async with stage.browser() as browser:
            answer = await sent(browser, address)
            assert (answer.status_code, answer.content) == (200, BODY)
            assert answer.headers["content-type"] == "image/jpeg"
            assert answer.headers["cache-control"] == "private, max-age=60"
            missing = await sent(browser, await provider.presign_get(PresignGet("nothing", HOUR)))
            assert missing.status_code == 404

    @must("`filename` makes the browser save the object under that name, as RFC 6266 writes it; `content_type` overrides.")
    async def test_a_download_has_its_name(self, stage: Stage, provider: Storage) -> None:
        await self._unless_able(provider)
        await provider.put(OBJECT)
        request = PresignGet(OBJECT.key, HOUR, filename=FILENAME, content_type="application/octet-stream")
        async with stage.browser() as browser:
            answer = await sent(browser, await provider.presign_get(request))
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/octet-stream"
            disposition = answer.headers["content-disposition"]
            assert disposition.startswith("attachment")
            assert f"filename*=UTF-8''{quote(FILENAME, safe='')}" in disposition
            hostile = await outcome(provider.presign_get(replace(request, filename="a\r\nset-cookie: b=c")))
            if isinstance(hostile, PresignedRequest):
                assert "set-cookie" not in (await sent(browser, hostile)).headers

    @must("An address allows what was signed and nothing else: no other object, no later end, no other method.")
    async def test_an_address_allows_nothing_but_what_was_signed(self, stage: Stage, provider: Storage) -> None:
        await self._unless_able(provider)
        await provider.put(OBJECT)
        await provider.put(replace(OBJECT, key="portraits/2/photo.jpg"))
        address = await provider.presign_get(PresignGet(OBJECT.key, HOUR, filename="a.jpg"))
        async with stage.browser() as browser:
            for changed in (address.url.replace("portraits/1", "portraits/2"), *altered_queries(address.url)):
                answer = await browser.get(changed)
                assert answer.status_code in REFUSED, f"{changed} was answered {answer.status_code}"
            for method in ("PUT", "DELETE", "POST"):
                answer = await browser.request(method, address.url, content=b"overwritten")
                assert answer.status_code in (*REFUSED, 405), f"{method} was answered {answer.status_code}"
            assert (await sent(browser, address)).content == BODY
        assert await (await provider.get(OBJECT.key)).read() == BODY

    @must("An address is refused after its end.")
    async def test_an_expired_address_is_refused(self, stage: Stage, provider: Storage) -> None:
        await self._unless_able(provider)
        await provider.put(OBJECT)
        address = await provider.presign_get(PresignGet(OBJECT.key, timedelta(seconds=1)))
        await self.lapse(stage, address)
        async with stage.browser() as browser:
            assert (await sent(browser, address)).status_code in REFUSED

    @must("Refuse an address that ends at once or beyond max_presign, and an upload of nothing or beyond max_object_bytes.")
    async def test_an_address_has_its_bounds(self, provider: Storage) -> None:
        await self._unless_able(provider)
        able = provider.capabilities
        for expires_in in (timedelta(0), timedelta(seconds=-1), able.max_presign + timedelta(seconds=1)):
            await raised(self.name, "presign_get", provider.presign_get(PresignGet("a", expires_in)), (Rejected,))
        assert (await provider.presign_get(PresignGet("a", able.max_presign))).url
        for size in (0, -1, able.max_object_bytes + 1):
            if able.presigned_put:
                await raised(self.name, "presign_put", provider.presign_put(PresignPut("a", HOUR, "a/b", size)), (Rejected,))
            if able.presigned_post:
                await raised(self.name, "presign_post", provider.presign_post(PresignPut("a", HOUR, "a/b", size)), (Rejected,))

    @must("A presigned PUT takes exactly this type, and with enforces_size no more than this size; else raise Unsupported.")
    async def test_a_presigned_put_is_written_by_a_plain_client(self, stage: Stage, provider: Storage) -> None:
        upload = PresignPut("uploads/사진 1.jpg", HOUR, "image/jpeg", 1000)
        if not provider.capabilities.presigned_put:
            await raised(self.name, "presign_put", provider.presign_put(upload), (Unsupported,))
            return
        address = await provider.presign_put(upload)
        assert address.method == "PUT"
        async with stage.browser() as browser:
            wrong = await sent(browser, address, b"x" * 10, **{"content-type": "text/html"})
            assert wrong.status_code in REFUSED
            assert (await browser.get(address.url)).status_code in (*REFUSED, 405)
            if provider.capabilities.enforces_size:
                assert (await sent(browser, address, b"x" * 1001)).status_code in (*REFUSED, 413)
            assert await provider.head(upload.key) is None
            assert (await sent(browser, address, b"x" * 1000)).status_code in (200, 201, 204)
        info = await provider.head(upload.key)
        assert info is not None
        assert (info.size, info.content_type) == (1000, "image/jpeg")

    @must("A presigned form takes the file of this key, type and size, and no other; else raise Unsupported.")
    async def test_a_presigned_form_is_sent_by_a_plain_client(self, stage: Stage, provider: Storage) -> None:
        upload = PresignPut("uploads/사진 2.png", HOUR, "image/png", 1000)
        if not provider.capabilities.presigned_post:
            await raised(self.name, "presign_post", provider.presign_post(upload), (Unsupported,))
            return
        form = await provider.presign_post(upload)
        assert form.method == "POST"
        async with stage.browser() as browser:
            for fields, body, kind in (
                ({"key": "uploads/another.png"}, b"x", "image/png"),
                ({}, b"x" * 1001, "image/png"),
                (named(form.fields, "content-type", "text/html"), b"x", "text/html"),
            ):
                answer = await posted(browser, form, body, kind, fields)
                assert answer.status_code in (*REFUSED, 413), f"{fields or len(body)} was answered {answer.status_code}"
            assert not (await provider.list("")).objects
            assert (await posted(browser, form, b"x" * 1000, "image/png", {})).status_code in (200, 201, 204)
        info = await provider.head(upload.key)
        assert info is not None
        assert (info.size, info.content_type) == (1000, "image/png")

    async def _unless_able(self, provider: Storage) -> None:
        if not provider.capabilities.presigned_get:
            await raised(self.name, "presign_get", provider.presign_get(PresignGet("a", HOUR)), (Unsupported,))
            pytest.skip("it does not claim to presign")


def altered_queries(url: str) -> Iterator[str]:
    """The address without its query, and with each parameter changed or left out."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    yield urlunsplit(parts._replace(query=""))
    for place, (name, value) in enumerate(query):
        other = f"{value[:-1]}{'1' if value[-1:] != '1' else '2'}"
        for changed in ([(name, other)], []):
            yield urlunsplit(parts._replace(query=urlencode([*query[:place], *changed, *query[place + 1 :]])))


def vars_of(address: PresignedRequest) -> Mapping[str, Any]:
    return {"url": address.url, "headers": dict(address.headers), "fields": dict(address.fields)}


def named(fields: Mapping[str, str], name: str, value: str) -> Mapping[str, str]:
    """A field of this name, however it is written there, with another value."""
    return {each: value for each in fields if each.lower() == name}


async def sent(browser: httpx.AsyncClient, address: PresignedRequest, body: bytes = b"", **headers: str) -> httpx.Response:
    return await browser.request(address.method, address.url, content=body, headers={**address.headers, **headers})


async def posted(
    browser: httpx.AsyncClient, form: PresignedRequest, body: bytes, kind: str, changed: Mapping[str, str]
) -> httpx.Response:
    fields = {**form.fields, **changed}
    return await browser.post(form.url, data=fields, files={"file": ("a.png", body, kind)}, headers=form.headers)
