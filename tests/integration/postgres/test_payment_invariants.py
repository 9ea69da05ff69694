"""What must be true of payments, broken on purpose, is found by name; what can be mended is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from integration.postgres import samples
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import invariants
from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.kernel.ids import new_id
from madang.core.kernel.invariants import Invariant
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.ports.money import Money

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
HOUR = timedelta(hours=1)


@pytest.fixture
def by_name(database: Database, units: Units) -> dict[str, Invariant]:
    return {each.name: each for each in invariants(database, units=units)}


def refund_of(payment: Payment, amount: int, status: RefundStatus = RefundStatus.SUCCEEDED, currency: str = "KRW") -> Refund:
    at = samples.now()
    return Refund(new_id(), payment.id, new_id().hex, Money(amount, currency), "test", status, at, at)


@pytest.mark.parametrize(
    ("refunds", "status", "broken"),
    [
        ([(9900, "succeeded")], PaymentStatus.REFUNDED, False),
        ([(5000, "succeeded"), (4900, "queued"), (9900, "failed")], PaymentStatus.PARTLY_REFUNDED, False),
        ([(5000, "succeeded"), (4901, "unknown")], PaymentStatus.PARTLY_REFUNDED, True),
        ([(100, "queued")], PaymentStatus.PENDING, True),
    ],
)
async def test_more_given_back_or_promised_than_was_paid_is_found(
    by_name: dict[str, Invariant], units: Units, refunds: list[tuple[int, str]], status: PaymentStatus, broken: bool
) -> None:
    payment = samples.a_payment(status=status)
    async with units() as uow:
        await uow.payments.add(payment)
        for amount, state in refunds:
            await uow.payments.add_refund(refund_of(payment, amount, RefundStatus(state)))
    found = await by_name["no-refund-exceeds-its-payment"].violations()
    assert [violation.subject for violation in found] == ([f"payment:{payment.id}"] if broken else [])


async def test_a_refund_in_another_currency_is_found(by_name: dict[str, Invariant], units: Units) -> None:
    payment = samples.a_payment(status=PaymentStatus.PAID)
    async with units() as uow:
        await uow.payments.add(payment)
        await uow.payments.add_refund(refund_of(payment, 1, currency="USD"))
    [found] = await by_name["no-refund-exceeds-its-payment"].violations()
    assert await by_name["no-refund-exceeds-its-payment"].mend(found) == ""


@pytest.mark.parametrize(
    ("past", "status", "at_work", "broken"),
    [
        (4 * HOUR, PaymentStatus.PENDING, False, True),
        (4 * HOUR, PaymentStatus.AUTHORISED, False, True),
        (4 * HOUR, PaymentStatus.PENDING, True, False),
        (4 * HOUR, PaymentStatus.FAILED, False, False),
        (2 * HOUR, PaymentStatus.PENDING, False, False),
    ],
)
async def test_an_open_payment_past_its_time_that_nobody_asks_for_is_found_and_asked_for(
    by_name: dict[str, Invariant],
    units: Units,
    database: Database,
    past: timedelta,
    status: PaymentStatus,
    at_work: bool,
    broken: bool,
) -> None:
    at = samples.now()
    payment: Any = samples.a_payment(status=status, created_at=at - past - 24 * HOUR, expires_at=at - past)
    async with units() as uow:
        await uow.payments.add(payment)
        if at_work:
            uow.send(NewMessage("billing.look_up", {}, subject=f"payment:{payment.id}"))
    invariant = by_name["no-open-payment-is-past-its-time"]
    found = await invariant.violations()
    assert [UUID(violation.detail["payment_id"]) for violation in found] == ([payment.id] if broken else [])
    for violation in found:
        await invariant.mend(violation)
    assert await invariant.violations() == []
