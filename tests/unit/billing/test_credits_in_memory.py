"""Credits against rows in memory: each move once by its key, written, announced, noted and audited whole."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from madang.core.billing.credits.accounts import CreditAccounts, CreditGift, Deduction
from madang.core.billing.credits.events import credits_changed
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import (
    AccountKind,
    CreditMonth,
    CreditNote,
    CreditTransaction,
    Hold,
    HoldIsOver,
    HoldStatus,
    InsufficientCredits,
    Lot,
    LotSource,
    MonthStatus,
    Move,
    TransactionKind,
    Wallet,
)
from madang.core.billing.credits.monthly import MonthlyCredits, credits_of_months
from madang.core.billing.credits.personal_data import CreditsPersonalData
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.settling import Settling
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import AlreadyExists, Conflict, LeaseLost, NotFound, ValidationFailed
from madang.core.kernel.ids import new_id
from unit.billing.billing_in_memory import Commit, Delivered
from unit.core.core_in_memory import StandingClock

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
SEOUL = ZoneInfo("Asia/Seoul")
K, T = AccountKind, TransactionKind
ANNA = Caller(CallerKind.USER, new_id())


class CreditRows:
    """Every wallet, with what is written of it; a user who is not `known` has none."""

    def __init__(self) -> None:
        self.wallets: dict[UUID, Wallet] = {}
        self.lots: dict[UUID, Lot] = {}
        self.transactions: dict[str, CreditTransaction] = {}
        self.moves: dict[UUID, list[Move]] = {}
        self.holds: dict[str, Hold] = {}
        self.notes: dict[UUID, CreditNote] = {}
        self.months: dict[UUID, CreditMonth] = {}
        self.unknown: set[UUID] = set()
        self.waited: list[bool] = []
        self.broken: dict[UUID, Exception] = {}
        self.asked_due: list[UUID | None] = []

    async def open_wallet(self, user_id: UUID, now: datetime) -> Wallet | None:
        if user_id in self.unknown:
            return None
        mine = [wallet for wallet in self.wallets.values() if wallet.user_id == user_id]
        wallet = mine[0] if mine else Wallet(new_id(), user_id, 0, 0)
        self.wallets[wallet.id] = wallet
        return wallet

    async def lock_wallet(self, wallet_id: UUID, *, wait: bool = True) -> Wallet | None:
        self.waited.append(wait)
        if wallet_id in self.broken:
            raise self.broken[wallet_id]
        return self.wallets.get(wallet_id)

    async def open_lots(self, wallet_id: UUID) -> Sequence[Lot]:
        return [lot for lot in self.lots.values() if lot.wallet_id == wallet_id and (lot.available or lot.held)]

    async def lots_of(self, subject: str, source: LotSource) -> Sequence[Lot]:
        return [lot for lot in self.lots.values() if (lot.subject, lot.source) == (subject, source)]

    async def lots_by_id(self, lot_ids: Sequence[UUID]) -> Sequence[Lot]:
        return [self.lots[lot_id] for lot_id in lot_ids]

    async def transaction(self, key: str) -> CreditTransaction | None:
        return self.transactions.get(key)

    async def write(self, transaction: CreditTransaction, moves: Sequence[Move], wallet: Wallet, lots: Sequence[Lot]) -> None:
        assert transaction.key not in self.transactions
        self.transactions[transaction.key] = transaction
        self.moves[transaction.id] = list(moves)
        self.wallets[wallet.id] = wallet
        await self.update_lots(lots)

    async def update_lots(self, lots: Sequence[Lot]) -> None:
        self.lots.update({lot.id: lot for lot in lots})

    async def add_note(self, note: CreditNote) -> bool:
        return self.notes.setdefault(note.transaction_id, note) is note

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        told = (user_id, client_reference)
        return next((key for key, note in self.notes.items() if (note.user_id, note.client_reference) == told), None)

    async def add_hold(self, hold: Hold) -> None:
        self.holds[hold.key] = hold

    async def hold(self, key: str) -> Hold | None:
        return self.holds.get(key)

    async def held_parts(self, hold: Hold) -> Sequence[tuple[UUID, int]]:
        return [(move.lot_id, move.amount) for move in self.moves[hold.id]]

    async def end_hold(self, hold: Hold) -> None:
        self.holds[hold.key] = hold

    async def holds_over(self, wallet_id: UUID, now: datetime) -> Sequence[Hold]:
        return [hold for hold in self.holds.values() if hold.status is HoldStatus.OPEN and hold.ends_at <= now]

    async def months_due(self, wallet_id: UUID, now: datetime) -> Sequence[CreditMonth]:
        return [month for month in self.months.values() if month.status is MonthStatus.DUE and month.starts_at <= now]

    async def end_month(self, month: CreditMonth) -> None:
        self.months[month.id] = month

    async def wallets_with_due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        self.asked_due.append(after)
        return [each for each in sorted(self.wallets) if after is None or each > after][:limit]

    async def forget_user(self, user_id: UUID) -> tuple[UUID | None, int, int]:
        mine = [wallet for wallet in self.wallets.values() if wallet.user_id == user_id]
        for wallet in mine:
            self.wallets[wallet.id] = replace(wallet, user_id=None)
        return (mine[0].id if mine else None), 2 * len(mine), len(self.notes)


class Purse:
    """Anna's credits and all who move them."""

    def __init__(self) -> None:
        self.clock: Any = StandingClock(NOW)
        self.commit: Any = Commit()
        self.rows = self.commit.credits = CreditRows()
        self.ledger = Ledger(self.clock)
        self.credits = CreditService(self.ledger)
        self.monthly = MonthlyCredits(self.credits, self.ledger, SEOUL)
        self.settling = Settling(self.ledger, self.credits, self.monthly, self.clock)
        self.accounts = CreditAccounts(self.commit.unit, self.credits, self.commit, self.clock)

    async def granted(self, amount: int = 10, key: str = "gift", **changes: Any) -> Lot:
        return await self.credits.grant(self.commit, ANNA.person, amount, key=key, subject="s", **changes)

    async def held(self, amount: int = 4, key: str = "job") -> Hold:
        return await self.credits.hold(self.commit, ANNA.person, amount, key=key, subject="generation:1", ends_at=NOW + DAY)

    @property
    def wallet(self) -> Wallet:
        """The first: that of Anna."""
        return next(iter(self.rows.wallets.values()))

    @property
    def totals(self) -> tuple[int, int]:
        return self.wallet.available, self.wallet.held

    @property
    def last(self) -> CreditTransaction:
        return list(self.rows.transactions.values())[-1]


