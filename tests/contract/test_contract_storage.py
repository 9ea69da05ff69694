"""Storage on disk: whole objects or none, keys that cannot climb, listings, and addresses that allow what was signed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.adapters.local.pages import create_app
from madang.adapters.local.settings import LocalSettings
from madang.adapters.local.signatures import Permission
from madang.adapters.local.storage import LocalStorage
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected, Unavailable
from madang.ports.secret import Secret
from madang.ports.storage import PresignGet, PresignPut, PutObject

HOUR = timedelta(hours=1)
PHOTO = PutObject("portraits/1/photo.jpg", b"0123456789", "image/jpeg", metadata={"name": "나의 사진"})


@pytest.fixture
def storage(context: ProviderContext) -> LocalStorage:
    return LocalStorage(LocalSettings(), context)


@pytest.fixture
async def client(context: ProviderContext) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(LocalSettings(), context))) as client:
        yield client


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files_under(context: ProviderContext) -> list[Path]:
    return [path for path in (context.data_dir / "storage" / "objects").rglob("*") if path.is_file()]


async def test_an_object_beyond_the_limit_is_too_large(context: ProviderContext) -> None:
    storage = LocalStorage(LocalSettings(max_object_bytes=9), context)
    assert storage.capabilities.max_object_bytes == 9
    with pytest.raises(Rejected) as refused:
        await storage.put(PHOTO)
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize("key", ["a\nb", "a\x7fb", "\ud800"])
async def test_a_key_that_no_file_system_bears_is_refused(storage: LocalStorage, context: ProviderContext, key: str) -> None:
    for refused in (
        storage.put(PutObject(key, b"x", "text/plain")),
        storage.get(key),
        storage.head(key),
        storage.presign_get(PresignGet(key, HOUR)),
        storage.presign_put(PresignPut(key, HOUR, "text/plain", 9)),
    ):
        with pytest.raises(Rejected) as rejected:
            await refused
        assert rejected.value.reason == "invalid_key"
    assert (await storage.delete_many([key])).failed == {key: "invalid_key"}
    assert files_under(context) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=90).filter(
            lambda part: part not in (".", "..")
        ),
        min_size=1,
        max_size=4,
    )
)
async def test_any_allowed_key_is_stored_listed_and_deleted(
    storage: LocalStorage, context: ProviderContext, parts: list[str]
) -> None:
    key = "/".join(parts)
    if len(key.encode()) > 1024:
        return
    await storage.put(PutObject(key, key.encode(), "text/plain"))
    assert [info.key for info in (await storage.list("")).objects] == [key]
    assert [info.key for info in (await storage.list(key)).objects] == [key]
    assert await (await storage.get(key)).read() == key.encode()
    assert (await storage.delete_many([key])).deleted == [key]
    assert files_under(context) == []


async def test_deleting_the_last_object_of_a_folder_takes_the_folder(storage: LocalStorage, context: ProviderContext) -> None:
    await storage.put(PHOTO)
    assert list((await storage.delete_many([PHOTO.key, PHOTO.key])).deleted) == [PHOTO.key]
    assert list((context.data_dir / "storage" / "objects").iterdir()) == []


async def test_what_a_dead_process_left_of_a_write_is_listed_and_purged(
    storage: LocalStorage, context: ProviderContext
) -> None:
    folder = context.data_dir / "storage" / "objects" / "portraits" / "1"
    folder.mkdir(parents=True)
    (folder / "photo.jpg@0123abc").write_bytes(b"half a photo")
    assert [info.key for info in (await storage.list("portraits/1/")).objects] == ["portraits/1/photo.jpg"]
    assert await storage.head("portraits/1/photo.jpg") is None
    await storage.delete_many(["portraits/1/photo.jpg"])
    assert files_under(context) == []


async def test_a_write_that_fails_half_way_leaves_the_old_object_whole(storage: LocalStorage, context: ProviderContext) -> None:
    await storage.put(PHOTO)

    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionError("the client went away")

    with pytest.raises((ConnectionError, Unavailable)):
        await storage.put(replace(PHOTO, body=broken()))
    assert await (await storage.get(PHOTO.key)).read() == b"0123456789"
    assert len(files_under(context)) == 2


async def test_a_delete_during_a_write_wins(storage: LocalStorage, context: ProviderContext) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        await storage.delete_many([PHOTO.key])
        yield b"y"

    with pytest.raises(Unavailable):
        await storage.put(replace(PHOTO, body=slow()))
    assert files_under(context) == []


async def test_many_writers_of_one_key_leave_one_whole_object(storage: LocalStorage, context: ProviderContext) -> None:
    bodies = [bytes([n]) * 50_000 for n in range(12)]
    await asyncio.gather(*(storage.put(replace(PHOTO, body=body)) for body in bodies))
    assert await (await storage.get(PHOTO.key)).read() in bodies
    assert len(files_under(context)) == 2


async def test_a_folder_that_cannot_be_written_is_misconfigured(context: ProviderContext, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Misconfigured):
        await LocalStorage(LocalSettings(root=str(tmp_path / "file" / "below")), context).check()
    assert (await LocalStorage(LocalSettings(), context).check()).reachable


async def test_a_presigned_address_serves_the_object_as_a_download(storage: LocalStorage, client: httpx.AsyncClient) -> None:
    info = await storage.put(PHOTO)
    address = await storage.presign_get(PresignGet(PHOTO.key, HOUR, filename='나의 "리즈".jpg'))
    answer = await client.get(address.url)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == info.etag
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "filename*=UTF-8''%EB%82%98" in answer.headers["content-disposition"]
    assert (await client.get(address.url, headers={"if-none-match": info.etag})).status_code == 304
    head = await client.head(address.url)
    assert (head.headers["content-length"], head.content) == ("10", b"")
    assert address.expires_at > datetime.now(UTC)


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=0-" + "9" * 5000, 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=5-2", 416, None, "bytes */10"),
    ],
)
async def test_a_range_is_served(
    storage: LocalStorage, client: httpx.AsyncClient, asked: str, status: int, body: bytes | None, said: str | None
) -> None:
    info = await storage.put(PHOTO)
    address = await storage.presign_get(PresignGet(PHOTO.key, HOUR))
    answer = await client.get(address.url, headers={"range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, said)
    assert body is None or answer.content == body
    stale = await client.get(address.url, headers={"range": asked, "if-range": '"old"'})
    assert stale.status_code == 200
    assert info.etag == stale.headers["etag"]


async def test_an_expired_address_says_so(storage: LocalStorage, context: ProviderContext, client: httpx.AsyncClient) -> None:
    await storage.put(PHOTO)
    old = Permission("GET", PHOTO.key, int(datetime.now(UTC).timestamp()) - 1)
    query = urlencode(old.parameters(context.signing_key))
    answer = await client.get(f"{context.base_url}/local-storage/objects/{PHOTO.key}?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SIGNATURE_EXPIRED")
    stranger = urlencode(replace(old, expires=9999999999).parameters(Secret("another-test-key")))
    answer = await client.get(f"{context.base_url}/local-storage/objects/{PHOTO.key}?{stranger}")
    assert answer.json()["error"]["code"] == "SIGNATURE_INVALID"


async def test_a_presigned_put_takes_its_type_and_size_only(storage: LocalStorage, client: httpx.AsyncClient) -> None:
    upload = await storage.presign_put(PresignPut("사진 1.jpg", HOUR, "image/jpeg", 10))
    assert upload.method == "PUT"

    async def send(content: Any, **headers: str) -> httpx.Response:
        return await client.put(upload.url, content=content, headers={**upload.headers, **headers})

    wrong_type = await send(b"x", **{"content-type": "text/html"})
    assert (wrong_type.status_code, wrong_type.json()["error"]["code"]) == (403, "CONTENT_TYPE_MISMATCH")
    announced, streamed = await send(b"x" * 11), await send(chunks(b"x" * 6, b"x" * 6))
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert await storage.head("사진 1.jpg") is None
    assert (await send(b"x" * 10)).status_code == 200
    info = await storage.head("사진 1.jpg")
    assert info is not None
    assert (info.size, info.content_type) == (10, "image/jpeg")


async def test_a_presigned_form_takes_its_file(
    storage: LocalStorage, client: httpx.AsyncClient, context: ProviderContext
) -> None:
    form = await storage.presign_post(PresignPut("forms/a.png", HOUR, "image/png", 400_000))
    body = bytes(300_000)

    async def send(fields: dict[str, str], data: bytes = body, kind: str = "image/png") -> httpx.Response:
        return await client.post(form.url, data=fields, files={"file": ("a.png", data, kind)})

    fields = dict(form.fields)
    assert (await send({**fields, "key": "forms/b.png"})).json()["error"]["code"] == "SIGNATURE_INVALID"
    assert (await send({**fields, "max-size": "900000"})).status_code == 403
    assert (await send(fields, kind="text/html")).status_code == 403
    assert (await send(fields, data=bytes(400_001))).status_code == 413
    assert (await client.post(form.url, data=fields)).json()["error"]["code"] == "FORM_INVALID"
    assert (await client.post(form.url, content=b"x", headers={"content-type": "multipart/form-data"})).status_code == 400
    cut = {"content-type": "multipart/form-data; boundary=b"}
    assert (
        await client.post(form.url, content=b"--b\r\ncontent-disposition: form-data; name=key", headers=cut)
    ).status_code == 400
    assert files_under(context) == []
    assert (await send(fields)).status_code == 200
    assert await (await storage.get("forms/a.png")).read() == body


async def test_a_client_that_goes_away_in_the_middle_has_stored_nothing(
    storage: LocalStorage, context: ProviderContext
) -> None:
    upload = await storage.presign_put(PresignPut("a.jpg", HOUR, "image/jpeg", 100))
    parts = urlsplit(upload.url)
    messages = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])
    answers: list[Any] = []
    scope = {
        "type": "http",
        "method": "PUT",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(b"content-type", b"image/jpeg")],
    }

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        answers.append(message)

    await create_app(LocalSettings(), context)(scope, receive, send)
    assert answers[0]["status"] == 400
    assert await storage.head("a.jpg") is None
    assert files_under(context) == []


async def test_the_application_works_with_and_without_its_prefix(storage: LocalStorage, context: ProviderContext) -> None:
    await storage.put(replace(PHOTO, key="objects/가 나.jpg"))
    address = await storage.presign_get(PresignGet("objects/가 나.jpg", HOUR))
    app: Callable[..., Any] = create_app(LocalSettings(), context)

    async def stripped(scope: Any, receive: Any, send: Any) -> None:
        short = scope["path"].removeprefix("/local-storage")
        await app({**scope, "path": short, "raw_path": short.encode()}, receive, send)

    for served in (app, stripped):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served)) as client:
            assert (await client.get(address.url)).status_code == 200
