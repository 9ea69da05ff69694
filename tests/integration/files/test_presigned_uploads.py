"""Uploads straight to the storage: announced, sent, checked, and never changed afterwards."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Any

from deployment import Deployment
from integration.files.cabinet import (
    HTML,
    MEGABYTE,
    PDF,
    PROGRAM,
    SVG,
    TEXT,
    Cabinet,
    archive,
    bomb,
    large_picture,
    picture,
    told,
)

SHA = hashlib.sha256(TEXT).hexdigest()
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


async def test_ten_megabytes_go_straight_to_the_storage_and_come_back(cabinet: Cabinet) -> None:
    content = large_picture()
    file_id = await cabinet.uploaded(content, filename="여름.png", sha256=hashlib.sha256(content).hexdigest().upper())
    file = (await cabinet.complete(file_id)).json()["data"]
    assert (file["status"], file["contentType"], file["filename"]) == ("available", "image/png", "여름.png")
    assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    downloaded = await cabinet.download(file_id)
    assert downloaded.content == content
    assert downloaded.headers["content-disposition"].startswith("attachment; ")
    assert downloaded.headers["content-type"] == "image/png"
    await cabinet.deployment.work()
    assert len(cabinet.stored()) == 2, "one object: its body and its description"
    assert (await cabinet.call("GET", "/files")).json()["data"] == [file]


async def test_what_cannot_be_taken_is_not_announced(cabinet: Cabinet) -> None:
    refusals: list[tuple[dict[str, Any], int, str, str | None]] = [
        ({"purpose": "passport"}, 400, "VALIDATION_ERROR", "purpose"),
        ({"contentType": "image/svg+xml", "purpose": "attachment"}, 400, "VALIDATION_ERROR", "contentType"),
        ({"contentType": "text/html", "purpose": "attachment"}, 400, "VALIDATION_ERROR", "contentType"),
        ({"contentType": "application/zip"}, 400, "VALIDATION_ERROR", "contentType"),
        ({"contentType": "image/png\r\nx-evil: 1"}, 400, "VALIDATION_ERROR", "contentType"),
        ({"size": 0}, 400, "VALIDATION_ERROR", "size"),
        ({"size": 10 * MEGABYTE + 1}, 413, "FILE_TOO_LARGE", None),
        ({"size": 10 * MEGABYTE + 1, "purpose": "attachment"}, 413, "FILE_TOO_LARGE", None),
        ({"sha256": "abc"}, 400, "VALIDATION_ERROR", "sha256"),
        ({"filename": ""}, 400, "VALIDATION_ERROR", "filename"),
        ({"filename": "a\0.png"}, 400, "VALIDATION_ERROR", "filename"),
        ({"ownerId": "01997f2e-6c00-7a10-9c3e-0242ac120002"}, 400, "VALIDATION_ERROR", None),
        ({"status": "available"}, 400, "VALIDATION_ERROR", None),
    ]
    for changes, status, code, path in refusals:
        answer = await cabinet.announce(**{"size": 100, **changes})
        assert told(answer) == (status, code), changes
        assert path is None or answer.json()["error"]["details"][0]["path"] == path
    assert await cabinet.rows() == 0


async def test_what_is_as_announced_is_kept_as_what_it_is(cabinet: Cabinet) -> None:
    kept: list[tuple[bytes, dict[str, Any], str]] = [
        (picture(form="JPEG"), {"contentType": "image/jpeg"}, "image/jpeg"),
        (picture(form="JPEG", progressive=True), {"contentType": "image/jpeg", "purpose": "avatar"}, "image/jpeg"),
        (picture(form="WEBP"), {"contentType": "IMAGE/WEBP"}, "image/webp"),
        (PDF, {"contentType": "application/pdf", "purpose": "document"}, "application/pdf"),
        (TEXT, {"contentType": "text/plain; charset=utf-8", "purpose": "document"}, "text/plain"),
        (b"a,b\n1,2\n", {"contentType": "text/csv", "purpose": "document"}, "text/csv"),
        (archive("[Content_Types].xml", "word/document.xml"), {"contentType": WORD, "purpose": "document"}, WORD),
        (archive("notes.txt"), {"contentType": "application/zip", "purpose": "attachment"}, "application/zip"),
    ]
    for content, changes, found in kept:
        file_id = await cabinet.kept(content, **changes)
        file = (await cabinet.call("GET", f"/files/{file_id}")).json()["data"]
        assert (file["status"], file["contentType"]) == ("available", found)
        downloaded = await cabinet.download(file_id)
        assert (downloaded.content, downloaded.headers["content-type"]) == (content, found)
        assert downloaded.headers["content-disposition"].startswith("attachment; ")


async def test_what_is_not_as_announced_is_refused_and_deleted(cabinet: Cabinet) -> None:
    text = {"contentType": "text/plain", "purpose": "document"}
    with_macros = archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin")
    refused: list[tuple[bytes, dict[str, Any], int, str]] = [
        (picture(), {"size": 1000}, 422, "FILE_SIZE_MISMATCH"),
        (picture(form="JPEG"), {}, 422, "FILE_TYPE_MISMATCH"),
        (SVG, {}, 422, "FILE_TYPE_MISMATCH"),
        (PROGRAM, {}, 422, "FILE_TYPE_MISMATCH"),
        (PROGRAM, text, 422, "FILE_TYPE_MISMATCH"),
        (SVG, {**text, "purpose": "attachment"}, 422, "FILE_TYPE_MISMATCH"),
        (HTML, {**text, "purpose": "attachment"}, 422, "FILE_TYPE_MISMATCH"),
        (PDF, text, 422, "FILE_TYPE_MISMATCH"),
        ("가나다".encode("euc-kr"), text, 422, "FILE_TYPE_MISMATCH"),
        (archive("a.txt"), {"contentType": WORD, "purpose": "document"}, 422, "FILE_TYPE_MISMATCH"),
        (with_macros, {"contentType": WORD, "purpose": "document"}, 422, "FILE_TYPE_MISMATCH"),
        (archive("a.txt")[:-8], {"contentType": "application/zip", "purpose": "attachment"}, 422, "FILE_TYPE_MISMATCH"),
        (TEXT + b"!", {**text, "sha256": SHA}, 422, "FILE_CHECKSUM_MISMATCH"),
        (picture(200, 200)[:-20], {}, 422, "FILE_UNREADABLE"),
        (picture(400, 300, "JPEG")[:-400], {"contentType": "image/jpeg"}, 422, "FILE_UNREADABLE"),
        (bomb(), {}, 413, "FILE_TOO_MANY_PIXELS"),
        (bomb(), {"purpose": "attachment"}, 413, "FILE_TOO_MANY_PIXELS"),
    ]
    for content, changes, status, code in refused:
        file_id = await cabinet.uploaded(content, **changes)
        first = await cabinet.complete(file_id)
        assert told(first) == (status, code), changes
        again = await cabinet.complete(file_id)
        assert again.json()["error"] == first.json()["error"]
        file = (await cabinet.call("GET", f"/files/{file_id}")).json()["data"]
        assert (file["status"], file["refusal"]["code"]) == ("rejected", code)
        assert told(await cabinet.call("GET", f"/files/{file_id}/url")) == (409, "FILE_NOT_AVAILABLE")
    await cabinet.deployment.work()
    assert not cabinet.stored()


async def test_nothing_can_be_completed_before_it_has_arrived(cabinet: Cabinet) -> None:
    file_id = (await cabinet.announce(picture())).json()["data"]["file"]["id"]
    assert told(await cabinet.complete(file_id)) == (409, "UPLOAD_NOT_ARRIVED")
    assert (await cabinet.call("GET", f"/files/{file_id}")).json()["data"]["status"] == "pending"


async def test_many_completions_at_once_are_one(cabinet: Cabinet, deployment: Deployment) -> None:
    content = picture()
    file_id = await cabinet.uploaded(content)
    answers = await asyncio.gather(*(cabinet.complete(file_id) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["data"]["completedAt"] for answer in answers}) == 1
    assert await deployment.value("SELECT count(*) FROM audit_events WHERE action = 'FILE_UPLOADED'") == 1
    await deployment.work()
    assert len(cabinet.stored()) == 2
    assert (await cabinet.download(file_id)).content == content


async def test_what_is_sent_after_the_check_changes_nothing_and_goes(cabinet: Cabinet, deployment: Deployment) -> None:
    content, other = picture(), picture()[:-1] + b"?"
    announced = (await cabinet.announce(content)).json()["data"]
    await cabinet.send(announced, content)
    file_id = announced["file"]["id"]
    await cabinet.complete(file_id)
    await deployment.work()
    assert (await cabinet.send(announced, other)).status_code == 200, "the address is still good"
    assert (await cabinet.download(file_id)).content == content
    assert (await cabinet.complete(file_id)).json()["data"]["status"] == "available"
    assert len(cabinet.stored()) == 4
    await deployment.let_pass(hours=2)
    await deployment.work()
    assert len(cabinet.stored()) == 2
    assert (await cabinet.download(file_id)).content == content


async def test_bytes_that_change_while_they_are_checked_are_never_mixed_up(cabinet: Cabinet) -> None:
    one, other = picture(compress_level=0), picture(compress_level=0, colour=(30, 160, 40))
    assert len(one) == len(other)
    announced = (await cabinet.announce(one)).json()["data"]
    await cabinet.send(announced, one)
    file_id = announced["file"]["id"]
    await asyncio.gather(*(call for _ in range(4) for call in (cabinet.complete(file_id), cabinet.send(announced, other))))
    file = (await cabinet.complete(file_id)).json()["data"]
    assert hashlib.sha256((await cabinet.download(file_id)).content).hexdigest() == file["sha256"]


async def test_an_address_takes_what_was_announced_only_and_until_its_time(cabinet: Cabinet) -> None:
    content = picture()
    announced = (await cabinet.announce(content)).json()["data"]
    upload = announced["upload"]
    lifetime = datetime.fromisoformat(upload["expiresAt"]) - datetime.fromisoformat(announced["file"]["createdAt"])
    assert timedelta(minutes=14) < lifetime <= timedelta(minutes=15)
    later = upload["url"].replace("expires=1", "expires=2")
    assert later != upload["url"]
    assert (await cabinet.send({"upload": {**upload, "url": later}}, content)).status_code == 403
    elsewhere = upload["url"].replace("/incoming", "/another")
    assert (await cabinet.send({"upload": {**upload, "url": elsewhere}}, content)).status_code == 403
    assert (await cabinet.send(announced, content + b"!")).status_code == 413
    assert not cabinet.stored()


async def test_one_key_announces_one_upload(cabinet: Cabinet) -> None:
    first, again = await cabinet.announce(picture(), key="once"), await cabinet.announce(picture(), key="once")
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await cabinet.rows() == 1
    assert told(await cabinet.announce(picture(50, 50), key="once")) == (409, "IDEMPOTENCY_KEY_REUSED")
