"""Payments by Stripe Checkout.

A payment's reference is its Checkout Session; see `lookups` for all that `fetch` takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.stripe.capabilities import NAME, as_configured
from madang.adapters.stripe.errors import refused
from madang.adapters.stripe.lookups import next_cursor, prefix_of, unreadable
from madang.adapters.stripe.mapping import listed, object_of, refund_snapshot, subscription_of
from madang.adapters.stripe.payload import (
    REFUND_KEY,
    checkout_params,
    invoices_page,
    key_of,
    options_of,
    refund_params,
    refunds_page,
    sessions_page,
)
from madang.adapters.stripe.subscriptions import READ_SECONDS, StripeSubscriptions, checkout_of
from madang.adapters.stripe.transport import Call
from madang.adapters.stripe.webhooks import told_by, verified
from madang.ports.errors import Rejected, SignatureInvalid
from madang.ports.payment import (
    Checkout,
    CheckoutRequest,
    CloseCheckoutRequest,
    PaymentCapabilities,
    PaymentNotice,
    PaymentPage,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    RemotePaymentStatus,
)
from madang.ports.payment_unsupported import NoCapture, NoConfirm, NoFind, NoStoredMethods
from madang.ports.provider import ProviderHealth
from madang.ports.webhook import WebhookRequest

CHECK_SECONDS: Final = 10.0
LIST_SECONDS: Final = 60.0
_MOST_PAGES: Final = 20
_INVOICES: Final = "invoices"


class StripePaymentGateway(StripeSubscriptions, NoCapture, NoConfirm, NoFind, NoStoredMethods):
    """Fulfils `PaymentGateway`."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> PaymentCapabilities:
        return as_configured(self._settings)

    async def check(self) -> ProviderHealth:
        call = Call.within("check", CHECK_SECONDS)
        await self._api.ask(call, self._api.v1.checkout.sessions.list_async({"limit": 1}))
        return ProviderHealth(reachable=True, detail="Stripe knows the key")

    async def close(self) -> None:
        await self._api.close()

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        call = Call.within("open_checkout", request.timeout)
        try:
            params = checkout_params(request, datetime.now(UTC))
        except ValueError as error:
            raise refused(call.operation, str(error)) from None
        options = options_of(request.idempotency_key, expires=params.get("expires_at"))
        return checkout_of(call, await self._api.ask(call, self._api.v1.checkout.sessions.create_async(params, options)))

    async def close_checkout(self, request: CloseCheckoutRequest) -> PaymentSnapshot:
        """Stripe expires what is open alone; of anything else it is asked what became of it."""
        call, refusal = Call.within("close_checkout", request.timeout), None
        if prefix_of(request.reference) != "cs":
            raise refused(call.operation, "no checkout has this reference", "not_found")
        expire = self._api.v1.checkout.sessions.expire_async(request.reference, {}, options_of(request.idempotency_key))
        try:
            await self._api.ask(call, expire)
        except Rejected as rejected:
            call.acted, refusal = False, rejected
        closed = await self._lookups.payment(call, request.reference)
        if refusal is not None and closed.status is RemotePaymentStatus.PENDING:
            raise refusal
        return closed

    async def fetch(self, reference: str) -> PaymentSnapshot:
        return await self._lookups.payment(Call.within("fetch", READ_SECONDS), reference)

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        call = Call.within("refund", request.timeout)
        intent, currency = await self._lookups.paid_by(call, request.reference)
        if request.amount.currency != currency:
            raise refused(call.operation, "a refund is some of the payment's own currency")
        if intent is None:
            raise refused(call.operation, "nothing was paid", "not_refundable")
        try:
            params = refund_params(request, intent)
        except ValueError as error:
            raise refused(call.operation, str(error)) from None
        create = self._api.v1.refunds.create_async(params, options_of(request.idempotency_key))
        return _refund(call, await self._api.ask(call, create))

    async def find_refund(self, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        call = Call.within("find_refund", READ_SECONDS)
        intent, _ = await self._lookups.paid_by(call, reference)
        if intent is None:
            return None
        wanted, cursor = key_of(idempotency_key), None
        for _ in range(_MOST_PAGES):
            page = await self._api.ask(call, self._api.v1.refunds.list_async(refunds_page(intent, cursor)))
            for each in listed(page):
                if object_of(each.get("metadata")).get(REFUND_KEY) == wanted:
                    return _refund(call, each)
            if (cursor := next_cursor(page)) is None:
                return None
        raise call.lost("the payment has more refunds than can be looked through")

    async def read_webhook(self, request: WebhookRequest) -> Sequence[PaymentNotice]:
        """An event about a charge that carries nothing of ours (of a renewal, or a dispute) is followed to what it paid."""
        if self._settings.webhook_secret is None:
            raise SignatureInvalid("plugins.stripe has no webhook_secret", provider=NAME, operation="read_webhook")
        told = told_by(verified(self._settings.webhook_secret, request))
        if told.intent is None:
            return [told.notice]
        found = await self._lookups.canonical(Call.within("read_webhook", CHECK_SECONDS), told.intent)
        return [replace(told.notice, reference=found)]

    async def list_payments(self, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """By when a checkout was opened or an invoice made: first all checkouts that were for payments, then all invoices of
        subscriptions that asked for money."""
        call = Call.within("list_payments", LIST_SECONDS)
        if cursor is None or cursor.startswith("cs_"):
            page = await self._api.ask(call, self._api.v1.checkout.sessions.list_async(sessions_page(since, until, cursor)))
            found = [await self._lookups.of_session(call, each) for each in listed(page) if each.get("mode") == "payment"]
            return PaymentPage(found, next_cursor(page) or _INVOICES)
        after = None if cursor == _INVOICES else cursor
        page = await self._api.ask(call, self._api.v1.invoices.list_async(invoices_page(since, until, after)))
        return PaymentPage(
            [await self._lookups.of_invoice(call, each) for each in listed(page) if _asks_for_money(each)], next_cursor(page)
        )


def _asks_for_money(invoice: Mapping[str, Any]) -> bool:
    return subscription_of(invoice) is not None and bool(invoice.get("amount_due")) and invoice.get("status") != "draft"


def _refund(call: Call, refund: Mapping[str, Any]) -> RefundSnapshot:
    try:
        return refund_snapshot(refund)
    except ValueError as error:
        raise unreadable(call, error) from None
