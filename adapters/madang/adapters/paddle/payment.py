"""`PaymentGateway` through Paddle Billing. A payment's reference is its transaction's id, also for a subscription's."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from madang.adapters.paddle import mapping, payload
from madang.adapters.paddle.capabilities import NAME, PAYMENT
from madang.adapters.paddle.client import PaddleClient
from madang.adapters.paddle.errors import CHANGING, ENDED
from madang.adapters.paddle.settings import PaddleSettings
from madang.adapters.paddle.subscriptions import awaited_of, ends, subscription_of
from madang.adapters.paddle.webhooks import notice_in
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    Checkout,
    CheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    ResumeSubscriptionRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.payment_unsupported import NoCapture, NoClosing, NoConfirm, NoFind, NoStoredMethods
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 15.0
_TRANSACTIONS: Final = "/transactions"
_SUBSCRIPTIONS: Final = "/subscriptions"
_WITH_REFUNDS: Final = {"include": "adjustments"}
_PAGE: Final = "30"

T = TypeVar("T")


class PaddleGateway(NoCapture, NoClosing, NoConfirm, NoFind, NoStoredMethods):
    """Fulfils `PaymentGateway`.

    The buyer pays on a page of ours with Paddle.js, at the checkout's `url`; `client_params` are for `Paddle.Checkout.open`.
    Where the browser goes afterwards that page says. Not verified: that a subscription which is to end with its period can be
    ended at once without taking that back first.
    """

    def __init__(self, settings: PaddleSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = PaddleClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PAYMENT

    async def check(self) -> ProviderHealth:
        """Whether the key is taken, and may read transactions."""
        started = time.perf_counter()
        await self._client.call("check", "GET", _TRANSACTIONS, API_SECONDS, params={"per_page": "1"})
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        body = payload.transaction_of(request, self._settings)
        transaction = await self._do("open_checkout", "POST", _TRANSACTIONS, request.timeout, body)
        return _read(partial(_checkout, transaction, request.success_url, request.locale), "open_checkout", OutcomeUnknown)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        return self._payment(await self._transaction(reference, "fetch", API_SECONDS), "fetch")

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """Paddle gives back as often as it is asked: what is left, and whether this was asked before, is looked at first. Most
        wait for Paddle's approval. Raises `Rejected(reason="amount_exceeded")`, `"not_refundable"`."""
        payload.amount_of(request.amount, "refund")
        transaction = await self._transaction(request.reference, "refund", request.timeout)
        payment = self._payment(transaction, "refund")
        within = mapping.holds_tax(transaction, self._settings.inclusive)
        made = self._refund_in(transaction, request.idempotency_key, "refund")
        if made is not None:
            return made
        self._check_refundable(request, transaction, payment)
        body = _read(lambda: payload.refund_body(request, transaction, within), "refund", Unavailable)
        adjustment = await self._do("refund", "POST", "/adjustments", request.timeout, body)
        return _read(lambda: mapping.refund_of(adjustment, within), "refund", OutcomeUnknown)

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        transaction = await self._transaction(reference, "find_refund", API_SECONDS)
        return self._refund_in(transaction, idempotency_key, "find_refund")

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        return (notice_in(request, self._settings),)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        body = payload.subscription_transaction_of(request, self._settings)
        transaction = await self._do("subscribe", "POST", _TRANSACTIONS, request.timeout, body)
        opened = partial(_checkout, transaction, request.success_url, request.locale)
        return SubscriptionStart(_read(opened, "subscribe", OutcomeUnknown))

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        """By its own reference, or by its checkout's."""
        operation = "fetch_subscription"
        if payload.TRANSACTION.fullmatch(reference):
            transaction = await self._transaction(reference, operation, API_SECONDS)
            found = mapping.word_of(transaction.get("subscription_id"))
            if found is None:
                return _read(lambda: awaited_of(transaction), operation, Unavailable)
            reference = found
        subscription = await self._subscription(reference, operation)
        return _read(lambda: subscription_of(subscription), operation, Unavailable)

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """Raises `Rejected(reason="declined")` where settling was declined: then nothing has changed."""
        operation = "change_subscription"
        reference = await self._own(request.reference, operation)
        now = await self._subscription(reference, operation)
        body = payload.change_of(request, self._settings, on_trial=now.get("status") == "trialing")
        path = f"{_SUBSCRIPTIONS}/{reference}"
        changed = await self._do(operation, "PATCH", path, request.timeout, body)
        return _read(lambda: subscription_of(changed), operation, OutcomeUnknown)

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        operation = "cancel_subscription"
        reference = await self._own(request.reference, operation)
        body = {"effective_from": "next_billing_period" if request.at_period_end else "immediately"}
        path = f"{_SUBSCRIPTIONS}/{reference}/cancel"
        try:
            cancelled = await self._do(operation, "POST", path, request.timeout, body)
        except Rejected as refused:
            now = await self._subscription(reference, operation) if refused.code in (*ENDED, CHANGING) else {}
            if now.get("status") == "canceled" or (request.at_period_end and ends(now)):
                return _read(lambda: subscription_of(now), operation, Unavailable)
            raise
        return _read(lambda: subscription_of(cancelled), operation, OutcomeUnknown)

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        operation = "resume_subscription"
        reference = await self._own(request.reference, operation)
        now = await self._subscription(reference, operation)
        if not ends(now):
            return _read(lambda: subscription_of(now), operation, Unavailable)
        path = f"{_SUBSCRIPTIONS}/{reference}"
        resumed = await self._do(operation, "PATCH", path, request.timeout, {"scheduled_change": None})
        return _read(lambda: subscription_of(resumed), operation, OutcomeUnknown)

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """By when the checkout was opened, also what nobody has paid."""
        operation = "list_payments"
        params = {
            "created_at[GTE]": _written(since),
            "created_at[LT]": _written(until),
            "order_by": "id[ASC]",
            "per_page": _PAGE,
            **_WITH_REFUNDS,
            **({"after": cursor} if cursor else {}),
        }
        answer = await self._client.call(operation, "GET", _TRANSACTIONS, API_SECONDS, params=params)
        inclusive = self._settings.inclusive
        return _read(lambda: _page(answer, inclusive), operation, Unavailable)

    async def _transaction(self, reference: str, operation: str, timeout: float) -> Mapping[str, Any]:
        path = f"{_TRANSACTIONS}/{_known(payload.TRANSACTION, reference, operation)}"
        return await self._ask(operation, path, timeout, _WITH_REFUNDS)

    async def _subscription(self, reference: str, operation: str) -> Mapping[str, Any]:
        path = f"{_SUBSCRIPTIONS}/{_known(payload.SUBSCRIPTION, reference, operation)}"
        return await self._ask(operation, path, API_SECONDS)

    async def _own(self, reference: str, operation: str) -> str:
        """A subscription's own reference, also for its checkout's. Raises `Rejected(reason="not_found")` before that."""
        if payload.TRANSACTION.fullmatch(reference):
            transaction = await self._transaction(reference, operation, API_SECONDS)
            reference = mapping.word_of(transaction.get("subscription_id")) or ""
        return _known(payload.SUBSCRIPTION, reference, operation)

    async def _ask(
        self, operation: str, path: str, timeout: float, params: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        answer = await self._client.call(operation, "GET", path, timeout, params=params)
        return _read(lambda: mapping.part_of(answer, "data"), operation, Unavailable)

    async def _do(self, operation: str, method: str, path: str, timeout: float, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._client.call(operation, method, path, timeout, body=body)
        return _read(lambda: mapping.part_of(answer, "data"), operation, OutcomeUnknown)

    def _payment(self, transaction: Mapping[str, Any], operation: str) -> PaymentSnapshot:
        return _read(lambda: mapping.payment_of(transaction, self._settings.inclusive), operation, Unavailable)

    def _refund_in(self, transaction: Mapping[str, Any], key: str, operation: str) -> RefundSnapshot | None:
        within, mark = mapping.holds_tax(transaction, self._settings.inclusive), payload.mark_of(key)
        for refund in mapping.refunds_in(transaction):
            if str(refund.get("reason", "")).endswith(mark):
                return _read(partial(mapping.refund_of, refund, within), operation, Unavailable)
        return None

    def _check_refundable(self, request: RefundRequest, transaction: Mapping[str, Any], payment: PaymentSnapshot) -> None:
        if payment.amount.currency != request.amount.currency:
            raise payload.rejected("a refund is in the payment's currency", "refund")
        if transaction.get("status") == "paid":
            raise Unavailable("Paddle is not done with the payment yet", provider=NAME, operation="refund")
        if transaction.get("status") != "completed":
            raise payload.rejected("nothing was paid", "refund", "not_refundable")


def _checkout(transaction: Mapping[str, Any], success_url: str, locale: str) -> Checkout:
    identity = mapping.text_of(transaction.get("id"))
    params = {"transactionId": identity, "settings": {"successUrl": success_url, "locale": locale}}
    return Checkout(mapping.text_of(mapping.part_of(transaction, "checkout").get("url")), identity, params)


def _page(answer: Mapping[str, Any], inclusive: bool) -> PaymentPage:
    pagination = mapping.part_of(mapping.part_of(answer, "meta"), "pagination")
    payments = [mapping.payment_of(each, inclusive) for each in answer["data"]]
    if pagination["has_more"] is not True:
        return PaymentPage(payments)
    [cursor] = parse_qs(urlsplit(pagination["next"]).query)["after"]
    return PaymentPage(payments, cursor)


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _known(shape: re.Pattern[str], identity: str, operation: str) -> str:
    if not shape.fullmatch(identity):
        raise Rejected("Paddle gives no such id", reason="not_found", provider=NAME, operation=operation)
    return identity


def _read(read: Callable[[], T], operation: str, otherwise: type[OutcomeUnknown] | type[Unavailable]) -> T:
    try:
        return read()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise otherwise("the answer cannot be read", provider=NAME, operation=operation) from None
