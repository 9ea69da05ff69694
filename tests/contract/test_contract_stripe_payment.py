"""Stripe's payments and subscriptions through the conformance kit, over HTTP against a stand-in that speaks its protocol."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from contract.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe
from madang.plugins.conformance.payment import PaymentConformance
from madang.plugins.conformance.payment_subscriptions import BUYER
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.stored_methods import EMAIL
from madang.ports.payment import (
    Checkout,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    SubscriptionStart,
)
from madang.ports.webhook import WebhookRequest

EFFECTS = frozenset(
    {"open_checkout", "refund", "subscribe", "change_subscription", "cancel_subscription", "resume_subscription"}
)


class TestStripe(PaymentConformance):
    plugin = "madang.plugins.builtin.stripe"
    name = "stripe"
    signature_headers: ClassVar[Sequence[str]] = ("stripe-signature",)
    unknown_reference = "cs_test_00000000000000000000"
    unknown_subscription = "sub_00000000000000000000"
    unknown_price = "price_of_nobody"
    price_references: ClassVar[Sequence[str]] = ("price_pro", "price_team")
    private = (EMAIL, BUYER, "김마당")
    states: ClassVar[Mapping[str, RemotePaymentStatus]] = {
        "open/unpaid": RemotePaymentStatus.PENDING,
        "expired/unpaid": RemotePaymentStatus.EXPIRED,
        "complete/unpaid/processing": RemotePaymentStatus.PENDING,
        "complete/unpaid/requires_payment_method": RemotePaymentStatus.FAILED,
        "complete/unpaid/canceled": RemotePaymentStatus.CANCELLED,
        "complete/unpaid/a-state-to-come": RemotePaymentStatus.PENDING,
        "complete/a-state-to-come": RemotePaymentStatus.PENDING,
        "complete/no_payment_required": RemotePaymentStatus.PENDING,
        "complete/paid": RemotePaymentStatus.PAID,
    }
    subscription_states: ClassVar[Mapping[str, RemoteSubscriptionStatus]] = {
        "incomplete": RemoteSubscriptionStatus.PENDING,
        "incomplete_expired": RemoteSubscriptionStatus.CANCELLED,
        "trialing": RemoteSubscriptionStatus.TRIALING,
        "active": RemoteSubscriptionStatus.ACTIVE,
        "past_due": RemoteSubscriptionStatus.PAST_DUE,
        "unpaid": RemoteSubscriptionStatus.PAST_DUE,
        "paused": RemoteSubscriptionStatus.PAUSED,
        "canceled": RemoteSubscriptionStatus.CANCELLED,
    }

    def remote(self) -> FakeStripe:
        return FakeStripe()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET}

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """An effect is sometimes preceded by a question: the fault is the effect's."""
        assert stage.service is not None
        stage.service.plan(fault, only=stage.service.acts if operation in EFFECTS else None)

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        assert checkout.reference is not None
        stripe_of(stage).books.pay(checkout.reference)
        return checkout.reference

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        stripe = stripe_of(stage)
        return stripe.event("checkout.session.completed", stripe.books.kept[snapshot.reference], signed_at)

    def other_event(self, stage: Stage) -> WebhookRequest:
        return stripe_of(stage).event("customer.created", {"id": "cus_1", "object": "customer"}, datetime.now().astimezone())

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        assert start.checkout is not None
        books = stripe_of(stage).books
        books.pay(str(start.checkout.reference))
        return str(books.kept[str(start.checkout.reference)]["subscription"])

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        return stripe_of(stage).books.period_ends(reference, declined=declined)

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        stripe = stripe_of(stage)
        kind = "customer.subscription.updated" if payment is None else "invoice.paid"
        return stripe.event(kind, stripe.books.kept[payment or reference], signed_at)


def stripe_of(stage: Stage) -> FakeStripe:
    assert isinstance(stage.service, FakeStripe)
    return stage.service
