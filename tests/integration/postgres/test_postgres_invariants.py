"""Each invariant, broken on purpose, is found by name and mended by the ordinary machinery."""

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from integration.postgres import samples
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import invariants
from madang.core.billing.model import PaymentStatus, Refund, RefundStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.invariants import Invariant
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.model import PictureStatus, Portrait, PortraitStatus
from madang.core.portraits.repository import PortraitsUnitOfWork

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
MINUTE = timedelta(minutes=1)
ByName = dict[str, Invariant]


@pytest.fixture
def owed() -> list[UUID]:
    return []


@pytest.fixture
def by_name(database: Database, units: Units, owed: list[UUID]) -> ByName:
    async def refund_owed(portrait_id: UUID) -> str:
        owed.append(portrait_id)
        return "refund queued"

    return {invariant.name: invariant for invariant in invariants(database, units=units, refund_owed=refund_owed)}


async def only_violation(by_name: ByName, name: str) -> Any:
    """The one violation of this invariant, when all the others hold."""
    found = {each.name: await each.violations() for each in by_name.values()}
    assert {broken for broken, violations in found.items() if violations} == {name}
    (violation,) = found[name]
    return violation


async def messages(database: Database, topic: str) -> list[Any]:
    rows = await database.fetch("SELECT payload FROM messages WHERE topic = $1 AND state = 'waiting' ORDER BY payload", topic)
    return [row["payload"] for row in rows]


async def test_every_invariant_holds_on_an_empty_database_and_says_what_to_do(by_name: ByName) -> None:
    for invariant in by_name.values():
        assert await invariant.violations() == []
        assert invariant.explanation


async def test_a_healthy_job_in_progress_breaks_nothing(by_name: ByName, units: Units) -> None:
    long_ago = samples.now() - 30 * MINUTE
    portrait = await a_portrait(units, status=PortraitStatus.PROCESSING, updated_at=long_ago)
    waiting = samples.a_payment(created_at=long_ago)
    entry = samples.an_inbox_entry(received_at=long_ago)
    async with units() as uow:
        uow.send(NewMessage("portraits.make_picture", {"index": 2}, subject=portrait.subject))
        await uow.payments.add(waiting)
        uow.send(NewMessage("billing.look_up", {}, subject=f"payment:{waiting.id}", due_at=samples.now() + MINUTE))
        await uow.inbox.add(entry)
        uow.send(NewMessage("billing.handle_notice", {}, subject=f"inbox:{entry.id}"))
    for invariant in by_name.values():
        assert await invariant.violations() == [], invariant.name


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET due_at = now() - interval '2 minutes'",
        "UPDATE messages SET state = 'leased', lease_until = now() - interval '2 minutes'",
    ],
)
async def test_a_message_that_nobody_takes_is_found_and_the_relays_are_woken(
    by_name: ByName, units: Units, database: Database, change: str
) -> None:
    async with units() as uow:
        uow.send(NewMessage("billing.look_up"))
    await execute(database, change)
    violation = await only_violation(by_name, "no-message-is-overdue")
    assert violation.detail["topic"] == "billing.look_up"
    assert await by_name["no-message-is-overdue"].mend(violation)


async def test_a_dead_message_waits_for_a_person(by_name: ByName, units: Units, database: Database) -> None:
    async with units() as uow:
        uow.send(NewMessage("billing.look_up", subject="payment:1"))
    await execute(database, "UPDATE messages SET state = 'dead'")
    violation = await only_violation(by_name, "no-message-is-dead")
    assert violation.detail["about"] == "payment:1"
    assert await by_name["no-message-is-dead"].mend(violation) == ""


async def test_a_notice_that_nobody_handles_is_handed_over_again(by_name: ByName, units: Units, database: Database) -> None:
    entry = samples.an_inbox_entry(received_at=samples.now() - 2 * MINUTE)
    fresh = samples.an_inbox_entry()
    async with units() as uow:
        await uow.inbox.add(entry)
        await uow.inbox.add(fresh)
    violation = await only_violation(by_name, "every-notice-is-handled")
    await by_name["every-notice-is-handled"].mend(violation)
    assert await messages(database, "billing.handle_notice") == [{"inbox_id": str(entry.id)}]
    assert await by_name["every-notice-is-handled"].violations() == []


