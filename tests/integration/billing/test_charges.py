"""A stored means of payment is charged once for one intent, whatever becomes of the answer."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integration.billing.bank import ABLE, Bank
from integration.billing.conftest import PRICE, Office
from madang.core.billing.charges import NewCharge
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.ids import new_id
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import RemotePaymentStatus

DECLINED = Rejected("the card was declined", reason="declined", provider="bank", operation="charge", code="CARD_DECLINED")


async def started(office: Office, method_id: UUID | None = None, **changes: Any) -> Payment:
    method = office.wallet.keep() if method_id is None else method_id
    new = NewCharge(new_id(), "subscriptions", f"subscription:{new_id()}", PRICE, "A month", "bank", method)
    async with office.units() as uow:
        return await office.charges.start(uow, replace(new, **changes))


async def attempts(office: Office, payment: Payment) -> list[tuple[str, str, str | None]]:
    async with office.units() as uow:
        found = await uow.payment_attempts.of_payment(payment.id)
    return [(each.operation.value, each.status.value, each.code) for each in found]


async def no_doubt_is_left(office: Office) -> bool:
    async with office.units() as uow:
        return not [*await uow.actions.in_state(ActionState.UNKNOWN), *await uow.actions.in_state(ActionState.RUNNING)]


async def test_a_stored_means_of_payment_is_charged_once_and_announced_as_paid(office: Office) -> None:
    payment = await started(office)
    assert (payment.status, office.bank.charges) == (PaymentStatus.CREATED, [])
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert await office.announced(payment) == ["paid"]
    assert await attempts(office, payment) == [("charge", "succeeded", None)]
    [charge] = office.bank.charges
    assert (charge.payment_id, charge.customer_id, charge.amount) == (str(payment.id), "customer-1", PRICE)
    assert "test-token" not in repr(charge)


async def test_a_hundred_starts_of_one_intent_at_once_charge_once(office: Office) -> None:
    method, intent = office.wallet.keep(), new_id()
    first = await started(office, method, id=intent)
    made = await asyncio.gather(*(started(office, method, id=intent) for _ in range(100)))
    assert {payment.id for payment in made} == {first.id}
    await asyncio.gather(*(office.work() for _ in range(4)))
    assert len(office.bank.charges) == 1


async def test_a_refusal_fails_the_payment_with_its_reason_and_is_not_tried_again(office: Office) -> None:
    office.bank.before_charge = DECLINED
    payment = await started(office)
    await office.work_for_days()
    after = await office.payment(payment)
    assert (after.status, after.failure) == (PaymentStatus.FAILED, "declined")
    assert await office.announced(payment) == ["failed"]
    assert await attempts(office, payment) == [("charge", "failed", "CARD_DECLINED")]
    assert (len(office.bank.charges), await office.dead()) == (1, [])


@pytest.mark.parametrize("lost", [OutcomeUnknown("no answer"), RuntimeError("a defect")])
@pytest.mark.parametrize("finds", [True, False])
async def test_a_charge_whose_answer_was_lost_is_looked_up_and_never_charged_twice(
    office: Office, lost: Exception, finds: bool
) -> None:
    office.open_with(Bank(capabilities=replace(ABLE, finds_by_payment_id=finds)))
    office.bank.after_charge = lost
    payment = await started(office)
    await office.work_for_days()
    assert len(office.bank.charges) == 1
    status = (await office.payment(payment)).status
    assert status is (PaymentStatus.PAID if finds else PaymentStatus.PENDING if type(lost) is OutcomeUnknown else status)
    assert status is not PaymentStatus.FAILED
    assert await no_doubt_is_left(office) is finds


async def test_a_worker_that_died_after_the_charge_is_followed_by_one_that_does_not_charge_again(office: Office) -> None:
    payment = await started(office)
    office.bank.after_charge = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await office.work()
    office.bank.after_charge = None
    await office.crash()
    await office.work_for_days()
    assert len(office.bank.charges) == 1
    assert await attempts(office, payment) == [("charge", "succeeded", None)]
    assert (await office.payment(payment)).status is PaymentStatus.PAID


async def test_a_webhook_that_overtakes_a_lost_answer_settles_the_payment_and_no_doubt_is_left(office: Office) -> None:
    payment = await started(office)
    office.bank.after_charge = OutcomeUnknown("no answer")
    await office.work()
    await office.deliver("paid", payment.id)
    await office.work_for_days()
    assert len(office.bank.charges) == 1
    assert await office.announced(payment) == ["pending", "paid"]
    assert await no_doubt_is_left(office)


async def test_a_charge_in_doubt_whose_means_was_removed_is_looked_up_and_not_charged(office: Office) -> None:
    payment = await started(office)
    office.bank.after_charge = OutcomeUnknown("no answer")
    await office.work()
    office.wallet.tokens.clear()
    office.bank.books.clear()
    await office.work_for_days()
    after = await office.payment(payment)
    assert (after.status, after.failure, len(office.bank.charges)) == (PaymentStatus.FAILED, "method_gone", 1)
    assert await no_doubt_is_left(office)


@pytest.mark.parametrize("provider", [None, "another"])
async def test_a_means_that_is_gone_or_another_providers_fails_without_a_call(office: Office, provider: str | None) -> None:
    payment = await started(office, new_id() if provider is None else office.wallet.keep(provider))
    await office.work_for_days()
    after = await office.payment(payment)
    assert (after.status, after.failure, office.bank.charges) == (PaymentStatus.FAILED, "method_gone", [])


async def test_a_provider_that_is_away_is_tried_again_and_one_that_never_comes_back_fails_the_payment(office: Office) -> None:
    office.bank.before_charge = Unavailable("away")
    first, second = await started(office), await started(office)
    await office.work()
    office.bank.before_charge = None
    await office.execute("UPDATE messages SET due_at = now() WHERE payload ->> 'payment_id' = $1", str(first.id))
    await office.work()
    assert (await office.payment(first)).status is PaymentStatus.PAID
    office.bank.before_charge = Misconfigured("old key")
    await office.work_for_days()
    after = await office.payment(second)
    assert (after.status, after.failure) == (PaymentStatus.FAILED, "misconfigured")
    assert await attempts(office, second) == [("charge", "failed", None)]
    office.bank.before_charge = None
    await office.revive_the_dead()
    await office.work_for_days()
    assert str(second.id) not in office.bank.books


async def test_what_nobody_came_to_charge_in_its_time_is_not_charged_any_more(office: Office) -> None:
    payment = await started(office, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await office.work_for_days()
    assert ((await office.payment(payment)).status, office.bank.charges) == (PaymentStatus.EXPIRED, [])


async def test_a_charge_is_cancelled_before_it_begins_and_not_after(office: Office) -> None:
    waits, begun = await started(office), await started(office)
    async with office.units() as uow:
        assert await office.charges.cancel(uow, waits.id)
    office.bank.after_charge = OutcomeUnknown("no answer")
    await office.work()
    async with office.units() as uow:
        assert not await office.charges.cancel(uow, begun.id)
    assert ((await office.payment(waits)).status, len(office.bank.charges)) == (PaymentStatus.CANCELLED, 1)


async def test_a_charge_of_another_amount_is_not_believed(office: Office) -> None:
    payment = await started(office)
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID, amount=Money(99, "KRW"))
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.CREATED
