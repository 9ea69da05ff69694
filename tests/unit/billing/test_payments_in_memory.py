"""What billing does to a payment by the provider's word, by time and by wishes, to the letter of each row and message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, begin_attempt, follow_payment
from madang.core.billing.checkouts import Checkouts
from madang.core.billing.collect_tries import MOST_CAPTURES, begin_capture, begin_confirm
from madang.core.billing.model import AmountMismatch, Payment, PaymentStatus, Refund, RefundStatus
from madang.core.billing.notices import apply
from madang.core.billing.service import BillingService, NewPayment
from madang.core.billing.unsigned_notices import at_the_end_of_the_minute
from madang.core.kernel.errors import NotFound, ValidationFailed
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus
from unit.billing.billing_in_memory import Commit
from unit.core.core_in_memory import StandingClock

P, R = PaymentStatus, RemotePaymentStatus
NOW = datetime(2031, 5, 1, 12, 0, 30, tzinfo=UTC)
THEN = NOW - timedelta(hours=1)
CLOCK: Any = StandingClock(NOW)
PRICE = Money(9900, "KRW")


def payment(status: PaymentStatus = P.PENDING, **changes: Any) -> Payment:
    made = Payment(new_id(), "credits", "credits:1", PRICE, "bank", status, THEN, THEN, NOW + timedelta(days=1))
    return replace(made, **changes)


def word(status: RemotePaymentStatus = R.PAID, refunded: int = 0, **changes: Any) -> PaymentSnapshot:
    return replace(PaymentSnapshot("pay_1", status, PRICE, Money(refunded, "KRW")), **changes)


class Bank:
    """Answers what it was told to, by our id and by its own reference."""

    name = "bank"

    def __init__(self, by_id: Any = None, by_reference: Any = None, **abilities: bool) -> None:
        self.by_id, self.by_reference = by_id, by_reference
        able = {"finds_by_payment_id": True, "captures": True, "confirms": True, "signed_webhooks": True}
        self.capabilities = SimpleNamespace(**{**able, **abilities})

    async def find(self, payment_id: str) -> Any:
        return self.by_id

    async def fetch(self, reference: str) -> Any:
        if isinstance(self.by_reference, Exception):
            raise self.by_reference
        return self.by_reference


def billing(bank: Bank | None = None) -> BillingService:
    of_route: Any = SimpleNamespace(payment_gateway=lambda name: bank, payment_gateways=lambda: [bank])
    none: Any = None
    return BillingService(none, of_route, CLOCK, base_url="https://api.invalid/")


async def settled(before: Payment, told: PaymentSnapshot, *refunds: Refund) -> Commit:
    commit: Any = Commit(before)
    commit.payments.given_back = {refund.id: refund for refund in refunds}
    await begin_attempt(commit, before, AttemptOperation.CHECKOUT, THEN)
    assert await billing(Bank()).settle(commit, before.id, told) == commit.payments.rows[before.id]
    made: Commit = commit
    return made


async def statuses_of_attempts(commit: Commit) -> list[tuple[str, str | None]]:
    """And that what was changed says when."""
    attempts = list(commit.payment_attempts.rows.values())
    assert all(each.updated_at == NOW for each in attempts if not each.is_open)
    return [(each.status.value, each.failure) for each in attempts]


async def test_money_that_arrives_is_announced_once_and_its_try_succeeded() -> None:
    before = payment()
    commit = await settled(before, word(method="card", method_country="KR", tax=Money(900, "KRW")))
    after = commit.payments.rows[before.id]
    assert (after.status, after.paid_at, after.method, after.method_country, after.tax) == (P.PAID, NOW, "card", "KR", 900)
    assert (after.updated_at, after.created_at, after.reference) == (NOW, THEN, "pay_1")
    assert commit.statuses == [("billing.payment_changed", "paid")]
    assert (await statuses_of_attempts(commit), commit.sent) == ([("succeeded", None)], [])
    again: Any = Commit(after)
    assert await billing(Bank()).settle(again, after.id, word()) is after
    assert (again.statuses, again.sent) == ([], [])
    assert await billing(Bank()).settle(again, new_id(), word()) is None


async def test_what_failed_says_why_and_its_try_failed() -> None:
    commit = await settled(payment(), word(R.FAILED, failure="declined"))
    assert await statuses_of_attempts(commit) == [("failed", "declined")]
    expired = await settled(payment(), word(R.EXPIRED))
    assert await statuses_of_attempts(expired) == [("failed", "expired")]


async def test_another_amount_is_believed_by_nobody_and_alerted() -> None:
    before = payment()
    commit: Any = Commit(before)
    with pytest.raises(AmountMismatch):
        await billing(Bank()).settle(commit, before.id, word(amount=Money(1, "KRW")))
    assert (commit.payments.rows[before.id], commit.statuses) == (before, [])
    assert commit.amount_mismatches.told == [(before.id, "bank", Money(1, "KRW"), None)]
    outcomes = [
        await apply(billing(Bank()), commit, before, word(amount=Money(1, "KRW"))),
        await apply(billing(Bank()), commit, before, None),
        await apply(billing(Bank()), commit, None, word()),
        await apply(billing(Bank()), commit, before, word()),
    ]
    assert outcomes == ["amount_mismatch", "nothing_known_yet", "unknown_payment", "applied"]


async def test_what_goes_back_is_announced_each_time_and_all_of_it_settles_refunds_under_way() -> None:
    before = payment(P.PAID)
    queued = Refund(new_id(), before.id, "a", Money(100, "KRW"), "why", RefundStatus.QUEUED, THEN, THEN)
    failed = replace(queued, id=new_id(), key="b", status=RefundStatus.FAILED)
    part = await settled(before, word(R.PARTLY_REFUNDED, 100), queued, failed)
    assert part.statuses == [("billing.payment_refunded", "partly_refunded"), ("billing.payment_changed", "partly_refunded")]
    assert part.payments.given_back[queued.id] == queued
    more = await settled(part.payments.rows[before.id], word(R.PARTLY_REFUNDED, 200))
    assert more.statuses == [("billing.payment_refunded", "partly_refunded")]
    whole = await settled(before, word(R.REFUNDED, 9900), queued, failed)
    assert whole.payments.given_back == {
        queued.id: replace(queued, status=RefundStatus.SUCCEEDED, updated_at=NOW),
        failed.id: failed,
    }
    assert whole.statuses[0] == ("billing.refund_changed", "succeeded")


async def test_what_enters_or_leaves_a_dispute_is_asked_once_more() -> None:
    disputed = await settled(payment(P.PAID), word(R.DISPUTED))
    assert [message.payload["round"] for message in disputed.sent] == [None]
    assert disputed.statuses == [("billing.dispute_changed", "open"), ("billing.payment_changed", "disputed")]
    won = await settled(payment(P.DISPUTED), word(R.PAID))
    assert [message.topic for message in won.sent] == ["billing.look_up"]
    assert won.statuses == [("billing.dispute_changed", "won"), ("billing.payment_changed", "paid")]


async def test_what_is_approved_is_captured_where_the_provider_wants_to_be_asked() -> None:
    approved = await settled(payment(), word(R.AUTHORISED))
    assert [(message.topic, message.payload["number"]) for message in approved.sent] == [("billing.capture", 2)]
    assert await statuses_of_attempts(approved) == [("succeeded", None), ("pending", None)]
    before = payment()
    commit: Any = Commit(before)
    await billing(Bank(captures=False)).settle(commit, before.id, word(R.AUTHORISED))
    assert commit.sent == []


async def test_one_capture_is_under_way_and_at_most_three_are_made() -> None:
    before = payment(P.AUTHORISED, reference="pay_1")
    commit: Any = Commit(before)
    for number in range(1, MOST_CAPTURES + 3):
        await begin_capture(commit, before, CLOCK)
        await begin_capture(commit, before, CLOCK)
        made = list(commit.payment_attempts.rows.values())
        assert len(made) == len(commit.sent) == min(number, 3)
        commit.payment_attempts.rows[made[-1].id] = made[-1].ended(AttemptStatus.FAILED, NOW)
    assert {each.reference for each in made} == {"pay_1"}
    told_of = {"payment_id": str(before.id), "number": 1}
    assert commit.sent[0] == NewMessage("billing.capture", told_of, f"billing.capture:{before.id}:1", f"payment:{before.id}")


async def test_a_key_is_spent_once_and_another_one_not_while_it_is() -> None:
    before = payment()
    commit: Any = Commit(before)
    await begin_attempt(commit, before, AttemptOperation.CHECKOUT, THEN)
    for key in ("key-1", "key-1", "key-2"):
        await begin_confirm(commit, before, key, CLOCK)
    assert await statuses_of_attempts(commit) == [("succeeded", None), ("pending", None)]
    told_of = {"payment_id": str(before.id), "number": 2, "key": "key-1"}
    assert commit.sent == [NewMessage("billing.confirm", told_of, f"billing.confirm:{before.id}:2", f"payment:{before.id}")]
    first = list(commit.payment_attempts.rows.values())[-1]
    commit.payment_attempts.rows[first.id] = first.ended(AttemptStatus.FAILED, NOW)
    for key in ("key-1", *(f"key-{number}" for number in range(2, 20))):
        await begin_confirm(commit, before, key, CLOCK)
        last = list(commit.payment_attempts.rows.values())[-1]
        commit.payment_attempts.rows[last.id] = last.ended(AttemptStatus.FAILED, NOW)
    assert [message.payload["key"] for message in commit.sent] == [f"key-{number}" for number in range(1, 11)]


async def test_a_browser_that_comes_back_spends_its_key_or_is_a_hint_every_two_seconds() -> None:
    before = payment()
    commit: Any = Commit(before)
    await billing(Bank()).come_back(commit, before, "key-1")
    await billing(Bank()).come_back(commit, before, None)
    await billing(Bank(confirms=False)).come_back(commit, before, "key-1")
    hint = f"look-up:{before.id}:hint:{int(NOW.timestamp()) // 2}"
    assert [message.key for message in commit.sent] == [f"billing.confirm:{before.id}:1", hint, hint]


@pytest.mark.parametrize("status", [P.CREATED, P.PENDING])
async def test_what_nobody_paid_in_its_time_expires_unless_a_try_is_in_doubt(status: PaymentStatus) -> None:
    before = payment(status)
    commit: Any = Commit(before)
    await begin_attempt(commit, before, AttemptOperation.CHECKOUT, THEN)
    await billing().expire(commit, before.id)
    assert commit.payments.rows[before.id] == replace(before, status=P.EXPIRED, updated_at=NOW)
    assert commit.statuses == [("billing.payment_changed", "expired")]
    assert await statuses_of_attempts(commit) == [("failed", "expired")]
    doubted: Any = Commit(before)
    await begin_attempt(doubted, before, AttemptOperation.CONFIRM, THEN)
    await billing().expire(doubted, before.id)
    await billing().expire(doubted, new_id())
    assert (doubted.payments.rows[before.id], doubted.statuses) == (before, [])


async def test_money_that_arrived_does_not_expire_and_a_finished_try_stays() -> None:
    paid = payment(P.PAID)
    commit: Any = Commit(paid)
    await billing().expire(commit, paid.id)
    assert (commit.payments.rows[paid.id], commit.statuses) == (paid, [])
    attempt = await begin_attempt(commit, paid, AttemptOperation.CONFIRM, THEN)
    commit.payment_attempts.rows[attempt.id] = attempt.ended(AttemptStatus.FAILED, NOW, failure="declined", code="C1")
    await follow_payment(commit, replace(paid, status=P.AUTHORISED), NOW)
    await follow_payment(commit, replace(paid, status=P.EXPIRED), NOW)
    kept = commit.payment_attempts.rows[attempt.id]
    assert (kept.status, kept.failure, kept.code) == (AttemptStatus.FAILED, "declined", "C1")
    await follow_payment(commit, paid, NOW)
    cleared = commit.payment_attempts.rows[attempt.id]
    assert (cleared.status, cleared.failure, cleared.code) == (AttemptStatus.SUCCEEDED, None, None)


async def test_a_refund_is_promised_once_by_its_key_and_never_more_than_is_left() -> None:
    paid = payment(P.PAID)
    commit: Any = Commit(paid, unpaid := payment())

    async def asked(key: str, amount: int | None = None, of: Payment = paid) -> Refund | None:
        return await billing().request_refund(commit, of.id, key=key, reason="why", amount=amount)

    part = await asked("a", 900)
    assert part is not None
    assert part == Refund(part.id, paid.id, "a", Money(900, "KRW"), "why", RefundStatus.QUEUED, NOW, NOW)
    told_of = {"refund_id": str(part.id)}
    assert commit.sent == [NewMessage("billing.refund", told_of, f"refund:{part.id}", f"payment:{paid.id}")]
    assert await asked("a", 100) is part
    assert await asked("b", 9001) is None
    rest = await asked("c")
    assert rest is not None
    assert rest.amount == Money(9000, "KRW")
    assert (await asked("d"), await asked("e", of=unpaid), len(commit.sent)) == (None, None, 2)
    assert commit.statuses == [("billing.refund_changed", "queued")] * 2


async def test_a_provider_is_asked_by_our_id_and_else_by_its_reference() -> None:
    known, unknown = payment(reference="pay_1"), payment()
    mine, its = word(reference="by id"), word(reference="by reference")
    assert await billing(Bank(mine, its)).ask(known) == mine
    assert await billing(Bank(None, its)).ask(known) == its
    assert await billing(Bank(mine, its, finds_by_payment_id=False)).ask(known) == its
    assert await billing(Bank(None, its)).ask(unknown) is None
    assert await billing(Bank(None, Rejected("gone", reason="not_found"))).ask(known) is None
    with pytest.raises(Rejected):
        await billing(Bank(None, Rejected("no", reason="declined"))).ask(known)


async def test_a_webhook_of_a_provider_that_is_not_configured_is_not_found() -> None:
    request: Any = None
    with pytest.raises(NotFound) as refused:
        await billing(Bank()).receive_webhook("other", request)
    assert refused.value.error_code == "PROVIDER_NOT_FOUND"


def test_the_same_checkout_is_asked_for_with_all_that_the_seller_knows() -> None:
    until = NOW + timedelta(hours=1)
    new = NewPayment(
        new_id(), "credits", "credits:1", PRICE, "A pack", "https://s.invalid", "https://c.invalid", until, "en", country="KR",
        customer_email="buyer@example.com", customer_name="Kim",
    )  # fmt: skip
    request = billing().checkout_request(new, "bank")
    assert (request.payment_id, request.amount, request.description) == (str(new.id), PRICE, "A pack")
    assert (request.success_url, request.cancel_url) == ("https://s.invalid", "https://c.invalid")
    assert (request.idempotency_key, request.expires_at, request.locale) == (f"checkout:{new.id}", until, "en")
    assert (request.webhook_url, request.country) == ("https://api.invalid/api/v1/webhooks/bank", "KR")
    assert (request.customer_email, request.customer_name) == ("buyer@example.com", "Kim")


def test_hints_of_one_minute_are_one_question_at_its_end() -> None:
    asked = at_the_end_of_the_minute(NewMessage("t", key="k"), NOW)
    assert asked.due_at == datetime(2031, 5, 1, 12, 1, tzinfo=UTC)
    assert asked.key == f"k:{int(NOW.timestamp()) // 60}"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://shop.example/back", ("production", "development")),
        ("http://localhost:3000/back", ("development",)),
        ("http://127.0.0.1/back", ("development",)),
        ("http://[::1]/back", ("development",)),
        ("http://shop.example/back", ()),
        ("ftp://localhost/back", ()),
        ("javascript://localhost/%0aalert(1)", ()),
        ("https://user@shop.example/back", ()),
        ("https://shop.example\\@other.example", ()),
        ("https://shop.example/a b", ()),
        ("https://shop.example/\x7f", ()),
        ("https:///back", ()),
        ("https://[shop.example/", ()),
        ("", ()),
    ],
)
def test_a_browser_is_sent_back_to_https_and_in_development_to_this_machine(url: str, where: tuple[str, ...]) -> None:
    none: Any = None
    for environment in ("production", "development"):
        checkouts = Checkouts(none, none, none, none, none, none, none, environment=environment)
        if environment in where:
            checkouts.check_pages(url, "https://shop.example")
            continue
        with pytest.raises(ValidationFailed) as refused:
            checkouts.check_pages(url, "https://shop.example")
        assert [problem.path for problem in refused.value.problems] == ["successUrl"]
        with pytest.raises(ValidationFailed) as refused:
            checkouts.check_pages("https://shop.example", url)
        assert [problem.path for problem in refused.value.problems] == ["cancelUrl"]
