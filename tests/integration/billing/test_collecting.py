"""What a person has agreed to is confirmed or captured once, whoever triggers it and whatever becomes of the answer."""

import asyncio
from dataclasses import replace

import pytest

from integration.billing.bank import ABLE, Bank
from integration.billing.conftest import PRICE, Office
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Conflict, ValidationFailed, WrongState
from madang.core.kernel.ids import new_id
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import CaptureRequest, ConfirmRequest, RemotePaymentStatus

CONFIRMS, CAPTURES = replace(ABLE, confirms=True), replace(ABLE, captures=True)
BUYER = Caller(CallerKind.USER, new_id())
DECLINED = Rejected("the card was declined", reason="declined", provider="bank", code="CARD_DECLINED")


async def ordered(office: Office) -> Payment:
    return await office.order(BUYER.user_id)


async def approved(office: Office) -> Payment:
    """By its buyer, at a provider that waits for us to take the money."""
    office.open_with(Bank(capabilities=CAPTURES))
    payment = await ordered(office)
    office.bank.tell(str(payment.id), RemotePaymentStatus.AUTHORISED)
    return payment


async def test_a_key_from_the_browser_is_spent_once_for_our_amount_however_often_it_comes(office: Office) -> None:
    office.open_with(Bank(capabilities=CONFIRMS))
    payment = await ordered(office)
    await asyncio.gather(*(office.payments.confirm(BUYER, payment.id, key="key-1", amount=PRICE) for _ in range(10)))
    await office.work()
    [confirmed] = office.bank.collected
    assert isinstance(confirmed, ConfirmRequest)
    assert (confirmed.client_key, confirmed.amount) == ("key-1", PRICE)
    assert await office.announced(payment) == ["paid"]
    assert await office.attempts(payment) == [("bank", "checkout", "succeeded"), ("bank", "confirm", "succeeded")]
    assert (await office.payments.confirm(BUYER, payment.id, key="key-2")).payment.status is PaymentStatus.PAID
    await office.work()
    assert len(office.bank.collected) == 1


async def test_another_amount_or_no_key_confirms_nothing(office: Office) -> None:
    office.open_with(Bank(capabilities=CONFIRMS))
    payment = await ordered(office)
    for wrong in (Money(9901, "KRW"), Money(9900, "USD")):
        with pytest.raises(Conflict) as refused:
            await office.payments.confirm(BUYER, payment.id, key="key-1", amount=wrong)
        assert refused.value.error_code == "AMOUNT_MISMATCH"
    with pytest.raises(ValidationFailed):
        await office.payments.confirm(BUYER, payment.id, amount=PRICE)
    await office.work()
    assert (await office.payment(payment), office.bank.collected) == (payment, [])
    assert len(await office.database.fetch("SELECT 1 FROM amount_mismatches")) == 2


async def test_however_many_wrong_amounts_a_browser_makes_up_a_few_are_kept_and_all_counted(office: Office) -> None:
    office.open_with(Bank(capabilities=CONFIRMS))
    payment = await ordered(office)
    for wrong in (*range(1, 21), 1, 20):
        with pytest.raises(Conflict):
            await office.payments.confirm(BUYER, payment.id, key="key-1", amount=Money(wrong, "KRW"))
    async with office.units() as uow:
        await office.billing.doubt_amount(uow, payment, Money(777, "KRW"))
    rows = await office.database.fetch("SELECT amount, times FROM amount_mismatches ORDER BY amount")
    assert [row["amount"] for row in rows] == [1, 2, 3, 4, 5, 777], "what a provider tells is always kept"
    assert sum(row["times"] for row in rows) == 23


async def test_a_declined_key_fails_the_payment_and_another_key_may_pay_it_yet(office: Office) -> None:
    office.open_with(Bank(capabilities=CONFIRMS))
    payment = await ordered(office)
    office.bank.before_collect = DECLINED
    await office.payments.confirm(BUYER, payment.id, key="key-1")
    await office.work()
    failed = await office.payment(payment)
    assert (failed.status, failed.failure) == (PaymentStatus.FAILED, "declined")
    office.bank.before_collect = None
    for key in ("key-1", "key-2"):
        await office.payments.confirm(BUYER, payment.id, key=key)
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert [each[2] for each in await office.attempts(payment)] == ["succeeded", "failed", "succeeded"]
    assert await office.dead() == []


async def test_a_payment_that_is_over_is_not_confirmed(office: Office) -> None:
    payment = await ordered(office)
    office.bank.tell(str(payment.id), RemotePaymentStatus.CANCELLED)
    await office.deliver("cancelled", payment.id)
    await office.work()
    with pytest.raises(WrongState):
        await office.payments.confirm(BUYER, payment.id, key="key-1")