async def test_an_open_payment_that_nobody_asks_for_is_asked_for_again(
    by_name: ByName, units: Units, database: Database
) -> None:
    payment = samples.a_payment(created_at=samples.now() - 5 * MINUTE)
    async with units() as uow:
        await uow.payments.add(payment)
        await uow.payments.add(samples.a_payment(created_at=samples.now() - 5 * MINUTE, status=PaymentStatus.REFUNDED))
    violation = await only_violation(by_name, "every-open-payment-is-asked-for")
    await by_name["every-open-payment-is-asked-for"].mend(violation)
    assert await messages(database, "billing.look_up") == [{"payment_id": str(payment.id), "round": 1005}]
    assert await by_name["every-open-payment-is-asked-for"].violations() == []


async def test_a_stranded_portrait_gets_its_missing_pictures_again_past_keys_that_are_taken(
    by_name: ByName, units: Units, database: Database
) -> None:
    portrait = await a_portrait(units, status=PortraitStatus.PROCESSING, updated_at=samples.now() - 2 * MINUTE)
    async with units() as uow:
        for index in range(3):
            uow.send(
                NewMessage("portraits.make_picture", key=f"portrait:{portrait.id}:picture:{index}", subject=portrait.subject)
            )
    await execute(database, "UPDATE messages SET state = 'done', done_at = now()")
    violation = await only_violation(by_name, "every-portrait-in-progress-has-work")
    assert "2 pictures" in await by_name["every-portrait-in-progress-has-work"].mend(violation)
    sent = [{"portrait_id": str(portrait.id), "index": index} for index in (1, 2)]
    assert await messages(database, "portraits.make_picture") == sent
    assert await by_name["every-portrait-in-progress-has-work"].violations() == []


async def test_a_stranded_portrait_with_all_its_pictures_gets_its_report_written(
    by_name: ByName, units: Units, database: Database
) -> None:
    portrait = await a_portrait(units, made=3, status=PortraitStatus.PROCESSING, updated_at=samples.now() - 2 * MINUTE)
    violation = await only_violation(by_name, "every-portrait-in-progress-has-work")
    await by_name["every-portrait-in-progress-has-work"].mend(violation)
    assert await messages(database, "portraits.write_report") == [{"portrait_id": str(portrait.id)}]


async def test_a_portrait_that_went_on_meanwhile_is_left_alone(by_name: ByName, units: Units, database: Database) -> None:
    portrait = await a_portrait(units, status=PortraitStatus.PROCESSING, updated_at=samples.now() - 2 * MINUTE)
    violation = await only_violation(by_name, "every-portrait-in-progress-has-work")
    async with units() as uow:
        await uow.portraits.update(dataclasses.replace(portrait, status=PortraitStatus.COMPLETED))
    assert await by_name["every-portrait-in-progress-has-work"].mend(violation)
    assert await messages(database, "portraits.make_picture") == []


async def test_a_portrait_that_outlived_its_time_is_expired(by_name: ByName, units: Units, database: Database) -> None:
    portrait = await a_portrait(
        units, status=PortraitStatus.COMPLETED, expires_at=samples.now() - 6 * MINUTE, completed_at=samples.now()
    )
    await a_portrait(units, status=PortraitStatus.COMPLETED, expires_at=samples.now() - MINUTE, completed_at=samples.now())
    violation = await only_violation(by_name, "every-portrait-is-purged-in-time")
    await by_name["every-portrait-is-purged-in-time"].mend(violation)
    assert await messages(database, "portraits.expire") == [{"portrait_id": str(portrait.id)}]
    async with units() as uow:
        await uow.portraits.purge(portrait.id, now=samples.now())
    assert await by_name["every-portrait-is-purged-in-time"].violations() == []


