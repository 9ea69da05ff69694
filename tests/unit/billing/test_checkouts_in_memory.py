"""Opening checkouts: what is written before anybody is asked, who is asked next, and what the same order is answered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.catalogue import catalogue_of
from madang.core.billing.checkouts import CHECKOUT_TIME, Checkouts, ItemOrder, NewCheckout
from madang.core.billing.closing import close_message
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.checkouts import InstallmentCheckouts, InstallmentOrder, described
from madang.core.billing.payment_plans.model import InstallmentKind, InstallmentStatus, PaymentPlan, planned
from madang.core.billing.payment_plans.service import STAFF
from madang.core.billing.plan_checkouts import NoPlans, OpenedCheckout, PlanOrder
from madang.core.billing.routing import PaymentRouting, RoutingRule
from madang.core.billing.service import BillingService, look_up_message
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import AlreadyExists, NotFound, PermissionDenied, ValidationFailed, WrongState
from madang.core.kernel.ids import new_id
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import Checkout, CheckoutRequest
from unit.billing.billing_in_memory import BankInMemory, Commit
from unit.core.core_in_memory import StandingClock

P = PaymentStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
THEN = NOW - timedelta(hours=1)
CLOCK: Any = StandingClock(NOW)
BUYER = Caller(CallerKind.USER, new_id())
CATALOGUE = catalogue_of(
    """
[[credit_pack]]
id = "small"
name = {ko = "작은 묶음", en = "Small pack"}
credits = 10
valid_days = 30
prices = [{amount = "1000", currency = "KRW"}]

[[product]]
id = "logo"
product = "branding"
name = {ko = "로고", en = "Logo"}
prices = [{amount = "5000", currency = "KRW"}]