@pytest.fixture
def purse() -> Purse:
    return Purse()


async def test_a_gift_is_a_lot_of_its_own_written_and_announced_once(purse: Purse) -> None:
    lot = await purse.granted(expires_at=NOW + DAY)
    assert lot == Lot(lot.id, purse.wallet.id, LotSource.GRANT, "s", 10, NOW, NOW + DAY, 10)
    assert purse.rows.lots == {lot.id: lot}
    expected = CreditTransaction(lot.id, purse.wallet.id, T.GRANT, "grant:gift", "s", 10, 0, 10, NOW)
    assert list(purse.rows.transactions.values()) == [expected]
    assert purse.commit.announced == [credits_changed(purse.wallet, expected)]
    assert purse.rows.moves[lot.id] == [Move(lot.id, K.GRANTED, K.AVAILABLE, 10)]
    assert await purse.granted(expires_at=NOW + DAY) == lot
    assert len(purse.rows.transactions) == 1
    over = await purse.granted(3, key="late", expires_at=NOW)
    assert (over.available, over.expired, purse.totals) == (0, 3, (10, 0))
    assert (purse.last.kind, purse.last.amount, purse.last.subject) == (T.EXPIRE, -3, "")
    assert purse.last.key == f"expire:{purse.last.id}"
    named = await purse.granted(1, key="named", lot_id=(lot_id := new_id()), source=LotSource.PACK)
    assert (named.id, purse.rows.moves[lot_id][0].source) == (lot_id, K.SOLD)