@pytest.mark.parametrize("status", [PortraitStatus.FAILED, PortraitStatus.EXPIRED])
async def test_a_buyer_who_is_owed_a_refund_is_found_and_refunded(
    by_name: ByName, units: Units, owed: list[UUID], status: PortraitStatus
) -> None:
    portrait = await a_portrait(units, status=status, updated_at=samples.now() - 2 * MINUTE)
    await a_portrait(units, status=PortraitStatus.EXPIRED, updated_at=samples.now() - 2 * MINUTE, completed_at=samples.now())
    violation = await only_violation(by_name, "no-refund-is-owed")
    assert violation.detail["payment_id"] == str(portrait.payment_id)
    assert await by_name["no-refund-is-owed"].mend(violation) == "refund queued"
    assert owed == [portrait.id]


@pytest.mark.parametrize(("refund", "is_owed"), [(RefundStatus.QUEUED, False), (RefundStatus.FAILED, True)])
async def test_a_refund_under_way_is_enough_and_a_failed_one_is_not(
    by_name: ByName, units: Units, refund: RefundStatus, is_owed: bool
) -> None:
    at = samples.now()
    portrait = await a_portrait(units, status=PortraitStatus.FAILED, updated_at=at - 2 * MINUTE)
    async with units() as uow:
        await uow.payments.add_refund(
            Refund(new_id(), portrait.payment_id, "refund:1", portrait.amount, "failed", refund, at, at)
        )
    assert bool(await by_name["no-refund-is-owed"].violations()) is is_owed


async def test_without_a_way_to_refund_a_person_must_look(database: Database, units: Units) -> None:
    await a_portrait(units, status=PortraitStatus.FAILED, updated_at=samples.now() - 2 * MINUTE)
    (invariant,) = [each for each in invariants(database, units=units) if each.name == "no-refund-is-owed"]
    (violation,) = await invariant.violations()
    assert await invariant.mend(violation) == ""


@pytest.mark.parametrize("state", [ActionState.UNKNOWN, ActionState.RUNNING])
async def test_an_action_whose_outcome_stays_unknown_waits_for_a_person(
    by_name: ByName, units: Units, state: ActionState
) -> None:
    async with units() as uow:
        await uow.actions.save(samples.an_action(key="sms:1", state=state, updated_at=samples.now() - 11 * MINUTE))
        await uow.actions.save(samples.an_action(state=state))
        await uow.actions.save(samples.an_action(state=ActionState.FAILED, updated_at=samples.now() - 11 * MINUTE))
    violation = await only_violation(by_name, "no-action-stays-unknown")
    assert violation.detail["action"] == "sms:1"
    assert await by_name["no-action-stays-unknown"].mend(violation) == ""


@pytest.mark.parametrize("name", ["every-notice-is-handled"])
async def test_no_more_violations_than_asked_for(by_name: ByName, units: Units, name: str) -> None:
    async with units() as uow:
        for _ in range(5):
            await uow.inbox.add(samples.an_inbox_entry(received_at=samples.now() - 2 * MINUTE))
    assert len(await by_name[name].violations(limit=3)) == 3


async def a_portrait(units: Units, *, made: int = 1, **changes: Any) -> Portrait:
    """A paid job whose first pictures are made."""
    portrait = samples.a_portrait(**changes)
    states = [PictureStatus.MADE] * made + [PictureStatus.WAITING] * (3 - made)
    paid = samples.a_payment(id=portrait.payment_id, status=PaymentStatus.PAID, updated_at=samples.now() - 2 * MINUTE)
    async with units() as uow:
        await uow.payments.add(paid)
        await uow.portraits.add(portrait)
        await uow.portraits.add_pictures([samples.a_picture(portrait.id, index, state) for index, state in enumerate(states)])
    return portrait


async def execute(database: Database, statement: str) -> None:
    async with database.connection() as connection:
        await connection.execute(statement)
