"""Money that is sent back, what was granted for it, and notices that a person looks after."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from invoice_samples import credit_note, invoice
from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.closing import close_message
from madang.core.billing.disputes import DisputeAlerts
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.inbox_keeping import InboxKeeping
from madang.core.billing.invoices.model import InvoiceContent, Seller, hash_of, written_document
from madang.core.billing.invoices.sheet import Buyer, sheet_of
from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus, left_to_refund
from madang.core.billing.personal_data import BillingPersonalData
from madang.core.billing.refunds import RefundWork
from madang.core.billing.service import BillingService, NewPayment, look_up_message, single_look_up
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.caller import OPERATOR
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import NewMessage
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected
from madang.ports.money import Money
from madang.ports.payment import Checkout, RefundRequest, RefundSnapshot, RemoteRefundStatus
from unit.billing.billing_in_memory import BankInMemory, Commit, Delivered
from unit.core.core_in_memory import StandingClock

P, S, R = PaymentStatus, RefundStatus, RemoteRefundStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
THEN, DAY = NOW - timedelta(hours=1), timedelta(days=1)
CLOCK: Any = StandingClock(NOW)
NONE: Any = None


def delivered(commit: Any, **payload: Any) -> Any:
    return Delivered(commit, **payload)


class Desk:
    """A payment of which a part goes back."""

    def __init__(self, status: RefundStatus = S.QUEUED, **abilities: bool) -> None:
        times = (THEN, THEN, NOW + DAY)
        self.payment = Payment(new_id(), "items", "checkout:1", Money(500, "KRW"), "bank", P.PAID, *times, reference="pay_1")
        part = Money(100, "KRW")
        self.refund = Refund(new_id(), self.payment.id, "key", part, "why", status, THEN, THEN, failure="before")
        self.commit: Any = Commit(self.payment)
        self.commit.payments.given_back[self.refund.id] = self.refund
        self.bank = BankInMemory(**abilities)
        bank: Any = self.bank
        self.billing = BillingService(self.commit.unit, bank, CLOCK, base_url="https://api.invalid")
        self.work = RefundWork(self.billing, bank, CLOCK)
        self.key = f"refund:{self.refund.id}"

    async def send(self) -> int:
        delivery = delivered(self.commit, refund_id=str(self.refund.id))
        await self.work.send(delivery)
        finished: int = delivery.finished
        return finished

    @property
    def now(self) -> Refund:
        found: Refund = self.commit.payments.given_back[self.refund.id]
        return found


def told(status: RemoteRefundStatus = R.SUCCEEDED, failure: str | None = None) -> RefundSnapshot:
    return RefundSnapshot("re_1", status, Money(100, "KRW"), failure)


@pytest.mark.parametrize(
    ("word", "status", "failure", "watched"),
    [
        (told(), S.SUCCEEDED, None, False),
        (told(R.PENDING), S.RUNNING, None, True),
        (told(R.FAILED, "closed"), S.FAILED, "closed", False),
    ],
)
async def test_money_is_sent_back_once_and_watched_until_it_is_there(
    word: RefundSnapshot, status: RefundStatus, failure: str | None, watched: bool
) -> None:
    desk = Desk()
    desk.bank.answers["refund"] = word
    assert await desk.send() == 1
    assert desk.bank.asked == [("refund", RefundRequest("pay_1", Money(100, "KRW"), "why", desk.key, 60.0))]
    assert (desk.now.status, desk.now.failure, desk.now.remote_id, desk.now.updated_at) == (status, failure, "re_1", NOW)
    watching = [message for message in desk.commit.sent if message.payload.get("refund_id")]
    assert [(each.payload["round"], each.due_at) for each in watching] == [(0, NOW + timedelta(seconds=20))] * watched
    action = desk.commit.actions.rows[desk.key]
    assert (action.kind, action.provider, action.subject) == ("payment.refund", "bank", f"payment:{desk.payment.id}")
    assert action.result == {"id": "re_1", "status": word.status.value, "amount": 100, "failure": failure}
    assert desk.payment.id in desk.commit.payments.locked
    if status is not S.FAILED:
        await desk.send()
        assert desk.bank.times("refund") == 1


@pytest.mark.parametrize(
    ("finds", "idempotent", "found", "calls"),
    [(True, False, told(), 1), (True, False, None, 2), (False, True, None, 2), (False, False, None, 1)],
)
async def test_a_refund_in_doubt_is_looked_up_or_repeated_where_that_is_safe(
    finds: bool, idempotent: bool, found: Any, calls: int
) -> None:
    desk = Desk(finds_refunds=finds, idempotent=idempotent)
    desk.bank.answers = {"refund": OutcomeUnknown("lost"), "find_refund": found}
    with pytest.raises(OutcomeUnknown):
        await desk.send()
    desk.bank.answers["refund"] = told()
    if finds or idempotent:
        await desk.send()
    else:
        with pytest.raises(OutcomeUnknown):
            await desk.send()
    assert desk.bank.times("refund") == calls
    assert (desk.now.status is S.SUCCEEDED) == (finds or idempotent)
    assert [asked[1:] for asked in desk.bank.asked if asked[0] == "find_refund"] == [("pay_1", desk.key)] * finds


async def test_one_that_a_notice_ended_first_leaves_no_doubt_behind() -> None:
    desk = Desk(S.SUCCEEDED, finds_refunds=True)
    action = Action(new_id(), desk.key, "payment.refund", "bank", None, ActionState.RUNNING, THEN, THEN)
    desk.commit.actions.rows[desk.key] = action
    assert await desk.send() == 1
    assert desk.commit.actions.rows[desk.key] == action
    desk.bank.answers["find_refund"] = told()
    assert await desk.send() == 1
    known = desk.commit.actions.rows[desk.key]
    assert (known.state, known.updated_at, known.result["id"]) == (ActionState.SUCCEEDED, NOW, "re_1")
    assert desk.bank.times("refund") == 0


@pytest.mark.parametrize(("others", "sent"), [(400, True), (401, False)])
async def test_one_that_failed_is_sent_again_while_its_money_is_not_promised_otherwise(others: int, sent: bool) -> None:
    desk = Desk(S.FAILED)
    other = replace(desk.refund, id=new_id(), key="other", amount=Money(others, "KRW"), status=S.QUEUED)
    desk.commit.payments.given_back[other.id] = other
    desk.bank.answers["refund"] = told(R.PENDING)
    if sent:
        await desk.send()
        assert (desk.now.status, desk.now.failure) == (S.RUNNING, None)
        assert [event.payload["status"] for event in desk.commit.announced] == ["queued", "running"]
    else:
        with pytest.raises(Rejected) as refused:
            await desk.send()
        assert (refused.value.reason, refused.value.operation, desk.now) == ("amount_exceeded", "refund", desk.refund)
    desk.commit.payments.given_back.clear()
    await desk.send()
    assert desk.bank.times("refund") == sent


async def test_a_look_up_asks_of_the_refund_that_it_names_alone() -> None:
    desk = Desk(S.RUNNING, finds_refunds=True)
    bank: Any = desk.bank
    handlers = BillingHandlers(desk.billing, bank, CLOCK, NONE, NONE)
    about = {"payment_id": str(desk.payment.id), "round": None}
    desk.bank.answers["find_refund"] = told()
    await handlers.look_up(delivered(desk.commit, **about))
    assert (desk.now.status, desk.bank.times("find_refund")) == (S.RUNNING, 0)
    await handlers.look_up(delivered(desk.commit, **about, refund_id=str(desk.refund.id)))
    assert (desk.now.status, desk.bank.times("find_refund")) == (S.SUCCEEDED, 1)
    await handlers.look_up(delivered(desk.commit, payment_id=str(new_id()), round=0))


class Notices:
    """The inbox, as a person looks after it."""

    def __init__(self) -> None:
        self.commit: Any = Commit()
        self.commit.payment_notices = self
        self.entry = InboxEntry(new_id(), "bank", "ev_1", "paid", {}, THEN, NOW, "applied")
        self.commit.inbox.rows[self.entry.id] = self.entry
        self.asked: list[Any] = []
        self.keeping = InboxKeeping(self.commit.unit, self.commit)

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        self.asked.append(lock)
        found: InboxEntry | None = self.commit.inbox.rows.get(entry_id)
        return found

    async def stranded(self, after: timedelta, *, limit: int) -> list[UUID]:
        self.asked.append((after, limit))
        return [self.entry.id]

    @property
    def message(self) -> NewMessage:
        return NewMessage("billing.handle_notice", {"inbox_id": str(self.entry.id)}, subject=f"inbox:{self.entry.id}")


async def test_a_notice_is_handled_again_when_a_person_says_so_and_that_is_audited() -> None:
    notices = Notices()
    again = await notices.keeping.replay(OPERATOR, notices.entry.id)
    assert again == replace(notices.entry, handled_at=None, outcome=None)
    assert notices.commit.inbox.rows[notices.entry.id] == again
    audited = ("NOTICE_REPLAYED", f"inbox:{notices.entry.id}", {"provider": "bank", "outcome": "applied"})
    assert (notices.commit.sent, notices.commit.audited, notices.asked) == ([notices.message], [audited], [True])
    with pytest.raises(NotFound) as missing:
        await notices.keeping.replay(OPERATOR, new_id())
    assert missing.value.error_code == "NOTICE_NOT_FOUND"


async def test_a_notice_that_nobody_handled_for_half_a_minute_is_handled_after_all() -> None:
    notices = Notices()
    await notices.keeping.sweep(delivered(notices.commit))
    assert (notices.commit.sent, notices.asked) == ([notices.message], [(timedelta(seconds=30), 100)])
    (recurring,) = notices.keeping.recurring()
    assert (recurring.topic.name, recurring.every, recurring.topic.time_limit) == (
        "billing.sweep_notices",
        timedelta(seconds=30),
        30,
    )
    assert tuple(recurring.topic.retry.delays) == (1, 5)


@pytest.mark.parametrize("status", ["open", "won", "lost", "refunded", "reversed"])
async def test_operators_hear_of_each_change_of_a_dispute_and_of_a_lost_one_what_it_took(status: str) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []

    async def tell(uow: Any, kind: str, **details: Any) -> None:
        heard.append((kind, details))

    operators: Any = SimpleNamespace(tell_operators=tell)
    told = {"payment_id": "p", "provider": "bank", "status": status, "amount": "KRW 1", "taken": "KRW 2", "changed_at": "then"}
    await DisputeAlerts(operators).tell(NONE, Delivered(None, **told).message)
    values = {"payment_id": "p", "provider": "bank", "amount": "KRW 1"} | ({"taken": "KRW 2"} if status == "lost" else {})
    assert heard == [(f"billing.dispute_{status}", {"key": f"dispute:p:{status}:then", "values": values})]


@pytest.mark.parametrize("status", list(P))
async def test_the_open_checkouts_of_whom_is_erased_are_closed(status: PaymentStatus) -> None:
    desk = Desk()
    mine = [replace(desk.payment, status=status), replace(desk.payment, id=new_id(), status=status, reference=None)]

    async def of_user(user_id: UUID) -> list[Payment]:
        return mine

    async def forget_user(user_id: UUID) -> int:
        return 2

    desk.commit.payments.of_user, desk.commit.payments.forget_user = of_user, forget_user
    assert await BillingPersonalData().erase(desk.commit, new_id(), NOW) == {"payments": 2}
    is_open = status in (P.CREATED, P.PENDING, P.AUTHORISED, P.FAILED)
    assert desk.commit.sent == [close_message(desk.payment.id)] * is_open


async def test_a_checkout_of_a_selling_context_is_opened_and_stored_with_its_first_look_up() -> None:
    desk = Desk(finds_by_payment_id=True)
    desk.bank.answers["open_checkout"] = Checkout("https://bank.invalid", "cs_1")
    new = NewPayment(
        new_id(), "portraits", "portrait:1", Money(9, "KRW"), "A portrait", "https://x.invalid", "https://y.invalid", NOW + DAY
    )
    opened = await desk.billing.open_checkout(new)
    assert (opened.id, opened.status, opened.reference, opened.provider) == (new.id, P.PENDING, "cs_1", "bank")
    assert (opened.created_at, opened.updated_at, opened.expires_at, opened.locale) == (NOW, NOW, NOW + DAY, "ko")
    await desk.billing.add(desk.commit, opened)
    (attempt,) = desk.commit.payment_attempts.rows.values()
    assert isinstance(attempt, PaymentAttempt)
    assert (attempt.reference, attempt.operation.value, attempt.created_at) == ("cs_1", "checkout", NOW)
    assert desk.commit.sent == [look_up_message(new.id, 0, NOW)]
    await desk.billing.check_soon(desk.commit, new.id)
    assert desk.commit.sent[-1] == single_look_up(new.id, f"hint:{int(NOW.timestamp()) // 2}")
    euro = BankInMemory(currencies=frozenset({"EUR"}))
    route: Any = euro
    nowhere = BillingService(desk.commit.unit, route, CLOCK, base_url="https://api.invalid")
    with pytest.raises(Misconfigured) as nobody:
        await nowhere.open_checkout(new)
    assert nobody.value.operation == "open_checkout"


def test_a_document_is_written_as_one_line_whoever_writes_it_and_in_its_own_letters() -> None:
    content = InvoiceContent(Seller("마당"), (), "kr-vat-10", "ko", "bank")
    written = written_document(content, number="INV-2031-000001", id="1")
    assert written.startswith('{"content":{"charged_back":false,"credits":null,"lines":[],"locale":"ko",')
    assert written.endswith(
        '"name":"마당","registration_number":null,"representative":null},"tax_rule":"kr-vat-10"},"id":"1",'
        '"number":"INV-2031-000001"}'
    )
    assert hash_of(written) != hash_of(written + " ")


def test_a_document_tells_its_dates_at_home_how_it_was_paid_and_what_it_credits() -> None:
    first = invoice()
    facts = {fact.label: fact.value for fact in sheet_of(first, Buyer(None, None), "en", "Asia/Seoul").facts}
    assert list(facts.values()) == [first.number, "2026-01-05", "2026-01-05", "Card", str(first.payment_id)]
    note = sheet_of(credit_note(first, 900), Buyer(None, None), "en", "Asia/Seoul")
    assert first.number in [fact.value for fact in note.facts]


@pytest.mark.parametrize("status", list(S))
def test_what_is_promised_or_done_is_not_left_to_give_back(status: RefundStatus) -> None:
    desk = Desk(status)
    assert left_to_refund(desk.payment, [desk.refund]) == (500 if status is S.FAILED else 400)