async def test_what_is_spent_is_written_once_and_never_more_than_there_is(purse: Purse) -> None:
    await purse.granted()
    wanted = {"key": "job", "subject": "generation:1", "transaction_id": new_id()}
    spent = await purse.credits.deduct(purse.commit, ANNA.person, 10, **wanted)
    assert spent == CreditTransaction(
        wanted["transaction_id"], purse.wallet.id, T.DEDUCT, "deduct:job", "generation:1", -10, 10, 0, NOW
    )
    assert await purse.credits.deduct(purse.commit, ANNA.person, 10, **wanted) is spent
    with pytest.raises(InsufficientCredits) as short:
        await purse.credits.deduct(purse.commit, ANNA.person, 1, key="other", subject="s")
    assert (short.value.params["balance"], short.value.params["required"]) == (0, 1)
    with pytest.raises(Conflict):
        await purse.credits.deduct(purse.commit, new_id(), 10, **wanted)
    with pytest.raises(Conflict):
        await purse.credits.grant(purse.commit, new_id(), 10, key="gift", subject="s")
    purse.rows.unknown.add(nobody := new_id())
    with pytest.raises(NotFound) as missing:
        await purse.credits.grant(purse.commit, nobody, 1, key="k", subject="s")
    assert missing.value.error_code == "USER_NOT_FOUND"


async def test_what_is_held_is_taken_or_given_back_once(purse: Purse) -> None:
    await purse.granted()
    hold = await purse.held()
    expected = Hold(hold.id, "job", purse.wallet.id, "generation:1", 4, HoldStatus.OPEN, NOW, NOW + DAY)
    assert (hold, purse.totals, purse.last.key) == (expected, (6, 4), "hold:job")
    assert (purse.last.amount, purse.last.spent, purse.last.subject) == (-4, 0, "generation:1")
    assert await purse.held() == hold
    with pytest.raises(Conflict):
        await purse.credits.hold(purse.commit, new_id(), 4, key="job", subject="s", ends_at=NOW)
    for wrong in (-1, 5):
        with pytest.raises(ValidationFailed):
            await purse.credits.take(purse.commit, "job", wrong)
    taken = await purse.credits.take(purse.commit, "job", 3)
    assert taken == replace(hold, status=HoldStatus.TAKEN, taken=3, ended_at=NOW)
    assert (purse.totals, purse.last.key, purse.last.amount, purse.last.spent) == ((7, 0), "take:job", 1, 3)
    assert purse.last.subject == "generation:1"
    assert await purse.credits.take(purse.commit, "job") == taken
    assert await purse.credits.release(purse.commit, "job") == taken
    assert len(purse.rows.transactions) == 3
    for missing in (purse.credits.take(purse.commit, "none"), purse.credits.release(purse.commit, "none")):
        with pytest.raises(NotFound):
            await missing


@pytest.mark.parametrize(
    ("take", "status", "totals", "key"),
    [
        (None, HoldStatus.TAKEN, (6, 0), "take:job"),
        (4, HoldStatus.TAKEN, (6, 0), "take:job"),
        (0, HoldStatus.RELEASED, (10, 0), "release:job"),
    ],
)
async def test_all_that_is_held_or_nothing_may_be_taken(
    purse: Purse, take: int | None, status: HoldStatus, totals: tuple[int, int], key: str
) -> None:
    await purse.granted()
    await purse.held()
    ended = await purse.credits.take(purse.commit, "job", take)
    assert (ended.status, ended.ended_at, purse.totals, purse.last.key) == (status, NOW, totals, key)
    if status is HoldStatus.RELEASED:
        with pytest.raises(HoldIsOver):
            await purse.credits.take(purse.commit, "job")


async def test_a_hold_that_nobody_ends_is_given_back_at_its_end_and_what_is_over_expires(purse: Purse) -> None:
    await purse.granted(expires_at=NOW + DAY)
    await purse.held()
    purse.clock.pass_by(DAY - SECOND)
    assert await purse.settling.settle(purse.commit, purse.wallet.id)
    assert purse.totals == (6, 4)
    purse.clock.pass_by(SECOND)
    await purse.settling.settle(purse.commit, purse.wallet.id)
    (hold,) = purse.rows.holds.values()
    (lot,) = purse.rows.lots.values()
    assert (hold.status, hold.ended_at, purse.totals, lot.expired) == (HoldStatus.EXPIRED, NOW + DAY, (0, 0), 10)
    with pytest.raises(HoldIsOver):
        await purse.credits.take(purse.commit, "job")
    assert not await purse.settling.settle(purse.commit, new_id())
    assert set(purse.rows.waited) == {True}


