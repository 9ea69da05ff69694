"""`PaymentGateway` through PortOne's API V2, over httpx.

The browser opens the window with PortOne's own SDK, for an amount that is registered before, so that nobody changes it there.
Money moves when the person has paid, and a webhook or a look-up tells. Subscriptions are ours: a billing key is charged when a
period is due, and PortOne's schedules are not used, because what is due must be decided when it is due.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from madang.adapters.portone import payload
from madang.adapters.portone.calls import API_SECONDS, Patience, payment_path, read
from madang.adapters.portone.capabilities import NAME, PAYMENT
from madang.adapters.portone.mapping import error_of
from madang.adapters.portone.reading import cancellation_of, left_of, mark_of, page_of, payment_of, refund_in, text_of
from madang.adapters.portone.stored import PortOneStoredMethods
from madang.adapters.portone.webhooks import notice_of
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.payment import (
    Checkout,
    CheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
)
from madang.ports.payment_unsupported import NoCapture, NoClosing, NoConfirm, NoSubscriptions
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

PAGE: Final = 100
NOBODYS_PAYMENT: Final = "madang-check"


class PortOnePaymentGateway(PortOneStoredMethods, NoCapture, NoClosing, NoConfirm, NoSubscriptions):
    """Fulfils `PaymentGateway`."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PAYMENT

    async def check(self) -> ProviderHealth:
        """Whether PortOne takes the key for the store: with it, a payment that nobody made is told not to be there."""
        started = time.perf_counter()
        path, params = f"/payments/{NOBODYS_PAYMENT}", {"storeId": self._settings.store_id}
        answer = await self._client.call("check", "GET", path, API_SECONDS, params=params)
        if answer.status != 200 and answer.fields.get("type") != "PAYMENT_NOT_FOUND":
            raise error_of(answer.status, answer.headers, answer.fields, "check", asks=True)
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        body, window = payload.registration_of(request, self._settings), payload.window_of(request, self._settings)
        path = f"{payment_path(request.payment_id, 'open_checkout')}/pre-register"
        answer = await self._do("open_checkout", path, request.timeout, body, request.idempotency_key)
        if not isinstance(answer.document, dict):
            raise OutcomeUnknown("the answer cannot be read", provider=NAME, operation="open_checkout")
        return Checkout(None, client_params=window, expires_at=request.expires_at)

    async def fetch(self, reference: str) -> PaymentSnapshot:
        document = await self._ask("fetch", payment_path(reference, "fetch"))
        return read("fetch", lambda: payment_of(document))

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        try:
            document = await self._ask("find", payment_path(payment_id, "find"))
        except Rejected as refusal:
            if refusal.reason != "not_found":
                raise
            return None
        return read("find", lambda: payment_of(document))

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """What was given back with this key before is answered again, however long ago. A deposit to a virtual account goes
        back to an account that only the buyer can name: PortOne refuses it here."""
        payload.check_amount(request.amount, "refund")
        patience, path = Patience(request.timeout), payment_path(request.reference, "refund")
        payment = await self._ask("refund", path, patience.left)
        mark = mark_of(request.idempotency_key)
        earlier = read("refund", lambda: refund_in(payment, mark), asks=True)
        if earlier is not None:
            return earlier
        body = payload.cancel_of(request, left_of(payment), self._settings)
        answer = await self._do("refund", f"{path}/cancel", patience.left, body, request.idempotency_key)
        cancellation = answer.fields.get("cancellation")
        currency = read("refund", lambda: text_of(payment.get("currency")), asks=True)
        return read("refund", lambda: cancellation_of(cancellation if isinstance(cancellation, dict) else {}, currency))

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        payment = await self._ask("find_refund", payment_path(reference, "find_refund"))
        return read("find_refund", lambda: refund_in(payment, mark_of(idempotency_key)))

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        return (notice_of(self._settings, request),)

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        params = payload.span_of(since, until, cursor, PAGE, self._settings)
        answer = await self._client.call("list_payments", "GET", "/payments-by-cursor", API_SECONDS, params=params)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "list_payments", asks=True)
        page = read("list_payments", lambda: page_of(answer.document))
        return PaymentPage([payment for payment, _ in page], page[-1][1] if len(page) == PAGE else None)
