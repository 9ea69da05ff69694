"""Files through the API: as they come to disk, never into memory, and nothing of them left when they are refused."""

import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx

from deployment import API, Deployment
from integration.files.cabinet import (
    MEGABYTE,
    PROGRAM,
    SVG,
    TEXT,
    Cabinet,
    archive,
    bomb,
    end_of,
    field_part,
    file_part,
    form_of,
    large_picture,
    picture,
    told,
)

PIECE = 64 * 1024


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(view), PIECE):
        yield bytes(view[start : start + PIECE])


async def test_ten_megabytes_pass_through_less_than_four_of_memory(cabinet: Cabinet) -> None:
    warm_up = await cabinet.post(form_of(picture(), purpose="picture"))
    assert warm_up.status_code == 201, warm_up.text
    content = large_picture()
    form = form_of(content, purpose="picture", filename="여름.png")
    tracemalloc.start()
    try:
        answer = await cabinet.post(pieces(form))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 201, answer.text
    assert peak < 4 * MEGABYTE
    file = answer.json()["data"]
    assert (file["status"], file["size"], file["filename"]) == ("available", len(content), "여름.png")
    assert (await cabinet.download(file["id"])).content == content
    assert not cabinet.spooled()


async def test_a_body_without_end_is_refused_at_the_limit(cabinet: Cabinet) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        yield field_part("purpose", "picture") + file_part(b"")[:-2]
        while given < 1000 * MEGABYTE:
            given += PIECE
            yield bytes(PIECE)

    assert told(await cabinet.post(endless())) == (413, "FILE_TOO_LARGE")
    assert given < 50 * MEGABYTE, "the limit, and what is read on so that the client sees the answer"
    announced = await cabinet.post(form_of(picture(), purpose="picture"), Content_Length=str(60 * MEGABYTE))
    assert told(announced) == (413, "FILE_TOO_LARGE")
    assert (await cabinet.rows(), cabinet.stored(), cabinet.spooled()) == (0, [], [])


async def test_bad_forms_get_clear_errors_and_leave_nothing(cabinet: Cabinet) -> None:
    purpose, png = field_part("purpose", "picture"), picture()
    bad: list[tuple[bytes, int, str, str | None]] = [
        (b"", 400, "MALFORMED_MULTIPART", None),
        (end_of(), 400, "VALIDATION_ERROR", "file"),
        (purpose + end_of(), 400, "VALIDATION_ERROR", "file"),
        (file_part(png) + purpose + end_of(), 400, "VALIDATION_ERROR", "purpose"),
        (purpose + file_part(png) + field_part("sha256", "0" * 64) + end_of(), 400, "VALIDATION_ERROR", "sha256"),
        (purpose + file_part(png) + file_part(png) + end_of(), 400, "VALIDATION_ERROR", "file"),
        (purpose + purpose + file_part(png) + end_of(), 400, "VALIDATION_ERROR", "purpose"),
        (purpose + field_part("ownerId", "x") + file_part(png) + end_of(), 400, "VALIDATION_ERROR", "ownerId"),
        (field_part("purpose", "p" * 5000) + file_part(png) + end_of(), 400, "VALIDATION_ERROR", "purpose"),
        (field_part("purpose", "passport") + file_part(png) + end_of(), 400, "VALIDATION_ERROR", "purpose"),
        (form_of(png, sha256="abc", purpose="picture"), 400, "VALIDATION_ERROR", "sha256"),
        (form_of(png, filename="", purpose="picture"), 400, "VALIDATION_ERROR", "file"),
        (form_of(b"", purpose="picture"), 400, "VALIDATION_ERROR", "file"),
        (form_of(png, purpose="picture")[:-30], 400, "MALFORMED_MULTIPART", None),
        (form_of(png, purpose="picture")[:80], 400, "MALFORMED_MULTIPART", None),
        (form_of(png, kind="image/svg+xml", purpose="picture"), 400, "VALIDATION_ERROR", "contentType"),
        (form_of(png, kind="image/jpeg", purpose="picture"), 422, "FILE_TYPE_MISMATCH", None),
        (form_of(PROGRAM, purpose="picture"), 422, "FILE_TYPE_MISMATCH", None),
        (form_of(SVG, kind="application/octet-stream", purpose="picture"), 422, "FILE_TYPE_MISMATCH", None),
        (form_of(archive("a"), kind="application/octet-stream", purpose="document"), 422, "FILE_TYPE_MISMATCH", None),
        (form_of(png, purpose="picture", sha256="0" * 64), 422, "FILE_CHECKSUM_MISMATCH", None),
        (form_of(png[:-20], purpose="picture"), 422, "FILE_UNREADABLE", None),
        (form_of(bomb(), purpose="picture"), 413, "FILE_TOO_MANY_PIXELS", None),
    ]
    for body, status, code, path in bad:
        answer = await cabinet.post(body)
        assert told(answer) == (status, code), body[:300]
        assert path is None or answer.json()["error"]["details"][0]["path"] == path
    assert told(await cabinet.call("POST", "/files", json={"purpose": "picture"})) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await cabinet.rows(), cabinet.stored(), cabinet.spooled()) == (0, [], [])


async def test_a_client_that_does_not_know_the_type_is_told_it(cabinet: Cabinet) -> None:
    answer = await cabinet.post(form_of(TEXT, kind="application/octet-stream", filename="notes", purpose="document"))
    assert (answer.json()["data"]["contentType"], answer.json()["data"]["filename"]) == ("text/plain", "notes.txt")


async def test_a_client_that_goes_away_leaves_nothing(cabinet: Cabinet, deployment: Deployment) -> None:
    body = form_of(picture(300, 300), purpose="picture")
    coming = [{"type": "http.request", "body": body[:100], "more_body": True}, {"type": "http.disconnect"}]
    answered: list[Any] = []
    headers = {
        **cabinet.member.headers,
        "Content-Type": "multipart/form-data; boundary=b0undary",
        "Content-Length": str(len(body)),
    }

    async def receive() -> Any:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": API + "/files",
        "raw_path": (API + "/files").encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("198.51.100.7", 4321),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await deployment.app(scope, receive, send)  # type: ignore[arg-type]
    assert answered[0]["status"] == 400
    assert b"UPLOAD_INCOMPLETE" in answered[1]["body"]
    assert (await cabinet.rows(), cabinet.stored(), cabinet.spooled()) == (0, [], [])


async def test_one_key_uploads_one_file(cabinet: Cabinet) -> None:
    one, other = form_of(picture(), purpose="picture"), form_of(picture(50, 50), purpose="picture")
    first, again = await cabinet.post(one, Idempotency_Key="once"), await cabinet.post(one, Idempotency_Key="once")
    assert (first.status_code, first.json()) == (201, again.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert told(await cabinet.post(other, Idempotency_Key="once")) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert told(await cabinet.post(one, Idempotency_Key="two words")) == (400, "VALIDATION_ERROR")
    assert (await cabinet.rows(), len(cabinet.stored())) == (1, 2)


async def test_browsers_own_forms_are_read(cabinet: Cabinet) -> None:
    """As `httpx`, and so a browser, writes them."""
    answer: httpx.Response = await cabinet.call(
        "POST", "/files", data={"purpose": "picture"}, files={"file": ("여름 휴가.png", picture(), "image/png")}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["filename"] == "여름 휴가.png"
