"""Storage on disk at its edges: files that vanish, folders that cannot be written, and every header that its pages answer."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from contract.conftest import FullDisk, OnDisk
from madang.adapters.local import files
from madang.adapters.local.pages import body_of, create_app
from madang.adapters.local.settings import LocalSettings
from madang.adapters.local.signatures import Permission
from madang.adapters.local.storage import LocalStorage
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected, Unavailable
from madang.ports.storage import PresignGet, PresignPut, PutObject

HOUR = timedelta(hours=1)
PHOTO = PutObject("portraits/1/photo.jpg", b"0123456789", "image/jpeg", cache_control="private, max-age=60")
SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


@pytest.fixture
def storage(context: ProviderContext) -> LocalStorage:
    return LocalStorage(LocalSettings(), context)


@pytest.fixture
async def client(context: ProviderContext) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(LocalSettings(), context))) as client:
        yield client


@pytest.fixture
def folder(context: ProviderContext) -> Path:
    return context.data_dir / "storage" / "objects"


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def files_in(folder: Path) -> list[Path]:
    return [path for path in below(folder) if path.is_file()]


def address(context: ProviderContext, method: str, key: str, **allowed: Any) -> str:
    permission = Permission(method, key, int(datetime.now(UTC).timestamp()) + 60, **allowed)
    return f"{context.base_url}/local-storage/objects/{quote(key)}?{urlencode(permission.parameters(context.signing_key))}"


async def test_the_same_object_again_changes_no_file(storage: LocalStorage, folder: Path) -> None:
    await storage.put(PHOTO)
    before = below(folder)
    await storage.put(PHOTO)
    assert below(folder) == before
    await storage.put(replace(PHOTO, cache_control=None))
    assert below(folder) != before
    assert len(files_in(folder)) == 2


async def test_an_object_outlives_a_loss_of_power(storage: LocalStorage, folder: Path, on_disk: OnDisk) -> None:
    await storage.put(PHOTO)
    written = files_in(folder)
    assert [on_disk(file) for file in written] == [file.stat().st_size for file in written]
    assert on_disk(written[0].parent) == {file.name for file in written}


@pytest.mark.parametrize("long", [{"body": bytes(100_000)}, {"metadata": {"name": "x" * 100_000}}])
async def test_of_a_disk_that_is_full_nothing_is_left(
    storage: LocalStorage, folder: Path, full_disk: FullDisk, long: dict[str, Any]
) -> None:
    with full_disk(), pytest.raises(Unavailable, match="too large") as refused:
        await storage.put(replace(PHOTO, **long))
    assert refused.value.operation == "put"
    assert below(folder) == []


async def test_the_same_object_written_by_another_meanwhile_is_the_answer(storage: LocalStorage) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"01234"
        await storage.delete_many([PHOTO.key])
        await storage.put(PHOTO)
        yield b"56789"

    assert (await storage.put(replace(PHOTO, body=slow()))).size == 10
    assert await (await storage.get(PHOTO.key)).read() == PHOTO.body


async def test_a_body_that_vanished_is_written_anew(storage: LocalStorage, folder: Path) -> None:
    await storage.put(PHOTO)
    body = next(path for path in files_in(folder) if not path.name.endswith("@meta"))
    found = await storage.get(PHOTO.key)
    body.unlink()
    with pytest.raises(Unavailable) as vanished:
        await found.read()
    assert vanished.value.operation == "get"
    await storage.put(PHOTO)
    assert await (await storage.get(PHOTO.key)).read() == PHOTO.body


async def test_what_a_dead_process_left_is_as_old_as_its_newest_file(storage: LocalStorage, folder: Path) -> None:
    (folder / "a@+").mkdir(parents=True)
    for name, age in (("a@0", 500), ("a@1", 400), ("b@0", 100)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (age, age))
    left = (await storage.list("a")).objects
    assert [(info.key, info.size, info.modified_at.timestamp()) for info in left] == [("a", 0, 500)]
    assert abs(files.last_written(folder.parent, "gone/since") - datetime.now(UTC).timestamp()) < 60


def test_a_folder_that_keeps_being_removed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    monkeypatch.setattr(Path, "mkdir", lambda folder, **_: made.append(folder))  # as if it were gone at once
    with pytest.raises(Unavailable, match="keeps being removed") as refused:
        files.BodyFile(tmp_path, "a/b")
    assert refused.value.operation == "put"
    assert set(made) == {tmp_path / "objects" / "a"}


def test_folders_that_another_deletion_emptied_go_too(tmp_path: Path) -> None:
    (tmp_path / "objects" / "a").mkdir(parents=True)
    files.remove_empty_folders(tmp_path / "objects", tmp_path / "objects" / "a" / "gone" / "since")
    assert below(tmp_path) == [tmp_path / "objects"]


@pytest.mark.parametrize(
    "change",
    [{"method": "PUT"}, {"key": "b"}, {"expires": 2}, {"content_type": "a/b"}, {"max_size": 1}, {"filename": "가"}],
)
def test_every_word_of_a_permission_is_signed(context: ProviderContext, change: dict[str, Any]) -> None:
    permission = Permission("GET", "a", 1)
    assert replace(permission, **change).signature(context.signing_key) != permission.signature(context.signing_key)


async def test_a_closed_body_takes_nothing_more(context: ProviderContext) -> None:
    body = files.BodyFile(context.data_dir, "a/b")
    body.discard()
    body.discard()
    with pytest.raises(ValueError, match="closed"):
        body.write(b"x")
    assert list((context.data_dir / "objects").iterdir()) == []


async def test_nobody_else_on_the_machine_reads_the_folders(storage: LocalStorage, folder: Path) -> None:
    assert (await storage.check()).detail == str(folder.parent)
    await storage.put(replace(PHOTO, key="a/b"))
    assert [path.stat().st_mode & 0o077 for path in (folder, folder / "a")] == [0, 0]
    assert (await storage.check()).reachable, "as often as it is asked"


async def test_a_prefix_that_climbs_finds_nothing(storage: LocalStorage, folder: Path) -> None:
    await storage.put(PHOTO)
    (folder.parent / "other@file").write_bytes(b"not an object")
    (folder / "no object").write_bytes(b"without an at-sign")
    for prefix in ("../", "portraits/../../", "./", "portraits/./", "portraits//", "/portraits/", "a\x00/"):
        page = await storage.list(prefix)
        assert (list(page.objects), page.cursor) == ([], None)
    assert [info.key for info in (await storage.list("portraits/1/ph")).objects] == [PHOTO.key]
    assert len((await storage.list("", limit=0)).objects) == 1


async def test_a_disk_that_does_not_obey_is_told_with_its_operation(storage: LocalStorage, folder: Path) -> None:
    storage_folder = folder.parent
    storage_folder.mkdir(parents=True)
    (storage_folder / "objects").write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable) as refused:
        await storage.put(PHOTO)
    assert (refused.value.operation, refused.value.provider) == ("put", "local")
    assert await storage.head(PHOTO.key) is None
    with pytest.raises(Misconfigured) as useless:
        await storage.check()
    assert useless.value.operation == "check"


async def test_a_description_that_cannot_be_read_is_told_of_each_key(storage: LocalStorage, folder: Path) -> None:
    await storage.put(PHOTO)
    (folder / "portraits/2@meta").mkdir()
    report = await storage.delete_many([PHOTO.key, "portraits/2"])
    assert (list(report.deleted), list(report.failed)) == ([PHOTO.key], ["portraits/2"])
    assert report.failed["portraits/2"] in ("Is a directory", "Operation not permitted")
    for read, operation in ((storage.get("portraits/2"), "get"), (storage.head("portraits/2"), "head")):
        with pytest.raises(Unavailable) as refused:
            await read
        assert refused.value.operation == operation


async def test_what_may_not_be_read_is_misconfigured(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, context: ProviderContext
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "the file")

    monkeypatch.setattr(files, "read_description", forbidden)
    with pytest.raises(Misconfigured, match="the file") as refused:
        await storage.head(PHOTO.key)
    assert refused.value.operation == "head"


async def test_a_page_answers_with_these_headers(
    storage: LocalStorage, client: httpx.AsyncClient, context: ProviderContext
) -> None:
    info = await storage.put(PHOTO)
    answer = await client.get((await storage.presign_get(PresignGet(PHOTO.key, HOUR))).url)
    headers = dict(answer.headers)
    modified = headers.pop("last-modified")
    assert modified.endswith(" GMT")
    assert abs(parsedate_to_datetime(modified) - info.modified_at) <= timedelta(seconds=1)
    assert headers == {
        **SAFE,
        "content-type": "image/jpeg",
        "content-disposition": "inline",
        "etag": info.etag,
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=60",
        "content-length": "10",
    }
    await storage.put(replace(PHOTO, cache_control=None))
    saved = await client.get(address(context, "GET", PHOTO.key, filename='a"\\가.jpg'))
    assert saved.headers["cache-control"] == "private, no-store"
    assert saved.headers["content-disposition"] == "attachment; filename=\"a___.jpg\"; filename*=UTF-8''a%22%5C%EA%B0%80.jpg"
    assert (await client.get(address(context, "GET", PHOTO.key), headers={"if-none-match": "*"})).status_code == 304
    part = await client.head(address(context, "GET", PHOTO.key), headers={"range": "bytes=2-3", "if-range": info.etag})
    assert (part.status_code, part.headers["content-length"], part.headers["content-range"]) == (206, "2", "bytes 2-3/10")


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("bytes=0-0", 206, "bytes 0-0/10"),
        ("bytes=9-", 206, "bytes 9-9/10"),
        ("bytes=5-99", 206, "bytes 5-9/10"),
        ("bytes=-1", 206, "bytes 9-9/10"),
        ("bytes=-10", 206, "bytes 0-9/10"),
        ("bytes=-11", 206, "bytes 0-9/10"),
        ("bytes=10-", 416, "bytes */10"),
        ("bytes=5-4", 416, "bytes */10"),
        ("bytes=-0", 416, "bytes */10"),
        ("bytes=-", 200, None),
        ("bytes=1-2,4-5", 200, None),
        ("lines=1-2", 200, None),
    ],
)
async def test_a_part_is_served_as_it_is_asked_for(
    storage: LocalStorage, client: httpx.AsyncClient, context: ProviderContext, asked: str, status: int, told: str | None
) -> None:
    await storage.put(PHOTO)
    answer = await client.get(address(context, "GET", PHOTO.key), headers={"range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, told)
    if status == 206 and told:
        first, last = map(int, told.removeprefix("bytes ").partition("/")[0].split("-"))
        assert answer.content == b"0123456789"[first : last + 1]


async def test_an_upload_answers_with_these_headers(
    storage: LocalStorage, client: httpx.AsyncClient, context: ProviderContext
) -> None:
    put = await client.put(
        address(context, "PUT", "a.jpg", content_type="image/JPEG", max_size=9),
        content=b"012345678",
        headers={"content-type": " image/jpeg "},
    )
    info = await storage.head("a.jpg")
    assert info is not None
    assert (put.status_code, dict(put.headers), put.content) == (200, {**SAFE, "etag": info.etag, "content-length": "0"}, b"")
    untyped = await client.put(address(context, "PUT", "b"), content=b"x")
    assert untyped.status_code == 200
    assert (await storage.get("b")).info.content_type == "application/octet-stream"


REFUSALS: list[tuple[str, str, dict[str, Any], int, str, dict[str, str]]] = [
    ("DELETE", "a", {}, 405, "METHOD_NOT_ALLOWED", {"allow": "GET, HEAD, PUT, POST"}),
    ("GET", "nothing", {}, 404, "NOT_FOUND", {}),
    ("GET", "a//b", {}, 400, "INVALID_KEY", {}),
    ("PUT", "a", {"max_size": 3}, 413, "PAYLOAD_TOO_LARGE", {"connection": "close"}),
    ("PUT", "a", {}, 413, "TOO_LARGE", {"connection": "close"}),
    ("PUT", "a", {"content_type": "image/png"}, 403, "CONTENT_TYPE_MISMATCH", {}),
]


@pytest.mark.parametrize(("method", "key", "allowed", "status", "code", "more"), REFUSALS)
async def test_a_refusal_says_why(
    context: ProviderContext, method: str, key: str, allowed: dict[str, Any], status: int, code: str, more: dict[str, str]
) -> None:
    transport = httpx.ASGITransport(create_app(LocalSettings(max_object_bytes=5), context))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.request(method, address(context, method, key, **allowed), content=b"123456")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (status, code, False)
    assert error["message"]
    assert answer.json()["success"] is False
    length = str(len(answer.content))
    assert dict(answer.headers) == {**SAFE, "content-type": "application/json", "content-length": length, **more}


async def test_a_disk_that_does_not_obey_may_be_asked_again(
    storage: LocalStorage, client: httpx.AsyncClient, context: ProviderContext, folder: Path
) -> None:
    (folder / "a@meta").mkdir(parents=True)
    answer = await client.get(address(context, "GET", "a"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (503, "STORAGE_UNAVAILABLE", True)


@pytest.mark.parametrize("changes", [{"expires": None}, {"expires": "soon"}, {"max-size": "much"}, {"signature": None}])
async def test_an_address_that_is_not_whole_is_refused(
    client: httpx.AsyncClient, context: ProviderContext, changes: Mapping[str, str | None]
) -> None:
    url = httpx.URL(address(context, "PUT", "a", max_size=5))
    query = {name: value for name, value in {**dict(url.params), **changes}.items() if value is not None}
    answer = await client.put(url.copy_with(params=query), content=b"x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SIGNATURE_INVALID")


def form_of(fields: Mapping[str, str], *after: str, kind: str = "image/png") -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: {kind}\r\n\r\nfile\r\n'
    return "".join([*parts, file, *after, "--b--\r\n"]).encode()


FORM = "multipart/form-data; boundary=b"
AFTER = '--b\r\nContent-Disposition: form-data; name="more"\r\n\r\nnot of the file\r\n'
CHANGED: list[tuple[Callable[[Mapping[str, str]], bytes], str]] = [
    (lambda fields: form_of({**{f"x{number}": "" for number in range(20)}, **fields}), "cannot be read"),
    (lambda fields: form_of({**fields, "long": "x" * 8193}), "too long"),
    (lambda fields: form_of(fields).replace(b'form-data; name="file"', b'form-data;\r\n name="file"'), "cannot be read"),
    (lambda fields: form_of(fields)[:-8], "cannot be read"),
    (lambda fields: form_of(fields).replace(b'name="file"', b'name="fail"'), "after the fields"),
]


@pytest.mark.parametrize(("make", "why"), CHANGED)
async def test_a_form_that_cannot_be_read_stores_nothing(
    storage: LocalStorage, client: httpx.AsyncClient, make: Callable[[Mapping[str, str]], bytes], why: str
) -> None:
    form = await storage.presign_post(PresignPut("a.png", HOUR, "image/png", 100))
    answer = await client.post(form.url, content=make(form.fields), headers={"content-type": FORM})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "FORM_INVALID")
    assert why in answer.json()["error"]["message"]
    assert not (await storage.list("")).objects


async def test_what_follows_the_file_in_a_form_is_not_of_it(storage: LocalStorage, client: httpx.AsyncClient) -> None:
    form = await storage.presign_post(PresignPut("a.png", HOUR, "image/png", 100))
    body = form_of({"long": "x" * 8192, **form.fields}, AFTER)
    answer = await client.post(form.url, content=body, headers={"content-type": FORM})
    assert answer.status_code == 200
    assert await (await storage.get("a.png")).read() == b"file"
    other = await client.post(form.url, content=body, headers={"content-type": "text/plain; boundary=b"})
    assert (other.status_code, other.json()["error"]["message"]) == (400, "a POST takes multipart/form-data")


async def test_the_application_starts_and_stops_with_its_server(context: ProviderContext) -> None:
    messages, answers = iter(["lifespan.startup", "lifespan.shutdown"]), []

    async def receive() -> dict[str, str]:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        answers.append(message["type"])

    app: Callable[..., Awaitable[None]] = create_app(LocalSettings(), context)
    await app({"type": "lifespan"}, receive, send)
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_body_whose_end_is_not_said_has_ended() -> None:
    messages = iter([{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    assert [chunk async for chunk in body_of(receive)] == [b"a", b""]


async def test_a_page_is_cut_where_the_address_says(storage: LocalStorage) -> None:
    body = bytes(range(256)) * 3000
    await storage.put(replace(PHOTO, body=body))
    described = await storage.describe(PHOTO.key, "get")
    assert described is not None
    chunks = [chunk async for chunk in storage.read_range(PHOTO.key, described, 1, 600_000)]
    assert b"".join(chunks) == body[1:600_000]
    assert max(map(len, chunks)) <= 256 * 1024
    for size in (0, 5 * 1024**3 + 1):
        with pytest.raises(Rejected) as refused:
            await storage.presign_post(PresignPut("a", HOUR, "a/b", size))
        assert (refused.value.reason, refused.value.operation) == ("too_large", "presign_post")
