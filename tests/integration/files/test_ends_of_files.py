"""Deleted, expired, refused, or forgotten by a process that died: nothing of it stays in the storage, and nothing else goes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployment import Deployment
from integration.files.cabinet import Cabinet, form_of, picture, told
from integration.files.held_storage import Held
from madang.core.files import cleaning
from madang.core.files.cleaning import SWEEP_UPLOADS, TIDY, tidying_of
from madang.core.files.invariant import NoFilePastItsTime
from madang.core.files.model import FileStatus
from madang.core.files.service import AnnounceUpload, StoreFile
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Conflict, NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Message, NewMessage
from madang.ports.errors import Unavailable
from madang.ports.storage import PutObject


def owner(cabinet: Cabinet) -> Caller:
    return Caller(CallerKind.USER, cabinet.member.id, "client")


async def swept(deployment: Deployment, topic: str) -> None:
    async with deployment.container.units() as uow:
        uow.send(NewMessage(topic))
    await deployment.work()


class Later:
    """The system's clock, so much later."""

    def __init__(self, later: timedelta) -> None:
        self._later = later

    def now(self) -> datetime:
        return datetime.now(UTC) + self._later


class Killed(Exception):
    """The worker ends here."""


class Steps:
    """A delivery whose worker may die: `survives` is how many more of its commits succeed."""

    def __init__(self, deployment: Deployment, survives: int = 1000) -> None:
        self._units = deployment.container.units
        self.survives = survives
        self.message: Any = None

    @asynccontextmanager
    async def step(self) -> AsyncIterator[Any]:
        async with self._units() as uow:
            yield uow
            self.survives -= 1
            if self.survives < 0:
                raise Killed

    finish = step


async def test_a_deleted_file_is_gone_at_once_and_from_the_storage_soon(cabinet: Cabinet, deployment: Deployment) -> None:
    kept, file_id = await cabinet.kept(), await cabinet.kept()
    answer = await cabinet.call("DELETE", f"/files/{file_id}")
    assert answer.json()["data"] == {"id": file_id, "status": "deleted"}
    for method, path in (("GET", ""), ("GET", "/url"), ("POST", "/complete")):
        assert told(await cabinet.call(method, f"/files/{file_id}{path}")) == (404, "FILE_NOT_FOUND")
    assert (await cabinet.call("DELETE", f"/files/{file_id}")).json()["data"] == answer.json()["data"]
    await deployment.work()
    assert all(kept in str(path) for path in cabinet.stored())
    assert await deployment.value("SELECT name IS NULL AND purged_at IS NOT NULL FROM files WHERE id = $1", UUID(file_id))
    assert (await cabinet.download(kept)).content == picture()


