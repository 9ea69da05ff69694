"""Each invariant of credits, broken on purpose, is found by name; what is only counted is counted again."""

import pytest

from deployment import Deployment, Member
from integration.credits.bookkeeping import DAY, HOUR, Books, now
from madang.core.kernel.ids import new_id
from madang.core.kernel.invariants import Invariant, Violation

TOTALS, LOTS, DUE = "credit-totals-match-the-ledger", "credit-lots-add-up", "due-credits-are-settled"
ZERO, BELOW = "credits-sum-to-zero", "no-credits-below-zero"


async def broken(deployment: Deployment) -> dict[str, list[Violation]]:
    found = {each.name: list(await each.violations()) for each in deployment.container.invariants}
    return {name: violations for name, violations in found.items() if violations}


def named(deployment: Deployment, name: str) -> Invariant:
    return next(each for each in deployment.container.invariants if each.name == name)


async def somebody(deployment: Deployment, books: Books) -> Member:
    """With something of everything."""
    member = await deployment.member()
    await books.grant(member, 100)
    await books.deduct(member, 30)
    await books.grant(member, 10, expires_at=now() + DAY)
    await books.hold(member, 20, str(new_id()))
    return member


async def entry(deployment: Deployment, books: Books, member: Member, amount: int) -> None:
    """Written past the ledger, as by hand."""
    await deployment.execute(
        "INSERT INTO credit_entries (transaction_id, number, account_id, lot_id, amount) "
        "SELECT written.id, 99, account.id, lot.id, $2 FROM credit_transactions AS written "
        "JOIN credit_accounts AS account USING (wallet_id) JOIN credit_lots AS lot USING (wallet_id) "
        "WHERE wallet_id = $1 AND account.kind = 'available' ORDER BY written.id, lot.id LIMIT 1",
        await books.wallet_of(member),
        amount,
    )


async def test_a_deployment_with_credits_breaks_none(deployment: Deployment, books: Books) -> None:
    await somebody(deployment, books)
    await deployment.work()
    assert await broken(deployment) == {}


@pytest.mark.parametrize("kind", ["available", "held"])
async def test_a_wrong_total_is_found_and_counted_again(deployment: Deployment, books: Books, kind: str) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    before = await books.have(member)
    await deployment.execute(
        "UPDATE credit_accounts SET balance = balance + 1 WHERE user_id = $1 AND kind = $2", member.id, kind
    )
    found = await broken(deployment)
    assert list(found) == [TOTALS]
    [violation] = found[TOTALS]
    assert violation.detail["total"] == violation.detail["ledger"] + 1
    assert await named(deployment, TOTALS).mend(violation) == "counted again from the ledger"
    assert (await broken(deployment), await books.have(member)) == ({}, before)


@pytest.mark.parametrize("change", ["available = available - 1, spent = spent + 1", "amount = amount + 1, expired = 1"])
async def test_a_lot_that_does_not_add_up_is_found_and_counted_again(deployment: Deployment, books: Books, change: str) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    before = [dict(lot) for lot in await books.lots(member)]
    await deployment.execute(f"UPDATE credit_lots SET {change} WHERE id = $1", before[0]["id"])
    found = await broken(deployment)
    assert list(found) == [LOTS]
    assert await named(deployment, LOTS).mend(found[LOTS][0]) == "counted again from the ledger"
    assert (await broken(deployment), [dict(lot) for lot in await books.lots(member)]) == ({}, before)


async def test_a_transaction_that_does_not_sum_to_zero_is_named_and_left_to_a_person(
    deployment: Deployment, books: Books
) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    await entry(deployment, books, member, 7)
    found = await broken(deployment)
    assert set(found) == {ZERO, TOTALS, LOTS}
    [violation] = found[ZERO]
    assert violation.detail["sum"] == 7
    assert await named(deployment, ZERO).mend(violation) == ""


async def test_a_transaction_without_entries_is_none(deployment: Deployment, books: Books) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    await deployment.execute(
        "INSERT INTO credit_transactions SELECT gen_random_uuid(), wallet_id, kind, 'by hand', subject, amount, spent, "
        "balance, created_at FROM credit_transactions WHERE wallet_id = $1 LIMIT 1",
        await books.wallet_of(member),
    )
    assert list(await broken(deployment)) == [ZERO]


async def test_an_owner_below_zero_is_named_and_nothing_is_counted_from_it(deployment: Deployment, books: Books) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    await entry(deployment, books, member, -500)
    found = await broken(deployment)
    assert set(found) == {ZERO, BELOW, TOTALS, LOTS}
    assert await named(deployment, BELOW).mend(found[BELOW][0]) == ""
    assert await named(deployment, TOTALS).mend(found[TOTALS][0]) == ""
    assert set(await broken(deployment)) == set(found)


async def test_what_nobody_settled_in_time_is_found_and_settled(deployment: Deployment, books: Books) -> None:
    member = await somebody(deployment, books)
    await deployment.work()
    await deployment.let_pass(minutes=75)
    found = await broken(deployment)
    assert list(found) == [DUE]
    assert await named(deployment, DUE).mend(found[DUE][0]) == "booked what was due"
    await deployment.work()
    assert (await broken(deployment), await books.have(member)) == ({}, (80, 0))
    await deployment.let_pass(hours=24)
    assert list(await broken(deployment)) == [DUE]
    await named(deployment, DUE).mend((await broken(deployment))[DUE][0])
    await deployment.work()
    assert (await broken(deployment), await books.have(member)) == ({}, (70, 0))


async def test_a_wallet_that_cannot_be_settled_keeps_no_other_waiting(deployment: Deployment, books: Books) -> None:
    members = [await deployment.member() for _ in range(3)]
    for member in members:
        await books.grant(member, 10, expires_at=now() + HOUR)
    wrong = await books.wallet_of(members[1])
    await deployment.execute("UPDATE credit_accounts SET balance = 3 WHERE wallet_id = $1 AND kind = 'available'", wrong)
    await deployment.container.schedule_recurring_work()
    await deployment.let_pass(hours=1, minutes=1)
    await deployment.work()
    expired = await deployment.rows("SELECT wallet_id FROM credit_transactions WHERE kind = 'expire'")
    assert {row["wallet_id"] for row in expired} == {await books.wallet_of(members[0]), await books.wallet_of(members[2])}
    await named(deployment, TOTALS).mend((await broken(deployment))[TOTALS][0])
    await books.settle()
    await books.check()
