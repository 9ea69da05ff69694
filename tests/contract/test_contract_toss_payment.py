"""Toss Payments over real HTTP: the kit, what Toss gets, and what each of its refusals, states and webhooks means."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from contract.fake_toss import CLIENT_KEY, KST, ORIGIN, SECRET_KEY, FakeToss, delivered, refusal, webhook
from madang.adapters.toss import reading
from madang.adapters.toss.payment import TossPaymentGateway
from madang.adapters.toss.settings import TossSettings
from madang.plugins.conformance.payment import CHECKOUT, PaymentConformance
from madang.plugins.conformance.remote import Reply, serving
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.suite import Read
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    Checkout,
    ConfirmRequest,
    KeepMethodRequest,
    PaymentGateway,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    StoredMethod,
    StoreMethodRequest,
)
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(9900, "KRW")
CONFIRM = ConfirmRequest("payment-1", "", PRICE, "confirm-1")
WINDOW = StoreMethodRequest("customer-1", "https://shop.example/kept", "https://shop.example/no", "window-1")


class TestToss(PaymentConformance):
    plugin = "madang.plugins.builtin.toss"
    name = "toss"
    operation = "confirm"
    states: ClassVar = reading.STATUSES
    private = ("buyer@example.com",)

    def remote(self) -> FakeToss:
        self.toss = FakeToss()
        return self.toss

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "secret_key": SECRET_KEY, "client_key": CLIENT_KEY}

    async def act(self, provider: PaymentGateway, key: str, timeout: float = 20.0) -> PaymentSnapshot:
        """The window asks nothing of Toss: what the browser brings back is confirmed."""
        checkout = await self.open(provider, f"payment-{key}")
        client_key = self.toss.approve(checkout.client_params)
        price = Money(checkout.client_params["amount"]["value"], "KRW")
        return await provider.confirm(ConfirmRequest(f"payment-{key}", client_key, price, f"confirm-{key}", timeout))

    async def reads(self, provider: PaymentGateway) -> Mapping[str, Read]:
        paid = await self.act(provider, "read")
        more = {
            "fetch": lambda: provider.fetch(paid.reference),
            "find_refund": lambda: provider.find_refund(paid.reference, "refund-1"),
        }
        return {**await super().reads(provider), **more}

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        return self.toss.approve(checkout.client_params)

    async def leave_method(self, stage: Stage, window: Checkout) -> str:
        return self.toss.register(window.client_params)

    async def exhaust(self, stage: Stage, method: StoredMethod) -> None:
        self.toss.declining.add(method.token.reveal())

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        return webhook("PAYMENT_STATUS_CHANGED", self.toss.payments[snapshot.reference])

    def other_event(self, stage: Stage) -> WebhookRequest:
        return webhook("BILLING_DELETED", {"billingKey": "bill_1"}, "transmission-2")


@pytest.fixture
def toss() -> Iterator[FakeToss]:
    with serving(FakeToss()) as server:
        yield server


@pytest.fixture
async def gateway(toss: FakeToss, context: ProviderContext) -> AsyncIterator[TossPaymentGateway]:
    provider = TossPaymentGateway(settings_for(toss.url), context)
    yield provider
    await provider.close()


def settings_for(url: str = "https://api.tosspayments.com", **changed: Any) -> TossSettings:
    return TossSettings(**{"secret_key": Secret(SECRET_KEY), "client_key": CLIENT_KEY, "base_url": url, **changed})


async def approved(toss: FakeToss, gateway: TossPaymentGateway, method: str = "카드") -> ConfirmRequest:
    checkout = await gateway.open_checkout(CHECKOUT)
    return replace(CONFIRM, client_key=toss.approve(checkout.client_params, method))


async def paid(toss: FakeToss, gateway: TossPaymentGateway) -> PaymentSnapshot:
    return await gateway.confirm(await approved(toss, gateway))


async def kept(toss: FakeToss, gateway: TossPaymentGateway) -> StoredMethod:
    key = toss.register((await gateway.open_method_window(WINDOW)).client_params)
    return await gateway.keep_method(KeepMethodRequest("customer-1", key, "keep-1"))


def charge_of(method: StoredMethod, **changed: Any) -> ChargeRequest:
    return replace(ChargeRequest("payment-9", method.customer_id, method.token, PRICE, "구독", "charge-1"), **changed)


async def test_the_browser_gets_what_opens_the_window_and_no_secret(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    checkout = await gateway.open_checkout(
        replace(CHECKOUT, description="사진 " * 60, extra={"method": "TRANSFER", "amount": 1})
    )
    window = checkout.client_params
    assert (window["clientKey"], window["method"], window["amount"]) == (
        CLIENT_KEY, "TRANSFER", {"currency": "KRW", "value": 9900}
    )  # fmt: skip
    assert (len(window["orderName"]), window["customerEmail"]) == (100, "buyer@example.com")
    assert (checkout.url, checkout.reference) == (None, None)
    assert SECRET_KEY not in json.dumps(window)
    assert toss.arrived == []


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": "short"},
        {"payment_id": "a" * 65},
        {"payment_id": "with space"},
        {"amount": Money(990, "USD")},
        {"description": " "},
    ],
)
async def test_what_toss_would_not_take_is_refused_before_the_browser_has_it(
    gateway: TossPaymentGateway, change: dict[str, Any]
) -> None:
    with pytest.raises(Rejected) as refused:
        await gateway.open_checkout(replace(CHECKOUT, **change))
    assert (refused.value.reason, refused.value.operation) == ("invalid_request", "open_checkout")


async def test_a_customers_id_that_no_window_takes_is_refused(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    for customer in ("a", "a" * 51, "김마당", "a b"):
        with pytest.raises(Rejected):
            await gateway.open_method_window(replace(WINDOW, customer_id=customer))


async def test_a_buyer_whose_address_is_too_long_for_toss_pays_all_the_same(gateway: TossPaymentGateway) -> None:
    checkout = await gateway.open_checkout(replace(CHECKOUT, customer_email=f"{'a' * 100}@example.com", customer_name=""))
    assert not {"customerEmail", "customerName"} & checkout.client_params.keys()


async def test_a_confirmation_that_was_made_already_is_answered_as_it_is(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    request = await approved(toss, gateway)
    first = await gateway.confirm(request)
    again = await gateway.confirm(replace(request, idempotency_key="another"))
    assert again == first
    assert [each.path for each in toss.acting] == ["/v1/payments/confirm"] * 2


@pytest.mark.parametrize(
    ("status", "amount", "order", "error", "reason"),
    [
        ("DONE", 9900, "payment-1", None, None),
        ("WAITING_FOR_DEPOSIT", 9900, "payment-1", None, None),
        ("CANCELED", 9900, "payment-1", None, None),
        ("DONE", 9901, "payment-1", Rejected, "already_paid"),
        ("DONE", 9900, "payment-2", Rejected, "already_paid"),
        ("ABORTED", 9900, "payment-1", Rejected, "declined"),
        ("EXPIRED", 9900, "payment-1", Rejected, "already_paid"),
    ],
)
async def test_what_was_dealt_with_already_is_believed_by_what_it_is_now(
    toss: FakeToss, gateway: TossPaymentGateway, status: str, amount: int, order: str, error: Any, reason: str | None
) -> None:
    request = await approved(toss, gateway)
    await gateway.confirm(request)
    toss.payments[request.client_key] |= {"status": status, "totalAmount": amount, "balanceAmount": amount, "orderId": order}
    toss.next.append(refusal(400, "ALREADY_PROCESSED_PAYMENT"))
    if error is None:
        assert (await gateway.confirm(request)).reference == request.client_key
        return
    with pytest.raises(error) as refused:
        await gateway.confirm(request)
    assert (refused.value.reason, refused.value.operation) == (reason, "confirm")


@pytest.mark.parametrize("call", ["confirm", "charge"])
async def test_what_was_dealt_with_and_cannot_be_looked_up_is_unknown(
    toss: FakeToss, gateway: TossPaymentGateway, call: str
) -> None:
    request, method = await approved(toss, gateway), await kept(toss, gateway)
    toss.next.extend(
        [refusal(400, "ALREADY_PROCESSED_PAYMENT" if call == "confirm" else "DUPLICATED_ORDER_ID"), Reply(500, "")]
    )
    with pytest.raises(OutcomeUnknown) as unknown:
        await (gateway.confirm(request) if call == "confirm" else gateway.charge(charge_of(method)))
    assert unknown.value.operation == call


async def test_a_deposit_that_is_awaited_is_pending_and_its_callback_names_our_payment(
    toss: FakeToss, gateway: TossPaymentGateway
) -> None:
    waiting = await gateway.confirm(await approved(toss, gateway, "가상계좌"))
    assert (waiting.status, waiting.method, waiting.paid_at) == (RemotePaymentStatus.PENDING, "virtual_account", None)
    [notice] = await gateway.read_webhook(delivered(toss.deposit(waiting.reference)))
    assert (notice.kind, notice.reference, notice.payment_id) == ("DEPOSIT_CALLBACK", None, "payment-1")
    assert notice.snapshot is None
    found = await gateway.find("payment-1")
    assert found is not None
    assert found.status is RemotePaymentStatus.PAID


async def test_a_declined_confirmation_says_so(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    request = await approved(toss, gateway)
    toss.declining.add("payment-1")
    with pytest.raises(Rejected) as declined:
        await gateway.confirm(request)
    assert (declined.value.reason, declined.value.code) == ("declined", "REJECT_CARD_COMPANY")
    failed = await gateway.fetch(request.client_key)
    assert (failed.status, failed.failure) == (RemotePaymentStatus.FAILED, "REJECT_CARD_COMPANY")


async def test_a_charge_that_is_answered_as_aborted_is_declined(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    method = await kept(toss, gateway)
    made = await gateway.charge(charge_of(method))
    aborted = {**toss.payments[made.reference], "status": "ABORTED", "failure": {"code": "FDS_ERROR"}}
    toss.next.append(Reply(200, aborted))
    with pytest.raises(Rejected) as declined:
        await gateway.charge(charge_of(method, payment_id="payment-8", idempotency_key="charge-2"))
    assert (declined.value.reason, declined.value.code) == ("declined", "FDS_ERROR")


async def test_a_billing_key_of_another_customer_is_not_handed_on(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    toss.next.append(Reply(200, {"billingKey": "bill_1", "customerKey": "customer-2", "card": {"number": "43301234****1234"}}))
    with pytest.raises(Rejected) as other:
        await gateway.keep_method(KeepMethodRequest("customer-1", "auth_1", "keep-1"))
    assert other.value.reason == "not_found"


async def test_a_refund_is_found_by_its_mark_and_no_other_is_taken_for_it(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    payment = await paid(toss, gateway)
    refund = RefundRequest(payment.reference, Money(100, "KRW"), "사진이\n마음에 들지 않음 " * 40, "refund-1")
    made = await gateway.refund(refund)
    await gateway.refund(replace(refund, idempotency_key="refund-2", reason="other"))
    first, second = toss.payments[payment.reference]["cancels"]
    assert (made.id, len(first["cancelReason"]), "\n" in first["cancelReason"]) == (first["transactionKey"], 200, False)
    found = await gateway.find_refund(payment.reference, "refund-2")
    assert found is not None
    assert found.id == second["transactionKey"]
    assert await gateway.find_refund(payment.reference, "refund-3") is None


async def test_an_answer_without_the_refund_that_was_asked_for_leaves_it_unknown(
    toss: FakeToss, gateway: TossPaymentGateway
) -> None:
    payment = await paid(toss, gateway)
    refund = RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-1")
    await gateway.refund(refund)
    answered = toss.payments[payment.reference]
    for cancels in ([], [{**answered["cancels"][0], "cancelAmount": 99}]):
        toss.next.append(Reply(200, {**answered, "cancels": cancels}))
        with pytest.raises(OutcomeUnknown) as unknown:
            await gateway.refund(refund)
        assert unknown.value.operation == "refund"


ROWS = [
    (refusal(401, "UNAUTHORIZED_KEY"), Misconfigured, None),
    (refusal(403, "FORBIDDEN_REQUEST"), Misconfigured, None),
    (refusal(403, "REJECT_CARD_PAYMENT"), Rejected, "declined"),
    (refusal(404, "NOT_FOUND_PAYMENT_SESSION"), Rejected, "expired"),
    (refusal(409, "IDEMPOTENT_REQUEST_PROCESSING"), OutcomeUnknown, None),
    (refusal(400, "PROVIDER_ERROR"), OutcomeUnknown, None),
    (refusal(403, "FORBIDDEN_CONSECUTIVE_REQUEST"), RateLimited, None),
    (refusal(429, "TOO_MANY_REQUESTS", **{"retry-after": "2"}), RateLimited, 2.0),
    (Reply(429, "", {"retry-after": "soon"}), RateLimited, None),
    (refusal(500, "REJECT_CARD_PAYMENT"), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(400, {"code": 7}), Rejected, "invalid_request"),
    (Reply(400, {"code": "buyer@example.com"}), Rejected, "invalid_request"),
    (Reply(404, "<html>"), Misconfigured, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, {}), OutcomeUnknown, None),
    (Reply(200, {**ORIGIN, "orderId": "payment-2", "status": "DONE"}), OutcomeUnknown, None),
    (Reply(200, {"x": "x" * 5_000_000}), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_toss_is_one_of_the_taxonomy(
    toss: FakeToss, gateway: TossPaymentGateway, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    request = await approved(toss, gateway)
    toss.next.append(reply)
    with pytest.raises(PortError) as raised:
        await gateway.confirm(request)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("toss", "confirm")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert "buyer@example.com" not in str(raised.value.context())
    assert len(toss.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("reply", "error"),
    [(refusal(404, "NOT_FOUND_PAYMENT"), None), (Reply(404, "<html>"), Misconfigured), (Reply(200, {}), Unavailable)],
)
async def test_only_toss_itself_can_say_that_there_is_no_payment(
    toss: FakeToss, gateway: TossPaymentGateway, reply: Reply, error: type[PortError] | None
) -> None:
    toss.next.append(reply)
    if error is None:
        assert await gateway.find("payment-1") is None
        return
    with pytest.raises(error):
        await gateway.find("payment-1")


async def test_an_id_that_no_order_has_is_not_asked_for(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    assert [await gateway.find(each) for each in ("", "a", "../../billing", "x" * 65)] == [None] * 4
    for reference in ("..", ".", "x" * 301):
        with pytest.raises(Rejected):
            await gateway.fetch(reference)
    assert toss.arrived == []


async def test_the_list_has_each_payment_as_it_is_now(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    payment = await paid(toss, gateway)
    await gateway.refund(RefundRequest(payment.reference, Money(100, "KRW"), "why", "refund-1"))
    now = datetime.now(UTC)
    [listed] = (await gateway.list_payments(now - timedelta(minutes=1), now + timedelta(minutes=1))).payments
    assert (listed.status, listed.refunded) == (RemotePaymentStatus.PARTLY_REFUNDED, Money(100, "KRW"))
    toss.payments[payment.reference]["approvedAt"] = (now - timedelta(days=1)).astimezone(KST).isoformat()
    assert not (await gateway.list_payments(now - timedelta(minutes=1), now + timedelta(minutes=1))).payments
    edge = (now - timedelta(minutes=1)).replace(microsecond=0)
    toss.payments[payment.reference]["approvedAt"] = edge.astimezone(KST).isoformat()
    assert (await gateway.list_payments(edge, now + timedelta(minutes=1))).payments, "a span has its beginning"
    for reply in (Reply(200, {}), Reply(200, [7])):
        toss.next.append(reply)
        with pytest.raises(Unavailable):
            await gateway.list_payments(now, now)


async def test_the_list_goes_on_after_the_last_transaction_of_a_page(toss: FakeToss, gateway: TossPaymentGateway) -> None:
    method = await kept(toss, gateway)
    for number in range(51):
        await gateway.charge(charge_of(method, payment_id=f"payment-{number}", idempotency_key=f"charge-{number}"))
    now = datetime.now(UTC)
    since, until = now - timedelta(minutes=5), now + timedelta(minutes=5)
    first = await gateway.list_payments(since, until)
    rest = await gateway.list_payments(since, until, cursor=first.cursor)
    assert (len(first.payments), len(rest.payments), rest.cursor) == (50, 1, None)
    assert len({each.reference for each in [*first.payments, *rest.payments]}) == 51
