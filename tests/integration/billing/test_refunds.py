"""Money goes back once: never more than was paid, never twice for one reason, and never out of sight."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.billing.bank import ABLE, Bank
from integration.billing.conftest import PRICE, REFUNDS_CHANGED, Office
from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.messages import MessageState
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.payment import PaymentCapabilities, RemotePaymentStatus, RemoteRefundStatus

IDEMPOTENT = PaymentCapabilities(finds_by_payment_id=True, idempotent=True)
BLIND = PaymentCapabilities(finds_by_payment_id=True)
"""A provider that can neither be asked for a refund nor honours a key."""


async def paid(office: Office) -> Payment:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("paid", payment.id)
    await office.work()
    return await office.payment(payment)


async def the_refund(office: Office, payment: Payment) -> Refund:
    [refund] = await office.refunds(payment)
    return refund


async def test_a_refund_goes_back_in_full_and_is_announced_once(office: Office) -> None:
    payment = await paid(office)
    await office.request_refund(payment)
    await office.work_for_days()
    refund = await the_refund(office, payment)
    assert (refund.status, refund.amount, refund.remote_id) == (RefundStatus.SUCCEEDED, PRICE, "refund-0")
    after = await office.payment(payment)
    assert (after.status, after.refunded) == (PaymentStatus.REFUNDED, PRICE.amount)
    assert await office.announced(payment) == ["paid", "refunded"]
    assert await office.announced(payment, REFUNDS_CHANGED) == ["queued", "succeeded"]


async def test_what_never_arrived_is_not_refunded(office: Office) -> None:
    payment = await office.order()
    assert await office.request_refund(payment) is None
    assert await office.refunds(payment) == []


@pytest.mark.parametrize("keys", [1, 3, 100])
async def test_a_hundred_requests_at_once_promise_what_was_paid_and_give_it_back_once(office: Office, keys: int) -> None:
    payment = await paid(office)
    requests = [office.request_refund(payment, f"reason {number % keys}") for number in range(100)]
    made = {refund.id for refund in await asyncio.gather(*requests) if refund is not None}
    refund = await the_refund(office, payment)
    assert made == {refund.id}
    assert refund.amount == PRICE
    await office.work_for_days()
    assert len(office.bank.refund_calls) == 1
    assert office.bank.books[str(payment.id)].refunded == PRICE


async def test_the_same_key_answers_the_refund_that_it_made_whatever_became_of_it(office: Office) -> None:
    payment = await paid(office)
    first = await office.request_refund(payment)
    assert first is not None
    await office.work_for_days()
    again = await office.request_refund(payment)
    assert again is not None
    assert (again.id, again.status) == (first.id, RefundStatus.SUCCEEDED)
    assert await office.request_refund(payment, "another reason") is None


async def test_what_a_person_gave_back_at_the_provider_is_not_given_back_again(office: Office) -> None:
    payment = await paid(office)
    office.bank.tell(str(payment.id), RemotePaymentStatus.PARTLY_REFUNDED, 3000)
    await office.deliver("by hand", payment.id)
    await office.work()
    for key in ("one", "another"):
        await office.request_refund(payment, key)
    assert [refund.amount.amount for refund in await office.refunds(payment)] == [6900]
    await office.work_for_days()
    after = await office.payment(payment)
    assert (after.status, after.refunded) == (PaymentStatus.REFUNDED, PRICE.amount)
    assert await office.announced(payment) == ["paid", "partly_refunded", "refunded"]


async def test_a_part_that_a_person_gives_back_does_not_pass_for_the_refund_that_is_under_way(office: Office) -> None:
    payment = await paid(office)
    office.bank.tell(str(payment.id), RemotePaymentStatus.PARTLY_REFUNDED, 7000)
    await office.deliver("by hand", payment.id)
    await office.work()
    await office.request_refund(payment)
    office.bank.before_refund = Unavailable("down")
    await office.work()
    office.bank.tell(str(payment.id), RemotePaymentStatus.DISPUTED, 7000)
    await office.deliver("disputed", payment.id)
    await office.work()
    assert (await the_refund(office, payment)).status is RefundStatus.QUEUED
    office.bank.before_refund = None
    await office.work_for_days()
    assert office.bank.books[str(payment.id)].refunded == PRICE


@pytest.mark.parametrize("lost", [OutcomeUnknown("no answer"), RuntimeError("a defect")])
async def test_a_refund_whose_answer_was_lost_is_looked_up_and_not_repeated(office: Office, lost: Exception) -> None:
    payment = await paid(office)
    office.bank.after_refund = lost
    await office.request_refund(payment)
    await office.work_for_days()
    assert len(office.bank.refund_calls) == 1
    refund = await the_refund(office, payment)
    assert (refund.status, refund.remote_id) == (RefundStatus.SUCCEEDED, "refund-0")


@pytest.mark.parametrize("capabilities", [ABLE, IDEMPOTENT])
async def test_a_worker_that_died_after_the_money_was_sent_is_followed_by_one_that_does_not_send_it_again(
    office: Office, capabilities: PaymentCapabilities
) -> None:
    office.open_with(Bank(capabilities=capabilities))
    payment = await paid(office)
    await office.request_refund(payment)
    office.bank.after_refund = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await office.work()
    office.bank.after_refund = None
    await office.crash()
    await office.work_for_days()
    assert office.bank.books[str(payment.id)].refunded == PRICE
    assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED


async def test_where_the_provider_cannot_tell_it_is_sent_once_stays_visible_as_unknown_and_keeps_its_money_promised(
    office: Office,
) -> None:
    office.open_with(Bank(capabilities=BLIND))
    payment = await paid(office)
    office.bank.after_refund = OutcomeUnknown("no answer")
    office.bank.refund_status = RemoteRefundStatus.PENDING
    await office.request_refund(payment)
    for _ in range(2):
        await office.work_for_days()
    assert len(office.bank.refund_calls) == 1
    assert (await the_refund(office, payment)).status is RefundStatus.UNKNOWN
    assert [row.topic for row in await office.dead()] == ["billing.refund"]
    assert await office.request_refund(payment, "another reason") is None


@pytest.mark.parametrize("when_asked", [Misconfigured("old key"), Unavailable("away"), Rejected("no", reason="not_found")])
async def test_a_refund_in_doubt_is_never_called_failed_because_of_a_question_that_failed(
    office: Office, when_asked: Exception
) -> None:
    payment = await paid(office)
    office.bank.after_refund, office.bank.refund_status = OutcomeUnknown("no answer"), RemoteRefundStatus.PENDING
    await office.request_refund(payment)
    await office.work()
    office.bank.ask = when_asked
    for _ in range(2):
        await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.UNKNOWN
    assert await office.request_refund(payment, "another reason") is None
    office.bank.ask = None
    office.bank.finish_refunds(str(payment.id), RemoteRefundStatus.SUCCEEDED)
    await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED
    async with office.units() as uow:
        assert await uow.actions.in_state(ActionState.UNKNOWN) == []
    assert len(office.bank.refund_calls) == 1


async def test_a_refund_of_which_the_provider_tells_only_that_the_money_is_back_is_done_and_asks_nobody_any_more(
    office: Office,
) -> None:
    payment = await paid(office)
    office.bank.after_refund = OutcomeUnknown("no answer")
    await office.request_refund(payment)
    await office.work()
    office.bank.ask_refund = Unsupported("it does not tell which part went back")
    await office.deliver("refunded", payment.id)
    await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED
    assert await office.dead() == []
    assert len(office.bank.refund_calls) == 1


async def test_a_refund_that_is_given_up_stays_visible_and_frees_its_promise(office: Office) -> None:
    payment = await paid(office)
    office.bank.before_refund = Rejected("the account is closed", reason="declined")
    await office.request_refund(payment)
    await office.work_for_days()
    refund = await the_refund(office, payment)
    assert (refund.status, refund.failure) == (RefundStatus.FAILED, "the account is closed")
    assert [row.topic for row in await office.dead()] == ["billing.refund"]
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    office.bank.before_refund = None
    second = await office.request_refund(payment, "another reason")
    assert second is not None
    await office.work_for_days()
    assert office.bank.books[str(payment.id)].refunded == PRICE


async def test_a_revived_refund_does_not_give_back_what_another_has_given_back_meanwhile(office: Office) -> None:
    payment = await paid(office)
    office.bank.before_refund = Misconfigured("old key")
    await office.request_refund(payment)
    await office.work()
    [dead] = await office.dead()
    office.bank.before_refund = None
    other = await office.request_refund(payment, "another reason")
    assert other is not None
    assert await office.outbox.revive(dead.id)
    await office.work_for_days()
    assert [call.idempotency_key for call in office.bank.refund_calls[1:]] == [f"refund:{other.id}"]
    assert sorted(refund.status for refund in await office.refunds(payment)) == ["failed", "succeeded"]


async def test_a_revived_refund_goes_back_when_nobody_else_has_given_it_back(office: Office) -> None:
    payment = await paid(office)
    office.bank.before_refund = Misconfigured("old key")
    await office.request_refund(payment)
    await office.work()
    [dead] = await office.dead()
    office.bank.before_refund = None
    assert await office.outbox.revive(dead.id)
    await office.work_for_days()
    refund = await the_refund(office, payment)
    assert (refund.status, refund.failure) == (RefundStatus.SUCCEEDED, None)
    assert (await office.payment(payment)).status is PaymentStatus.REFUNDED
    assert await office.announced(payment, REFUNDS_CHANGED) == ["queued", "failed", "queued", "succeeded"]


@pytest.mark.parametrize("waits", [0, 2])
async def test_a_refund_that_the_provider_takes_days_for_is_watched_until_it_is_done(office: Office, waits: int) -> None:
    payment = await office.order()
    for _ in range(waits):
        await office.work_for_days()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.work_for_days()
    office.bank.refund_status = RemoteRefundStatus.PENDING
    await office.request_refund(payment)
    await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.RUNNING
    office.bank.finish_refunds(str(payment.id), RemoteRefundStatus.SUCCEEDED)
    await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED
    assert (await office.payment(payment)).status is PaymentStatus.REFUNDED
    assert await office.outbox.listing(state=MessageState.WAITING, topic="billing.look_up", limit=1) == []


async def test_a_refund_that_fails_at_the_provider_after_days_is_visible_as_failed(office: Office) -> None:
    payment = await paid(office)
    office.bank.refund_status = RemoteRefundStatus.PENDING
    await office.request_refund(payment)
    await office.work_for_days()
    office.bank.finish_refunds(str(payment.id), RemoteRefundStatus.FAILED)
    await office.work_for_days()
    assert (await the_refund(office, payment)).status is RefundStatus.FAILED
    assert (await office.payment(payment)).status is PaymentStatus.PAID


async def test_a_webhook_that_overtakes_the_answer_is_not_undone_by_it(office: Office) -> None:
    payment = await paid(office)
    await office.request_refund(payment)
    office.bank.refund_status = RemoteRefundStatus.PENDING

    async def the_money_arrives() -> None:
        office.bank.finish_refunds(str(payment.id), RemoteRefundStatus.SUCCEEDED)
        await office.deliver("refunded", payment.id)
        await office.work()
        assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED

    office.bank.meanwhile = the_money_arrives
    await office.work()
    refund = await the_refund(office, payment)
    assert (refund.status, refund.remote_id) == (RefundStatus.SUCCEEDED, "refund-0")
    await office.work_for_days()
    assert await office.announced(payment) == ["paid", "refunded"]


async def test_the_answers_and_the_webhooks_of_many_refunds_at_once_do_not_stand_in_each_others_way(office: Office) -> None:
    payments = [await paid(office) for _ in range(10)]

    async def the_webhooks_arrive() -> None:
        await asyncio.gather(*(office.deliver("refunded", payment.id) for payment in payments))

    office.bank.meanwhile = the_webhooks_arrive
    await asyncio.gather(*(office.request_refund(payment) for payment in payments))
    await asyncio.gather(*(office.work() for _ in range(4)))
    for payment in payments:
        assert (await the_refund(office, payment)).status is RefundStatus.SUCCEEDED
        assert await office.announced(payment) == ["paid", "refunded"]
    failed = await office.database.fetch("SELECT topic, last_failure FROM messages WHERE failures > 0")
    assert [(row["topic"], row["last_failure"]) for row in failed] == []


troubles = st.sampled_from(
    [None, Unavailable("down"), OutcomeUnknown("no answer"), Misconfigured("old key"), Rejected("closed", reason="declined")]
)


@settings(max_examples=20)
@given(
    days=st.lists(st.tuples(troubles, st.sampled_from([None, OutcomeUnknown("no answer")]), st.integers(1, 3)), max_size=4),
    keys=st.integers(1, 3),
    finds=st.booleans(),
)
async def test_whatever_goes_wrong_nobody_gets_more_back_than_he_paid(
    office: Office, days: list[tuple[Exception | None, Exception | None, int]], keys: int, finds: bool
) -> None:
    await office.forget_everything()
    bank = office.open_with(Bank(capabilities=replace(ABLE, finds_refunds=finds, idempotent=not finds)))
    payment = await paid(office)
    for day, (before, after, requests) in enumerate([*days, (None, None, 3)]):
        bank.before_refund, bank.after_refund = before, after
        await asyncio.gather(*(office.request_refund(payment, f"{day} {number % keys}") for number in range(requests)))
        promised = [refund for refund in await office.refunds(payment) if refund.status is not RefundStatus.FAILED]
        assert sum(refund.amount.amount for refund in promised) <= PRICE.amount
        await office.work_for_days()
        assert sum(refund.amount.amount for refund in bank.refunds.values()) <= PRICE.amount
    await office.revive_the_dead()
    await office.work_for_days()
    assert bank.books[str(payment.id)].refunded == PRICE
    assert (await office.payment(payment)).status is PaymentStatus.REFUNDED
    assert await office.announced(payment) == ["paid", "refunded"]