[[product]]
id = "house"
product = "building"
name = {ko = "집", en = "House"}
prices = [{amount = "100000000000", currency = "KRW"}]
"""
)
OPENED = Checkout("https://bank.invalid/window", "cs_1", {"token": "t"})


class Shop:
    """Two providers, the rows, and who asks."""

    def __init__(self, *rules: RoutingRule) -> None:
        self.commit: Any = Commit()
        self.first, self.second = BankInMemory("first"), BankInMemory("second")
        self.first.answers["open_checkout"] = self.second.answers["open_checkout"] = OPENED
        route: Any = self
        self.routing = PaymentRouting(route, rules)
        self.ordered: list[PlanOrder] = []
        me: Any = self
        billing = BillingService(self.commit.unit, route, CLOCK, base_url="https://api.invalid")
        self.checkouts = Checkouts(self.commit.unit, billing, self.routing, CATALOGUE, me, self.commit, CLOCK)

    def payment_gateways(self) -> Sequence[Any]:
        return self.first, self.second

    def payment_gateway(self, name: str) -> Any:
        return {"first": self.first, "second": self.second}[name]

    async def open(self, order: PlanOrder) -> OpenedCheckout:
        self.ordered.append(order)
        return OpenedCheckout(order.id, "first", "https://bank.invalid/plan", {}, None)

    def order(self, **changes: Any) -> NewCheckout:
        made = NewCheckout(
            new_id(), "KRW", "https://shop.invalid/ok", "https://shop.invalid/no", (ItemOrder("logo", 2),),
            country="KR", client_reference="order-1", locale="en",
        )  # fmt: skip
        return replace(made, **changes)

    async def opens(self, order: NewCheckout, caller: Caller = BUYER) -> OpenedCheckout:
        return await self.checkouts.open(caller, order)

    def payment(self, order: NewCheckout) -> Payment:
        found: Payment = self.commit.payments.rows[order.id]
        return found

    @property
    def attempts(self) -> list[tuple[str, str, str | None, str | None, str | None]]:
        rows: list[PaymentAttempt] = list(self.commit.payment_attempts.rows.values())
        assert all(row.updated_at == NOW for row in rows)
        return [(row.provider, row.status.value, row.reference, row.failure, row.code) for row in rows]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def written(order: NewCheckout) -> Payment:
    return Payment(
        order.id, "items", f"checkout:{order.id}", Money(10_000, "KRW"), "first", P.CREATED, NOW, NOW, NOW + CHECKOUT_TIME,
        user_id=BUYER.user_id, country="KR", description="Logo", lines=(PaymentLine("Logo", 2, 5000, "logo"),),
        client_reference="order-1", locale="en",
    )  # fmt: skip


async def test_an_order_is_written_before_its_provider_is_asked_and_then_opened_once(shop: Shop) -> None:
    order = shop.order()

    def asked() -> Checkout:
        assert shop.payment(order) == written(order)
        return OPENED

    shop.first.answers["open_checkout"] = asked
    opened = OpenedCheckout(order.id, "first", OPENED.url, {"token": "t"}, order.id)
    assert await shop.opens(order) == opened
    paying = replace(written(order), status=P.PENDING, reference="cs_1", checkout_url=OPENED.url, client_params={"token": "t"})
    assert shop.payment(order) == paying
    assert shop.attempts == [("first", "pending", "cs_1", None, None)]
    assert shop.commit.sent == [look_up_message(order.id, 0, NOW)]
    assert shop.commit.statuses == [("billing.payment_changed", "pending")]
    about = {"purpose": "items", "provider": "first", "amount": 10_000, "currency": "KRW"}
    assert shop.commit.audited == [("CHECKOUT_STARTED", f"payment:{order.id}", about)]
    assert shop.first.asked == [
        (
            "open_checkout",
            CheckoutRequest(
                str(order.id), Money(10_000, "KRW"), "Logo", order.success_url, order.cancel_url, f"checkout:{order.id}",
                "https://api.invalid/api/v1/webhooks/first", locale="en", expires_at=NOW + CHECKOUT_TIME, country="KR",
            ),
        )
    ]  # fmt: skip
    assert await shop.opens(order) == opened
    assert (shop.first.times("open_checkout"), len(shop.commit.sent), len(shop.commit.audited)) == (1, 1, 1)
    assert order.id in shop.commit.payments.locked


@pytest.mark.parametrize("error", [Unavailable("away", code="503"), RateLimited("too many"), Misconfigured("wrong key")])
async def test_the_next_provider_is_asked_where_the_first_surely_opened_nothing(shop: Shop, error: Exception) -> None:
    order = shop.order()
    shop.first.answers["open_checkout"] = error
    assert (await shop.opens(order)).provider == "second"
    found = shop.payment(order)
    assert (found.provider, found.status, found.client_reference) == ("second", P.PENDING, "order-1")
    failure, code = str(getattr(error, "message", "")), getattr(error, "code", None)
    assert shop.attempts == [("first", "failed", None, failure, code), ("second", "pending", "cs_1", None, None)]
    assert shop.commit.statuses == [("billing.payment_changed", "pending")]


async def test_where_nobody_opened_anything_it_has_failed_and_its_reference_is_free(shop: Shop) -> None:
    order = shop.order()
    shop.first.answers["open_checkout"] = shop.second.answers["open_checkout"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await shop.opens(order)
    found = shop.payment(order)
    assert (found.status, found.failure, found.client_reference, found.updated_at) == (P.FAILED, "unavailable", None, NOW)
    assert shop.commit.statuses == [("billing.payment_changed", "failed")]
    assert [attempt[:2] for attempt in shop.attempts] == [("first", "failed"), ("second", "failed")]
    shop.first.answers["open_checkout"] = OPENED
    again = shop.order()
    assert (await shop.opens(again)).id == again.id


async def test_what_is_refused_is_asked_nowhere_else(shop: Shop) -> None:
    order = shop.order()
    shop.first.answers["open_checkout"] = Rejected("no", reason="invalid_request", code="400")
    with pytest.raises(Rejected):
        await shop.opens(order)
    assert (shop.second.asked, shop.payment(order).failure) == ([], "rejected")
    assert shop.attempts == [("first", "failed", None, "no", "400")]


async def test_in_doubt_the_same_order_is_opened_by_its_own_provider_under_its_first_id(shop: Shop) -> None:
    order = shop.order()
    shop.first.answers["open_checkout"] = OutcomeUnknown("lost", code="504")
    with pytest.raises(OutcomeUnknown):
        await shop.opens(order)
    assert (shop.payment(order).status, shop.payment(order).client_reference) == (P.CREATED, "order-1")
    assert shop.attempts == [("first", "unknown", None, "lost", "504")]
    assert (shop.second.asked, shop.commit.announced) == ([], [])
    shop.first.answers["open_checkout"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await shop.opens(shop.order())
    assert (shop.attempts[-1][1], shop.payment(order).status, shop.second.asked) == ("unknown", P.CREATED, [])
    for other in (shop.order(items=(ItemOrder("logo", 3),)), shop.order(items=(), credit_pack_id="small")):
        with pytest.raises(AlreadyExists) as used:
            await shop.opens(other)
        assert used.value.params["id"] == str(order.id)
    shop.first.answers["open_checkout"] = OPENED
    assert (await shop.opens(shop.order())).id == order.id
    assert shop.first.asked[-1][1].payment_id == str(order.id)
    assert shop.attempts == [("first", "pending", "cs_1", None, None)]
    with pytest.raises(AlreadyExists):
        await shop.opens(shop.order())
    assert len(shop.commit.payments.rows) == 1


async def test_anothers_order_is_not_found_and_anothers_reference_is_free(shop: Shop) -> None:
    order = shop.order()
    await shop.opens(order)
    other = Caller(CallerKind.USER, new_id())
    with pytest.raises(NotFound) as missing:
        await shop.opens(order, other)
    assert missing.value.error_code == "PAYMENT_NOT_FOUND"
    assert (await shop.opens(shop.order(), other)).provider == "first"


@pytest.mark.parametrize(
    ("changes", "purpose", "about", "amount", "lines", "description", "provider"),
    [
        (
            {"items": (), "credit_pack_id": "small"},
            "credit_packs", "credit_pack", 1000, (PaymentLine("Small pack", 1, 1000, "small"),), "Small pack", "second",
        ),
        (
            {"items": (ItemOrder("logo"), ItemOrder("house", 2)), "locale": "ko"},
            "items", "checkout", 200_000_005_000,
            (PaymentLine("로고", 1, 5000, "logo"), PaymentLine("집", 2, 10**11, "house")), "로고 + 1", "first",
        ),
        (
            {"items": (ItemOrder("house", 10),)},
            "items", "checkout", 10**12, (PaymentLine("House", 10, 10**11, "house"),), "House", "first",
        ),
    ],
)  # fmt: skip
async def test_what_is_bought_and_what_it_costs_is_the_catalogues_to_say(
    changes: dict[str, Any],
    purpose: str,
    about: str,
    amount: int,
    lines: Sequence[PaymentLine],
    description: str,
    provider: str,
) -> None:
    shop = Shop(RoutingRule(("second",), product="credits"), RoutingRule(("first",), currency="KRW", country="KR"))
    order = shop.order(**changes)
    assert (await shop.opens(order)).provider == provider
    found = shop.payment(order)
    assert (found.purpose, found.subject, found.amount.amount) == (purpose, f"{about}:{order.id}", amount)
    assert (found.lines, found.description) == (lines, description)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"items": ()}, "items"),
        ({"credit_pack_id": "small"}, "items"),
        ({"plan_id": "any"}, "items"),
        ({"currency": "XXY"}, "currency"),
        ({"currency": "USD"}, "currency"),
        ({"items": (ItemOrder("house", 10), ItemOrder("logo"))}, "items"),
        ({"success_url": "http://shop.invalid"}, "successUrl"),
        ({"cancel_url": "ftp://shop.invalid"}, "cancelUrl"),
        ({"provider": "third"}, "provider"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_and_nothing_is_written(
    shop: Shop, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await shop.opens(shop.order(**changes))
    assert [problem.path for problem in refused.value.problems] == [path]
    assert (shop.commit.payments.rows, shop.first.asked) == ({}, [])


async def test_a_plan_is_handed_over_whole_and_audited(shop: Shop) -> None:
    order = shop.order(items=(), plan_id="basic", interval_months=12, provider="second")
    assert (await shop.opens(order)).url == "https://bank.invalid/plan"
    assert shop.ordered == [
        PlanOrder(
            order.id, BUYER.person, "basic", "KRW", order.success_url, order.cancel_url, 12, "KR", "second", "order-1", "en"
        )
    ]
    audited = ("CHECKOUT_STARTED", f"subscription:{order.id}", {"plan": "basic", "provider": "first"})
    assert (shop.commit.audited, shop.commit.payments.rows) == ([audited], {})
    with pytest.raises(NotFound) as missing:
        await NoPlans().open(shop.ordered[0])
    assert missing.value.error_code == "PLAN_NOT_FOUND"


async def test_what_becomes_known_while_a_provider_is_asked_stays(shop: Shop) -> None:
    order, paid, erased = shop.order(), shop.order(client_reference=None), shop.order(client_reference=None)

    def meanwhile(which: NewCheckout, **changes: Any) -> Any:
        def answer() -> Checkout:
            shop.commit.payments.rows[which.id] = replace(shop.payment(which), **changes)
            return OPENED

        return answer

    shop.first.answers["open_checkout"] = meanwhile(paid, status=P.PAID, reference="pay_1")
    await shop.opens(paid)
    assert (shop.payment(paid).status, shop.payment(paid).reference, shop.commit.announced) == (P.PAID, "pay_1", [])
    shop.first.answers["open_checkout"] = meanwhile(erased, user_id=None)
    await shop.opens(erased)
    assert shop.commit.sent[-1] == close_message(erased.id)
    shop.first.answers["open_checkout"] = OPENED
    await shop.opens(order)
    assert shop.commit.sent[-1] == look_up_message(order.id, 0, NOW)


CALENDAR = PlanCalendar(ZoneInfo("Asia/Seoul"))
CLIENT = Caller(CallerKind.USER, new_id())
ORDER = InstallmentOrder("https://shop.invalid/ok", "https://shop.invalid/no", "KR", locale="en")


class Plans:
    """A plan whose client pays."""

    def __init__(self) -> None:
        self.shop = Shop(RoutingRule(("second",), product="payment_plans"))
        kinds = (InstallmentKind.MILESTONE, InstallmentKind.MONTHLY)
        parts = [planned(n, kind, f"phase {n}", 500 * n, date(2031, 5, 9), CALENDAR, THEN) for n, kind in enumerate(kinds, 1)]
        self.plan = PaymentPlan(new_id(), new_id(), CLIENT.user_id, "KRW", tuple(parts), THEN, THEN)
        self.locked = 0
        self.shop.commit.payment_plans = self
        shop = self.shop
        self.checkouts = InstallmentCheckouts(shop.commit.unit, shop.checkouts, shop.routing, shop.commit, CLOCK)

    async def get(self, plan_id: Any, *, lock: bool = False) -> PaymentPlan | None:
        self.locked += lock
        return self.plan if plan_id == self.plan.id else None

    async def update(self, plan: PaymentPlan) -> None:
        assert plan.version == self.plan.version + 1
        self.plan = plan

    async def pays(self, number: int = 1, caller: Caller = CLIENT, order: InstallmentOrder = ORDER) -> OpenedCheckout:
        return await self.checkouts.open(caller, self.plan.id, number, order)

    def has(self, number: int = 1, **changes: Any) -> None:
        found = self.plan.installment(number)
        assert found is not None
        self.plan = self.plan.with_installment(replace(found, **changes), THEN)

    @property
    def payment(self) -> Payment:
        found = self.plan.installment(1)
        assert found is not None
        made: Payment = self.shop.commit.payments.rows[found.payment_id]
        return made

    def is_now(self, **changes: Any) -> None:
        self.shop.commit.payments.rows[self.payment.id] = replace(self.payment, **changes)


async def test_an_instalment_is_paid_in_one_window_that_is_written_first_and_named() -> None:
    plans = Plans()
    opened = await plans.pays()
    subject = f"installment:{plans.plan.id}:1"
    assert plans.payment == Payment(
        opened.id, "payment_plans", subject, Money(500, "KRW"), "second", P.PENDING, NOW, NOW,
        NOW + CHECKOUT_TIME, "cs_1", OPENED.url, {"token": "t"}, user_id=CLIENT.user_id, country="KR", description="phase 1",
        lines=(PaymentLine("phase 1", 1, 500),), locale="en",
    )  # fmt: skip
    commit = plans.shop.commit
    assert commit.sent == [look_up_message(opened.id, 0, NOW)]
    about = {"purpose": "payment_plans", "provider": "second", "amount": 500, "currency": "KRW"}
    assert commit.audited == [("CHECKOUT_STARTED", f"payment:{opened.id}", about)]
    assert plans.shop.attempts == [("second", "pending", "cs_1", None, None)]
    assert (plans.locked, plans.plan.updated_at) == (1, NOW)
    request = plans.shop.second.asked[0][1]
    assert (request.amount, request.locale, request.country) == (Money(500, "KRW"), "en", "KR")
    assert (request.expires_at, request.description) == (NOW + CHECKOUT_TIME, "phase 1")
    assert (request.success_url, request.cancel_url) == (ORDER.success_url, ORDER.cancel_url)
    assert await plans.pays() == opened
    assert plans.shop.second.times("open_checkout") == 1


@pytest.mark.parametrize(
    ("changes", "anew", "asked"),
    [
        ({}, False, 0),
        ({"status": P.AUTHORISED}, False, 0),
        ({"status": P.CREATED}, False, 1),
        ({"status": P.FAILED}, True, 1),
        ({"status": P.EXPIRED}, True, 1),
        ({"expires_at": NOW}, True, 1),
        ({"expires_at": NOW + timedelta(seconds=1)}, False, 0),
    ],
)
async def test_a_window_is_opened_anew_only_when_the_one_before_is_over(
    changes: dict[str, Any], anew: bool, asked: int
) -> None:
    plans = Plans()
    first = await plans.pays()
    plans.is_now(**changes)
    assert ((await plans.pays()).id != first.id, plans.shop.second.times("open_checkout") - 1) == (anew, asked)


@pytest.mark.parametrize(
    ("installment", "payment", "state"),
    [
        ({"status": InstallmentStatus.PAID}, {}, "paid"),
        ({"status": InstallmentStatus.REFUNDED}, {}, "refunded"),
        ({}, {"status": P.PAID}, "paid"),
        ({"status": InstallmentStatus.OVERDUE}, {"status": P.DISPUTED}, "paid"),
    ],
)
async def test_what_is_not_owed_is_not_asked_for(installment: dict[str, Any], payment: dict[str, Any], state: str) -> None:
    plans = Plans()
    await plans.pays()
    plans.is_now(**payment)
    plans.has(**installment)
    with pytest.raises(WrongState) as refused:
        await plans.pays()
    assert (refused.value.params["state"], refused.value.params["expected"]) == (state, "pending, overdue")


async def test_the_client_alone_pays_to_pages_that_may_be_and_for_what_is_there() -> None:
    plans = Plans()
    plans.has(status=InstallmentStatus.OVERDUE)
    staff = Caller(CallerKind.USER, new_id(), permissions=frozenset({STAFF}))
    with pytest.raises(PermissionDenied) as denied:
        await plans.pays(caller=staff)
    assert denied.value.error_code == "INSTALLMENT_OF_CLIENT"
    for missing in (plans.pays(3), plans.pays(caller=Caller(CallerKind.USER, new_id()))):
        with pytest.raises(NotFound):
            await missing
    with pytest.raises(ValidationFailed):
        await plans.pays(order=replace(ORDER, success_url="http://shop.invalid"))
    with pytest.raises(ValidationFailed):
        await plans.pays(order=replace(ORDER, provider="first"))
    assert plans.shop.commit.payments.rows == {}
    await plans.pays()


def test_a_months_fee_is_called_so_in_both_languages_and_a_milestone_by_its_name() -> None:
    milestone, fee = Plans().plan.installments
    assert [described(milestone, each) for each in ("ko", "en")] == ["phase 1", "phase 1"]
    assert [described(fee, each) for each in ("ko", "en", "fr")] == [
        "월 운영비 phase 2",
        "Monthly fee phase 2",
        "월 운영비 phase 2",
    ]
