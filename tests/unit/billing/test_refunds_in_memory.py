"""What the worker writes of a refund: the provider's word, when it asks again, and what stays visible when it was given up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.billing.refunds import RefundWork
from madang.core.billing.service import BillingService, single_look_up
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure, Message, NewMessage
from madang.ports.errors import Unsupported
from madang.ports.money import Money
from madang.ports.payment import RefundSnapshot, RemoteRefundStatus
from unit.billing.billing_in_memory import Commit
from unit.core.core_in_memory import StandingClock

R, P = RefundStatus, PaymentStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
THEN = NOW - timedelta(hours=1)
CLOCK: Any = StandingClock(NOW)


class Bank:
    """Answers what it knows of a refund."""

    name = "bank"

    def __init__(self, found: Any = None, *, finds: bool = True) -> None:
        self.found, self.asked = found, None
        self.capabilities = SimpleNamespace(finds_refunds=finds, idempotent=True)

    async def find_refund(self, reference: str, key: str) -> Any:
        self.asked = (reference, key)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def work(bank: Bank | None = None) -> RefundWork:
    of_route: Any = SimpleNamespace(payment_gateway=lambda name: bank)
    none: Any = None
    return RefundWork(BillingService(none, of_route, CLOCK, base_url="https://api.invalid"), of_route, CLOCK)


class Case:
    """A payment of which a part is to go back."""

    def __init__(self, status: RefundStatus = R.QUEUED, part: int = 100, **changes: Any) -> None:
        times = (THEN, THEN, NOW + timedelta(days=1))
        paid = Payment(new_id(), "items", "checkout:1", Money(500, "KRW"), "bank", P.PAID, *times, reference="pay_1")
        self.payment = replace(paid, **changes)
        self.refund = Refund(new_id(), paid.id, "key", Money(part, "KRW"), "why", status, THEN, THEN, failure="before")
        self.commit: Any = Commit(self.payment)
        self.commit.payments.given_back[self.refund.id] = self.refund
        self.key = f"refund:{self.refund.id}"

    def acting(self, state: ActionState, **changes: Any) -> None:
        action = Action(new_id(), self.key, "payment.refund", "bank", None, state, THEN, THEN)
        self.commit.actions.rows[self.key] = replace(action, **changes)

    @property
    def now(self) -> Refund:
        found: Refund = self.commit.payments.given_back[self.refund.id]
        return found

    async def record(self, status: str, failure: str | None = None) -> None:
        await work().record(self.commit, self.refund.id, {"id": "re_1", "status": status, "failure": failure})

    async def give_up(self) -> None:
        told = {"refund_id": str(self.refund.id)}
        self.message = Message(new_id(), "billing.refund", told, 3, 0, "req-test")
        await work().give_up(self.commit, self.message, Failure("unavailable", "no answer"))


async def test_money_that_is_back_is_counted_at_once_and_what_else_went_back_is_asked() -> None:
    case = Case()
    case.acting(ActionState.UNKNOWN)
    await case.record("succeeded")
    assert case.now == replace(case.refund, status=R.SUCCEEDED, remote_id="re_1", failure=None, updated_at=NOW)
    assert case.commit.payments.rows[case.payment.id].status is P.PARTLY_REFUNDED
    assert case.commit.payments.rows[case.payment.id].refunded == 100
    assert case.commit.sent == [single_look_up(case.payment.id, f"after:{case.refund.id}")]
    action = case.commit.actions.rows[case.key]
    assert (action.state, action.updated_at, action.result["id"]) == (ActionState.SUCCEEDED, NOW, "re_1")
    assert case.commit.statuses[0] == ("billing.refund_changed", "succeeded")
    whole = Case(part=500)
    await whole.record("succeeded")
    assert whole.commit.payments.rows[whole.payment.id].status is P.REFUNDED
    assert whole.commit.sent == []


async def test_our_own_refund_decides_no_dispute() -> None:
    case = Case(status=R.RUNNING, refunded=0)
    disputed = replace(case.payment, status=P.DISPUTED)
    case.commit.payments.rows[disputed.id] = disputed
    await case.record("succeeded")
    after = case.commit.payments.rows[disputed.id]
    assert (after.status, after.refunded) == (P.DISPUTED, 100)
    assert [status for name, status in case.commit.statuses if name == "billing.dispute_changed"] == ["open"]


async def test_money_that_is_back_stays_back_whatever_is_said_later() -> None:
    case = Case(R.SUCCEEDED)
    await case.record("failed", "declined")
    assert case.now == replace(case.refund, remote_id="re_1", failure=None, updated_at=NOW)
    assert (case.commit.statuses, case.commit.sent) == ([], [])
    for status, kept in (("pending", R.RUNNING), ("failed", R.FAILED)):
        other = Case()
        await other.record(status, "why not")
        assert (other.now.status, other.now.failure) == (kept, "why not")
        assert other.commit.payments.rows[other.payment.id] == other.payment


@pytest.mark.parametrize("status", [R.RUNNING, R.UNKNOWN])
async def test_one_that_is_under_way_is_asked_about_ever_later_for_a_month(status: RefundStatus) -> None:
    case = Case(status)
    for number in range(8):
        await work().watch(case.commit, case.refund.id, number)
    waits = [(message.due_at - NOW).total_seconds() for message in case.commit.sent]
    assert waits == [20, 120, 600, 3600, 21600, 86400, 86400, 86400]
    payment_id = case.payment.id
    assert case.commit.sent[0] == NewMessage(
        "billing.look_up",
        {"payment_id": str(payment_id), "refund_id": str(case.refund.id), "round": 0},
        f"look-up:{payment_id}:{case.key}:0",
        f"payment:{payment_id}",
        NOW + timedelta(seconds=20),
    )
    case.commit.sent.clear()
    for others in (replace(case.refund, created_at=NOW - timedelta(days=30)), replace(case.refund, status=R.QUEUED)):
        case.commit.payments.given_back[case.refund.id] = others
        await work().watch(case.commit, case.refund.id, 0)
    await work().watch(case.commit, new_id(), 0)
    assert case.commit.sent == []


@pytest.mark.parametrize(
    ("state", "status"),
    [(None, R.FAILED), (ActionState.FAILED, R.FAILED), (ActionState.RUNNING, R.UNKNOWN), (ActionState.UNKNOWN, R.UNKNOWN)],
)
async def test_one_that_is_given_up_has_failed_only_if_surely_nothing_was_done(
    state: ActionState | None, status: RefundStatus
) -> None:
    case = Case()
    if state is not None:
        case.acting(state)
    await case.give_up()
    assert case.now == replace(case.refund, status=status, failure="no answer", updated_at=NOW)
    asked = single_look_up(case.payment.id, f"given-up:{case.message.id}:3")
    assert case.commit.sent[0] == asked
    assert [message.payload.get("refund_id") for message in case.commit.sent[1:]] == (
        [str(case.refund.id)] if status is R.UNKNOWN else []
    )


async def test_one_that_was_done_before_it_was_given_up_is_written_down_as_done() -> None:
    case = Case()
    case.acting(ActionState.SUCCEEDED, result={"id": "re_1", "status": "succeeded"})
    await case.give_up()
    assert (case.now.status, case.now.remote_id) == (R.SUCCEEDED, "re_1")
    done = Case(R.SUCCEEDED)
    await done.give_up()
    assert (done.now, done.commit.sent) == (done.refund, [])


async def test_a_provider_that_finds_refunds_is_asked_by_our_key() -> None:
    case = Case()
    found = RefundSnapshot("re_1", RemoteRefundStatus.PENDING, Money(100, "KRW"), None)
    bank = Bank(found)
    told = {"id": "re_1", "status": "pending", "amount": 100, "failure": None}
    assert await work(bank).ask(case.payment, case.refund) == told
    assert bank.asked == ("pay_1", case.key)
    for other in (Bank(None), Bank(Unsupported("no")), Bank(found, finds=False)):
        assert await work(other).ask(case.payment, case.refund) is None
