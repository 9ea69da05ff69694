"""What a payment provider does not do: a gateway inherits the class for each ability that its capabilities deny."""

from datetime import datetime
from typing import NoReturn

from madang.ports.errors import Unsupported
from madang.ports.payment import (
    CancelSubscriptionRequest,
    CaptureRequest,
    ChangeSubscriptionRequest,
    ChargeRequest,
    Checkout,
    CloseCheckoutRequest,
    ConfirmRequest,
    KeepMethodRequest,
    PaymentPage,
    PaymentSnapshot,
    RefundSnapshot,
    ResumeSubscriptionRequest,
    StoredMethod,
    StoreMethodRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.provider import Provider
from madang.ports.secret import Secret


class NoConfirm:
    """The browser brings nothing back that has to be spent: `capabilities.confirms` is false."""

    async def confirm(self: Provider, request: ConfirmRequest) -> PaymentSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "confirm")


class NoCapture:
    """An approved payment is paid: `capabilities.captures` is false."""

    async def capture(self: Provider, request: CaptureRequest) -> PaymentSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "capture")


class NoClosing:
    """A checkout is open until it expires: `capabilities.closes_checkouts` is false."""

    async def close_checkout(self: Provider, request: CloseCheckoutRequest) -> PaymentSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "close_checkout")


class NoFind:
    """A payment cannot be asked for by our id: `capabilities.finds_by_payment_id` is false."""

    async def find(self: Provider, payment_id: str) -> PaymentSnapshot | None:
        """Raises `Unsupported`."""
        _refuse(self, "find")


class NoFindRefund:
    """A refund cannot be asked for by its key: `capabilities.finds_refunds` is false."""

    async def find_refund(self: Provider, reference: str, idempotency_key: str) -> RefundSnapshot | None:
        """Raises `Unsupported`."""
        _refuse(self, "find_refund")


class NoResume:
    """A cancellation cannot be taken back: `capabilities.resumes_subscriptions` is false."""

    async def resume_subscription(self: Provider, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "resume_subscription")


class NoSubscriptions(NoResume):
    """Nothing is renewed by the provider itself: `capabilities.subscriptions` is false."""

    async def subscribe(self: Provider, request: SubscribeRequest) -> SubscriptionStart:
        """Raises `Unsupported`."""
        _refuse(self, "subscribe")

    async def fetch_subscription(self: Provider, reference: str) -> SubscriptionSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "fetch_subscription")

    async def change_subscription(self: Provider, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "change_subscription")

    async def cancel_subscription(self: Provider, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "cancel_subscription")


class NoStoredMethods:
    """No means of payment is kept for us to charge: `capabilities.stored_methods` is false."""

    async def open_method_window(self: Provider, request: StoreMethodRequest) -> Checkout:
        """Raises `Unsupported`."""
        _refuse(self, "open_method_window")

    async def keep_method(self: Provider, request: KeepMethodRequest) -> StoredMethod:
        """Raises `Unsupported`."""
        _refuse(self, "keep_method")

    async def charge(self: Provider, request: ChargeRequest) -> PaymentSnapshot:
        """Raises `Unsupported`."""
        _refuse(self, "charge")

    async def forget_method(self: Provider, customer_id: str, token: Secret) -> None:
        """Raises `Unsupported`."""
        _refuse(self, "forget_method")


class NoPaymentList:
    """There is no list to reconcile with: `capabilities.lists_payments` is false."""

    async def list_payments(self: Provider, since: datetime, until: datetime, *, cursor: str | None = None) -> PaymentPage:
        """Raises `Unsupported`."""
        _refuse(self, "list_payments")


def _refuse(provider: Provider, operation: str) -> NoReturn:
    message = "it has no such ability: ask its capabilities first"
    raise Unsupported(message, provider=provider.name, operation=operation)
