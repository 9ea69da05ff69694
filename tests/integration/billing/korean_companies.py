"""The two payment companies of Korea on this machine, and what a person does in the browser windows that they open."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from contract import fake_portone, fake_toss
from madang.adapters.toss.webhooks import TRANSMISSION
from madang.plugins.conformance.remote import serving


class TossCompany:
    """The browser brings back a key that is confirmed; webhooks are not signed."""

    name = "toss"

    def __init__(self, opened: ExitStack) -> None:
        self.remote = opened.enter_context(serving(fake_toss.FakeToss()))

    def settings(self) -> Mapping[str, Any]:
        return {"base_url": self.remote.url, "secret_key": fake_toss.SECRET_KEY, "client_key": fake_toss.CLIENT_KEY}

    def pay(self, window: Mapping[str, Any]) -> dict[str, Any]:
        """What the browser sends to us when it is back."""
        money = window["amount"]
        return {"key": self.remote.approve(window), "amount": {"amount": money["value"], "currency": money["currency"]}}

    def leave_a_card(self, window: Mapping[str, Any]) -> str:
        return self.remote.register(window)

    def webhook(self, payment_id: str, number: int) -> tuple[Mapping[str, str], bytes]:
        [payment] = [each for each in self.remote.payments.values() if each["orderId"] == payment_id]
        said = fake_toss.webhook("PAYMENT_STATUS_CHANGED", payment, f"transmission-{number}")
        return said.headers, said.body

    def forged(self, payment_id: str) -> tuple[Mapping[str, str], bytes]:
        """As anybody could write it: that it is paid."""
        lie = {**fake_toss.ORIGIN, "orderId": payment_id, "status": "DONE"}
        event = {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T09:00:00", "data": lie}
        return {TRANSMISSION: "forged"}, json.dumps(event).encode()

    def taken(self) -> list[int]:
        """What is paid and not given back, the oldest first."""
        paid = [each for each in self.remote.payments.values() if each["status"] in ("DONE", "PARTIAL_CANCELED", "CANCELED")]
        return [each["balanceAmount"] for each in paid]

    def decline(self) -> None:
        """Every card that was left is refused from now on."""
        self.remote.declining |= self.remote.billing.keys()

    def cards(self) -> int:
        return len(self.remote.billing)


class PortOneCompany:
    """Money moves in the window, and a signed webhook tells."""

    name = "portone"

    def __init__(self, opened: ExitStack) -> None:
        self.remote = opened.enter_context(serving(fake_portone.FakePortOne()))

    def settings(self) -> Mapping[str, Any]:
        return {
            "base_url": self.remote.url,
            "api_secret": fake_portone.API_SECRET,
            "store_id": fake_portone.STORE,
            "channel_key": fake_portone.CHANNEL,
            "billing_channel_key": fake_portone.BILLING_CHANNEL,
            "webhook_secret": fake_portone.WEBHOOK_SECRET,
        }

    def pay(self, window: Mapping[str, Any]) -> dict[str, Any]:
        self.remote.pay(window)
        return {"amount": {"amount": window["totalAmount"], "currency": window["currency"]}}

    def leave_a_card(self, window: Mapping[str, Any]) -> str:
        return self.remote.register(window)

    def webhook(self, payment_id: str, number: int) -> tuple[Mapping[str, str], bytes]:
        about = fake_portone.event("Transaction.Paid", payment_id)
        said = fake_portone.signed(about, f"event-{number}", datetime.now(UTC))
        return said.headers, said.body

    def forged(self, payment_id: str) -> tuple[Mapping[str, str], bytes]:
        about = fake_portone.event("Transaction.Paid", payment_id)
        said = fake_portone.signed(about, "forged", datetime.now(UTC), fake_portone.OLD_SECRET)
        return said.headers, said.body

    def taken(self) -> list[int]:
        amounts = [each["amount"] for each in self.remote.payments.values() if "paidAt" in each]
        return [each["paid"] - each["cancelled"] for each in amounts]

    def decline(self) -> None:
        self.remote.declining |= self.remote.billing.keys()

    def cards(self) -> int:
        return len([each for each in self.remote.billing.values() if each["status"] == "ISSUED"])


Company = TossCompany | PortOneCompany
