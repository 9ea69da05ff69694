"""A payment gateway whose checkout is a page of ours and whose webhooks are signed like the real ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.sandbox import capabilities, payments, webhooks
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.stored_methods import SandboxStoredMethods
from madang.ports.errors import Rejected, SignatureInvalid
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
from madang.ports.webhook import WebhookRequest

PAGE: Final = 100


class SandboxPaymentGateway(SandboxStoredMethods, NoCapture, NoClosing, NoConfirm, NoSubscriptions):
    """Fulfils `PaymentGateway`; money is numbers in the sandbox's world."""

    @property
    def capabilities(self) -> PaymentCapabilities:
        return capabilities.PAYMENT

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        if request.amount.amount <= 0:
            raise Rejected(
                "an amount is more than nothing", reason="invalid_request", provider=NAME, operation="payment.open_checkout"
            )
        payment = await self._gate.effect(
            "payment.open_checkout",
            request.idempotency_key,
            lambda c, knobs: payments.open_checkout(c, knobs, request),
            request.timeout,
        )
        return Checkout(
            url=f"{self._context.base_url}/sandbox/checkout/{payment.reference}",
            reference=payment.reference,
            expires_at=datetime.fromtimestamp(payment.expires_at, UTC) if payment.expires_at else None,
        )

    async def fetch(self, reference: str) -> PaymentSnapshot:
        return await self._gate.query("payment.fetch", reference, lambda c, knobs: payments.get(c, knobs, reference).snapshot())

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        found = await self._gate.query("payment.find", payment_id, lambda c, knobs: payments.find(c, knobs, payment_id))
        return found.snapshot() if found else None

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        return await self._gate.effect(
            "payment.refund", request.idempotency_key, lambda c, knobs: payments.refund(c, knobs, request), request.timeout
        )

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        return await self._gate.query(
            "payment.find_refund", idempotency_key, lambda c, _: payments.find_refund(c, reference, idempotency_key)
        )

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        event = webhooks.verified(webhooks.signing_secret(self._settings, self._context), request)
        kind, data = str(event.document.get("type", "")), event.document["data"]
        occurred_at = _when(event.document.get("timestamp"))
        if not kind.startswith("payment."):
            return (PaymentNotice(event.id, kind, occurred_at),)
        try:
            snapshot = payments.snapshot_of(data)
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureInvalid(
                "the event's payment cannot be read", provider=NAME, operation="payment.read_webhook"
            ) from error
        return (PaymentNotice(event.id, kind, occurred_at, snapshot.reference, snapshot.payment_id, snapshot=snapshot),)

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        found = await self._gate.query(
            "payment.list_payments",
            cursor or "",
            lambda c, _: payments.listed(c, since.timestamp(), until.timestamp(), cursor, PAGE + 1),
        )
        page = found[:PAGE]
        return PaymentPage([payment.snapshot() for payment in page], page[-1].reference if len(found) > PAGE else None)


def _when(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
