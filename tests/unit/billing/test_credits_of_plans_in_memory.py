"""What a plan's periods grant, and packs that are granted again: each month and each lot whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from madang.core.billing.catalogue import catalogue_of
from madang.core.billing.credits.model import CreditMonth, Lot, LotSource, Wallet
from madang.core.billing.credits.monthly import MonthlyCredits
from madang.core.billing.credits.purchases import CreditPurchases
from madang.core.billing.disputes import Dispute, DisputeStatus
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus
from madang.core.billing.subscriptions.model import PeriodStatus
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from unit.billing.billing_in_memory import Commit, Delivered
from unit.billing.subscription_in_memory import S, SubscriptionRows, paid_for
from unit.core.core_in_memory import StandingClock

P = PaymentStatus
SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CATALOGUE = catalogue_of(
    """
[[credit_pack]]
id = "small"
name = {ko = "작은 묶음", en = "Small"}
credits = 10
valid_days = 30
prices = [{amount = "1000", currency = "KRW"}]
"""
)


class Bank:
    """The credits of one person and their subscription: what is granted, taken, forgiven and planned."""

    def __init__(self) -> None:
        life = paid_for()
        self.subscription, self.period = life.course.subscription, life.current
        self.commit: Any = Commit()
        self.commit.credits, self.commit.subscriptions = self, SubscriptionRows(self.subscription)
        self.commit.subscriptions.kept[self.period.id] = self.period
        self.wallet, self.knows = Wallet(new_id(), self.subscription.user_id, 0, 0), True
        self.months: list[CreditMonth] = []
        self.running: list[CreditMonth] = []
        self.cancelled: list[tuple[UUID, datetime, int | None]] = []
        self.lots: list[Lot] = []
        self.moved: list[tuple[Any, ...]] = []
        self.granted: list[dict[str, Any]] = []
        me: Any = self
        clock: Any = StandingClock(NOW)
        self.monthly = MonthlyCredits(me, me, SEOUL)
        self.purchases = CreditPurchases(me, me, CATALOGUE, clock, SEOUL)

    async def open(self, uow: Any, user_id: UUID) -> Any:
        if not self.knows:
            raise NotFound("nobody")
        return SimpleNamespace(wallet=self.wallet, now=NOW)

    async def months_running(self, subscription_id: UUID, at: datetime, before_period: int) -> Any:
        return self.running

    async def cancel_months(self, subscription_id: UUID, *, since: datetime, before_period: int | None = None) -> int:
        self.cancelled.append((subscription_id, since, before_period))
        return 0

    async def add_months(self, months: list[CreditMonth]) -> None:
        self.months += months

    async def months_due(self, wallet_id: UUID, now: datetime) -> list[CreditMonth]:
        self.moved.append(("due", wallet_id, now))
        return []

    async def lots_of(self, subject: str, source: LotSource) -> list[Lot]:
        return [lot for lot in self.lots if (lot.subject, lot.source) == (subject, source)]

    async def revoke(self, uow: Any, wallet_id: UUID, wanted: Any) -> None:
        self.moved.append(("revoke", wallet_id, wanted))

    async def forgive(self, uow: Any, wallet_id: UUID, lots: Any) -> None:
        self.moved.append(("forgive", wallet_id, list(lots)))

    async def grant(self, uow: Any, user_id: UUID, amount: int, **details: Any) -> Lot:
        if not self.knows:
            raise NotFound("nobody")
        self.granted.append({"user_id": user_id, "amount": amount, **details})
        return self.lot(amount, details["subject"], details["source"])

    async def request_refund(self, uow: Any, payment_id: UUID, **details: Any) -> None:
        self.moved.append(("refund", payment_id, details))

    def lot(self, amount: int, subject: str, source: LotSource, **changes: Any) -> Lot:
        made = replace(Lot(new_id(), self.wallet.id, source, subject, amount, NOW, None, amount), **changes)
        self.lots.append(made)
        return made

    async def began(self, start: datetime, end: datetime, **more: Any) -> None:
        about = {"subscription_id": str(self.subscription.id), "user_id": str(self.subscription.user_id), "credits": 100}
        between = {"period": 1, "period_start": start.isoformat(), "period_end": end.isoformat()}
        await self.monthly.period_started(self.commit, Delivered(self.commit, **{**about, **between, **more}).message)

    def is_now(self, **changes: Any) -> None:
        self.subscription = replace(self.subscription, **changes)
        self.commit.subscriptions.rows[self.subscription.id] = self.subscription

    def paid(self, status: PaymentStatus, **changes: Any) -> Payment:
        assert self.period.payment_id is not None
        subject = self.subscription.subject
        made = Payment(self.period.payment_id, "subscriptions", subject, Money(3000, "KRW"), "bank", status, NOW, NOW, NOW)
        made = replace(made, **changes)
        self.commit.payments.rows[made.id] = made
        return made


async def test_each_month_of_a_period_is_planned_and_what_has_begun_is_granted() -> None:
    bank = Bank()
    start, end = bank.period.starts_at, bank.period.ends_at
    await bank.began(start, end + 40 * DAY)
    (month,) = bank.months
    told = (month.wallet_id, month.subscription_id, month.period, month.month, month.credits, month.starts_at, month.ends_at)
    assert told == (bank.wallet.id, bank.subscription.id, 1, 1, 100, start, end)
    assert bank.cancelled == [(bank.subscription.id, start, 1)]
    assert bank.moved == [("due", bank.wallet.id, NOW)]
    assert bank.commit.subscriptions.locked == [bank.subscription.id]
    year = Bank()
    year.commit.subscriptions.kept.clear()
    await year.began(start, start + 365 * DAY)
    assert [month.month for month in year.months] == list(range(1, 13))
    free = Bank()
    await free.began(start, end, credits=0)
    assert (free.months, len(free.moved)) == ([], 1)


async def test_of_what_is_over_no_further_month_is_planned_and_of_nobody_none() -> None:
    bank = Bank()
    bank.commit.subscriptions.kept.clear()
    bank.is_now(status=S.ENDED)
    start = NOW - 31 * DAY
    await bank.began(start, start + 365 * DAY)
    assert [month.month for month in bank.months] == [1, 2]
    exactly = Bank()
    exactly.commit.subscriptions.kept.clear()
    exactly.is_now(status=S.CANCELLED)
    await exactly.began(NOW, NOW + 365 * DAY)
    assert [month.month for month in exactly.months] == [1]
    nobody = Bank()
    nobody.knows = False
    await nobody.began(NOW, NOW + 30 * DAY)
    assert (nobody.months, nobody.cancelled) == ([], [])


@pytest.mark.parametrize("status", [P.PAID, P.REFUNDED, P.PARTLY_REFUNDED])
async def test_a_period_whose_money_went_back_before_grants_nothing(status: PaymentStatus) -> None:
    bank = Bank()
    bank.paid(status)
    await bank.began(bank.period.starts_at, bank.period.ends_at)
    assert (bank.months == []) == (status is P.REFUNDED)


async def test_a_subscription_that_is_over_grants_no_month_that_is_still_to_come() -> None:
    bank = Bank()
    message = Delivered(bank.commit, subscriptionId=str(bank.subscription.id)).message
    await bank.monthly.subscription_changed(bank.commit, message)
    assert bank.cancelled == []
    for knows in (True, False):
        bank.knows = knows
        bank.is_now(status=S.ENDED, updated_at=NOW)
        await bank.monthly.subscription_changed(bank.commit, message)
        assert bank.cancelled.pop() == (bank.subscription.id, NOW, None)
    assert bank.commit.subscriptions.locked == [bank.subscription.id] * 3
    bank.commit.subscriptions.rows.clear()
    await bank.monthly.subscription_changed(bank.commit, message)
    assert bank.cancelled == []


@pytest.mark.parametrize(
    ("status", "purpose", "changes", "revoked"),
    [
        (P.REFUNDED, "subscriptions", {}, True),
        (P.PARTLY_REFUNDED, "subscriptions", {}, False),
        (P.REFUNDED, "items", {}, False),
        (P.REFUNDED, "subscriptions", {"status": PeriodStatus.UNPAID, "payment_id": None}, False),
    ],
)
async def test_credits_of_what_runs_go_with_its_money(
    status: PaymentStatus, purpose: str, changes: dict[str, Any], revoked: bool
) -> None:
    bank = Bank()
    payment = bank.paid(status)
    bank.commit.subscriptions.kept[bank.period.id] = replace(bank.period, **changes)
    left = bank.lot(100, bank.subscription.subject, LotSource.PLAN)
    bank.lot(100, bank.subscription.subject, LotSource.PLAN, expired=1)
    bank.lot(100, bank.subscription.subject, LotSource.GRANT)
    message = Delivered(bank.commit, purpose=purpose, payment_id=str(payment.id)).message
    await bank.monthly.payment_changed(bank.commit, message)
    assert bank.moved == [("revoke", bank.wallet.id, [(left, 100)])] * revoked
    if revoked:
        assert bank.commit.payments.locked == [payment.id]
        assert bank.commit.subscriptions.locked == [bank.subscription.id]
        bank.lots.clear()
        await bank.monthly.payment_changed(bank.commit, message)
        bank.commit.subscriptions.rows.clear()
        await bank.monthly.payment_changed(bank.commit, message)
        bank.commit.payments.rows.clear()
        await bank.monthly.payment_changed(bank.commit, message)
        assert len(bank.moved) == 1


class Pack(Bank):
    """A pack of two lines whose dispute was lost and won after all."""

    def __init__(self, status: PaymentStatus = P.REFUNDED, **changes: Any) -> None:
        super().__init__()
        lines = (PaymentLine("Small", 1, 1000, "small"), PaymentLine("Small", 2, 1000, "small"))
        about = {"purpose": "credit_packs", "refunded": 3000, "lines": lines, "user_id": new_id()}
        self.payment = self.paid(status, **{**about, **changes})
        self.subject = f"payment:{self.payment.id}"
        self.waits(3000)

    def waits(self, taken: int) -> None:
        dispute = Dispute(self.payment.id, "bank", DisputeStatus.REVERSED, taken, NOW, NOW)
        self.commit.disputes.rows[self.payment.id] = dispute

    async def hears(self, purpose: str = "credit_packs") -> bool:
        message = Delivered(self.commit, purpose=purpose, payment_id=str(self.payment.id)).message
        await self.purchases.dispute_reversed(self.commit, message)
        return self.commit.disputes.rows[self.payment.id].answered_at == NOW


async def test_what_a_lost_dispute_took_back_is_granted_again_once_for_as_long_as_a_pack_runs() -> None:
    pack = Pack()
    taken = [pack.lot(n, pack.subject, LotSource.PACK, taken_back=back) for n, back in ((10, 10), (20, 5))]
    assert not await pack.hears("items")
    assert await pack.hears()
    assert pack.moved == [("forgive", pack.wallet.id, taken)]
    until = datetime(2031, 6, 1, tzinfo=SEOUL).astimezone(UTC)
    about = {"key": f"{pack.subject}:again:{NOW.isoformat()}", "subject": pack.subject, "source": LotSource.PACK}
    assert pack.granted == [{"user_id": pack.payment.user_id, "amount": 15, "expires_at": until, **about}]
    pack.granted.clear()
    pack.waits(3000)
    assert await pack.hears()
    assert pack.granted == []


async def test_what_was_never_taken_back_is_answered_alone_and_what_was_never_granted_is_granted_whole() -> None:
    spent = Pack()
    spent.lot(10, spent.subject, LotSource.PACK, lost=10)
    spent.lot(20, spent.subject, LotSource.PACK)
    assert await spent.hears()
    assert spent.granted == []
    fresh = Pack()
    assert await fresh.hears()
    assert [each["amount"] for each in fresh.granted] == [10, 20]


async def test_of_somebody_who_is_gone_a_person_decides() -> None:
    nobodys, erased = Pack(user_id=None), Pack()
    erased.lot(10, erased.subject, LotSource.PACK, taken_back=10)
    erased.lot(20, erased.subject, LotSource.PACK, taken_back=20)
    erased.knows = False
    for pack in (nobodys, erased):
        assert not await pack.hears()
        assert pack.granted == []


async def test_a_part_that_was_given_back_by_us_stays_back() -> None:
    pack = Pack(P.PARTLY_REFUNDED, refunded=3000)
    pack.waits(1500)
    for amount, back in ((10, 10), (20, 20)):
        pack.lot(amount, pack.subject, LotSource.PACK, taken_back=back)
    assert await pack.hears()
    assert [each["amount"] for each in pack.granted] == [15]
