"""Subscribing, paying by another means and changing one's mind, and the work that is due: rows, calls and letters, whole."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from madang.core.billing.catalogue import catalogue_of
from madang.core.billing.charges import CHARGE, Charges
from madang.core.billing.disputes import Dispute, DisputeStatus
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.plan_checkouts import OpenedCheckout, PlanOrder
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService, single_look_up
from madang.core.billing.stored_methods import StoredMethods
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.means import SubscriptionMeans
from madang.core.billing.subscriptions.model import (
    METHOD_TOKEN,
    PaymentMethod,
    PeriodKind,
    PeriodStatus,
    Subscription,
    SubscriptionKind,
    Terms,
)
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.opening import Opening
from madang.core.billing.subscriptions.service import SubscriptionService
from madang.core.billing.subscriptions.subscribing import Subscribing
from madang.core.billing.subscriptions.work import SubscriptionWork
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import (
    AlreadyExists,
    Conflict,
    LeaseLost,
    NotFound,
    TooManyAttempts,
    ValidationFailed,
    WrongState,
)
from madang.core.kernel.ids import derived_id, new_id
from madang.core.kernel.messages import NewMessage
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    Checkout,
    KeepMethodRequest,
    PaymentCapabilities,
    RemoteSubscriptionStatus,
    StoredMethod,
    StoreMethodRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.secret import Secret
from unit.billing.billing_in_memory import BankInMemory, Commit, Delivered
from unit.billing.subscription_in_memory import START, Letters, MethodRows, PlainCipher, S, SubscriptionRows
from unit.core.core_in_memory import StandingClock

NOW = START
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ANNA = Caller(CallerKind.USER, new_id())
CATALOGUE = catalogue_of(
    """
[[plan]]
id = "basic"
product = "hosting"
rank = 1
credits = 100
trial_days = 14
name = {ko = "기본", en = "Basic"}
prices = [
  {amount = "30000", currency = "KRW", references = {bank = "price_1"}},
  {amount = "300000", currency = "KRW", interval_months = 12},
]

[[plan]]
id = "premium"
product = "hosting"
rank = 2
name = {ko = "고급", en = "Premium"}
prices = [{amount = "50000", currency = "KRW", references = {bank = "price_2"}}]

