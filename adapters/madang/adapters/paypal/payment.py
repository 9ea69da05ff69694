"""`PaymentGateway` through PayPal. A payment's reference is its order's id; that of a subscription's charge is
`<subscription>/<transaction>`."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from madang.adapters.paypal import mapping, payload, webhooks
from madang.adapters.paypal.capabilities import NAME, PAYMENT
from madang.adapters.paypal.client import PaypalClient
from madang.adapters.paypal.settings import PaypalSettings
from madang.adapters.paypal.subscriptions import subscription_from
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.payment import (
    CancelSubscriptionRequest,
    CaptureRequest,
    ChangeSubscriptionRequest,
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    ConfirmRequest,
    KeepMethodRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    StoredMethod,
    StoreMethodRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.provider import ProviderHealth
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 15.0
_ORDERS: Final = "/v2/checkout/orders"
_CAPTURES: Final = "/v2/payments/captures"
_DONE: Final = 204
"""How PayPal answers a cancellation, with nothing else."""
_SUBSCRIPTIONS: Final = "/v1/billing/subscriptions"

T = TypeVar("T")


class PaypalGateway:
    """Fulfils `PaymentGateway`.

    Not verified: that a subscription's charge (a `sale` in PayPal's webhooks) is read and refunded as a capture of Payments v2,
    as PayPal's migration notes have it; and disputes, which no order shows: one is seen only at PayPal.
    """

    def __init__(self, settings: PaypalSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = PaypalClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PAYMENT

    async def check(self) -> ProviderHealth:
        """Whether PayPal takes the app's keys, and knows the webhook of the settings."""
        started = time.perf_counter()
        await self._client.call("check", "GET", f"/v1/notifications/webhooks/{self._settings.webhook_id}", API_SECONDS)
        return ProviderHealth(True, "the keys are taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        body = payload.order_of(request, self._settings)
        key = payload.request_id(request.idempotency_key)
        answer = await self._client.call("open_checkout", "POST", _ORDERS, request.timeout, body=body, key=key, effect=True)
        return _read(lambda: _checkout(answer.document), "open_checkout", OutcomeUnknown)

    async def confirm(self, request: ConfirmRequest) -> PaymentSnapshot:
        _unsupported("confirm")

    async def capture(self, request: CaptureRequest) -> PaymentSnapshot:
        path = f"{_ORDERS}/{_known(request.reference, 'capture')}/capture"
        key = payload.request_id(request.idempotency_key)
        try:
            answer = await self._client.call("capture", "POST", path, request.timeout, body={}, key=key, effect=True)
        except Rejected as refused:
            if refused.code == "ORDER_ALREADY_CAPTURED":
                return await self.fetch(request.reference)
            raise
        return _read(lambda: mapping.snapshot_of_order(answer.document), "capture", OutcomeUnknown)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        subscription, charge = _parts(reference, "fetch")
        if charge is not None:
            capture = (await self._client.call("fetch", "GET", f"{_CAPTURES}/{charge}", API_SECONDS)).document
            return _read(lambda: mapping.snapshot_of_capture(capture, reference, subscription), "fetch", Unavailable)
        order = await self._order(reference, "fetch", API_SECONDS)
        return _read(lambda: mapping.snapshot_of_order(order), "fetch", Unavailable)

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        _unsupported("find")

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Raises `Rejected(reason="not_refundable")` while nothing was captured."""
        _, charge = _parts(request.reference, "refund")
        payload.amount_of(request.amount, "refund")
        payment_id = None
        if charge is None:
            order = await self._order(request.reference, "refund", request.timeout)
            charge = mapping.capture_id_of(order)
            payment_id = _read(lambda: mapping.snapshot_of_order(order), "refund", Unavailable).payment_id
        if charge is None:
            raise Rejected("nothing was paid", reason="not_refundable", provider=NAME, operation="refund")
        answer = await self._client.call(
            "refund",
            "POST",
            f"{_CAPTURES}/{charge}/refund",
            request.timeout,
            body=payload.refund_body(request, payment_id),
            key=payload.request_id(request.idempotency_key),
            effect=True,
        )
        return _read(lambda: mapping.refund_of(answer.document), "refund", OutcomeUnknown)

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        """Raises `Unsupported` for a subscription's charge, whose refunds PayPal does not list."""
        _, charge = _parts(reference, "find_refund")
        if charge is not None:
            raise Unsupported("PayPal lists no refunds of a subscription", provider=NAME, operation="find_refund")
        order = await self._order(reference, "find_refund", API_SECONDS)
        mark = payload.refund_mark(idempotency_key, None)
        for refund in mapping.refunds_of(order):
            if str(refund.get("custom_id", "")).partition(" ")[0] == mark:
                return _read(partial(mapping.refund_of, refund), "find_refund", Unavailable)
        return None

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        question, event = webhooks.question_about(request, self._settings)
        path = "/v1/notifications/verify-webhook-signature"
        try:
            answer = await self._client.call("read_webhook", "POST", path, API_SECONDS, body=question)
        except Rejected:
            raise webhooks.invalid("PayPal does not take it for a webhook") from None
        if answer.document.get("verification_status") != "SUCCESS":
            raise webhooks.invalid("PayPal did not sign it")
        notice = webhooks.notice_of(event)
        capture = webhooks.capture_refunded(event)
        return (notice if capture is None else await self._of_capture(notice, capture),)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        body = payload.subscription_of(request, self._settings, datetime.now(UTC))
        key = payload.request_id(request.idempotency_key)
        answer = await self._client.call("subscribe", "POST", _SUBSCRIPTIONS, request.timeout, body=body, key=key, effect=True)
        return SubscriptionStart(_read(lambda: _checkout(answer.document), "subscribe", OutcomeUnknown))

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        return await self._subscription(reference, "fetch_subscription", API_SECONDS)

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """The buyer agrees at `approve_url`; until then the old plan goes on."""
        body = payload.revision_of(request)
        path = f"{_SUBSCRIPTIONS}/{_known(request.reference, 'change_subscription')}/revise"
        key = payload.request_id(request.idempotency_key)
        answer = await self._client.call("change_subscription", "POST", path, request.timeout, body=body, key=key, effect=True)
        approve_url = mapping.link_in(answer.document, "approve")
        return await self._subscription(request.reference, "change_subscription", API_SECONDS, approve_url)

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        body = payload.cancellation_of(request)
        path = f"{_SUBSCRIPTIONS}/{_known(request.reference, 'cancel_subscription')}/cancel"
        try:
            answer = await self._client.call("cancel_subscription", "POST", path, request.timeout, body=body, effect=True)
        except Rejected as refused:
            if refused.code != "SUBSCRIPTION_STATUS_INVALID":
                raise
            now = await self._subscription(request.reference, "cancel_subscription", API_SECONDS)
            if now.status is not RemoteSubscriptionStatus.CANCELLED:
                raise
            return now
        if answer.status != _DONE:
            raise OutcomeUnknown("the answer cannot be read", provider=NAME, operation="cancel_subscription")
        return await self._subscription(request.reference, "cancel_subscription", API_SECONDS)

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        _unsupported("resume_subscription")

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        _unsupported("open_method_window")

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        _unsupported("keep_method")

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        _unsupported("charge")

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        _unsupported("forget_method")

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        _unsupported("list_payments")

    async def _order(self, reference: str, operation: str, timeout: float) -> Mapping[str, Any]:
        path = f"{_ORDERS}/{_known(reference, operation)}"
        return (await self._client.call(operation, "GET", path, timeout)).document

    async def _subscription(
        self, reference: str, operation: str, timeout: float, approve_url: str | None = None
    ) -> SubscriptionSnapshot:
        path = f"{_SUBSCRIPTIONS}/{_known(reference, operation)}"
        answer = await self._client.call(operation, "GET", path, timeout, params={"fields": "plan"})
        return _read(lambda: subscription_from(answer.document, datetime.now(UTC), approve_url), operation, Unavailable)

    async def _of_capture(self, notice: PaymentNotice, capture_id: str) -> PaymentNotice:
        """A refund that a person made at PayPal names its capture, and the capture our payment."""
        try:
            answer = await self._client.call("read_webhook", "GET", f"{_CAPTURES}/{capture_id}", API_SECONDS)
        except Rejected:
            return notice
        payment_id = answer.document.get("custom_id")
        return PaymentNotice(notice.event_id, notice.kind, notice.occurred_at, payment_id=payment_id)


def _checkout(document: Mapping[str, Any]) -> Checkout:
    address, identity = mapping.link_in(document, "payer-action", "approve"), document.get("id")
    if address is None or not isinstance(identity, str) or not payload.ID.fullmatch(identity):
        raise ValueError("there is no address for the buyer")
    return Checkout(address, identity)


def _parts(reference: str, operation: str) -> tuple[str, str | None]:
    """The order's id alone, or a subscription's with that of its charge."""
    first, slash, charge = reference.partition("/")
    return _known(first, operation), _known(charge, operation) if slash else None


def _known(identity: str, operation: str) -> str:
    if not payload.ID.fullmatch(identity):
        raise Rejected("PayPal gives no such id", reason="not_found", provider=NAME, operation=operation)
    return identity


def _read(read: Callable[[], T], operation: str, otherwise: type[OutcomeUnknown] | type[Unavailable]) -> T:
    try:
        return read()
    except (ValueError, TypeError, AttributeError):
        raise otherwise("the answer cannot be read", provider=NAME, operation=operation) from None


def _unsupported(operation: str) -> NoReturn:
    raise Unsupported("PayPal does not do this", provider=NAME, operation=operation)
