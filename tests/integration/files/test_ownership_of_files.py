"""Whose a file is, how many somebody may have, and what is told and written down of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployment import Deployment
from integration.files.cabinet import SVG, TEXT, Cabinet, form_of, picture, told
from madang.core.files.cleaning import SWEEP_UPLOADS
from madang.core.files.events import COMPLETED, DELETED, REJECTED
from madang.core.files.service import AnnounceUpload
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import PermissionDenied
from madang.core.kernel.ids import new_id


async def test_anothers_file_looks_like_none(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id, pending = await cabinet.kept(), await cabinet.uploaded(picture())
    other = Cabinet(deployment, await deployment.member())
    calls = (("GET", ""), ("GET", "/url"), ("POST", "/complete"), ("DELETE", ""))
    for method, path in calls:
        for strange in (file_id, pending, str(new_id())):
            assert told(await other.call(method, f"/files/{strange}{path}")) == (404, "FILE_NOT_FOUND"), (method, path)
    assert (await other.call("GET", "/files")).json()["data"] == []
    assert len((await cabinet.call("GET", "/files")).json()["data"]) == 2


async def test_keys_and_tokens_do_what_they_were_given(cabinet: Cabinet, deployment: Deployment) -> None:
    def headers(*permissions: str, **who: str) -> dict[str, str]:
        extra = {"permissions": list(permissions), **who}
        token = deployment.container.tokens.issue("api", str(cabinet.member.id), expires_at=_later(), extra=extra)
        return {"Authorization": f"Bearer {token}"}

    reader = headers("files:read", userId=str(cabinet.member.id), role="client")
    assert (await deployment.client.get("/files", headers=reader)).status_code == 200
    refused = await deployment.client.post("/files/uploads", headers=reader, json={})
    assert told(refused) == (403, "INSUFFICIENT_PERMISSIONS")
    nobody = headers("files:read", "files:write", role="admin")
    assert told(await deployment.client.get("/files", headers=nobody)) == (403, "INSUFFICIENT_PERMISSIONS")
    form = {"Content-Type": "multipart/form-data; boundary=b0undary", **nobody}
    answer = await deployment.client.post("/files", headers=form, content=form_of(picture(), purpose="picture"))
    assert told(answer) == (403, "INSUFFICIENT_PERMISSIONS")
    assert told(await deployment.client.get("/files")) == (401, "UNAUTHORIZED")
    with pytest.raises(PermissionDenied):
        command = AnnounceUpload(new_id(), "a.txt", "document", "text/plain", 1)
        await deployment.container.files.announce_upload(Caller(CallerKind.OPERATOR), command)
    assert await cabinet.rows() == 0


async def test_the_list_is_paged_filtered_and_bounded(cabinet: Cabinet) -> None:
    pictures = [await cabinet.kept() for _ in range(3)]
    paper = await cabinet.kept(TEXT, contentType="text/plain", purpose="document", filename="a.txt")
    pending = (await cabinet.announce(picture())).json()["data"]["file"]["id"]
    page = (await cabinet.call("GET", "/files", params={"limit": 2, "page": 2})).json()
    assert [file["id"] for file in page["data"]] == [pictures[2], pictures[1]]
    assert (page["meta"]["pagination"]["total"], page["meta"]["pagination"]["totalPages"]) == (5, 3)
    papers = (await cabinet.call("GET", "/files", params={"purpose": "document"})).json()["data"]
    assert [file["id"] for file in papers] == [paper]
    waiting = (await cabinet.call("GET", "/files", params={"status": "pending"})).json()["data"]
    assert [file["id"] for file in waiting] == [pending]
    for wrong in ({"limit": 101}, {"page": 0}, {"status": "deleted"}, {"owner": "x"}):
        assert told(await cabinet.call("GET", "/files", params=wrong)) == (400, "VALIDATION_ERROR")
    assert (await cabinet.call("GET", "/files", params={"page": 1_000_000})).json()["data"] == []


async def test_names_are_for_show_and_harmless(cabinet: Cabinet, deployment: Deployment) -> None:
    shown = {
        "../../etc/passwd": "passwd.png",
        "C:\\Windows\\system.ini": "system.ini.png",
        "여름 휴가.PNG": "여름 휴가.PNG",
        "photo\u202egnp.exe": "photognp.exe.png",
        'a"\r\nSet-Cookie: x=1;.png': "a_Set-Cookie_ x=1_.png",
        "con.png": "_con.png",
        "n" * 900 + ".png": "n" * 116 + ".png",
    }
    for written, harmless in shown.items():
        file_id = await cabinet.kept(filename=written)
        assert (await cabinet.call("GET", f"/files/{file_id}")).json()["data"]["filename"] == harmless
        disposition = (await cabinet.download(file_id)).headers["content-disposition"]
        assert disposition.startswith('attachment; filename="')
        assert "\n" not in disposition
    keys = [path.relative_to(deployment.container.settings.data_dir).as_posix() for path in cabinet.stored()]
    assert keys
    assert all(str(cabinet.member.id) in key and "passwd" not in key for key in keys)
    names = [row["name"] for row in await deployment.rows("SELECT name FROM files")]
    assert not any(b"passwd" in name or "여름".encode() in name for name in names), "they are encrypted"


async def test_nobody_has_more_than_the_quota(open_deployment: Any) -> None:
    async with open_deployment(file_quota_mb=1, file_pending_uploads=3) as deployment:
        cabinet = Cabinet(deployment, await deployment.member())
        half = {"size": 600_000, "contentType": "text/plain", "purpose": "document"}
        answers = await asyncio.gather(*(cabinet.announce(**half) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
        assert {told(answer)[1] for answer in answers if answer.status_code == 409} == {"FILE_QUOTA_EXCEEDED"}
        full = form_of(b"x" * 600_000, kind="text/plain", purpose="document")
        assert told(await cabinet.post(full)) == (409, "FILE_QUOTA_EXCEEDED")
        assert not cabinet.stored()
        taken = next(answer for answer in answers if answer.status_code == 201).json()["data"]["file"]["id"]
        assert (await cabinet.call("DELETE", f"/files/{taken}")).status_code == 200
        small = {**half, "size": 10}
        answers = await asyncio.gather(*(cabinet.announce(**small) for _ in range(6)))
        assert sorted(told(answer) for answer in answers if answer.status_code == 409) == [(409, "TOO_MANY_UPLOADS")] * 3
        other = Cabinet(deployment, await deployment.member())
        assert (await other.announce(**half)).status_code == 201


async def test_owners_hear_of_it_and_it_is_written_down(cabinet: Cabinet, deployment: Deployment) -> None:
    hearer = SWEEP_UPLOADS
    for name in (COMPLETED, REJECTED, DELETED):
        deployment.container._wiring.subscriptions().subscribe(name, hearer)
    file_id = await cabinet.kept(filename="secret plan.png")
    refused = await cabinet.uploaded(SVG)
    await cabinet.complete(refused)
    for _ in range(2):
        await cabinet.call("DELETE", f"/files/{file_id}")
    heard = await deployment.rows("SELECT subject, payload FROM messages WHERE topic = $1 ORDER BY id", hearer)
    assert [(row["subject"], row["payload"]["fileId"], row["payload"]["status"]) for row in heard] == [
        (f"file:{file_id}", file_id, "available"),
        (f"file:{refused}", refused, "rejected"),
        (f"file:{file_id}", file_id, "deleted"),
    ]
    written = await deployment.rows("SELECT action, subject, actor_id FROM audit_events WHERE action LIKE 'FILE%' ORDER BY id")
    assert [(row["action"], row["subject"]) for row in written] == [
        ("FILE_UPLOADED", f"file:{file_id}"),
        ("FILE_DELETED", f"file:{file_id}"),
    ]
    assert {row["actor_id"] for row in written} == {cabinet.member.id}
    told_about = await deployment.rows(
        "SELECT payload::text AS said FROM messages UNION ALL SELECT details::text FROM audit_events"
    )
    assert not any("secret plan" in row["said"] for row in told_about)


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)
