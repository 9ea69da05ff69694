"""Credits are granted, held, spent and over exactly once, soonest-ending first, and never below zero."""

import asyncio

import asyncpg
import pytest

from deployment import Deployment
from integration.credits.bookkeeping import DAY, HOUR, Books, now
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import HoldIsOver, HoldStatus, InsufficientCredits, TransactionKind
from madang.core.kernel.errors import Conflict, NotFound, ValidationFailed
from madang.core.kernel.ids import new_id


async def test_what_is_granted_can_be_spent_and_no_more(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 100)
    spent = await books.deduct(member, 60)
    assert (spent.amount, spent.spent, spent.balance) == (-60, 60, 40)
    with pytest.raises(InsufficientCredits) as refused:
        await books.deduct(member, 41)
    assert refused.value.params == {"balance": 40, "required": 41}
    assert await books.have(member) == (40, 0)
    assert await books.in_system("spent") == 60
    assert await books.in_system("granted") == -100
    await books.check()


async def test_the_same_key_moves_credits_once_also_two_at_once(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    granted = await asyncio.gather(*(books.grant(member, 100, "one gift") for _ in range(5)))
    assert len({lot.id for lot in granted}) == 1
    spent = await asyncio.gather(*(books.deduct(member, 30, "one call") for _ in range(5)))
    assert len({each.id for each in spent}) == 1
    held = await asyncio.gather(*(books.hold(member, 20, "one job") for _ in range(5)))
    assert len({hold.id for hold in held}) == 1
    assert await books.have(member) == (50, 20)
    await asyncio.gather(*(books.take("one job", 5) for _ in range(5)))
    assert await books.have(member) == (65, 0)
    await books.check()


async def test_a_hundred_at_once_never_overdraw(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await asyncio.gather(books.grant(member, 50), books.grant(member, 33, expires_at=now() + DAY))
    outcomes = await asyncio.gather(*(books.deduct(member, 2) for _ in range(100)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert {type(each) for each in refused} == {InsufficientCredits}
    assert len(refused) == 100 - 41
    assert await books.have(member) == (1, 0)
    assert await books.in_system("spent") == 82
    await books.check()


async def test_what_is_held_is_taken_in_part_and_the_rest_comes_back_to_where_it_was(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    await books.grant(member, 10, expires_at=now() + DAY)
    await books.grant(member, 10)
    held = await books.hold(member, 15, "a job")
    assert (held.status, await books.have(member)) == (HoldStatus.OPEN, (5, 15))
    taken = await books.take("a job", 12)
    assert (taken.status, taken.taken, await books.have(member)) == (HoldStatus.TAKEN, 12, (8, 0))
    assert [(lot["spent"], lot["available"]) for lot in await books.lots(member)] == [(10, 0), (2, 8)]
    assert (await books.take("a job", 1)).taken == 12
    assert (await books.release("a job")).status is HoldStatus.TAKEN
    await books.check()


async def test_what_is_given_back_is_given_back_once_and_cannot_be_taken(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10)
    await books.hold(member, 10, "a job")
    with pytest.raises(InsufficientCredits):
        await books.deduct(member, 1)
    for _ in range(2):
        assert (await books.release("a job")).status is HoldStatus.RELEASED
    assert await books.have(member) == (10, 0)
    with pytest.raises(HoldIsOver):
        await books.take("a job")
    assert (await books.hold(member, 10, "a job")).status is HoldStatus.RELEASED
    await books.check()


async def test_taking_nothing_gives_everything_back_and_more_than_was_held_cannot_be_taken(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    await books.grant(member, 10)
    await books.hold(member, 4, "a job")
    for wrong in (5, -1):
        with pytest.raises(ValidationFailed):
            await books.take("a job", wrong)
    assert (await books.take("a job", 0)).status is HoldStatus.RELEASED
    assert await books.have(member) == (10, 0)


async def test_a_hold_that_nobody_ends_is_given_back_after_its_time(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10)
    await books.hold(member, 4, "a job", ends_in=HOUR)
    await books.settle()
    assert await books.have(member) == (6, 4)
    await deployment.let_pass(hours=1)
    await deployment.container.schedule_recurring_work()
    await deployment.let_pass(minutes=1)
    await deployment.work()
    assert await books.have(member) == (10, 0)
    with pytest.raises(HoldIsOver):
        await books.take("a job")
    await books.check()


async def test_what_is_over_is_spent_by_nobody_and_booked_once(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10, expires_at=now() + HOUR)
    await books.grant(member, 5)
    await books.deduct(member, 3)
    await deployment.let_pass(hours=1)
    assert await books.have(member) == (5, 0)
    with pytest.raises(InsufficientCredits):
        await books.deduct(member, 6)
    await asyncio.gather(*(books.settle() for _ in range(4)), return_exceptions=False)
    assert await books.in_system("expired") == 7
    assert await deployment.value("SELECT count(*) FROM credit_transactions WHERE kind = 'expire'") == 1
    assert await books.have(member) == (5, 0)
    await books.check()


async def test_what_is_over_while_it_is_held_may_be_taken_and_does_not_come_back(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10, expires_at=now() + HOUR)
    await books.hold(member, 6, "a job", ends_in=DAY)
    await deployment.let_pass(hours=1)
    await books.settle()
    await books.take("a job", 2)
    assert await books.have(member) == (0, 0)
    assert (await books.in_system("spent"), await books.in_system("expired")) == (2, 8)
    await books.check()


async def test_a_lot_that_is_over_when_it_comes_is_booked_at_once(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    lot = await books.grant(member, 10, expires_at=now() - HOUR)
    assert (lot.available, lot.expired, await books.have(member)) == (0, 10, (0, 0))
    await books.check()


@pytest.mark.parametrize("amount", [0, -1])
async def test_nothing_and_less_than_nothing_are_not_moved(deployment: Deployment, books: Books, amount: int) -> None:
    member = await deployment.member()
    for wrong in (books.grant(member, amount), books.deduct(member, amount), books.hold(member, amount, "a job")):
        with pytest.raises(ValidationFailed):
            await wrong


async def test_nobody_is_granted_nothing_and_no_hold_is_no_hold(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    stranger = type(member)(new_id(), "nobody@example.com", {})
    with pytest.raises(NotFound):
        await books.grant(stranger, 10)
    for ending in (books.take("no job"), books.release("no job")):
        with pytest.raises(NotFound):
            await ending


async def test_what_fails_after_credits_moved_takes_the_move_along(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 10)

    async def fails() -> None:
        async with deployment.container.units() as uow:
            await books.credits.deduct(uow, member.id, 4, key="a call", subject="test:1")
            raise RuntimeError("the caller's own state")

    with pytest.raises(RuntimeError):
        await fails()
    assert await books.have(member) == (10, 0)
    await books.check()


async def test_two_wallets_in_one_commit_are_never_mixed_up(deployment: Deployment, books: Books) -> None:
    one, other = await deployment.member(), await deployment.member()
    await books.grant(one, 10)
    await books.grant(other, 10)
    ledger = Ledger(deployment.container.clock)
    async with deployment.container.units() as uow:
        first, second = await ledger.open(uow, one.id), await ledger.open(uow, other.id)
        first.spend(3)
        await ledger.post(uow, first, TransactionKind.DEDUCT, "deduct:first", subject="test:1")
        second.hold(4)
        await ledger.post(uow, second, TransactionKind.HOLD, "hold:second", subject="test:1")
    assert (await books.have(one), await books.have(other)) == ((7, 0), (6, 4))
    await books.check()


async def test_a_key_that_moved_anothers_credits_is_refused(deployment: Deployment, books: Books) -> None:
    one, other = await deployment.member(), await deployment.member()
    for call, key in ((books.grant, "g"), (books.deduct, "d"), (books.hold, "h")):
        await books.grant(other, 5)
        await call(one if key == "g" else other, 5, key)
        with pytest.raises(Conflict):
            await call(other if key == "g" else one, 5, key)
    await books.check()


async def test_of_taking_and_releasing_at_once_one_wins(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    for number in range(8):
        await books.grant(member, 10)
        key = f"job {number}"
        await books.hold(member, 10, key)
        before = await books.in_system("spent")
        calls = [books.take(key), books.release(key)]
        outcomes = await asyncio.gather(*(calls if number % 2 else reversed(calls)), return_exceptions=True)
        spent = await books.in_system("spent") - before
        raised = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert (spent, [type(error) for error in raised]) in [(10, []), (0, [HoldIsOver])]
        statuses = {outcome.status for outcome in outcomes if not isinstance(outcome, BaseException)}
        assert statuses == {HoldStatus.TAKEN if spent else HoldStatus.RELEASED}
    await books.check()


async def test_a_hundred_holds_at_once_set_aside_what_there_is(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 50)
    held = await asyncio.gather(*(books.hold(member, 3, f"job {n}") for n in range(100)), return_exceptions=True)
    assert sum(isinstance(each, InsufficientCredits) for each in held) == 100 - 16
    assert await books.have(member) == (2, 48)
    await books.check()


@pytest.mark.parametrize("table", ["credit_transactions", "credit_entries"])
@pytest.mark.parametrize("change", ["UPDATE {} SET amount = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_the_database_refuses_to_change_the_ledger(deployment: Deployment, books: Books, table: str, change: str) -> None:
    await books.grant(await deployment.member(), 10)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await deployment.execute(change.format(table))