async def test_a_refund_takes_back_what_is_left_waits_for_what_is_held_and_loses_what_is_spent(purse: Purse) -> None:
    lot = await purse.granted(source=LotSource.PACK)
    await purse.credits.deduct(purse.commit, ANNA.person, 3, key="d", subject="s")
    await purse.held()
    await purse.credits.revoke(purse.commit, purse.wallet.id, [(lot, 10)])
    found = purse.rows.lots[lot.id]
    assert (found.available, found.held, found.taken_back, found.lost, found.revoked) == (0, 4, 3, 3, 10)
    assert (purse.last.kind, purse.last.key) == (T.TAKE_BACK, f"take_back:{purse.last.id}")
    transactions = len(purse.rows.transactions)
    await purse.credits.revoke(purse.commit, purse.wallet.id, [(lot, 10)])
    assert (purse.rows.lots[lot.id], len(purse.rows.transactions)) == (found, transactions)
    await purse.credits.forgive(purse.commit, purse.wallet.id, [lot])
    assert (purse.rows.lots[lot.id].revoked, purse.rows.lots[lot.id].owed) == (6, 0)
    await purse.credits.release(purse.commit, "job")
    assert purse.totals == (4, 0)
    await purse.credits.revoke(purse.commit, new_id(), [(lot, 10)])
    await purse.credits.forgive(purse.commit, new_id(), [lot])
    assert purse.totals == (4, 0)


@pytest.mark.parametrize(
    ("begins", "ends", "owner", "status", "granted"),
    [
        (NOW, NOW + SECOND, True, MonthStatus.GRANTED, 5),
        (NOW - DAY, NOW, True, MonthStatus.MISSED, 0),
        (NOW + SECOND, NOW + DAY, True, MonthStatus.DUE, 0),
        (NOW, NOW + DAY, False, MonthStatus.CANCELLED, 0),
    ],
)
async def test_a_month_that_began_is_granted_until_its_end(
    purse: Purse, begins: datetime, ends: datetime, owner: bool, status: MonthStatus, granted: int
) -> None:
    wallet = Wallet(new_id(), ANNA.person if owner else None, 0, 0)
    purse.rows.wallets[wallet.id] = wallet
    month = CreditMonth(new_id(), wallet.id, new_id(), 1, 2, 5, begins, ends)
    purse.rows.months[month.id] = month
    await purse.settling.settle(purse.commit, wallet.id)
    assert (purse.rows.months[month.id].status, purse.totals) == (status, (granted, 0))
    for lot in purse.rows.lots.values():
        told = (lot.source, lot.subject, lot.expires_at, lot.amount)
        assert told == (LotSource.PLAN, f"subscription:{month.subscription_id}", ends, 5)
        assert list(purse.rows.transactions) == [f"grant:subscription:{month.subscription_id}:1:2"]


@pytest.mark.parametrize(
    ("new", "left", "first"),
    [(100, 100, 50), (101, 100, 51), (100, 101, 50), (99, 100, 49), (100, 150, 25), (100, 0, 100), (10, 300, 0), (1, 1, 1)],
)
def test_after_a_change_the_first_month_is_the_new_plans_share_less_what_runs_and_a_half_counts(
    new: int, left: int, first: int
) -> None:
    start, end = datetime(2031, 5, 16, tzinfo=SEOUL), datetime(2031, 6, 16, tzinfo=SEOUL)
    half = CreditMonth(new_id(), new_id(), new_id(), 1, 1, left, start - (end - start), end)
    ((amount, begins, ends),) = credits_of_months(new, (start, end), [half], SEOUL)
    assert (amount, begins, ends) == (first, start, end)
    assert credits_of_months(new, (end, end), [half], SEOUL) == []
    assert [each[0] for each in credits_of_months(new, (start, end), [], SEOUL)] == [new]


