"""Whatever becomes of a provider's webhooks, a payment ends in the one state that is true."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.billing.bank import ABLE, SIGNATURE, Bank
from integration.billing.conftest import PRICE, Office
from madang.core.billing.model import OPEN, PAYMENT_TRANSITIONS, Payment, PaymentStatus
from madang.core.billing.unsigned_notices import KEPT
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import MessageState
from madang.ports.errors import Misconfigured, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import PaymentCapabilities, PaymentSnapshot, RemotePaymentStatus
from madang.ports.webhook import WebhookRequest

HISTORIES = [
    "paid",
    "authorised paid",
    "failed paid",
    "failed pending failed",
    "failed pending authorised paid",
    "failed cancelled",
    "cancelled",
    "cancelled paid",
    "expired",
    "expired paid refunded",
    "paid refunded",
    "paid partly_refunded refunded",
    "paid disputed",
    "paid disputed paid",
    "paid disputed refunded",
    "authorised failed",
    "pending",
]
BACK = {"refunded": PRICE.amount, "partly_refunded": 3000}
ASKED = {
    "by our id": PaymentCapabilities(finds_by_payment_id=True, finds_refunds=True),
    "by its reference": PaymentCapabilities(),
}


@dataclass(frozen=True)
class Story:
    """What happened at the provider (in this order, always), and what came to us when. `deliveries[n]` come once `n + 1` things
    have happened: each is a batch of events that arrive at the same moment. `committed` says after how many things our order
    was stored, `worked` after which of them a worker came by."""

    events: Sequence[str]
    deliveries: Sequence[Sequence[Sequence[int]]]
    committed: int
    worked: frozenset[int]
    thinks: int

    @property
    def delivered(self) -> set[int]:
        return {event for batches in self.deliveries for batch in batches for event in batch}


@st.composite
def stories(draw: st.DrawFn) -> Story:
    events = draw(st.sampled_from(HISTORIES)).split()
    deliveries: list[list[list[int]]] = []
    for happened in range(1, len(events) + 1):
        batch = st.lists(st.integers(0, happened - 1), min_size=1, max_size=3)
        deliveries.append(draw(st.lists(batch, max_size=3)))
    if not set(events[:-1]) <= OPEN:
        # Once we believe it closed, we do not go on asking: the last word may be late and doubled, but it comes.
        deliveries[-1].append([len(events) - 1])
    worked = draw(st.frozensets(st.integers(0, len(events) - 1)))
    return Story(events, deliveries, draw(st.integers(0, len(events))), worked, draw(st.integers(0, 3)))


async def live_through(office: Office, story: Story) -> PaymentStatus:
    payment = await office.open_checkout()
    if story.committed == 0:
        await office.commit(payment)
    was_new = 0
    for number, status in enumerate(story.events):
        office.bank.tell(str(payment.id), RemotePaymentStatus(status), BACK.get(status, 0))
        for batch in story.deliveries[number]:
            arrivals = [office.deliver(str(event), payment.id) for event in batch]
            was_new += sum(await asyncio.gather(*arrivals))
        if story.committed == number + 1:
            await office.commit(payment)
        if number in story.worked:
            await office.work()
    assert was_new == len(story.delivered)
    await office.work_for_days()
    await one_story_was_told(office, story, payment)
    return (await office.payment(payment)).status


async def one_story_was_told(office: Office, story: Story, payment: Payment) -> None:
    """Each change was announced once, as the table allows, with a state that was once true, and the last one is the truth."""
    told = [PaymentStatus.PENDING, *map(PaymentStatus, await office.announced(payment))]
    assert all(after in PAYMENT_TRANSITIONS[before] for before, after in itertools.pairwise(told))
    assert set(told[1:]) <= set(story.events)
    assert told[-1] == story.events[-1]
    assert (await office.payment(payment)).refunded == office.bank.books[str(payment.id)].refunded.amount
    assert all(entry.handled_at for entry in await office.inbox())
    assert await office.dead() == []


@pytest.mark.parametrize("asked", ASKED)
@settings(max_examples=30)
@given(story=stories())
async def test_permuted_doubled_lost_two_at_once_or_before_our_own_commit_there_is_one_final_state(
    office: Office, asked: str, story: Story
) -> None:
    await office.forget_everything()
    office.open_with(Bank(capabilities=ASKED[asked], thinks=story.thinks))
    assert await live_through(office, story) == story.events[-1]


SIGNED = ["pending", "authorised", "failed", "paid", "refunded"]
MONEY = {"paid": 0, "partly_refunded": 1, "refunded": 2}


@settings(max_examples=30)
@given(
    told=st.lists(st.sampled_from(SIGNED), min_size=1, max_size=5, unique=True),
    copies=st.integers(1, 2),
)
async def test_where_the_provider_cannot_be_asked_its_signed_words_settle_in_any_order(
    office: Office, told: list[str], copies: int
) -> None:
    await office.forget_everything()
    bank = office.open_with(Bank(capabilities=PaymentCapabilities()))
    payment = await office.open_checkout()
    await office.commit(payment)
    bank.ask = Rejected("not yet", reason="not_found")
    arrivals = [office.deliver(status, payment.id, status=status) for status in told * copies]
    assert sum(await asyncio.gather(*arrivals)) == len(told)
    await office.work()
    status = (await office.payment(payment)).status
    came = [each for each in told if each in MONEY]
    assert status == max(came, key=MONEY.__getitem__) if came else status in told or status is PaymentStatus.PENDING
    announced = await office.announced(payment)
    assert [PaymentStatus.PENDING.value, *announced][-1] == status


async def test_the_same_delivery_a_hundred_times_at_once_is_stored_and_announced_once(office: Office) -> None:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    was_new = await asyncio.gather(*(office.deliver("paid", payment.id) for _ in range(100)))
    assert sum(was_new) == 1
    await office.work()
    assert len(await office.inbox()) == 1
    assert await office.announced(payment) == ["paid"]


async def test_an_answer_that_is_older_than_a_dispute_does_not_end_it(office: Office) -> None:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("paid", payment.id)
    office.bank.held = asyncio.Event()
    slow = asyncio.create_task(office.work())
    while office.bank.questions == 0:
        await asyncio.sleep(0)
    held, office.bank.held = office.bank.held, None
    office.bank.tell(str(payment.id), RemotePaymentStatus.DISPUTED)
    await office.deliver("disputed", payment.id)
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.DISPUTED
    held.set()
    await slow
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.DISPUTED


async def test_a_webhook_before_our_own_commit_is_kept_and_the_look_up_settles_the_payment(office: Office) -> None:
    payment = await office.open_checkout()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    assert await office.deliver("paid", payment.id)
    await office.work()
    assert [entry.outcome for entry in await office.inbox()] == ["unknown_payment"]
    await office.commit(payment)
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert await office.announced(payment) == ["paid"]


async def test_a_payment_without_any_webhook_is_found_by_asking_until_it_is_settled(office: Office) -> None:
    payment = await office.order()
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PENDING
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert await office.outbox.listing(state=MessageState.WAITING, topic="billing.look_up", limit=1) == []


@pytest.mark.parametrize(
    "error", [Misconfigured("key"), Rejected("who are you", reason="invalid_request"), Unavailable("away")]
)
async def test_asking_goes_on_after_a_question_that_was_given_up(office: Office, error: Exception) -> None:
    payment = await office.order()
    office.bank.ask = error
    for _ in range(2):
        await office.work_for_days()
    assert await office.dead()
    office.bank.ask = None
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID


async def test_a_provider_that_does_not_know_the_payment_yet_is_asked_again(office: Office) -> None:
    bank = office.open_with(Bank(capabilities=PaymentCapabilities()))
    payment = await office.order()
    kept = bank.books.pop(str(payment.id))
    await office.work_for_days()
    assert await office.dead() == []
    bank.books[str(payment.id)] = kept
    bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.work_for_days()
    assert (await office.payment(payment)).status is PaymentStatus.PAID


async def test_a_wrong_amount_is_written_down_and_changes_nothing(office: Office) -> None:
    payment = await office.order()
    wrong = Money(99, "KRW")
    office.bank.books[str(payment.id)] = PaymentSnapshot("ref", RemotePaymentStatus.PAID, wrong, Money(0, "KRW"))
    await office.deliver("paid", payment.id)
    await office.work()
    assert [entry.outcome for entry in await office.inbox()] == ["amount_mismatch"]
    assert await office.payment(payment) == payment
    assert await office.announced(payment) == []


async def test_a_payment_whose_two_windows_were_both_paid_is_alerted_and_counted_once(office: Office) -> None:
    """As where a provider knows no key, and an opening in doubt was opened again: two orders of one payment."""
    bank = office.open_with(Bank(capabilities=PaymentCapabilities()))
    payment = await office.open_checkout()
    await office.commit(payment)
    bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    for event in ("first", "second"):
        reference = payment.reference if event == "first" else "order-2"
        await office.deliver(event, payment.id, status="paid", reference=reference)
        await office.work()
    assert [entry.outcome for entry in await office.inbox()] == ["applied", "paid_twice"]
    kept = await office.payment(payment)
    assert (kept.status, kept.reference) == (PaymentStatus.PAID, payment.reference)
    [alert] = await office.database.fetch("SELECT amount FROM amount_mismatches")
    assert alert["amount"] == 2 * PRICE.amount


async def test_a_payment_that_failed_in_one_window_is_paid_by_another(office: Office) -> None:
    bank = office.open_with(Bank(capabilities=PaymentCapabilities()))
    payment = await office.open_checkout()
    await office.commit(payment)
    bank.tell(str(payment.id), RemotePaymentStatus.FAILED)
    await office.deliver("declined", payment.id)
    await office.work()
    await office.deliver("paid", payment.id, status="paid", reference="order-2")
    await office.work()
    kept = await office.payment(payment)
    assert (kept.status, kept.reference) == (PaymentStatus.PAID, "order-2")


async def test_a_forged_delivery_leaves_nothing_behind(office: Office) -> None:
    payment = await office.order()
    with pytest.raises(SignatureInvalid):
        await office.deliver("paid", payment.id, signature="forged")
    assert await office.inbox() == []


UNSIGNED = replace(ABLE, signed_webhooks=False)
LOOK_UPS = "SELECT FROM messages WHERE topic = 'billing.look_up' AND payload->>'round' IS NULL"


async def test_unsigned_notices_of_payments_that_are_not_ours_leave_nothing(office: Office) -> None:
    office.open_with(Bank(capabilities=UNSIGNED))
    await office.order()
    told = [await office.deliver(f"made-up-{number}", new_id()) for number in range(30)]
    told.append(await office.deliver("renewed", new_id(), subscription="sub_1"))
    assert (any(told), await office.inbox()) == (False, [])


async def test_of_one_payment_a_few_unsigned_notices_are_kept_and_the_truth_is_asked_all_the_same(office: Office) -> None:
    office.open_with(Bank(capabilities=UNSIGNED))
    payment = await office.order()
    assert [await office.deliver("first", payment.id) for _ in range(3)] == [True, False, False]
    await asyncio.gather(*(office.deliver(f"made-up-{number}", payment.id) for number in range(200)))
    assert len(await office.inbox()) <= KEPT
    assert len(await office.database.fetch(LOOK_UPS)) <= 2, "one a minute"
    for number in range(KEPT):
        await office.deliver(f"later-{number}", payment.id)
    assert len(await office.inbox()) == KEPT
    await office.work()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    assert not await office.deliver("paid", payment.id)
    await office.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting' AND payload->>'round' IS NULL")
    await office.work()
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert len(await office.inbox()) == KEPT


async def test_a_provider_that_is_not_configured_here_is_not_found(office: Office) -> None:
    request = WebhookRequest({"signature": SIGNATURE}, b"{}", datetime.now(UTC))
    with pytest.raises(NotFound) as missing:
        await office.billing.receive_webhook("another", request)
    assert missing.value.error_code == "PROVIDER_NOT_FOUND"


async def test_a_notice_about_a_payment_that_is_not_ours_is_handled_once_and_changes_nothing(office: Office) -> None:
    payment = await office.order()
    stranger = new_id()
    await office.deliver("paid", stranger)
    await office.work()
    assert [entry.outcome for entry in await office.inbox()] == ["unknown_payment"]
    assert await office.payment(payment) == payment


async def test_a_notice_about_a_subscription_is_handed_over_and_its_payment_settled_as_any_other(office: Office) -> None:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("renewed", payment.id, subscription="sub_1")
    await office.deliver("ended", new_id(), subscription="sub_2")
    await office.work()
    heard = sorted((notice.provider, notice.reference) for notice in office.subscribed.heard)
    assert heard == [("bank", "sub_1"), ("bank", "sub_2")], "both, in any order"
    assert [entry.outcome for entry in await office.inbox()] == ["applied", "applied"]
    assert (await office.payment(payment)).status is PaymentStatus.PAID
