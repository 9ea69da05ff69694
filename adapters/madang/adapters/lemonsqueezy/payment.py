"""`PaymentGateway` through Lemon Squeezy. A payment's reference is its order's id, and `invoice:<id>` for a subscription's."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from madang.adapters.lemonsqueezy import mapping, payload
from madang.adapters.lemonsqueezy.capabilities import CURRENCY, NAME, PAYMENT
from madang.adapters.lemonsqueezy.client import LemonSqueezyClient
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.adapters.lemonsqueezy.webhooks import notice_in
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    Checkout,
    CheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    ResumeSubscriptionRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.payment_unsupported import (
    NoCapture,
    NoClosing,
    NoConfirm,
    NoFind,
    NoFindRefund,
    NoPaymentList,
    NoStoredMethods,
)
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 15.0

T = TypeVar("T")


class LemonSqueezyGateway(NoCapture, NoClosing, NoConfirm, NoFind, NoFindRefund, NoPaymentList, NoStoredMethods):
    """Fulfils `PaymentGateway`.

    A checkout is not an order yet: it has no reference, and a payment is known from its first webhook on. Orders can be listed
    (`GET /v1/orders`, by store and by the buyer's e-mail), but do not carry what the checkout said: which of a buyer's orders
    is which payment of ours cannot be told from them, so there is neither `find` nor `list_payments`. Two checkouts of one
    payment could both be paid, for there is no key that would tell them to be the same. A subscription is never ended at once,
    only not renewed: `cancel_subscription` answers one that runs until its period is over.
    """

    def __init__(self, settings: LemonSqueezySettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = LemonSqueezyClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PAYMENT

    async def check(self) -> ProviderHealth:
        """Whether the key is taken for the store, and the store's currency is the one that prices are told in."""
        started = time.perf_counter()
        store = await self._ask("check", f"/v1/stores/{self._settings.store_id}", API_SECONDS)
        currency = _read(lambda: store["attributes"]["currency"], "check", Unavailable)
        if currency != CURRENCY:
            raise Misconfigured(
                f"plugins.lemonsqueezy: the store's currency is not {CURRENCY}", provider=NAME, operation="check"
            )
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        body = payload.checkout_of(request, self._settings)
        resource = await self._do("open_checkout", "POST", "/v1/checkouts", request.timeout, body)
        return _read(lambda: _checkout(resource), "open_checkout", OutcomeUnknown)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        path = "/".join(_place(reference, "fetch"))
        resource = await self._ask("fetch", f"/v1/{path}", API_SECONDS)
        return _read(lambda: mapping.payment_of(resource), "fetch", Unavailable)

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Lemon Squeezy gives back as often as it is asked: what is left is looked at first, and after an unknown outcome a
        person has to look. Raises `Rejected(reason="amount_exceeded")`, `"not_refundable"`."""
        kind, identity = _place(request.reference, "refund")
        payload.cents_of(request.amount, "refund")
        found = await self._ask("refund", f"/v1/{kind}/{identity}", request.timeout)
        now = _read(lambda: mapping.payment_of(found), "refund", Unavailable)
        if now.status not in mapping.PAID:
            raise payload.rejected("nothing was paid", "refund", "not_refundable")
        if request.amount > now.amount - now.refunded:
            raise payload.rejected("that is more than is left of the payment", "refund", "amount_exceeded")
        body = payload.refund_body(kind, identity, request.amount, whole=request.amount == now.amount)
        resource = await self._do("refund", "POST", f"/v1/{kind}/{identity}/refund", request.timeout, body)
        return _read(lambda: mapping.refund_of(resource, request.amount), "refund", OutcomeUnknown)

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        return (notice_in(request, self._settings.signing_secret),)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        body = payload.subscription_checkout_of(request, self._settings)
        resource = await self._do("subscribe", "POST", "/v1/checkouts", request.timeout, body)
        return SubscriptionStart(_read(lambda: _checkout(resource), "subscribe", OutcomeUnknown))

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        path = f"/v1/subscriptions/{_known(reference, 'fetch_subscription')}"
        return await self._with_price(await self._ask("fetch_subscription", path, API_SECONDS), "fetch_subscription")

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        path = f"/v1/subscriptions/{_known(request.reference, 'change_subscription')}"
        body = payload.change_body(request)
        resource = await self._do("change_subscription", "PATCH", path, request.timeout, body)
        return await self._then_with_price(resource, "change_subscription")

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Not renewed any more, also where it should end now: whoever asked for that ends it on our side."""
        path = f"/v1/subscriptions/{_known(request.reference, 'cancel_subscription')}"
        resource = await self._do("cancel_subscription", "DELETE", path, request.timeout)
        return await self._then_with_price(resource, "cancel_subscription")

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        path = f"/v1/subscriptions/{_known(request.reference, 'resume_subscription')}"
        body = payload.resumption_body(request.reference)
        resource = await self._do("resume_subscription", "PATCH", path, request.timeout, body)
        return await self._then_with_price(resource, "resume_subscription")

    async def _ask(self, operation: str, path: str, timeout: float) -> Mapping[str, Any]:
        answer = await self._client.call(operation, "GET", path, timeout)
        if answer.status != 200:
            raise mapping.error_of(answer.status, answer.headers, answer.fields, operation, effect=False)
        return _read(lambda: mapping.resource_in(answer.fields), operation, Unavailable)

    async def _do(
        self, operation: str, method: str, path: str, timeout: float, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        answer = await self._client.call(operation, method, path, timeout, body=body)
        if not answer.is_success:
            raise mapping.error_of(answer.status, answer.headers, answer.fields, operation, effect=True)
        return _read(lambda: mapping.resource_in(answer.fields), operation, OutcomeUnknown)

    async def _then_with_price(self, resource: Mapping[str, Any], operation: str) -> SubscriptionSnapshot:
        """After an effect: that what became of it cannot be asked does not undo it."""
        try:
            return await self._with_price(resource, operation)
        except PortError as error:
            why = "it was done, and cannot be looked up"
            raise OutcomeUnknown(why, provider=NAME, operation=operation, code=error.code) from None

    async def _with_price(self, resource: Mapping[str, Any], operation: str) -> SubscriptionSnapshot:
        """The price is a resource of its own, in the store's currency."""
        price_id = _read(lambda: mapping.price_id_of(resource), operation, Unavailable)
        amount = None
        if price_id is not None:
            price = await self._ask(operation, f"/v1/prices/{price_id}", API_SECONDS)
            amount = _read(lambda: mapping.price_of(price), operation, Unavailable)
        return _read(lambda: mapping.subscription_of(resource, amount), operation, Unavailable)


def _checkout(resource: Mapping[str, Any]) -> Checkout:
    told = resource["attributes"]
    return Checkout(mapping.word_of(told["url"]), expires_at=mapping.moment_of(told.get("expires_at")))


def _place(reference: str, operation: str) -> tuple[str, str]:
    if reference.startswith(mapping.INVOICE):
        return "subscription-invoices", _known(reference.removeprefix(mapping.INVOICE), operation)
    return "orders", _known(reference, operation)


def _known(identity: str, operation: str) -> str:
    if not payload.NUMBER.fullmatch(identity):
        raise Rejected("Lemon Squeezy gives no such id", reason="not_found", provider=NAME, operation=operation)
    return identity


def _read(read: Callable[[], T], operation: str, otherwise: type[OutcomeUnknown] | type[Unavailable]) -> T:
    try:
        return read()
    except mapping.UNREADABLE:
        raise otherwise("the answer cannot be read", provider=NAME, operation=operation) from None