async def test_what_a_person_spends_is_noted_and_audited_once_and_a_reference_is_used_once(purse: Purse) -> None:
    await purse.granted()
    spent = Deduction(new_id(), 2, "print", "order-1")
    posted = await purse.accounts.deduct(ANNA, spent)
    assert (posted.id, posted.key, posted.subject, posted.amount) == (spent.id, f"deduct:{spent.id}", "", -2)
    assert purse.rows.notes[spent.id] == CreditNote(spent.id, ANNA.person, NOW, "print", "order-1")
    audited = [("CREDITS_SPENT", f"credits:{purse.wallet.id}", {"amount": 2})]
    assert purse.commit.audited == audited
    assert await purse.accounts.deduct(ANNA, spent) == posted
    assert purse.commit.audited == audited
    with pytest.raises(AlreadyExists) as used:
        await purse.accounts.deduct(ANNA, replace(spent, id=new_id(), amount=100))
    assert used.value.params["id"] == str(spent.id)
    await purse.accounts.deduct(ANNA, Deduction(new_id(), 1, "print"))
    await purse.accounts.deduct(ANNA, Deduction(new_id(), 1, "print"))
    assert purse.totals == (6, 0)


async def test_what_an_administrator_gives_is_noted_and_audited_once(purse: Purse) -> None:
    staff = Caller(CallerKind.USER, new_id())
    gift = CreditGift(new_id(), ANNA.person, 7, "sorry", NOW + SECOND)
    lot = await purse.accounts.give(staff, gift)
    assert (lot.id, lot.amount, lot.expires_at, lot.subject, lot.source) == (
        gift.id, 7, NOW + SECOND, "administration", LotSource.GRANT,
    )  # fmt: skip
    assert purse.last.key == f"grant:{gift.id}"
    assert purse.rows.notes[lot.id] == CreditNote(lot.id, ANNA.person, NOW, "sorry")
    audited = [("CREDITS_GRANTED", f"user:{ANNA.user_id}", {"amount": 7, "lot": str(lot.id)})]
    assert purse.commit.audited == audited
    await purse.accounts.give(staff, gift)
    assert purse.commit.audited == audited
    with pytest.raises(ValidationFailed) as over:
        await purse.accounts.give(staff, replace(gift, id=new_id(), expires_at=NOW))
    assert [problem.path for problem in over.value.problems] == ["expiresAt"]


async def test_what_nobody_can_spend_any_more_expires_and_nobody_is_told(purse: Purse) -> None:
    await purse.granted()
    purse.commit.announced.clear()
    data = CreditsPersonalData(purse.ledger)
    assert await data.erase(purse.commit, ANNA.person, NOW) == {"credit_accounts": 2, "credit_notes": 0}
    assert (purse.totals, purse.last.kind, purse.commit.announced) == ((0, 0), T.EXPIRE, [])
    assert await data.erase(purse.commit, new_id(), NOW) == {"credit_accounts": 0, "credit_notes": 0}


async def test_every_wallet_with_something_due_is_settled_and_a_broken_one_keeps_none_waiting(purse: Purse) -> None:
    for _ in range(100):
        wallet = Wallet(new_id(), new_id(), 1, 0)
        purse.rows.wallets[wallet.id] = wallet
        lot = Lot(new_id(), wallet.id, LotSource.GRANT, "s", 1, NOW - DAY, NOW, 1)
        purse.rows.lots[lot.id] = lot
    first, *_, last = sorted(purse.rows.wallets)
    purse.rows.broken[first] = ValueError("broken")
    await purse.settling.settle_due(Delivered(purse.commit))
    assert purse.rows.asked_due == [None, last]
    assert [wallet.id for wallet in purse.rows.wallets.values() if wallet.available] == [first]
    assert set(purse.rows.waited) == {False}
    purse.rows.broken[first] = LeaseLost()
    with pytest.raises(LeaseLost):
        await purse.settling.settle_due(Delivered(purse.commit))