[[plan]]
id = "photos"
product = "portraits"
rank = 1
name = {ko = "사진", en = "Photos"}
prices = [{amount = "1000", currency = "KRW"}]
"""
)
BASIC = Terms("basic", Money(30_000, "KRW"), 100, "price_1")
PREMIUM = Terms("premium", Money(50_000, "KRW"), 0, "price_2")
WINDOW = Checkout("https://bank.invalid/window", "cs_1", {"token": "t"})
TOKEN = Secret("test-token-not-secret")


class World:
    """Anna, a provider, and everything of subscriptions around their rows."""

    def __init__(self, *, hosted: bool = False, **abilities: bool) -> None:
        self.clock: Any = StandingClock(NOW)
        self.bank = BankInMemory(**{"stored_methods": not hosted, "subscriptions": hosted, **abilities})
        self.bank.answers = {
            "open_method_window": WINDOW,
            "subscribe": SubscriptionStart(WINDOW),
            "keep_method": StoredMethod(TOKEN, "customer-1", "Card 1234"),
        }
        self.commit: Any = Commit()
        self.commit.subscriptions, self.commit.payment_methods = SubscriptionRows(), MethodRows()
        self.letters = Letters()
        units: Any = self.commit.unit
        bank: Any = self.bank
        letters: Any = self.letters
        cipher: Any = PlainCipher()
        self.cipher = cipher
        billing = BillingService(units, bank, self.clock, base_url="https://api.invalid")
        book = SubscriptionBook(billing, Charges(self.clock), CATALOGUE, letters, self.clock)
        offers = PlanOffers(CATALOGUE, PaymentRouting(bank), {"bank": {"basic/KRW/12": "price_12"}})
        opening = Opening(units, billing, CATALOGUE, bank, self.clock)
        self.means = SubscriptionMeans(units, opening, book, bank, cipher, self.commit, self.clock)
        zone = "Asia/Seoul"
        self.subscribing = Subscribing(units, offers, opening, self.means, book, self.commit, self.clock, zone=zone)
        self.service = SubscriptionService(units, offers, book, bank, self.commit, self.clock)
        self.stored = StoredMethods(units, bank, cipher, self.commit, self.clock)
        following: Any = SimpleNamespace(follow=None)
        asking: Any = SimpleNamespace(ask=None, give_up=None)
        self.work = SubscriptionWork(book, offers, following, asking, billing, DunningPolicy(), self.clock)

    def order(self, **changes: Any) -> PlanOrder:
        made = PlanOrder(
            new_id(), ANNA.person, "basic", "KRW", "https://shop.invalid/ok", "https://shop.invalid/no", country="KR",
            locale="en", customer_email="anna@example.com", customer_name="Anna",
        )  # fmt: skip
        return replace(made, **changes)

    def method(self, **changes: Any) -> PaymentMethod:
        sealed = PlainCipher().encrypt(TOKEN.reveal(), purpose=METHOD_TOKEN)
        made = replace(PaymentMethod(new_id(), ANNA.person, "bank", "customer-1", "Card", NOW, sealed), **changes)
        self.commit.payment_methods.rows[made.id] = made
        return made

    def is_now(self, subscription: Subscription, **changes: Any) -> Subscription:
        changed = replace(self.row(subscription), **changes)
        self.commit.subscriptions.rows[subscription.id] = changed
        return changed

    def row(self, subscription: Subscription) -> Subscription:
        found: Subscription = self.commit.subscriptions.rows[subscription.id]
        return found

    @property
    def audited(self) -> list[str]:
        return [action for action, _, _ in self.commit.audited]

    async def begun(self, order: PlanOrder | None = None, **changes: Any) -> Subscription:
        view = await self.subscribing.subscribe(ANNA, order or self.order(**changes))
        self.commit.audited.clear()
        return view.subscription

    async def running(self, **changes: Any) -> Subscription:
        """Paid for, without a trial."""
        self.commit.subscriptions.tried = True
        made = await self.begun()
        made = self.is_now(made, status=S.ACTIVE, method_id=self.method().id, due_at=NOW + 30 * DAY, **changes)
        course = await self.commit.subscriptions.course(made)
        period = course.next_period(
            PeriodKind.REGULAR, 0, made.terms, (NOW, NOW + 30 * DAY), made.terms.price, PeriodStatus.PAID, NOW
        )
        await self.commit.subscriptions.save_periods([replace(period, payment_id=new_id(), tries=(new_id(),))])
        self.bank.asked.clear()
        self.commit.announced.clear()
        return made

    def paying(self, subscription: Subscription, status: PaymentStatus, **changes: Any) -> Payment:
        (period,) = self.commit.subscriptions.kept.values()
        amount, subject = period.amount, subscription.subject
        times = (NOW, NOW, NOW + DAY)
        made = Payment(period.tries[-1], "subscriptions", subject, amount, "bank", status, *times, **changes)
        self.commit.payments.rows[made.id] = made
        return made

    async def hears(self, payment: Payment) -> None:
        await self.work.payment_changed(self.commit, Delivered(self.commit, payment_id=str(payment.id)).message)


async def test_a_subscription_is_written_before_the_window_opens_in_which_a_means_is_left() -> None:
    world = World()
    order = world.order(client_reference="order-1")
    opened = await world.subscribing.open(order)
    assert opened == OpenedCheckout(order.id, "bank", WINDOW.url, {"token": "t"}, None)
    (row,) = world.commit.subscriptions.rows.values()
    assert row == Subscription(
        order.id, ANNA.person, "hosting", SubscriptionKind.STORED_METHOD, "bank", S.INCOMPLETE, BASIC, 1, NOW, "Asia/Seoul",
        NOW, NOW, NOW + DAY, 14, checkout_url=WINDOW.url, client_params={"token": "t"}, country="KR", locale="en",
        client_reference="order-1",
    )  # fmt: skip
    key = f"subscription:{order.id}:method:{NOW.timestamp():.6f}"
    request = StoreMethodRequest(
        str(ANNA.person), order.success_url, order.cancel_url, key, "anna@example.com", "Anna", "en", 30.0
    )
    assert world.bank.asked == [("open_method_window", request)]
    assert await world.subscribing.open(order) == opened
    assert (world.bank.times("open_method_window"), world.commit.audited) == (1, [])
    view = await world.subscribing.subscribe(ANNA, order)
    assert (view.subscription, view.current, view.awaited, view.method) == (row, None, None, None)
    about = {"plan": "basic", "status": "incomplete"}
    assert world.commit.audited == [("SUBSCRIPTION_STARTED", f"subscription:{order.id}", about)]
    assert world.commit.subscriptions.locked == [order.id]


async def test_what_a_provider_renews_is_opened_by_it_once_and_what_it_says_is_written() -> None:
    world = World(hosted=True, idempotent=True)
    order = world.order()
    opened = await world.subscribing.open(order)
    assert opened == OpenedCheckout(order.id, "bank", WINDOW.url, {"token": "t"}, None)
    row = world.commit.subscriptions.rows[order.id]
    assert (row.kind, row.reference, row.checkout_url, row.due_at) == (
        SubscriptionKind.HOSTED,
        "cs_1",
        WINDOW.url,
        NOW + 6 * HOUR,
    )
    subject = f"subscription:{order.id}"
    request = SubscribeRequest(
        str(order.id), "price_1", BASIC.price, 1, "Basic", order.success_url, order.cancel_url, f"{subject}:subscribe",
        "https://api.invalid/api/v1/webhooks/bank", "anna@example.com", "Anna", "en", "KR", 14, 30.0,
    )  # fmt: skip
    assert world.bank.asked == [("subscribe", request)]
    (action,) = world.commit.actions.rows.values()
    told = (action.key, action.kind, action.provider, action.subject)
    assert told == (f"{subject}:subscribe", "payment.subscribe", "bank", subject)
    assert await world.subscribing.open(order) == opened
    word = SubscriptionSnapshot("sub_1", RemoteSubscriptionStatus.TRIALING, "price_1", NOW, NOW + 14 * DAY)
    at_once = World(hosted=True)
    at_once.bank.answers["subscribe"] = SubscriptionStart(None, word)
    begun = await at_once.begun()
    assert (begun.status, begun.reference, begun.checkout_url) == (S.TRIALING, "sub_1", None)


@pytest.mark.parametrize("idempotent", [True, False])
async def test_an_opening_in_doubt_is_repeated_only_where_our_key_is_honoured(idempotent: bool) -> None:
    world = World(hosted=True, idempotent=idempotent)
    world.bank.answers["subscribe"] = OutcomeUnknown("lost")
    order = world.order()
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await world.subscribing.open(order)
    assert world.bank.times("subscribe") == 1 + idempotent


async def test_what_was_told_or_cancelled_while_the_provider_was_asked_stays() -> None:
    for changes, url, reference in (
        ({"status": S.ACTIVE, "reference": "sub_1"}, None, "sub_1"),
        ({"status": S.CANCELLED}, None, "cs_1"),
    ):
        world = World(hosted=True)
        order = world.order()

        def meanwhile(world: World = world, order: PlanOrder = order, changes: Mapping[str, Any] = changes) -> Any:
            rows = world.commit.subscriptions.rows
            rows[order.id] = replace(rows[order.id], **changes)
            return SubscriptionStart(WINDOW)

        world.bank.answers["subscribe"] = meanwhile
        row = await world.begun(order)
        assert (row.checkout_url, row.reference) == (url, reference)
        words = [message.payload["word"] for message in world.commit.sent]
        assert words == (["cancel"] if changes["status"] is S.CANCELLED else [])


@pytest.mark.parametrize(
    ("abilities", "interval", "kind"),
    [
        ({"stored_methods": True}, 1, SubscriptionKind.STORED_METHOD),
        ({"subscriptions": True}, 1, SubscriptionKind.HOSTED),
        ({"stored_methods": True, "subscriptions": True}, 1, SubscriptionKind.HOSTED),
        ({"stored_methods": True, "subscriptions": True}, 12, SubscriptionKind.HOSTED),
    ],
)
async def test_the_provider_renews_what_it_has_a_price_for(
    abilities: dict[str, bool], interval: int, kind: SubscriptionKind
) -> None:
    world = World(**{"stored_methods": False, "subscriptions": False} | abilities)
    row = await world.begun(interval_months=interval)
    assert (row.kind, row.interval_months) == (kind, interval)
    assert row.terms.price_reference == ("price_1" if interval == 1 else "price_12")


async def test_what_nobody_agreed_to_is_gone_on_with_where_it_is_offered_alike_and_else_makes_way() -> None:
    world = World()
    first = await world.begun()
    world.clock.pass_by(HOUR)
    again = await world.begun(client_reference="order-1")
    assert (again.id, again.client_reference, again.updated_at) == (first.id, "order-1", NOW + HOUR)
    assert (world.bank.times("open_method_window"), again.due_at) == (2, NOW + HOUR + DAY)
    for change in ({"country": "US"}, {"locale": "ko"}, {"plan_id": "premium"}, {"interval_months": 12}):
        before = next(each for each in world.commit.subscriptions.rows.values() if not each.is_over)
        other = await world.begun(**change)
        assert other.id != before.id
        over = world.row(before)
        assert (over.status, over.end_reason, over.ended_at) == (S.ENDED, "replaced", NOW + HOUR)
    both = World()
    await both.begun(client_reference="order-1")
    other = await both.begun(client_reference="order-2")
    assert other.client_reference == "order-2"
    leaving = World()
    cancelled = leaving.is_now(await leaving.begun(), cancel_at_period_end=True)
    assert (await leaving.begun()).id != cancelled.id
    renewed_there = World()
    before = await renewed_there.begun()
    renewed_there.bank.capabilities = PaymentCapabilities(subscriptions=True)
    assert (await renewed_there.begun()).id != before.id


@pytest.mark.parametrize(("later", "same"), [(12 * HOUR, True), (12 * HOUR + timedelta(seconds=1), False)])
async def test_a_providers_checkout_is_handed_out_again_for_half_a_day(later: timedelta, same: bool) -> None:
    world = World(hosted=True)
    first = await world.begun()
    world.clock.pass_by(later)
    again = await world.begun(client_reference="order-1")
    assert ((again.id == first.id), world.bank.times("subscribe")) == (same, 1 if same else 2)
    assert again.client_reference == "order-1"


@pytest.mark.parametrize("changes", [{"status": S.ACTIVE}, {"status": S.SUSPENDED}])
async def test_nobody_has_two_of_one_product(changes: dict[str, Any]) -> None:
    world = World()
    first = world.is_now(await world.begun(), **changes)
    with pytest.raises(AlreadyExists) as has:
        await world.begun()
    assert has.value.params["id"] == str(first.id)


async def test_a_reference_that_paid_for_something_is_used_and_what_is_begun_at_once_is_one() -> None:
    world = World()
    times = (NOW, NOW, NOW + DAY)
    bought = Payment(new_id(), "items", "x", Money(1, "KRW"), "bank", PaymentStatus.PAID, *times, user_id=ANNA.user_id)
    world.commit.payments.rows[bought.id] = replace(bought, client_reference="order-1")
    with pytest.raises(AlreadyExists) as used:
        await world.begun(client_reference="order-1")
    assert used.value.params["id"] == str(bought.id)
    world.commit.subscriptions.taken = True
    order = world.order()
    with pytest.raises(AlreadyExists) as taken:
        await world.begun(order)
    assert taken.value.params["id"] == str(order.id)


@pytest.mark.parametrize(("vain", "refused"), [(19, False), (20, True)])
async def test_who_begins_twenty_in_vain_within_a_day_waits_an_hour(vain: int, refused: bool) -> None:
    world = World()
    world.commit.subscriptions.in_vain = vain
    if refused:
        with pytest.raises(TooManyAttempts) as waits:
            await world.begun()
        assert waits.value.retry_after == 3600.0
    else:
        assert (await world.begun()).status is S.INCOMPLETE
    assert world.commit.subscriptions.since == NOW - DAY


async def test_with_a_means_that_is_kept_it_runs_at_once_and_only_with_ones_own() -> None:
    world = World()
    kept = world.method()
    world.commit.subscriptions.tried = True
    view = await world.subscribing.subscribe(ANNA, world.order(), kept.id)
    assert view.awaited is not None
    assert (view.subscription.trial_days, view.subscription.method_id, view.method) == (0, kept.id, kept)
    assert (view.awaited.status, view.awaited.amount) == (PeriodStatus.CHARGING, BASIC.price)
    assert [message.topic for message in world.commit.sent][:1] == [CHARGE]
    for wrong in (new_id(), world.method(user_id=new_id()).id, world.method(provider="other").id):
        with pytest.raises(ValidationFailed):
            await world.subscribing.subscribe(ANNA, world.order(plan_id="photos"), wrong)


async def test_a_key_that_the_browser_brought_back_is_kept_once_and_charged() -> None:
    world = World()
    made = await world.begun()
    view = await world.means.activate(ANNA, made.id, "key-1")
    method_id = derived_id(made.id, "key-1")
    assert world.bank.asked[-1] == ("keep_method", KeepMethodRequest(str(ANNA.person), "key-1", f"method:{method_id}"))
    kept = world.commit.payment_methods.rows[method_id]
    sealed = f"{METHOD_TOKEN}|{TOKEN.reveal()}".encode()
    assert kept == PaymentMethod(method_id, ANNA.person, "bank", "customer-1", "Card 1234", NOW, sealed)
    found = view.subscription
    assert (found.status, found.method_id, found.checkout_url, found.client_params) == (S.TRIALING, method_id, None, None)
    about = {"plan": "basic", "status": "incomplete"}
    assert world.commit.audited == [("PAYMENT_METHOD_CHANGED", made.subject, about)]
    assert (await world.means.activate(ANNA, made.id, "key-1")).subscription == found
    assert (world.bank.times("keep_method"), len(world.commit.audited)) == (1, 1)
    locks = len(world.commit.subscriptions.locked)
    await world.service.get(ANNA.person, made.id)
    assert len(world.commit.subscriptions.locked) == locks


@pytest.mark.parametrize(("error", "raised"), [("invalid_request", ValidationFailed), ("not_found", ValidationFailed)])
async def test_a_key_that_means_nothing_is_refused(error: str, raised: type[Exception]) -> None:
    world = World()
    made = await world.begun()
    world.bank.answers["keep_method"] = Rejected("no", reason=error)
    with pytest.raises(raised):
        await world.means.activate(ANNA, made.id, "key-1")
    assert world.commit.payment_methods.rows == {}


async def test_another_means_is_brought_by_a_window_or_by_one_that_is_kept() -> None:
    world = World()
    made = await world.running()
    pages = {"success_url": "https://shop.invalid/ok", "cancel_url": "https://shop.invalid/no"}
    view = await world.means.bring_method(ANNA, made.id, **pages)
    assert (view.subscription.checkout_url, view.subscription.client_params) == (WINDOW.url, {"token": "t"})
    (request,) = [asked[1] for asked in world.bank.asked]
    assert (request.customer_email, request.customer_name, request.success_url) == (None, None, pages["success_url"])
    other = world.method()
    changed = await world.means.bring_method(ANNA, made.id, **pages, method_id=other.id)
    assert (changed.subscription.method_id, changed.subscription.checkout_url) == (other.id, None)
    with pytest.raises(ValidationFailed):
        await world.means.bring_method(ANNA, made.id, **pages, method_id=world.method(provider="other").id)
    for ask in (
        lambda: world.means.bring_method(ANNA, made.id, **pages),
        lambda: world.means.activate(ANNA, made.id, "key-2"),
    ):
        world.is_now(made, status=S.ENDED, kind=SubscriptionKind.STORED_METHOD)
        with pytest.raises(WrongState) as over:
            await ask()
        assert (over.value.params["state"], over.value.params["expected"]) == ("ended", "not over")
        world.is_now(made, kind=SubscriptionKind.HOSTED)
        with pytest.raises(Conflict) as hosted:
            await ask()
        assert (hosted.value.error_code, hosted.value.params["provider"]) == ("NOT_SUPPORTED_BY_PROVIDER", "bank")
    with pytest.raises(NotFound) as missing:
        await world.means.activate(Caller(CallerKind.USER, new_id()), made.id, "key-1")
    assert missing.value.error_code == "SUBSCRIPTION_NOT_FOUND"


@pytest.mark.parametrize(
    ("plan", "prorate", "charged", "later"),
    [
        ("premium", None, True, None),
        ("premium", True, True, None),
        ("premium", False, False, PREMIUM),
        ("basic", None, None, None),
        ("basic", True, None, None),
    ],
)
async def test_a_higher_plan_is_charged_at_once_unless_one_would_wait(
    plan: str, prorate: bool | None, charged: bool | None, later: Terms | None
) -> None:
    world = World()
    made = await world.running()
    if charged is None:
        with pytest.raises(ValidationFailed if prorate else WrongState):
            await world.service.change(ANNA, made.id, plan, prorate=prorate)
        return
    view = await world.service.change(ANNA, made.id, plan, prorate=prorate)
    assert (view.awaited is not None, view.subscription.next_terms) == (charged, later)
    about = {"plan": "basic", "status": "active"}
    assert world.commit.audited == [("SUBSCRIPTION_CHANGED", made.subject, about)]


async def test_a_lower_plan_waits_for_the_next_period_and_costs_nothing_in_a_trial() -> None:
    world = World()
    made = await world.running(terms=PREMIUM)
    view = await world.service.change(ANNA, made.id, "basic")
    assert (view.subscription.next_terms, view.awaited) == (BASIC, None)
    world.is_now(made, status=S.TRIALING)
    trial = await world.service.change(ANNA, made.id, "basic", prorate=True)
    assert (trial.subscription.terms, trial.subscription.next_terms) == (BASIC, None)
    for wrong, error in (("photos", ValidationFailed), ("none", NotFound)):
        with pytest.raises(error):
            await world.service.change(ANNA, made.id, wrong)


async def test_who_cancels_at_the_end_may_resume_and_each_wish_is_audited() -> None:
    world = World()
    made = await world.running()
    assert (await world.service.cancel(ANNA, made.id, at_period_end=True)).subscription.cancel_at_period_end
    assert not (await world.service.resume(ANNA, made.id)).subscription.cancel_at_period_end
    view = await world.service.cancel(ANNA, made.id, at_period_end=False)
    assert (view.subscription.status, view.subscription.ended_at) == (S.CANCELLED, NOW)
    assert world.audited == ["SUBSCRIPTION_CANCELLED", "SUBSCRIPTION_RESUMED", "SUBSCRIPTION_CANCELLED"]
    assert world.commit.subscriptions.locked[-1] == made.id
    found = await world.service.get(ANNA.person, made.id)
    assert [period.status for period in found.periods] == [PeriodStatus.PAID]
    with pytest.raises(NotFound):
        await world.service.get(new_id(), made.id)


@pytest.mark.parametrize("keeps", [True, False])
async def test_what_a_provider_renews_is_asked_of_it(keeps: bool) -> None:
    world = World(hosted=True, cancels_at_period_end=True, resumes_subscriptions=keeps, changes_subscriptions=keeps)
    made = await world.running(reference="sub_1")
    await world.service.cancel(ANNA, made.id, at_period_end=True)
    words = [message.payload.get("word") for message in world.commit.sent]
    assert words == (["cancel"] if keeps else [])
    world.is_now(made, asking=None)
    await world.service.resume(ANNA, made.id)
    world.is_now(made, asking=None)
    if keeps:
        await world.service.change(ANNA, made.id, "premium")
        assert [message.payload["word"] for message in world.commit.sent] == ["cancel", "resume", "change"]
    else:
        with pytest.raises(Conflict) as refused:
            await world.service.change(ANNA, made.id, "premium")
        assert refused.value.params["provider"] == "bank"


P = PaymentStatus


@pytest.mark.parametrize(
    ("status", "after", "paid"),
    [
        (P.PAID, S.ACTIVE, True),
        (P.PARTLY_REFUNDED, S.ACTIVE, True),
        (P.DISPUTED, S.ACTIVE, True),
        (P.FAILED, S.INCOMPLETE, False),
        (P.CANCELLED, S.INCOMPLETE, False),
        (P.EXPIRED, S.INCOMPLETE, False),
        (P.PENDING, S.INCOMPLETE, False),
        (P.REFUNDED, S.ENDED, False),
    ],
)
async def test_what_becomes_of_a_payment_becomes_of_its_subscription(status: PaymentStatus, after: Any, paid: bool) -> None:
    world = World()
    world.commit.subscriptions.tried = True
    made = (await world.subscribing.subscribe(ANNA, world.order(), world.method().id)).subscription
    payment = world.paying(made, status)
    await world.hears(payment)
    assert world.row(made).status is after
    (period,) = world.commit.subscriptions.kept.values()
    assert (period.status is PeriodStatus.PAID, period.payment_id == payment.id) == (paid, paid)
    assert payment.id in world.commit.payments.locked
    assert made.id in world.commit.subscriptions.locked
    await world.hears(replace(payment, id=new_id()))
    world.commit.payments.rows[payment.id] = replace(payment, purpose="items", status=P.REFUNDED)
    await world.hears(payment)
    assert world.row(made).status is after


@pytest.mark.parametrize(
    ("status", "goes_back"), [(P.PAID, True), (P.PARTLY_REFUNDED, True), (P.DISPUTED, False), (P.REFUNDED, False)]
)
async def test_money_of_a_subscription_that_is_gone_goes_back_once(status: PaymentStatus, goes_back: bool) -> None:
    world = World()
    made = await world.running()
    payment = world.paying(made, status)
    world.commit.subscriptions.rows.clear()
    for _ in range(2):
        await world.hears(payment)
    refunds = list(world.commit.payments.given_back.values())
    told = (f"{made.subject}:give-back:{payment.id}", "not_owed", BASIC.price)
    assert [(refund.key, refund.reason, refund.amount) for refund in refunds] == [told] * goes_back


async def test_what_a_bank_took_ends_what_runs_and_gives_nothing_back() -> None:
    world = World()
    made = await world.running()
    payment = world.paying(made, P.PARTLY_REFUNDED)
    (period,) = world.commit.subscriptions.kept.values()
    world.commit.subscriptions.kept[period.id] = replace(period, payment_id=payment.id)
    world.commit.disputes.rows[payment.id] = Dispute(payment.id, "bank", DisputeStatus.WON, 1, NOW, NOW)
    await world.hears(payment)
    assert world.row(made).status is S.ACTIVE
    world.commit.disputes.rows[payment.id] = Dispute(payment.id, "bank", DisputeStatus.LOST, 1, NOW, NOW)
    await world.hears(payment)
    assert (world.row(made).status, world.row(made).end_reason) == (S.ENDED, "charged_back")
    assert world.commit.payments.given_back == {}


async def test_the_sweep_does_what_is_due_and_waits_for_nobody() -> None:
    world = World()
    made = await world.running()
    world.clock.pass_by(30 * DAY - timedelta(seconds=1))
    await world.work.sweep(Delivered(world.commit))
    assert world.commit.subscriptions.waited == [True] * len(world.commit.subscriptions.waited)
    world.clock.pass_by(timedelta(seconds=1))
    world.is_now(made, stuck_since=NOW)
    await world.work.sweep(Delivered(world.commit))
    found = world.row(made)
    assert (world.commit.subscriptions.waited[-1], found.stuck_since) == (False, None)
    assert found.due_at == NOW + 30 * DAY + 6 * HOUR
    (charge,) = [message for message in world.commit.sent if message.topic == CHARGE]
    assert charge.payload["method_id"] == str(found.method_id)
    world.clock.pass_by(6 * HOUR)
    await world.work.sweep(Delivered(world.commit))
    assert world.commit.sent[-1] == single_look_up(list(world.commit.payments.rows)[-1])


async def test_one_that_cannot_be_dealt_with_is_put_off_and_keeps_no_other_waiting() -> None:
    world = World()
    stuck = await world.running()
    world.is_now(stuck, method_id=None, due_at=NOW)
    world.clock.pass_by(31 * DAY)
    many = [replace(stuck, id=new_id(), due_at=NOW) for _ in range(101)]
    world.commit.subscriptions.rows.update({each.id: each for each in many})
    await world.work.sweep(Delivered(world.commit))
    now = NOW + 31 * DAY
    assert world.commit.subscriptions.put_later.count((stuck.id, now + 6 * HOUR, now)) == 1
    assert len({each for each, _, _ in world.commit.subscriptions.put_later}) == 102

    async def lost(subscription_id: Any, **how: Any) -> Any:
        raise LeaseLost

    world.commit.subscriptions.get = lost
    with pytest.raises(LeaseLost):
        await world.work.sweep(Delivered(world.commit))


async def test_a_means_is_removed_by_its_owner_unless_something_is_paid_by_it_and_then_forgotten() -> None:
    world = World()
    kept, used, others = world.method(), world.method(), world.method(user_id=new_id())
    world.commit.payment_methods.used = {used.id}
    with pytest.raises(Conflict) as in_use:
        await world.stored.remove(ANNA, used.id)
    assert in_use.value.error_code == "PAYMENT_METHOD_IN_USE"
    for missing in (others.id, new_id()):
        with pytest.raises(NotFound) as found:
            await world.stored.remove(ANNA, missing)
        assert found.value.error_code == "PAYMENT_METHOD_NOT_FOUND"
    await world.stored.remove(ANNA, kept.id)
    subject = f"payment_method:{kept.id}"
    message = NewMessage("billing.forget_method", {"method_id": str(kept.id)}, f"forget-method:{kept.id}", subject)
    assert (world.commit.sent, world.commit.audited) == ([message], [("PAYMENT_METHOD_REMOVED", subject, {})])
    assert await world.stored.token_of(world.commit, kept.id) is None
    token = await world.stored.token_of(world.commit, used.id)
    assert token is not None
    assert (token.provider, token.customer_id, token.token) == ("bank", "customer-1", TOKEN)
    for _ in range(2):
        await world.stored.forget(Delivered(world.commit, method_id=str(kept.id)))
    assert world.bank.asked == [("forget_method", "customer-1", TOKEN)]
    assert kept.id not in world.commit.payment_methods.rows
    (action,) = world.commit.actions.rows.values()
    told = (action.key, action.kind, action.provider, action.subject)
    assert told == (f"forget-method:{kept.id}", "payment.forget_method", "bank", subject)
    again = world.method()
    world.bank.answers["forget_method"] = OutcomeUnknown("lost")
    with pytest.raises(OutcomeUnknown):
        await world.stored.forget(Delivered(world.commit, method_id=str(again.id)))
    world.bank.answers["forget_method"] = None
    await world.stored.forget(Delivered(world.commit, method_id=str(again.id)))
    assert again.id not in world.commit.payment_methods.rows