async def test_many_deletions_at_once_are_one(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.kept()
    answers = await asyncio.gather(*(cabinet.call("DELETE", f"/files/{file_id}") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await deployment.value("SELECT count(*) FROM audit_events WHERE action = 'FILE_DELETED'") == 1
    await deployment.work()
    assert not cabinet.stored()


async def test_a_deletion_in_the_middle_of_a_completion_wins(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.uploaded(picture())
    held = Held(deployment)

    async def delete() -> None:
        await cabinet.call("DELETE", f"/files/{file_id}")
        await deployment.work()
        assert not cabinet.stored()

    held.object_storage.before_put = delete
    with pytest.raises(NotFound):
        await held.files.complete(owner(cabinet), UUID(file_id))
    assert cabinet.stored(), "written after the deletion had been done"
    await deployment.work()
    assert not cabinet.stored()


async def test_a_completion_that_was_overtaken_writes_over_nothing(cabinet: Cabinet, deployment: Deployment) -> None:
    one, other = picture(compress_level=0), picture(compress_level=0, colour=(30, 160, 40))
    announced = (await cabinet.announce(one)).json()["data"]
    file_id = announced["file"]["id"]
    await cabinet.send(announced, one)
    held = Held(deployment)

    async def overtake() -> None:
        await cabinet.send(announced, other)
        assert (await cabinet.complete(file_id)).status_code == 200

    held.object_storage.before_put = overtake
    answered = await held.files.complete(owner(cabinet), UUID(file_id))
    assert (await cabinet.download(file_id)).content == other
    assert hashlib.sha256(other).hexdigest() == answered.sha256
    await deployment.work()
    assert len(cabinet.stored()) == 2
    assert (await cabinet.download(file_id)).content == other


async def test_completions_and_deletions_at_once_end_deleted_without_a_trace(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.uploaded(picture())
    calls = [cabinet.complete(file_id), cabinet.call("DELETE", f"/files/{file_id}"), cabinet.complete(file_id)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert answers[1].status_code == 200
    await deployment.work()
    assert not cabinet.stored()


async def test_a_process_that_dies_between_storing_and_committing_leaves_nothing(
    cabinet: Cabinet, deployment: Deployment
) -> None:
    announced = await cabinet.uploaded(picture())
    held = Held(deployment)
    held.object_storage.after_put = _die
    with suppress(asyncio.CancelledError):
        await held.files.complete(owner(cabinet), UUID(announced))
    async with deployment.container.files.receiving("picture") as spooled:
        await spooled.write(picture())
        await spooled.settle()
        with suppress(asyncio.CancelledError):
            await held.files.store(owner(cabinet), StoreFile(new_id(), "b.png", "picture", "image/png"), spooled)
    assert len(cabinet.stored()) == 6, "the upload, and what was put for each"
    files = (await cabinet.call("GET", "/files")).json()["data"]
    assert [file["status"] for file in files] == ["pending", "pending"]
    await deployment.let_pass(hours=1, minutes=16)
    await swept(deployment, SWEEP_UPLOADS)
    assert not cabinet.stored()
    files = (await cabinet.call("GET", "/files")).json()["data"]
    assert [file["status"] for file in files] == ["expired", "expired"]
    assert told(await cabinet.complete(announced)) == (410, "UPLOAD_EXPIRED")


async def test_a_completion_that_died_can_be_repeated(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.uploaded(picture())
    held = Held(deployment)
    held.object_storage.after_put = _die
    with suppress(asyncio.CancelledError):
        await held.files.complete(owner(cabinet), UUID(file_id))
    assert (await cabinet.complete(file_id)).json()["data"]["status"] == "available"
    await deployment.work()
    assert len(cabinet.stored()) == 2, "the dead one's object went with the upload"
    assert (await cabinet.download(file_id)).content == picture()


async def test_an_upload_that_the_storage_refuses_leaves_nothing(cabinet: Cabinet, deployment: Deployment) -> None:
    held = Held(deployment)

    async def away() -> None:
        raise Unavailable("away", provider="local", operation="put")

    held.object_storage.after_put = away
    async with deployment.container.files.receiving("picture") as spooled:
        await spooled.write(picture())
        await spooled.settle()
        with pytest.raises(Unavailable):
            await held.files.store(owner(cabinet), StoreFile(new_id(), "b.png", "picture", "image/png"), spooled)
    await deployment.work()
    assert (await cabinet.rows(), cabinet.stored()) == (0, [])
    pending = await cabinet.uploaded(picture())
    with pytest.raises(Unavailable):
        await held.files.complete(owner(cabinet), UUID(pending))
    assert (await cabinet.complete(pending)).status_code == 200, "it can be tried again"


async def test_uploads_that_never_came_end_and_their_rows_go_at_last(cabinet: Cabinet, deployment: Deployment) -> None:
    fresh, sent = await cabinet.announce(picture()), await cabinet.uploaded(picture())
    await deployment.let_pass(hours=1)
    await swept(deployment, SWEEP_UPLOADS)
    assert await deployment.value("SELECT count(*) FROM files WHERE status = 'pending'") == 2, "within the grace"
    assert (await cabinet.complete(sent)).status_code == 200
    await deployment.let_pass(minutes=20)
    await swept(deployment, SWEEP_UPLOADS)
    expired = fresh.json()["data"]["file"]["id"]
    assert (await cabinet.call("GET", f"/files/{expired}")).json()["data"]["status"] == "expired"
    assert (await cabinet.call("DELETE", f"/files/{expired}")).status_code == 200
    await deployment.work()
    await deployment.let_pass(days=31)
    await swept(deployment, SWEEP_UPLOADS)
    assert [str(row["id"]) for row in await deployment.rows("SELECT id FROM files")] == [sent]


async def test_objects_that_no_row_wants_are_found_after_a_day_and_nothing_else(
    cabinet: Cabinet, deployment: Deployment
) -> None:
    kept, pending = await cabinet.kept(), await cabinet.uploaded(picture())
    await deployment.work()
    orphan, foreign = new_id(), new_id()
    storage = deployment.container.providers.storage()
    for key in (
        f"files/{cabinet.member.id}/{orphan}/incoming",
        f"files/{cabinet.member.id}/{kept}/{new_id().hex}",
        f"files/{foreign}/{pending}/{new_id().hex}",
        "files/notes.txt",
        "portraits/x/y.png",
    ):
        await storage.put(PutObject(key, b"x", "image/png"))
    held = Held(deployment)
    await held.cleaning(Later(timedelta(hours=23))).sweep_storage(Steps(deployment))  # type: ignore[arg-type]
    assert len(await _keys(storage)) == 7
    await held.cleaning(Later(timedelta(hours=25))).sweep_storage(Steps(deployment))  # type: ignore[arg-type]
    left = await _keys(storage)
    assert len(left) == 4
    assert {"files/notes.txt", "portraits/x/y.png"} < left
    assert (await cabinet.download(kept)).content == picture()
    assert (await cabinet.complete(pending)).status_code == 200


async def test_a_sweep_that_dies_goes_on_where_it_was(
    cabinet: Cabinet, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_PAGES", 2)
    storage = deployment.container.providers.storage()
    for number in range(4):
        await storage.put(PutObject(f"files/0-of-somebody-else-{number}", b"x", "text/plain"))
    for number in range(5):
        await storage.put(PutObject(f"files/{cabinet.member.id}/{new_id()}/{number}", b"x", "image/png"))
    held = Held(deployment)
    real = held.object_storage._real
    held.object_storage.list = lambda prefix, cursor=None: real.list(prefix, cursor=cursor, limit=1)  # type: ignore[attr-defined]
    sweeping = held.cleaning(Later(timedelta(days=2)))
    with pytest.raises(Killed):
        await sweeping.sweep_storage(Steps(deployment, survives=2))  # type: ignore[arg-type]
    for _ in range(2):
        await sweeping.sweep_storage(Steps(deployment))  # type: ignore[arg-type]
    with pytest.raises(Killed):
        await sweeping.sweep_storage(Steps(deployment, survives=2))  # type: ignore[arg-type]
    assert len(await _keys(storage)) == 8, "deleted, and not written down where it stopped"
    for _ in range(2):
        await sweeping.sweep_storage(Steps(deployment))  # type: ignore[arg-type]
    assert len(await _keys(storage)) == 4, "what is named after no file is left alone"
    assert await deployment.value("SELECT cursor FROM file_sweep") is None, "from the beginning next time"


async def test_a_deletion_that_the_storage_refuses_is_not_forgotten(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.kept()
    await deployment.work()
    await cabinet.call("DELETE", f"/files/{file_id}")
    held = Held(deployment)

    async def away() -> None:
        raise Unavailable("away", provider="local", operation="delete_many")

    held.object_storage.before_delete = away
    steps = Steps(deployment)
    async with deployment.container.units() as uow:
        file = (await uow.files.by_ids([UUID(file_id)]))[UUID(file_id)]
    steps.message = tidying_of(file)
    with pytest.raises(Unavailable):
        await held.cleaning().tidy(steps)  # type: ignore[arg-type]
    assert await deployment.value("SELECT purged_at IS NULL FROM files")
    await deployment.work()
    assert await deployment.value("SELECT purged_at IS NOT NULL FROM files")
    assert not cabinet.stored()


async def test_cleaning_up_after_a_try_that_failed_takes_nothing_from_the_next_try(
    cabinet: Cabinet, deployment: Deployment
) -> None:
    """The same request again, and so the same id, while the storage is looked through."""
    held, steps, file_id = Held(deployment), Steps(deployment), new_id()
    steps.message = Message(new_id(), TIDY, {"owner_id": str(cabinet.member.id), "file_id": str(file_id)}, 1, 0, "")

    async def again() -> None:
        held.object_storage.before_list = None
        async with held.files.receiving("picture") as spooled:
            await spooled.write(picture())
            await spooled.settle()
            await held.files.store(owner(cabinet), StoreFile(file_id, "a.png", "picture", "image/png"), spooled)

    held.object_storage.before_list = again
    await held.cleaning().tidy(steps)  # type: ignore[arg-type]
    assert (await cabinet.download(str(file_id))).content == picture()


async def test_what_the_ordinary_work_forgot_is_named_and_mended(cabinet: Cabinet, deployment: Deployment) -> None:
    invariant = next(each for each in deployment.container.invariants if isinstance(each, NoFilePastItsTime))
    deleted, pending, fine = await cabinet.kept(), await cabinet.uploaded(picture()), await cabinet.kept()
    await cabinet.call("DELETE", f"/files/{deleted}")
    assert not await invariant.violations()
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(hours=1, minutes=50)
    broken = await invariant.violations()
    assert {violation.detail["file_id"]: violation.detail["status"] for violation in broken} == {
        pending: "pending",
        deleted: "deleted",
    }
    assert await invariant.violations(limit=1) == broken[:1]
    for violation in broken:
        assert await invariant.mend(violation)
    await deployment.work()
    assert not await invariant.violations()
    assert [await invariant.mend(violation) for violation in broken] == ["it has gone on by itself"] * 2
    assert len([path for path in cabinet.stored() if fine in str(path)]) == 4, "its upload, which only the sweep would find"
    assert len(cabinet.stored()) == 4


async def test_a_storage_without_presigned_put_is_asked_for_a_form_and_one_without_any_says_so(
    cabinet: Cabinet, deployment: Deployment
) -> None:
    held = Held(deployment, presigned_put=False)
    content = picture()
    command = AnnounceUpload(new_id(), "a.png", "picture", "image/png", len(content))
    announced = await held.files.announce_upload(owner(cabinet), command)
    assert announced.request.method == "POST"
    answer: httpx.Response = await deployment.client.post(
        announced.request.url, data=dict(announced.request.fields), files={"file": ("a.png", content, "image/png")}
    )
    assert answer.status_code == 200, answer.text
    assert (await cabinet.complete(str(announced.file.id))).json()["data"]["status"] == FileStatus.AVAILABLE
    neither = Held(deployment, presigned_put=False, presigned_post=False)
    with pytest.raises(Conflict, match="POST /files"):
        await neither.files.announce_upload(owner(cabinet), AnnounceUpload(new_id(), "a", "picture", "image/png", 1))


async def test_export_and_erasure_leave_nothing_of_a_person(cabinet: Cabinet, deployment: Deployment) -> None:
    file_id = await cabinet.kept(filename="여름.png")
    announced = (await cabinet.announce(picture())).json()["data"]
    other = Cabinet(deployment, await deployment.member())
    others = await other.kept()
    await deployment.work()
    section = next(each for each in deployment.container.personal_data if each.name == "files")
    user_id = cabinet.member.id
    async with deployment.container.units() as uow:
        exported = await section.export(uow, user_id)
    assert {file["id"]: file["filename"] for file in exported["files"]} == {
        file_id: "여름.png",
        announced["file"]["id"]: "a.png",
    }
    for _ in range(2):
        await section.forget_outside(user_id)
        async with deployment.container.units() as uow:
            erased = await section.erase(uow, user_id, datetime.now(UTC))
    assert erased == {"files": 0}
    assert await cabinet.rows() == 1
    assert (await cabinet.send(announced, picture())).status_code == 200, "the address is still good"
    await deployment.let_pass(hours=2)
    await deployment.work()
    assert all(others in str(path) for path in cabinet.stored())
    assert (await other.download(others)).content == picture()


async def test_a_full_spool_says_try_again(open_deployment: Any) -> None:
    async with open_deployment(file_spool_mb=64) as deployment:
        cabinet = Cabinet(deployment, await deployment.member())
        files = deployment.container.files
        async with files.receiving("attachment") as one, files.receiving("attachment") as other:
            await one.write(bytes(40 * 1024**2))
            await other.write(bytes(24 * 1024**2))
            answer = await cabinet.post(form_of(picture(), purpose="picture"))
            assert (answer.status_code, answer.json()["error"]["retryable"]) == (503, True)
        assert (await cabinet.post(form_of(picture(), purpose="picture"))).status_code == 201


async def _die() -> None:
    """As if the process ended here: nothing after it runs."""
    raise asyncio.CancelledError


async def _keys(storage: Any) -> set[str]:
    return {found.key for found in (await storage.list("")).objects}
