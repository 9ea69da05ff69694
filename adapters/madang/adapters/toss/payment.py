"""`PaymentGateway` through Toss Payments.

The browser opens the window with Toss's own SDK, so opening a checkout asks nothing of Toss; what the browser brings back is
confirmed within ten minutes. Subscriptions are ours: a card is kept as a billing key, and charged when a period is due.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from madang.adapters.toss import payload
from madang.adapters.toss.calls import API_SECONDS, read, segment
from madang.adapters.toss.capabilities import NAME, PAYMENT
from madang.adapters.toss.mapping import error_of
from madang.adapters.toss.reading import cancel_of, mark_of, payment_of, transactions_in
from madang.adapters.toss.stored import TossStoredMethods
from madang.adapters.toss.webhooks import notice_of
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.payment import (
    Checkout,
    CheckoutRequest,
    ConfirmRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
)
from madang.ports.payment_unsupported import NoCapture, NoClosing, NoSubscriptions
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

PAGE: Final = 50
NOBODYS_ORDER: Final = "madang-check"


class TossPaymentGateway(TossStoredMethods, NoCapture, NoClosing, NoSubscriptions):
    """Fulfils `PaymentGateway`."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return PAYMENT

    async def check(self) -> ProviderHealth:
        """Whether Toss takes the key: with it, an order that nobody made is told not to be there."""
        started = time.perf_counter()
        answer = await self._client.call("check", "GET", f"/v1/payments/orders/{NOBODYS_ORDER}", API_SECONDS)
        if answer.status != 200 and answer.fields.get("code") != "NOT_FOUND_PAYMENT":
            raise error_of(answer.status, answer.headers, answer.fields, "check")
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """What the browser's SDK opens the window with; Toss hears of it from there. It brings back `paymentKey`, which is the
        client key and the reference, for half an hour."""
        return Checkout(None, client_params=payload.window_of(request, self._settings), expires_at=request.expires_at)

    async def confirm(self, request: ConfirmRequest) -> PaymentSnapshot:
        started, body = time.monotonic(), payload.confirmation_of(request)
        try:
            answer = await self._call(
                "confirm", "POST", "/v1/payments/confirm", request.timeout, body=body, key=request.idempotency_key
            )
        except Rejected as refusal:
            if refusal.reason != "already_paid":
                raise
            path = f"/v1/payments/{segment(request.client_key, 'confirm')}"
            found = await self._made_before("confirm", path, request.amount, refusal, started, request.timeout)
            if found.payment_id != request.payment_id:
                raise
            return found
        confirmed = read("confirm", lambda: payment_of(answer.fields))
        if confirmed.payment_id != request.payment_id:
            raise OutcomeUnknown("another payment was answered", provider=NAME, operation="confirm")
        return confirmed

    async def fetch(self, reference: str) -> PaymentSnapshot:
        return await self._payment("fetch", f"/v1/payments/{segment(reference, 'fetch')}")

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        if not payload.ORDER_ID.fullmatch(payment_id):
            return None
        try:
            return await self._payment("find", f"/v1/payments/orders/{payment_id}")
        except Rejected as refusal:
            if refusal.code != "NOT_FOUND_PAYMENT":
                raise
            return None

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """A deposit to a virtual account goes back to an account that only the buyer can name: Toss refuses it here."""
        body = payload.cancel_of(request)
        path = f"/v1/payments/{segment(request.reference, 'refund')}/cancel"
        answer = await self._call("refund", "POST", path, request.timeout, body=body, key=request.idempotency_key)
        made = read("refund", lambda: cancel_of(answer.fields, mark_of(request.idempotency_key)))
        if made is None or made.amount != request.amount:
            raise OutcomeUnknown("the answer has no such cancel", provider=NAME, operation="refund")
        return made

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        answer = await self._call("find_refund", "GET", f"/v1/payments/{segment(reference, 'find_refund')}")
        return read("find_refund", lambda: cancel_of(answer.fields, mark_of(idempotency_key)))

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        return (notice_of(request),)

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """Toss lists transactions, a charge and each refund apart: their payments are read as they are now. One that was
        refunded pages after its charge comes twice; one that was charged before `since` is left out."""
        span = {"startDate": payload.local_time(since), "endDate": payload.local_time(until), "limit": str(PAGE)}
        params = span if cursor is None else {**span, "startingAfter": cursor}
        answer = await self._call("list_payments", "GET", "/v1/transactions", params=params)
        found = read("list_payments", lambda: transactions_in(answer.document))
        references = dict.fromkeys(payment for _, payment in found)
        payments = [
            await self._payment("list_payments", f"/v1/payments/{segment(each, 'list_payments')}") for each in references
        ]
        of_span = [each for each in payments if each.paid_at is None or since <= each.paid_at < until]
        return PaymentPage(of_span, found[-1][0] if len(found) == PAGE else None)
