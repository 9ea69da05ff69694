"""PortOne over real HTTP: the kit, what PortOne gets, and what each of its refusals and states means."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from contract.fake_portone import (
    API_SECRET,
    BILLING_CHANNEL,
    CHANNEL,
    OLD_SECRET,
    STORE,
    WEBHOOK_SECRET,
    FakePortOne,
    event,
    refusal,
    signed,
)
from madang.adapters.portone import mapping, reading
from madang.adapters.portone.payment import PortOnePaymentGateway
from madang.adapters.portone.settings import PortOneSettings
from madang.plugins.conformance.payment import CHECKOUT, PaymentConformance
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.suite import Read
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    Checkout,
    KeepMethodRequest,
    PaymentGateway,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    RemoteRefundStatus,
    StoredMethod,
    StoreMethodRequest,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(9900, "KRW")
WINDOW = StoreMethodRequest("customer-1", "https://shop.example/kept", "https://shop.example/no", "window-1")


class TestPortOne(PaymentConformance):
    plugin = "madang.plugins.builtin.portone"
    name = "portone"
    states: ClassVar = reading.STATUSES
    private = ("buyer@example.com",)

    def remote(self) -> FakePortOne:
        self.portone = FakePortOne()
        return self.portone

    def settings(self, url: str) -> Mapping[str, Any]:
        keys = {"channel_key": CHANNEL, "billing_channel_key": BILLING_CHANNEL, "webhook_secret": WEBHOOK_SECRET}
        return {"base_url": url, "api_secret": API_SECRET, "store_id": STORE, **keys}

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """A charge and a refund ask before they act; it is the act that fails."""
        if operation in ("charge", "refund"):
            self.portone.plan(fault, only=self.portone.acts)
        else:
            await super().inject(stage, fault, operation)

    def wrong(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Mapping[str, Any]:
        return {**settings, "api_secret": f"{secrets['api_secret']}x"}

    async def reads(self, provider: PaymentGateway) -> Mapping[str, Read]:
        paid = self.portone.pay((await self.open(provider, "payment-read")).client_params)
        more = {"fetch": lambda: provider.fetch(paid), "find_refund": lambda: provider.find_refund(paid, "refund-1")}
        return {**await super().reads(provider), **more}

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        return self.portone.pay(checkout.client_params)

    async def leave_method(self, stage: Stage, window: Checkout) -> str:
        return self.portone.register(window.client_params)

    async def exhaust(self, stage: Stage, method: StoredMethod) -> None:
        self.portone.declining.add(method.token.reveal())

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        return signed(event("Transaction.Paid", snapshot.reference), "event-1", signed_at)

    def other_event(self, stage: Stage) -> WebhookRequest:
        return signed(event("BillingKey.Issued", None), "event-2", datetime.now(UTC))


@pytest.fixture
def portone() -> Iterator[FakePortOne]:
    with serving(FakePortOne()) as server:
        yield server


@pytest.fixture
async def gateway(portone: FakePortOne, context: ProviderContext) -> AsyncIterator[PortOnePaymentGateway]:
    provider = PortOnePaymentGateway(settings_for(portone.url), context)
    yield provider
    await provider.close()


def settings_for(url: str = "https://api.portone.io", **changed: Any) -> PortOneSettings:
    keys = {"channel_key": CHANNEL, "billing_channel_key": BILLING_CHANNEL, "webhook_secret": Secret(WEBHOOK_SECRET)}
    return PortOneSettings(**{"api_secret": Secret(API_SECRET), "store_id": STORE, "base_url": url, **keys, **changed})


async def paid(portone: FakePortOne, gateway: PortOnePaymentGateway) -> PaymentSnapshot:
    return await gateway.fetch(portone.pay((await gateway.open_checkout(CHECKOUT)).client_params))


async def kept(portone: FakePortOne, gateway: PortOnePaymentGateway) -> StoredMethod:
    key = portone.register((await gateway.open_method_window(WINDOW)).client_params)
    return await gateway.keep_method(KeepMethodRequest("customer-1", key, "keep-1"))


def charge_of(method: StoredMethod, **changed: Any) -> ChargeRequest:
    return replace(ChargeRequest("payment/9 ?", method.customer_id, method.token, PRICE, "구독", "charge-1"), **changed)


async def test_the_amount_is_registered_before_the_browser_opens_the_window(
    portone: FakePortOne, gateway: PortOnePaymentGateway
) -> None:
    until, extra = datetime(2026, 11, 22, tzinfo=UTC), {"payMethod": "EASY_PAY", "totalAmount": 1}
    checkout = await gateway.open_checkout(replace(CHECKOUT, extra=extra, locale="en", expires_at=until))
    window = checkout.client_params
    assert checkout.expires_at == until
    assert portone.registered == {"payment-1": (9900, "KRW")}
    assert (window["totalAmount"], window["payMethod"], window["locale"]) == (9900, "EASY_PAY", "EN_US")
    assert window["redirectUrl"] == CHECKOUT.success_url
    assert API_SECRET not in json.dumps(window)
    [request] = portone.arrived
    assert request.headers["idempotency-key"].startswith('"madang-')


async def test_two_kinds_of_request_share_no_key(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    payment = await paid(portone, gateway)
    await gateway.refund(RefundRequest(payment.reference, PRICE, "why", CHECKOUT.idempotency_key))
    assert len({each.headers["idempotency-key"] for each in portone.acting}) == 2


async def test_a_payment_that_failed_may_be_paid_by_another_try(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    window = (await gateway.open_checkout(CHECKOUT)).client_params
    failed = await gateway.fetch(portone.pay(window, declined=True))
    assert (failed.status, failed.failure) == (RemotePaymentStatus.FAILED, "REJECT_CARD_PAYMENT")
    await gateway.open_checkout(replace(CHECKOUT, idempotency_key="checkout-2"))
    assert (await gateway.fetch(portone.pay(window))).status is RemotePaymentStatus.PAID
    with pytest.raises(Rejected) as over:
        await gateway.open_checkout(replace(CHECKOUT, idempotency_key="checkout-3"))
    assert over.value.reason == "already_paid"


async def test_a_card_is_charged_only_for_whom_left_it(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    method = await kept(portone, gateway)
    assert (method.label, method.customer_id) == ("card **** 1234", "customer-1")
    with pytest.raises(Rejected) as other:
        await gateway.charge(charge_of(method, customer_id="customer-2"))
    assert other.value.reason == "not_found"
    assert portone.acting == []
    charged = await gateway.charge(charge_of(method))
    assert (charged.reference, charged.status) == ("payment/9 ?", RemotePaymentStatus.PAID)


@pytest.mark.parametrize(
    ("said", "state", "error", "reason"),
    [
        ("PG_PROVIDER", {"status": "PAID"}, None, None),
        ("PG_PROVIDER", {"status": "FAILED", "failure": {"pgCode": "X1"}}, Rejected, "declined"),
        ("PG_PROVIDER", {"status": "READY", "paidAt": None}, OutcomeUnknown, None),
        ("PG_PROVIDER", {"currency": "QQQ"}, OutcomeUnknown, None),
        ("ALREADY_PAID", {"status": "PAID"}, None, None),
        ("ALREADY_PAID", {"status": "PAID", "amount": {"total": 1}}, Rejected, "already_paid"),
        ("ALREADY_PAID", {"currency": "QQQ"}, OutcomeUnknown, None),
    ],
)
async def test_what_became_of_a_charge_is_asked_where_its_answer_leaves_it_open(
    portone: FakePortOne, gateway: PortOnePaymentGateway, said: str, state: dict[str, Any], error: Any, reason: str | None
) -> None:
    method = await kept(portone, gateway)
    await gateway.charge(charge_of(method))
    portone.payments["payment/9 ?"] |= state
    portone._answers.clear()
    portone.next.extend(
        [Reply(200, portone.billing[method.token.reveal()]), refusal(409 if said == "ALREADY_PAID" else 502, said)]
    )
    if error is None:
        assert (await gateway.charge(charge_of(method))).status is RemotePaymentStatus.PAID
        return
    with pytest.raises(error) as refused:
        await gateway.charge(charge_of(method))
    assert (refused.value.operation, getattr(refused.value, "reason", None)) == ("charge", reason)
    if said == "PG_PROVIDER" and error is OutcomeUnknown:
        assert refused.value.code == "PG_PROVIDER", "an operator asks the payment company by it"


async def test_a_charge_whose_payment_cannot_be_read_afterwards_is_unknown(
    portone: FakePortOne, gateway: PortOnePaymentGateway
) -> None:
    method = await kept(portone, gateway)
    portone.plan(Fault.SERVER_ERROR, only=lambda request: request.path.startswith("/payments/") and request.method == "GET")
    with pytest.raises(OutcomeUnknown) as unknown:
        await gateway.charge(charge_of(method))
    assert unknown.value.operation == "charge"
    assert portone.payments["payment/9 ?"]["status"] == "PAID"


async def test_a_charge_that_was_never_sent_did_surely_nothing(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    method = await kept(portone, gateway)
    portone.plan(Fault.SERVER_ERROR)
    with pytest.raises(Unavailable):
        await gateway.charge(charge_of(method))
    assert portone.acting == []


async def test_a_refund_is_made_once_also_when_portone_has_forgotten_its_key(
    portone: FakePortOne, gateway: PortOnePaymentGateway
) -> None:
    payment = await paid(portone, gateway)
    refund = RefundRequest(payment.reference, Money(100, "KRW"), "사진이\n마음에 들지 않음 " * 40, "refund-1")
    made = await gateway.refund(refund)
    portone._answers.clear()
    assert await gateway.refund(refund) == made
    [cancellation] = portone.payments[payment.reference]["cancellations"]
    assert (len(cancellation["reason"]), "\n" in cancellation["reason"]) == (200, False)


async def test_what_was_given_back_meanwhile_stops_a_refund(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    payment = await paid(portone, gateway)
    stale = json.loads(json.dumps(portone.payments[payment.reference]))
    await gateway.refund(RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-1"))
    portone.next.append(Reply(200, stale))
    with pytest.raises(Unavailable) as again:
        await gateway.refund(RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-2"))
    assert again.value.code == "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"
    stale["amount"]["discount"] = 50
    portone.next.append(Reply(200, stale))
    await gateway.refund(RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-3"))
    assert "currentCancellableAmount" not in portone.acting[-1].json


@pytest.mark.parametrize(("word", "status"), [*reading.CANCELS.items(), ("LATER", RemoteRefundStatus.PENDING)])
async def test_every_state_of_a_cancellation_is_one_of_ours(
    portone: FakePortOne, gateway: PortOnePaymentGateway, word: str, status: RemoteRefundStatus
) -> None:
    payment = await paid(portone, gateway)
    refund = RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-1")
    await gateway.refund(refund)
    portone.payments[payment.reference]["cancellations"][0]["status"] = word
    assert (await gateway.refund(refund)).status is status


ROWS = [
    (refusal(400, "INVALID_REQUEST"), Rejected, "invalid_request"),
    (refusal(401, "UNAUTHORIZED"), Misconfigured, None),
    (refusal(403, "FORBIDDEN"), Misconfigured, None),
    (refusal(409, "ALREADY_PAID"), Rejected, "already_paid"),
    (refusal(409, "IDEMPOTENCY_OUTSTANDING_REQUEST"), OutcomeUnknown, None),
    (refusal(502, "PG_PROVIDER", pgCode="1", pgMessage="buyer@example.com"), OutcomeUnknown, None),
    (refusal(429, "TOO_MANY", **{"retry-after": "2"}), RateLimited, 2.0),
    (Reply(429, "", {"retry-after": "soon"}), RateLimited, None),
    (refusal(500, "ALREADY_PAID"), OutcomeUnknown, None),
    (Reply(504, "<html>"), OutcomeUnknown, None),
    (Reply(400, {"type": 7}), Rejected, "invalid_request"),
    (Reply(404, "<html>"), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, {"x": "x" * 5_000_000}), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_portone_is_one_of_the_taxonomy(
    portone: FakePortOne, gateway: PortOnePaymentGateway, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    portone.next.append(reply)
    with pytest.raises(PortError) as raised:
        await gateway.open_checkout(CHECKOUT)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("portone", "open_checkout")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "buyer@example.com" not in str(raised.value.context())
    assert len(portone.arrived) == 1, "nothing is tried twice"


CODES = {
    **{kind: (Rejected, reason) for kind, (reason, _) in mapping.REFUSED.items()},
    **dict.fromkeys(mapping.OURS, (Misconfigured, None)),
    **dict.fromkeys(mapping.PASSING, (Unavailable, None)),
    **dict.fromkeys(mapping.OPEN, (OutcomeUnknown, None)),
    "A_TYPE_TO_COME": (Rejected, "invalid_request"),
}


@pytest.mark.parametrize("kind", sorted(CODES))
def test_every_type_of_error_of_portone_has_its_error(kind: str) -> None:
    told = refusal(409, kind)
    error = mapping.error_of(told.status, told.headers, told.body, "charge", asks=False)
    expected, reason = CODES[kind]
    assert type(error) is expected
    assert (getattr(error, "reason", None), error.code) == (reason, kind)
    assert "buyer@example.com" not in str(error.context())


async def test_the_list_goes_on_after_the_last_cursor_of_a_page(portone: FakePortOne, gateway: PortOnePaymentGateway) -> None:
    for number in range(101):
        portone._end(portone._add(f"payment-{number}", 9900, "x", CHANNEL), declined=False)
    now = datetime.now(UTC)
    since, until = now - timedelta(minutes=5), now + timedelta(minutes=5)
    first = await gateway.list_payments(since, until)
    rest = await gateway.list_payments(since, until, cursor=first.cursor)
    assert (len(first.payments), len(rest.payments), rest.cursor) == (100, 1, None)
    for reply in (Reply(200, {}), Reply(200, {"items": [7]}), Reply(200, {"items": [{"payment": {}, "cursor": "1"}]})):
        portone.next.append(reply)
        with pytest.raises(Unavailable):
            await gateway.list_payments(since, until)


@pytest.mark.parametrize("secrets", [(WEBHOOK_SECRET, OLD_SECRET), (OLD_SECRET, WEBHOOK_SECRET)])
async def test_one_of_several_signatures_is_enough_while_a_secret_is_rotated(
    gateway: PortOnePaymentGateway, secrets: tuple[str, str]
) -> None:
    [notice] = await gateway.read_webhook(
        signed(event("Transaction.Cancelled", "payment-1"), "event-1", datetime.now(UTC), *secrets)
    )
    assert (notice.event_id, notice.reference, notice.payment_id) == ("event-1", "payment-1", "payment-1")
    assert notice.occurred_at == datetime(2026, 11, 21, 0, 0, 0, 123000, tzinfo=UTC)
    with pytest.raises(SignatureInvalid):
        await gateway.read_webhook(signed(event("Transaction.Paid", "payment-1"), "event-1", datetime.now(UTC), OLD_SECRET))


@pytest.mark.parametrize(
    "body",
    [
        event("Transaction.Paid", "payment-1", "store-of-another"),
        event("Something.New", "payment-1"),
        event("BillingKey.Deleted", None),
    ],
)
async def test_an_event_about_no_payment_of_ours_names_none(gateway: PortOnePaymentGateway, body: Any) -> None:
    [notice] = await gateway.read_webhook(signed(body, "event-1", datetime.now(UTC)))
    assert (notice.kind, notice.reference, notice.payment_id) == (body["type"], None, None)


@pytest.mark.parametrize("body", [None, [], {}, {"type": "Transaction.Paid"}, {"type": 7, "data": {}}])
async def test_a_signed_body_that_is_no_event_is_refused(gateway: PortOnePaymentGateway, body: Any) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        await gateway.read_webhook(signed(body, "event-1", datetime.now(UTC)))
    assert refused.value.provider == "portone"
