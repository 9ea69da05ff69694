"""`PaymentGateway` through PayPal. A payment's reference is its order's id; that of a subscription's charge is
`<subscription>/<transaction>`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from madang.adapters.paypal import mapping, payload, webhooks
from madang.adapters.paypal.capabilities import NAME, PAYMENT
from madang.adapters.paypal.client import PaypalClient
from madang.adapters.paypal.settings import PaypalSettings
from madang.adapters.paypal.subscriptions import subscription_from
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, PortError, Rejected, Unavailable, Unsupported
from madang.ports.payment import (
    CancelSubscriptionRequest,
    CaptureRequest,
    ChangeSubscriptionRequest,
    Checkout,
    CheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
    RemoteRefundStatus,
    RemoteSubscriptionStatus,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.payment_unsupported import NoClosing, NoConfirm, NoFind, NoPaymentList, NoResume, NoStoredMethods
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 15.0
_ORDERS: Final = "/v2/checkout/orders"
_CAPTURES: Final = "/v2/payments/captures"
_DONE: Final = 204
"""How PayPal answers a cancellation, with nothing else."""
_SUBSCRIPTIONS: Final = "/v1/billing/subscriptions"

T = TypeVar("T")


class PaypalGateway(NoClosing, NoConfirm, NoFind, NoPaymentList, NoResume, NoStoredMethods):
    """Fulfils `PaymentGateway`.

    Disputes no order shows: they are a product of their own, which the setting `disputes` says that the app has. Without it a
    dispute's webhook is kept with its payment, and changes nothing.

    Not verified: that a subscription's charge (a `sale` in PayPal's webhooks) is read and refunded as a capture of Payments v2,
    as PayPal's migration notes have it; and that the capture of a dispute that was lost shows as refunded.
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
        return _read(lambda: _checkout(answer.fields), "open_checkout", OutcomeUnknown)

    async def capture(self, request: CaptureRequest) -> PaymentSnapshot:
        path = f"{_ORDERS}/{_known(request.reference, 'capture')}/capture"
        key = payload.request_id(request.idempotency_key)
        try:
            answer = await self._client.call("capture", "POST", path, request.timeout, body={}, key=key, effect=True)
        except Rejected as refused:
            if refused.code == "ORDER_ALREADY_CAPTURED":
                return await self.fetch(request.reference)
            raise
        return _read(lambda: mapping.snapshot_of_order(answer.fields), "capture", OutcomeUnknown)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        """With the setting `disputes` one question more, about what was paid."""
        subscription, charge = _parts(reference, "fetch")
        if charge is not None:
            capture = await self._capture(charge, "fetch")
            snapshot = _read(lambda: mapping.snapshot_of_capture(capture, reference, subscription), "fetch", Unavailable)
        else:
            order = await self._order(reference, "fetch", API_SECONDS)
            snapshot = _read(lambda: mapping.snapshot_of_order(order), "fetch", Unavailable)
            charge = _read(lambda: mapping.capture_id_of(order), "fetch", Unavailable)
        if self._settings.disputes and snapshot.status in mapping.DISPUTABLE and await self._is_disputed(charge):
            return replace(snapshot, status=RemotePaymentStatus.DISPUTED)
        return snapshot

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Raises `Rejected(reason="not_refundable")` while nothing was captured."""
        _, charge = _parts(request.reference, "refund")
        payload.amount_of(request.amount, "refund")
        payment_id = None
        if charge is None:
            order = await self._order(request.reference, "refund", request.timeout)
            charge = _read(lambda: mapping.capture_id_of(order), "refund", Unavailable)
            payment_id = mapping.payment_id_of(order)
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
        return _read(lambda: mapping.refund_of(answer.fields), "refund", OutcomeUnknown)

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        """A subscription's charge tells whether nothing or all of it went back. Raises `Unsupported` where it was a part: which
        one, PayPal does not list."""
        _, charge = _parts(reference, "find_refund")
        if charge is None:
            order, mark = await self._order(reference, "find_refund", API_SECONDS), payload.refund_mark(idempotency_key, None)
            return _read(lambda: mapping.refund_marked(order, mark), "find_refund", Unavailable)
        capture = await self._capture(charge, "find_refund")
        snapshot = _read(lambda: mapping.snapshot_of_capture(capture, reference, ""), "find_refund", Unavailable)
        if snapshot.status is RemotePaymentStatus.PARTLY_REFUNDED:
            raise Unsupported("PayPal does not tell which part went back", provider=NAME, operation="find_refund")
        whole = snapshot.status is RemotePaymentStatus.REFUNDED
        return RefundSnapshot(charge, RemoteRefundStatus.SUCCEEDED, snapshot.amount) if whole else None

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        question, event = webhooks.question_about(request, self._settings)
        path = "/v1/notifications/verify-webhook-signature"
        try:
            answer = await self._client.call("read_webhook", "POST", path, API_SECONDS, body=question)
        except Rejected:
            raise webhooks.invalid("PayPal does not take it for a webhook") from None
        if answer.fields.get("verification_status") != "SUCCESS":
            raise webhooks.invalid("PayPal did not sign it")
        notice = webhooks.notice_of(event)
        capture = webhooks.capture_behind(event) if notice.payment_id is None else None
        return (notice if capture is None else await self._of_capture(notice, capture),)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        body = payload.subscription_of(request, self._settings, datetime.now(UTC))
        key = payload.request_id(request.idempotency_key)
        answer = await self._client.call("subscribe", "POST", _SUBSCRIPTIONS, request.timeout, body=body, key=key, effect=True)
        return SubscriptionStart(_read(lambda: _checkout(answer.fields), "subscribe", OutcomeUnknown))

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        return await self._subscription(reference, "fetch_subscription")

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """The buyer agrees at `approve_url`; until then the old plan goes on."""
        body = payload.revision_of(request)
        path = f"{_SUBSCRIPTIONS}/{_known(request.reference, 'change_subscription')}/revise"
        key = payload.request_id(request.idempotency_key)
        answer = await self._client.call("change_subscription", "POST", path, request.timeout, body=body, key=key, effect=True)
        approve_url = _read(lambda: mapping.link_in(answer.fields, "approve"), "change_subscription", OutcomeUnknown)
        return await self._then(request.reference, "change_subscription", approve_url)

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        body = payload.cancellation_of(request)
        path = f"{_SUBSCRIPTIONS}/{_known(request.reference, 'cancel_subscription')}/cancel"
        try:
            answer = await self._client.call("cancel_subscription", "POST", path, request.timeout, body=body, effect=True)
        except Rejected as refused:
            if refused.code != "SUBSCRIPTION_STATUS_INVALID":
                raise
            now = await self._subscription(request.reference, "cancel_subscription")
            if now.status is not RemoteSubscriptionStatus.CANCELLED:
                raise
            return now
        if answer.status != _DONE:
            raise OutcomeUnknown("the answer cannot be read", provider=NAME, operation="cancel_subscription")
        return await self._then(request.reference, "cancel_subscription")

    async def _order(self, reference: str, operation: str, timeout: float) -> Mapping[str, Any]:
        path = f"{_ORDERS}/{_known(reference, operation)}"
        return (await self._client.call(operation, "GET", path, timeout)).fields

    async def _then(self, reference: str, operation: str, approve_url: str | None = None) -> SubscriptionSnapshot:
        """After an effect: that what became of it cannot be asked does not undo it."""
        try:
            return await self._subscription(reference, operation, approve_url)
        except PortError as error:
            why = "it was done, and cannot be looked up"
            raise OutcomeUnknown(why, provider=NAME, operation=operation, code=error.code) from None

    async def _subscription(self, reference: str, operation: str, approve_url: str | None = None) -> SubscriptionSnapshot:
        path = f"{_SUBSCRIPTIONS}/{_known(reference, operation)}"
        answer = await self._client.call(operation, "GET", path, API_SECONDS, params={"fields": "plan"})
        return _read(lambda: subscription_from(answer.fields, datetime.now(UTC), approve_url), operation, Unavailable)

    async def _of_capture(self, notice: PaymentNotice, capture_id: str) -> PaymentNotice:
        """A refund that a person made at PayPal, and a dispute, name a capture, and the capture our payment."""
        try:
            capture = await self._capture(_known(capture_id, "read_webhook"), "read_webhook")
        except Rejected:
            return notice
        return replace(notice, payment_id=capture.get("custom_id"))

    async def _capture(self, capture_id: str, operation: str) -> Mapping[str, Any]:
        return (await self._client.call(operation, "GET", f"{_CAPTURES}/{capture_id}", API_SECONDS)).fields

    async def _is_disputed(self, capture_id: str | None) -> bool:
        params = {"disputed_transaction_id": str(capture_id)}
        answer = await self._client.call("fetch", "GET", "/v1/customer/disputes", API_SECONDS, params=params)
        return _read(lambda: mapping.is_disputed(answer.fields), "fetch", Unavailable)


def _checkout(document: Mapping[str, Any]) -> Checkout:
    address = mapping.link_in(document, "payer-action", "approve")
    if address is None or not payload.ID.fullmatch(document["id"]):
        raise ValueError("there is no address for the buyer")
    return Checkout(address, document["id"])


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
    except mapping.UNREADABLE:
        raise otherwise("the answer cannot be read", provider=NAME, operation=operation) from None
