"""The audit trail: written with what it tells of, never changed, and readable only while its person is there."""

from datetime import UTC, datetime

import asyncpg
import pytest

from deployment import Deployment
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import ValidationFailed
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import CursorRequest
from madang.core.kernel.request_context import serving
from madang.core.operations.audit import AuditAction, Origin

ANYBODY = Caller(CallerKind.USER, new_id(), address="198.51.100.7", agent="Mozilla/5.0")


async def recorded(deployment: Deployment, caller: Caller = ANYBODY, subject: str = "user:1", **details: object) -> None:
    async with deployment.container.units() as uow:
        await deployment.container.audit_trail.record(uow, caller, AuditAction.USER_LOGIN, subject, **details)


@pytest.mark.parametrize(
    "change", ["UPDATE audit_events SET subject = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
async def test_the_database_refuses_to_change_or_delete_what_was_recorded(deployment: Deployment, change: str) -> None:
    await recorded(deployment)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await deployment.execute(change)
    assert await deployment.value("SELECT count(*) FROM audit_events") == 1


async def test_an_event_says_who_did_what_to_whom_from_where_and_by_which_request(deployment: Deployment) -> None:
    before = datetime.now(UTC)
    with serving("req-42"):
        await recorded(deployment, subject="user:9", because="asked")
    async with deployment.container.units() as uow:
        [event] = (await uow.audit.page(CursorRequest())).items
        origin = await deployment.container.audit_trail.origin_of(uow, event)
    assert (event.actor_id, event.action, event.subject) == (ANYBODY.user_id, AuditAction.USER_LOGIN, "user:9")
    assert (event.request_id, event.details, event.at >= before) == ("req-42", {"because": "asked"}, True)
    assert origin == Origin("198.51.100.7", "Mozilla/5.0")


async def test_nothing_of_where_somebody_was_is_legible_in_the_table(deployment: Deployment) -> None:
    await recorded(deployment)
    row = await deployment.value("SELECT to_jsonb(audit_events)::text || encode(origin, 'escape') FROM audit_events")
    assert "198.51.100.7" not in row
    assert "Mozilla" not in row


async def test_with_the_persons_key_goes_where_they_were(deployment: Deployment) -> None:
    await recorded(deployment)
    async with deployment.container.units() as uow:
        assert ANYBODY.user_id is not None
        assert await uow.personal_keys.destroy(ANYBODY.user_id)
        [event] = (await uow.audit.page(CursorRequest())).items
        assert await deployment.container.audit_trail.origin_of(uow, event) is None


async def test_where_nobody_in_particular_was_is_not_kept(deployment: Deployment) -> None:
    await recorded(deployment, Caller(CallerKind.ANONYMOUS, address="198.51.100.8"))
    assert await deployment.value("SELECT origin FROM audit_events") is None
    assert await deployment.value("SELECT count(*) FROM personal_keys") == 0


async def test_the_trail_is_read_page_by_page_from_the_newest_on(deployment: Deployment) -> None:
    for number in range(5):
        await recorded(deployment, subject=f"user:{number}")
    read, cursor = [], None
    async with deployment.container.units() as uow:
        while True:
            page = await uow.audit.page(CursorRequest(cursor, 2))
            read += [event.subject for event in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert read == [f"user:{number}" for number in (4, 3, 2, 1, 0)]


async def test_a_cursor_that_is_none_of_ours_is_told(deployment: Deployment) -> None:
    async with deployment.container.units() as uow:
        with pytest.raises(ValidationFailed, match="cursor"):
            await uow.audit.page(CursorRequest("not-ours"))