@pytest.mark.parametrize("lost", [OutcomeUnknown("no answer"), asyncio.CancelledError()])
@pytest.mark.parametrize("operation", ["confirm", "capture"])
async def test_a_lost_answer_is_looked_up_and_the_money_is_taken_once(
    office: Office, lost: BaseException, operation: str
) -> None:
    if operation == "capture":
        payment = await approved(office)
        await office.deliver("approved", payment.id)
    else:
        office.open_with(Bank(capabilities=CONFIRMS))
        payment = await ordered(office)
        await office.payments.confirm(BUYER, payment.id, key="key-1")
    office.bank.after_collect = lost
    try:
        await office.work()
    except asyncio.CancelledError:
        await office.crash()
    office.bank.after_collect = None
    await office.work_for_days()
    assert len(office.bank.collected) == 1
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert (await office.attempts(payment))[-1] == ("bank", operation, "succeeded")


async def test_where_the_provider_cannot_tell_a_lost_confirmation_is_not_repeated_and_stays_open(office: Office) -> None:
    office.open_with(Bank(capabilities=replace(CONFIRMS, finds_by_payment_id=False)))
    payment = await ordered(office)
    await office.execute("UPDATE payments SET reference = NULL")
    office.bank.after_collect = OutcomeUnknown("no answer")
    await office.payments.confirm(BUYER, payment.id, key="key-1")
    await office.work_for_days()
    assert len(office.bank.collected) == 1
    assert (await office.payment(payment)).status is PaymentStatus.PENDING
    assert (await office.attempts(payment))[-1] == ("bank", "confirm", "unknown")


async def test_what_is_approved_is_captured_once_whoever_says_so(office: Office) -> None:
    payment = await approved(office)
    news = [office.deliver(f"approved-{number}", payment.id) for number in range(5)]
    await asyncio.gather(*news, office.payments.confirm(BUYER, payment.id))
    await asyncio.gather(*(office.work() for _ in range(3)))
    await office.work_for_days()
    [captured] = office.bank.collected
    assert isinstance(captured, CaptureRequest)
    assert (captured.reference, captured.amount) == (payment.reference, PRICE)
    assert await office.announced(payment) == ["authorised", "paid"]
    assert await office.attempts(payment) == [("bank", "checkout", "succeeded"), ("bank", "capture", "succeeded")]


async def test_a_refused_capture_fails_the_payment_and_is_not_tried_for_ever(office: Office) -> None:
    payment = await approved(office)
    office.bank.before_collect = DECLINED
    await office.work_for_days()
    for number in range(8):
        await office.deliver(f"approved-{number}", payment.id)
        await office.work()
    assert len(office.bank.collected) == 3
    office.bank.before_collect = None
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("paid", payment.id)
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.PAID


async def test_a_look_up_captures_what_no_webhook_told_of_and_goes_on_after_a_capture_was_given_up(office: Office) -> None:
    payment = await approved(office)
    office.bank.before_collect = Unavailable("away")
    await office.work_for_days()
    await office.work_for_days()
    assert [row.topic for row in await office.dead()] == ["billing.capture"]
    assert (await office.payment(payment)).status is PaymentStatus.AUTHORISED
    office.bank.before_collect = None
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID


@pytest.mark.parametrize(("told", "status"), [(None, "expired"), ("paid", "paid")])
async def test_what_nobody_paid_in_its_time_is_over_and_money_that_comes_yet_counts(
    office: Office, told: str | None, status: str
) -> None:
    payment = await ordered(office)
    await office.execute("UPDATE payments SET expires_at = now() - interval '2 hours'")
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.EXPIRED
    assert await office.attempts(payment) == [("bank", "checkout", "failed")]
    if told is not None:
        office.bank.tell(str(payment.id), RemotePaymentStatus(told))
        await office.deliver(told, payment.id)
        await office.work()
    assert (await office.payment(payment)).status == status


async def test_a_charge_in_doubt_does_not_expire(office: Office) -> None:
    office.open_with(Bank(capabilities=replace(CONFIRMS, finds_by_payment_id=False)))
    payment = await ordered(office)
    await office.execute("UPDATE payments SET reference = NULL")
    office.bank.after_collect = OutcomeUnknown("no answer")
    await office.payments.confirm(BUYER, payment.id, key="key-1")
    await office.work()
    await office.execute("UPDATE payments SET expires_at = now() - interval '2 hours'")
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PENDING


async def test_another_key_is_not_spent_while_one_is_in_doubt(office: Office) -> None:
    office.open_with(Bank(capabilities=replace(CONFIRMS, finds_by_payment_id=False)))
    payment = await ordered(office)
    await office.execute("UPDATE payments SET reference = NULL")
    office.bank.after_collect = OutcomeUnknown("no answer")
    for key in ("key-1", "key-2"):
        await office.payments.confirm(BUYER, payment.id, key=key)
        await office.work()
    assert len(office.bank.collected) == 1


async def test_keys_that_mean_nothing_are_not_tried_for_ever(office: Office) -> None:
    office.open_with(Bank(capabilities=CONFIRMS))
    payment = await ordered(office)
    office.bank.before_collect = Rejected("no such key", reason="not_found", provider="bank")
    for number in range(12):
        await office.payments.confirm(BUYER, payment.id, key=f"key-{number}")
        await office.work()
    assert len(office.bank.collected) == 10
