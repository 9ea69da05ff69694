"""PayPal, Lemon Squeezy and Paddle on this machine: what a buyer and time do there, and what they tell of it."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

from contract import fake_lemonsqueezy, fake_paddle, fake_paypal
from contract.fake_lemonsqueezy import FakeLemonSqueezy
from contract.fake_paddle import FakePaddle
from contract.fake_paypal import FakePaypal, captures_of
from madang.plugins.conformance.remote import serving
from madang.ports.webhook import WebhookRequest


class Company(Protocol):
    """`price` is what it calls the plan of 80 dollars."""

    name: str
    price: str

    def __init__(self, opened: ExitStack) -> None: ...

    def settings(self) -> Mapping[str, Any]: ...

    def pay(self, url: str) -> WebhookRequest:
        """The buyer pays at this address; the webhook about it."""
        ...

    def taken(self) -> int:
        """What it has kept of all payments that are no subscription's, in cents, without tax."""
        ...

    def agree(self, url: str) -> list[WebhookRequest]:
        """The buyer subscribes; the webhooks about it."""
        ...

    def period_ends(self, *, declined: bool = False) -> list[WebhookRequest]: ...

    def runs(self) -> bool:
        """Whether the subscription will be charged again."""
        ...


class PaypalCompany:
    name, price = "paypal", "P-ENTERPRISE"

    def __init__(self, opened: ExitStack) -> None:
        self._remote = opened.enter_context(serving(FakePaypal()))
        self._subscription = ""

    def settings(self) -> Mapping[str, Any]:
        return {
            "base_url": self._remote.url,
            "client_id": fake_paypal.CLIENT_ID,
            "client_secret": fake_paypal.CLIENT_SECRET,
            "webhook_id": fake_paypal.WEBHOOK_ID,
        }

    def pay(self, url: str) -> WebhookRequest:
        order = url.rpartition("=")[2]
        self._remote.approve(order)
        return self._remote.event("CHECKOUT.ORDER.APPROVED", self._remote.orders[order])

    def taken(self) -> int:
        orders = self._remote.orders.values()
        captured = sum(_cents(capture["amount"]) for order in orders for capture in captures_of(order))
        refunds = [order["purchase_units"][0].get("payments", {}).get("refunds", []) for order in orders]
        return captured - sum(_cents(refund["amount"]) for each in refunds for refund in each)

    def agree(self, url: str) -> list[WebhookRequest]:
        self._subscription = url.rpartition("=")[2]
        self._remote.agree(self._subscription)
        [sale] = self._remote.sales
        return [self._of_sale(sale), self._remote.event("BILLING.SUBSCRIPTION.ACTIVATED", {"id": self._subscription})]

    def period_ends(self, *, declined: bool = False) -> list[WebhookRequest]:
        if declined:
            self._remote.miss(self._subscription)
            return [self._remote.event("BILLING.SUBSCRIPTION.PAYMENT.FAILED", {"id": self._subscription})]
        return [self._of_sale(self._remote.renew(self._subscription))]

    def runs(self) -> bool:
        return bool(self._remote.subscriptions[self._subscription]["status"] == "ACTIVE")

    def _of_sale(self, sale: str) -> WebhookRequest:
        told = {"id": sale, "state": "completed", "billing_agreement_id": self._subscription}
        return self._remote.event("PAYMENT.SALE.COMPLETED", told)


class LemonSqueezyCompany:
    name, price = "lemonsqueezy", "23"

    def __init__(self, opened: ExitStack) -> None:
        self._remote = opened.enter_context(serving(FakeLemonSqueezy()))
        self._subscription = ""

    def settings(self) -> Mapping[str, Any]:
        return {
            "base_url": self._remote.url,
            "api_key": fake_lemonsqueezy.API_KEY,
            "store_id": fake_lemonsqueezy.STORE,
            "variant_id": fake_lemonsqueezy.VARIANT,
            "signing_secret": fake_lemonsqueezy.SIGNING,
        }

    def pay(self, url: str) -> WebhookRequest:
        return self._remote.event("order_created", "orders", self._remote.pay(url))

    def taken(self) -> int:
        orders = [told["attributes"] for (kind, _), told in self._remote.resources.items() if kind == "orders"]
        return sum(max(0, order["total"] - order["tax"] - order["refunded_amount"]) for order in orders)

    def agree(self, url: str) -> list[WebhookRequest]:
        self._subscription = self._remote.agree(url)
        [invoice] = [number for kind, number in self._remote.resources if kind == "subscription-invoices"]
        return [
            self._remote.event("subscription_created", "subscriptions", self._subscription),
            self._remote.event("subscription_payment_success", "subscription-invoices", invoice),
        ]

    def period_ends(self, *, declined: bool = False) -> list[WebhookRequest]:
        invoice = self._remote.period_ends(self._subscription, declined=declined) or ""
        name = "subscription_payment_failed" if declined else "subscription_payment_success"
        return [
            self._remote.event(name, "subscription-invoices", invoice),
            self._remote.event("subscription_updated", "subscriptions", self._subscription),
        ]

    def runs(self) -> bool:
        return bool(self._remote.resources["subscriptions", self._subscription]["attributes"]["status"] == "active")


class PaddleCompany:
    name, price = "paddle", ""
    """It is told the amount and the interval."""

    def __init__(self, opened: ExitStack) -> None:
        self._remote = opened.enter_context(serving(FakePaddle()))
        self._subscription = ""

    def settings(self) -> Mapping[str, Any]:
        secrets = {"api_key": fake_paddle.API_KEY, "webhook_secret": fake_paddle.SIGNING}
        return {"base_url": self._remote.url, **secrets}

    def pay(self, url: str) -> WebhookRequest:
        transaction = url.rpartition("=")[2]
        self._remote.pay(transaction)
        return self._of_transaction(transaction)

    def taken(self) -> int:
        paid = [each for each in self._remote.transactions.values() if each["status"] == "completed"]
        subtotals = sum(int(each["details"]["totals"]["subtotal"]) for each in paid)
        return subtotals - sum(int(each["totals"]["subtotal"]) for each in self._remote.adjustments.values())

    def agree(self, url: str) -> list[WebhookRequest]:
        transaction = url.rpartition("=")[2]
        self._subscription = self._remote.pay(transaction) or ""
        begun = self._remote.event("subscription.created", self._remote.subscriptions[self._subscription])
        return [self._of_transaction(transaction), begun]

    def period_ends(self, *, declined: bool = False) -> list[WebhookRequest]:
        charge = self._remote.period_ends(self._subscription, declined=declined) or ""
        now = self._remote.event("subscription.updated", self._remote.subscriptions[self._subscription])
        return [now] if declined else [self._of_transaction(charge), now]

    def runs(self) -> bool:
        return bool(self._remote.subscriptions[self._subscription]["status"] == "active")

    def _of_transaction(self, transaction: str) -> WebhookRequest:
        return self._remote.event("transaction.completed", self._remote.transactions[transaction])


def _cents(amount: Mapping[str, str]) -> int:
    return int(amount["value"].replace(".", ""))
