"""For any two books of payments the report names exactly what differs, whatever the provider's order and pages."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.core.billing.model import SETTLED, Payment, PaymentStatus
from madang.core.billing.reconciliation import ADVICE, DifferenceKind, compare, days_of
from madang.core.billing.reconciling import Reconciling, Report
from madang.core.kernel.errors import ValidationFailed
from madang.core.kernel.ids import new_id
from madang.ports.errors import Unsupported
from madang.ports.money import Money
from madang.ports.payment import PaymentCapabilities, PaymentPage, PaymentSnapshot, RemotePaymentStatus

SEOUL = ZoneInfo("Asia/Seoul")
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 4)
BEGINNING = datetime(2026, 2, 28, 15, 0, tzinfo=UTC)
MONEY = SETTLED | {PaymentStatus.AUTHORISED}


@dataclass
class Books:
    """Ours, as storage and as the billing that asks; theirs, as the gateway. Fulfils what `Reconciling` takes."""

    ours: list[Payment]
    theirs: list[tuple[datetime, PaymentSnapshot]]
    page: int = 2
    lists: bool = True
    name: str = "bank"

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PaymentCapabilities(lists_payments=self.lists)

    def payment_gateway(self, name: str) -> Any:
        return self

    @asynccontextmanager
    async def units(self) -> AsyncIterator[Any]:
        yield self

    @property
    def payment_books(self) -> Any:
        return self

    @property
    def payments(self) -> Any:
        return self

    async def get(self, payment_id: UUID) -> Payment | None:
        return next((each for each in self.ours if each.id == payment_id), None)

    async def named(self, provider: str, ids: Sequence[UUID], references: Sequence[str]) -> Sequence[Payment]:
        return [each for each in self.ours if each.id in ids or each.reference in references]

    async def opened(self, provider: str, since: datetime, until: datetime, *, after: Any, limit: int) -> Sequence[Payment]:
        found = sorted(
            (each for each in self.ours if since <= each.created_at < until), key=lambda each: (each.created_at, each.id)
        )
        return [each for each in found if after is None or (each.created_at, each.id) > after][:limit]

    async def ask(self, payment: Payment) -> PaymentSnapshot | None:
        return next((each for _, each in self.theirs if each.payment_id == str(payment.id)), None)

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        if not self.lists:
            raise Unsupported("list_payments")
        start = int(cursor or 0)
        found = [each for at, each in self.theirs if since <= at < until]
        more = start + self.page < len(found)
        return PaymentPage(found[start : start + self.page], str(start + self.page) if more else None)

    def report(self) -> Report:
        billing: Any = self
        providers: Any = self
        return asyncio.run(Reconciling(self.units, billing, providers, SEOUL).reconcile(self.name, FIRST, LAST))


def payment(at: datetime, status: PaymentStatus, amount: int = 1000, refunded: int = 0, currency: str = "KRW") -> Payment:
    id_ = new_id()
    return Payment(
        id_, "items", f"checkout:{id_}", Money(amount, currency), "bank", status, at, at, at + timedelta(days=1),
        reference=f"ref-{id_}", refunded=refunded,
    )  # fmt: skip


def told(of: Payment, **changes: Any) -> PaymentSnapshot:
    status = of.status if of.status is not PaymentStatus.CREATED else PaymentStatus.PENDING
    same = PaymentSnapshot(
        of.reference or "", RemotePaymentStatus(status.value), of.amount, Money(of.refunded, of.amount.currency), str(of.id)
    )
    return dataclasses.replace(same, **changes)


MOMENTS = st.integers(0, 3 * 24 * 60 - 1).map(lambda minutes: BEGINNING + timedelta(minutes=minutes))
STATUSES = st.sampled_from(list(PaymentStatus))


@st.composite
def books(draw: st.DrawFn) -> tuple[Books, dict[str, set[DifferenceKind]]]:
    """Two books, and by reference what somebody did to them."""
    ours, theirs, wrong = [], [], {}
    for _ in range(draw(st.integers(0, 12))):
        mine = payment(draw(MOMENTS), draw(STATUSES), draw(st.integers(1, 5)), draw(st.integers(0, 1)))
        reference = mine.reference or ""
        fate = draw(st.sampled_from(["same", "here", "there", "amount", "currency", "status", "refunded"]))
        # The provider's moment may be another: over midnight, or outside of the interval.
        moment = mine.created_at + timedelta(minutes=draw(st.integers(-90, 90)))
        if fate != "there":
            ours.append(mine)
        if fate == "here":
            wrong[reference] = {DifferenceKind.MISSING_THERE} if mine.status in MONEY else set()
        elif fate == "there":
            theirs.append((moment, told(mine)))
            inside = BEGINNING <= moment < BEGINNING + timedelta(days=3)
            wrong[reference] = {DifferenceKind.MISSING_HERE} if mine.status in MONEY and inside else set()
        elif fate == "amount":
            theirs.append((moment, told(mine, amount=Money(mine.amount.amount + 1, "KRW"))))
            wrong[reference] = {DifferenceKind.OTHER_AMOUNT}
        elif fate == "currency":
            theirs.append((moment, told(mine, amount=Money(mine.amount.amount, "JPY"))))
            wrong[reference] = {DifferenceKind.OTHER_AMOUNT}
        elif fate == "status":
            other = draw(st.sampled_from(list(RemotePaymentStatus)))
            theirs.append((moment, told(mine, status=other)))
            said = PaymentStatus(other.value)
            money = said in MONEY or mine.status in MONEY
            wrong[reference] = {DifferenceKind.OTHER_STATUS} if money and said is not mine.status else set()
        elif fate == "refunded":
            theirs.append((moment, told(mine, refunded=Money(mine.refunded + 1, "KRW"))))
            wrong[reference] = {DifferenceKind.OTHER_REFUNDED}
        else:
            theirs.append((moment, told(mine)))
            wrong[reference] = set()
    shuffled = draw(st.permutations(theirs))
    made = Books(ours, list(shuffled), page=draw(st.integers(1, 5)), lists=draw(st.booleans()))
    return made, {reference: kinds for reference, kinds in wrong.items() if kinds}


@given(books())
@settings(max_examples=250, deadline=None)
def test_the_report_names_exactly_what_differs(given_books: tuple[Books, dict[str, set[DifferenceKind]]]) -> None:
    made, wrong = given_books
    report = made.report()
    found: dict[str, set[DifferenceKind]] = {}
    for each in report.differences:
        reference = (each.ours.reference if each.ours else each.theirs.reference if each.theirs else "") or ""
        assert reference not in found
        assert all(ADVICE[kind] in each.advice for kind in each.kinds)
        found[reference] = set(each.kinds)
    if not made.lists:
        wrong = {reference: kinds for reference, kinds in wrong.items() if kinds != {DifferenceKind.MISSING_HERE}}
    assert found == wrong
    assert report.ours == len(made.ours)


def test_a_provider_that_lists_nothing_is_asked_for_each_of_ours() -> None:
    paid = payment(BEGINNING, PaymentStatus.PENDING)
    alone = payment(BEGINNING, PaymentStatus.PAID)
    made = Books([paid], [(BEGINNING, told(paid, status=RemotePaymentStatus.PAID)), (BEGINNING, told(alone))], lists=False)
    report = made.report()
    assert [each.kinds for each in report.differences] == [(DifferenceKind.OTHER_STATUS,)]
    assert (report.lists, report.theirs) == (False, 0)


def test_what_was_just_being_paid_when_the_page_was_read_is_no_difference() -> None:
    mine = payment(BEGINNING, PaymentStatus.PAID)
    made = Books([mine], [(BEGINNING, told(mine, status=RemotePaymentStatus.PENDING))])
    made.ask = lambda _: asyncio.sleep(0, told(mine))  # type: ignore[method-assign,assignment]
    assert made.report().differences == []


def test_all_that_differs_of_one_payment_is_said_at_once() -> None:
    mine = payment(BEGINNING, PaymentStatus.PAID)
    theirs = told(mine, amount=Money(5, "USD"), status=RemotePaymentStatus.PARTLY_REFUNDED, refunded=Money(1, "USD"))
    found = compare(mine, theirs)
    assert found is not None
    assert found.kinds == (DifferenceKind.OTHER_AMOUNT, DifferenceKind.OTHER_STATUS, DifferenceKind.OTHER_REFUNDED)


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 40), st.sampled_from(["Asia/Seoul", "Europe/Berlin", "UTC"])
)
def test_days_are_those_of_the_zone_and_follow_each_other(since: date, number: int, name: str) -> None:
    zone = ZoneInfo(name)
    days = days_of(since, since + timedelta(days=number), zone)
    assert len(days) == number
    assert [begins.astimezone(zone).date() for begins, _ in days] == [since + timedelta(days=each) for each in range(number)]
    assert [ends for _, ends in days[:-1]] == [begins for begins, _ in days[1:]]


def test_an_interval_without_a_day_is_refused() -> None:
    empty: Any = Books([], [])
    with pytest.raises(ValidationFailed):
        asyncio.run(Reconciling(empty.units, empty, empty, SEOUL).reconcile("bank", FIRST, FIRST))
