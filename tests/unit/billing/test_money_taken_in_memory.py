"""Charging what is kept, spending a browser's key, capturing, closing: each call whole, at most once, and what is written."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt, begin_attempt
from madang.core.billing.charges import Charges, ChargeWork, MethodToken, NewCharge
from madang.core.billing.closing import ClosingWork, close_message
from madang.core.billing.collect_tries import begin_capture, begin_confirm
from madang.core.billing.collecting import CollectWork
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.service import BillingService
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure, NewMessage
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    CaptureRequest,
    ChargeRequest,
    CloseCheckoutRequest,
    ConfirmRequest,
    PaymentSnapshot,
    RemotePaymentStatus,
)
from madang.ports.secret import Secret
from unit.billing.billing_in_memory import BankInMemory, Commit, Delivered
from unit.core.core_in_memory import StandingClock

P, R, A = PaymentStatus, RemotePaymentStatus, AttemptStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
THEN = NOW - timedelta(hours=1)
SECOND = timedelta(seconds=1)
CLOCK: Any = StandingClock(NOW)
PRICE = Money(9900, "KRW")
NONE: Any = None
DECLINED = Rejected("no money", reason="declined", code="51")
LOST = OutcomeUnknown("no answer", code="504")
AWAY = Unavailable("closed", code="503")


def word(status: RemotePaymentStatus = R.PAID, **changes: Any) -> PaymentSnapshot:
    return replace(PaymentSnapshot("pay_1", status, PRICE, Money(0, "KRW")), **changes)


class Till:
    """A payment, its provider, and whoever takes its money."""

    def __init__(self, status: PaymentStatus = P.CREATED, abilities: Mapping[str, bool] | None = None, **changes: Any) -> None:
        made = Payment(new_id(), "credits", "credits:1", PRICE, "bank", status, THEN, THEN, NOW + SECOND, description="A pack")
        self.made: Payment = replace(made, **changes)
        self.commit: Any = Commit(self.made)
        self.bank = BankInMemory(**(abilities or {}))
        self.method_id, self.removed = new_id(), False
        self.token = MethodToken("bank", "customer-1", Secret("test-token-not-secret"))
        me: Any = self.bank
        self.billing = BillingService(self.commit.unit, me, CLOCK, base_url="https://api.invalid/")
        tokens: Any = self
        self.charging = ChargeWork(self.billing, me, CLOCK, tokens)
        self.collecting = CollectWork(self.billing, me, CLOCK)
        self.closing = ClosingWork(self.billing, me, CLOCK)

    async def token_of(self, uow: Any, method_id: UUID) -> MethodToken | None:
        return self.token if method_id == self.method_id and not self.removed else None

    def delivered(self, **more: Any) -> Any:
        return Delivered(self.commit, **{"payment_id": str(self.made.id), "method_id": str(self.method_id), **more})

    async def charge(self) -> int:
        delivery = self.delivered()
        await self.charging.charge(delivery)
        finished: int = delivery.finished
        return finished

    async def begun(self, operation: AttemptOperation, key: str = "key") -> Any:
        """A try, as a browser or a notice began it."""
        if operation is AttemptOperation.CONFIRM:
            await begin_confirm(self.commit, self.payment, key, CLOCK)
        elif operation is AttemptOperation.CAPTURE:
            await begin_capture(self.commit, self.payment, CLOCK)
        message = self.commit.sent.pop()
        return Delivered(self.commit, **message.payload)

    @property
    def payment(self) -> Payment:
        found: Payment = self.commit.payments.rows[self.made.id]
        return found

    @property
    def outcome(self) -> tuple[PaymentStatus, str | None]:
        return self.payment.status, self.payment.failure

    @property
    def attempt(self) -> tuple[str, str, str | None, str | None]:
        """The last one."""
        found: PaymentAttempt = list(self.commit.payment_attempts.rows.values())[-1]
        assert found.updated_at == NOW
        return found.operation.value, found.status.value, found.failure, found.code

    @property
    def action(self) -> Action:
        (found,) = self.commit.actions.rows.values()
        assert isinstance(found, Action)
        return found


async def test_a_stored_means_is_charged_once_with_all_that_the_provider_needs() -> None:
    till = Till()
    till.bank.answers["charge"] = word()
    assert await till.charge() == 1
    key, hook = f"charge:{till.made.id}", "https://api.invalid/api/v1/webhooks/bank"
    request = ChargeRequest(str(till.made.id), "customer-1", till.token.token, PRICE, "A pack", key, hook, timeout=60.0)
    assert till.bank.asked == [("charge", request)]
    assert (till.outcome, till.payment.paid_at, till.attempt) == ((P.PAID, None), NOW, ("charge", "succeeded", None, None))
    assert till.commit.statuses == [("billing.payment_changed", "paid")]
    told = (till.action.key, till.action.kind, till.action.provider, till.action.subject, till.action.state)
    assert told == (key, "payment.charge", "bank", f"payment:{till.made.id}", ActionState.SUCCEEDED)
    await till.charge()
    assert (till.bank.times("charge"), len(till.commit.announced)) == (1, 1)
    assert set(till.commit.payments.locked) == {till.made.id}


@pytest.mark.parametrize(
    ("changes", "removed", "outcome"),
    [
        ({"expires_at": NOW}, False, (P.EXPIRED, None)),
        ({}, True, (P.FAILED, "method_gone")),
        ({"provider": "another"}, False, (P.FAILED, "method_gone")),
        ({"status": P.CANCELLED}, False, (P.CANCELLED, None)),
    ],
)
async def test_what_is_late_or_has_no_means_or_is_not_wanted_is_not_charged(
    changes: dict[str, Any], removed: bool, outcome: tuple[PaymentStatus, str | None]
) -> None:
    till = Till(**changes)
    till.removed = removed
    await till.charge()
    assert (till.outcome, till.bank.asked, till.commit.payment_attempts.rows) == (outcome, [], {})
    ended = outcome[0] is not P.CANCELLED
    assert till.commit.statuses == ([("billing.payment_changed", outcome[0].value)] if ended else [])
    assert till.payment.updated_at == (NOW if ended else THEN)
    till.commit.payments.rows.clear()
    await till.charge()


async def test_a_refusal_is_the_answer_unless_a_notice_said_more_meanwhile() -> None:
    till = Till()
    till.bank.answers["charge"] = DECLINED
    assert await till.charge() == 1
    assert (till.outcome, till.attempt) == ((P.FAILED, "declined"), ("charge", "failed", "no money", "51"))
    assert (till.commit.statuses, till.payment.updated_at) == ([("billing.payment_changed", "failed")], NOW)
    told = Till()

    def paid_meanwhile() -> Any:
        told.commit.payments.rows[told.made.id] = replace(told.made, status=P.PAID)
        return DECLINED

    told.bank.answers["charge"] = paid_meanwhile
    await told.charge()
    assert (told.outcome, told.commit.announced, told.attempt[1]) == ((P.PAID, None), [], "failed")


async def test_a_charge_in_doubt_is_pending_and_is_looked_up_before_anything_else() -> None:
    till = Till(abilities={"finds_by_payment_id": True})
    till.bank.answers["charge"] = LOST
    with pytest.raises(OutcomeUnknown):
        await till.charge()
    assert (till.outcome, till.attempt) == ((P.PENDING, None), ("charge", "unknown", "outcome_unknown", "504"))
    assert (till.commit.statuses, till.payment.updated_at) == ([("billing.payment_changed", "pending")], NOW)
    await till.charging.give_up(till.commit, till.delivered().message, Failure("outcome_unknown", "no answer"))
    assert till.outcome == (P.PENDING, None)
    till.bank.answers["find"] = word()
    await till.charge()
    assert (till.outcome, till.bank.times("charge"), till.attempt[1]) == ((P.PAID, None), 1, "succeeded")


async def test_in_doubt_who_was_not_charged_is_charged_and_who_honours_our_key_is_asked_again() -> None:
    for abilities, looked in (({"finds_by_payment_id": True}, 1), ({"idempotent": True}, 0)):
        till = Till(abilities=abilities)
        till.bank.answers["charge"] = LOST
        with pytest.raises(OutcomeUnknown):
            await till.charge()
        till.bank.answers["charge"] = word()
        await till.charge()
        assert (till.outcome, till.bank.times("charge"), till.bank.times("find")) == ((P.PAID, None), 2, looked)
    blind = Till()
    blind.bank.answers["charge"] = LOST
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await blind.charge()
    assert (blind.bank.times("charge"), len(blind.commit.announced)) == (1, 1)


async def test_who_is_away_is_asked_again_and_what_is_given_up_then_has_failed() -> None:
    till = Till()
    till.bank.answers["charge"] = AWAY
    with pytest.raises(Unavailable):
        await till.charge()
    assert till.outcome == (P.CREATED, None)
    await till.charging.give_up(till.commit, till.delivered().message, Failure("unavailable", "closed", code="503"))
    assert (till.outcome, till.attempt) == ((P.FAILED, "unavailable"), ("charge", "failed", "closed", "503"))
    await till.charging.give_up(till.commit, till.delivered().message, Failure("other", "closed"))
    assert (till.outcome, len(till.commit.announced)) == ((P.FAILED, "unavailable"), 1)
    pending = Till(P.PENDING)
    await pending.charging.give_up(pending.commit, pending.delivered().message, Failure("other", "closed"))
    assert pending.outcome == (P.FAILED, "other")


async def test_in_doubt_without_a_means_it_is_found_out_and_not_charged() -> None:
    for told, outcome, attempt in (
        (None, (P.FAILED, "method_gone"), ("charge", "failed", "it was not charged", None)),
        (word(), (P.PAID, None), ("charge", "succeeded", None, None)),
    ):
        till = Till(abilities={"finds_by_payment_id": True})
        till.bank.answers["charge"] = LOST
        with pytest.raises(OutcomeUnknown):
            await till.charge()
        till.removed, till.bank.answers["find"] = True, told
        assert await till.charge() == 1
        assert (till.outcome, till.attempt, till.bank.times("charge")) == (outcome, attempt, 1)
    blind = Till()
    blind.bank.answers["charge"] = LOST
    with pytest.raises(OutcomeUnknown):
        await blind.charge()
    blind.removed = True
    await blind.charge()
    assert blind.outcome == (P.PENDING, None)


async def test_another_amount_that_was_charged_is_alerted_and_believed_by_nobody() -> None:
    till = Till()
    till.bank.answers["charge"] = word(amount=Money(1, "KRW"))
    assert await till.charge() == 1
    assert (till.outcome, till.commit.amount_mismatches.told[0][2]) == ((P.CREATED, None), Money(1, "KRW"))


async def test_a_charge_is_begun_once_and_taken_back_while_it_has_not_begun() -> None:
    till, charges = Till(), Charges(CLOCK)
    new = NewCharge(till.made.id, "credits", "credits:1", PRICE, "A pack", "bank", till.method_id)
    assert await charges.start(till.commit, new) is till.made
    assert till.commit.sent == []
    other = await charges.start(till.commit, replace(new, id=new_id()))
    assert (other.expires_at, other.locale, other.lines[0].quantity) == (NOW + timedelta(days=1), "ko", 1)
    assert await charges.cancel(till.commit, till.made.id)
    assert (till.outcome, till.commit.statuses) == ((P.CANCELLED, None), [("billing.payment_changed", "cancelled")])
    assert not await charges.cancel(till.commit, till.made.id)
    assert not await charges.cancel(till.commit, new_id())
    await begin_attempt(till.commit, other, AttemptOperation.CHARGE, NOW)
    assert not await charges.cancel(till.commit, other.id)
    assert till.commit.payments.rows[other.id].status is P.CREATED
    assert other.id in till.commit.payments.locked


@pytest.mark.parametrize("reference", ["pay_1", None])
async def test_a_key_is_spent_and_what_is_approved_captured_once_for_our_amount(reference: str | None) -> None:
    till = Till(P.PENDING, reference=reference)
    till.bank.answers = {"confirm": word(R.AUTHORISED), "capture": word(), "fetch": word(R.PENDING)}
    delivery = await till.begun(AttemptOperation.CONFIRM)
    await till.collecting.collect(delivery)
    key = f"confirm:{till.made.id}:1"
    assert till.bank.asked == [("confirm", ConfirmRequest(str(till.made.id), "key", PRICE, key, 60.0))]
    assert (till.outcome, delivery.finished) == ((P.AUTHORISED, None), 1)
    told = (till.action.key, till.action.kind, till.action.provider, till.action.subject, till.action.state)
    assert told == (key, "payment.confirm", "bank", f"payment:{till.made.id}", ActionState.SUCCEEDED)
    await till.begun(AttemptOperation.CAPTURE)
    await till.collecting.collect(Delivered(till.commit, payment_id=str(till.made.id), number=2))
    capture = CaptureRequest("pay_1", str(till.made.id), PRICE, f"capture:{till.made.id}:2", 60.0)
    assert till.bank.asked[-1] == ("capture", capture)
    assert (till.outcome, till.attempt) == ((P.PAID, None), ("capture", "succeeded", None, None))
    before = len(till.bank.asked)
    for number in (2, 3):
        await till.collecting.collect(Delivered(till.commit, payment_id=str(till.made.id), number=number))
    await till.collecting.collect(Delivered(till.commit, payment_id=str(new_id()), number=1))
    assert len(till.bank.asked) == before


CONFIRM, CAPTURE = AttemptOperation.CONFIRM, AttemptOperation.CAPTURE


@pytest.mark.parametrize(
    ("operation", "status", "asked", "outcome", "attempt"),
    [
        (CONFIRM, P.PENDING, word(R.PENDING), (P.FAILED, "declined"), "failed"),
        (CONFIRM, P.PENDING, AWAY, (P.FAILED, "declined"), "failed"),
        (CONFIRM, P.PENDING, None, (P.FAILED, "declined"), "failed"),
        (CONFIRM, P.PENDING, word(), (P.PAID, None), "succeeded"),
        (CONFIRM, P.FAILED, word(R.PENDING), (P.FAILED, "before"), "failed"),
        (CAPTURE, P.AUTHORISED, word(R.AUTHORISED), (P.FAILED, "declined"), "failed"),
        (CAPTURE, P.AUTHORISED, word(R.PENDING), (P.FAILED, "declined"), "failed"),
        (CAPTURE, P.AUTHORISED, word(R.CANCELLED), (P.CANCELLED, None), "failed"),
        (CAPTURE, P.AUTHORISED, word(), (P.PAID, None), "succeeded"),
    ],
)
async def test_what_is_refused_is_asked_for_first_for_it_may_have_been_done(
    operation: AttemptOperation, status: PaymentStatus, asked: Any, outcome: tuple[PaymentStatus, str | None], attempt: str
) -> None:
    till = Till(status, {"finds_by_payment_id": True}, failure="before" if status is P.FAILED else None)
    till.bank.answers = {operation.value: DECLINED, "find": asked}
    delivery = await till.begun(operation)
    await till.collecting.collect(delivery)
    assert (till.outcome, till.attempt[1], delivery.finished) == (outcome, attempt, 1)
    if outcome[1] == "declined":
        assert till.attempt[2:] == ("no money", "51")
        assert (till.commit.statuses, till.payment.updated_at) == ([("billing.payment_changed", "failed")], NOW)


@pytest.mark.parametrize(
    ("operation", "found", "calls"),
    [
        (CONFIRM, R.PENDING, 2),
        (CONFIRM, R.AUTHORISED, 1),
        (CAPTURE, R.AUTHORISED, 2),
        (CAPTURE, R.PENDING, 2),
        (CAPTURE, R.PAID, 1),
        (CAPTURE, None, 2),
    ],
)
@pytest.mark.parametrize("by_id", [True, False])
async def test_a_try_in_doubt_is_looked_up_and_made_again_only_where_nothing_was_done(
    operation: AttemptOperation, found: RemotePaymentStatus | None, calls: int, by_id: bool
) -> None:
    before = P.PENDING if operation is CONFIRM else P.AUTHORISED
    till = Till(before, {"finds_by_payment_id": by_id}, reference=None if by_id else "pay_1")
    told = None if found is None else word(found)
    till.bank.answers = {operation.value: LOST, "find": told, "fetch": told}
    delivery = await till.begun(operation)
    with pytest.raises(OutcomeUnknown):
        await till.collecting.collect(delivery)
    assert (till.outcome, till.attempt[1:]) == ((before, None), ("unknown", "outcome_unknown", "504"))
    till.bank.answers[operation.value] = word()
    await till.collecting.collect(delivery)
    assert till.bank.times(operation.value) == calls
    assert (till.payment.status in (P.PAID, P.AUTHORISED), delivery.finished) == (True, 1)


async def test_who_cannot_be_asked_is_told_again_only_where_our_key_is_honoured() -> None:
    for idempotent, calls in ((True, 2), (False, 1)):
        till = Till(P.PENDING, {"idempotent": idempotent})
        till.bank.answers["confirm"] = LOST
        delivery = await till.begun(CONFIRM)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await till.collecting.collect(delivery)
        assert till.bank.times("confirm") == calls


@pytest.mark.parametrize("state", [None, *ActionState])
@pytest.mark.parametrize("operation", [CONFIRM, CAPTURE])
async def test_a_try_that_is_given_up_stays_open_only_while_it_may_have_been_done(
    operation: AttemptOperation, state: ActionState | None
) -> None:
    till = Till(P.AUTHORISED)
    delivery = await till.begun(operation)
    if state is not None:
        key = f"{operation.value}:{till.made.id}:1"
        till.commit.actions.rows[key] = Action(new_id(), key, "kind", "bank", None, state, NOW, NOW)
    await till.collecting.give_up(till.commit, delivery.message, Failure("misconfigured", "wrong key", code="401"))
    in_doubt = state in (ActionState.RUNNING, ActionState.UNKNOWN)
    ended = (operation.value, "failed", "wrong key", "401")
    assert till.attempt == ((operation.value, "pending", None, None) if in_doubt else ended)
    fails = operation is CONFIRM and not in_doubt
    assert till.outcome == ((P.FAILED, "misconfigured") if fails else (P.AUTHORISED, None))
    await till.collecting.give_up(till.commit, delivery.message, Failure("other", "again"))
    assert len(till.commit.announced) == fails


async def test_what_is_over_is_confirmed_no_more_but_one_that_failed_may_be_paid_again() -> None:
    for status, calls in ((P.CANCELLED, 0), (P.EXPIRED, 0), (P.PAID, 0), (P.FAILED, 1), (P.PENDING, 1), (P.CREATED, 1)):
        till = Till(status)
        till.bank.answers["confirm"] = word()
        await till.collecting.collect(await till.begun(CONFIRM))
        assert (status, till.bank.times("confirm")) == (status, calls)
    wrong = Till(P.PENDING)
    wrong.bank.answers["confirm"] = word(amount=Money(1, "KRW"))
    await wrong.collecting.collect(await wrong.begun(CONFIRM))
    assert (wrong.outcome, len(wrong.commit.amount_mismatches.told)) == ((P.PENDING, None), 1)


async def test_a_checkout_of_nobody_is_closed_once_where_that_can_be_done() -> None:
    till = Till(P.PENDING, {"closes_checkouts": True}, reference="cs_1")
    key = f"close-checkout:{till.made.id}"
    subject = f"payment:{till.made.id}"
    told = NewMessage("billing.close_checkout", {"payment_id": str(till.made.id)}, key=key, subject=subject)
    assert close_message(till.made.id) == told
    till.bank.answers["close_checkout"] = word(R.CANCELLED)
    delivery = till.delivered()
    await till.closing.close(delivery)
    assert till.bank.asked == [("close_checkout", CloseCheckoutRequest("cs_1", key, 30.0))]
    assert (till.outcome, delivery.finished) == ((P.CANCELLED, None), 1)
    told_action = (till.action.key, till.action.kind, till.action.provider, till.action.subject)
    assert told_action == (key, "payment.close_checkout", "bank", subject)
    await till.closing.close(till.delivered())
    assert till.bank.times("close_checkout") == 1


@pytest.mark.parametrize(
    ("status", "able", "reference", "told", "calls"),
    [
        (P.PENDING, False, "cs_1", word(R.CANCELLED), 0),
        (P.PENDING, True, None, word(R.CANCELLED), 0),
        (P.PAID, True, "cs_1", word(R.CANCELLED), 0),
        (P.PENDING, True, "cs_1", DECLINED, 1),
        (P.PENDING, True, "cs_1", word(amount=Money(1, "KRW")), 1),
    ],
)
async def test_what_cannot_be_closed_stays_as_it_is(
    status: PaymentStatus, able: bool, reference: str | None, told: Any, calls: int
) -> None:
    till = Till(status, {"closes_checkouts": able}, reference=reference)
    till.bank.answers["close_checkout"] = told
    await till.closing.close(till.delivered())
    assert (till.outcome, till.bank.times("close_checkout")) == ((status, None), calls)


async def test_closing_in_doubt_is_repeated() -> None:
    till = Till(P.PENDING, {"closes_checkouts": True}, reference="cs_1")
    till.bank.answers["close_checkout"] = LOST
    with pytest.raises(OutcomeUnknown):
        await till.closing.close(till.delivered())
    till.bank.answers["close_checkout"] = word(R.CANCELLED)
    await till.closing.close(till.delivered())
    assert till.outcome == (P.CANCELLED, None)
