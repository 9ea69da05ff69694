"""The sandbox's payment gateway through the conformance kit."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contract.sandbox_faults import SandboxFaults
from madang.adapters.sandbox.webhooks import signed_headers
from madang.plugins.conformance.payment import PaymentConformance
from madang.plugins.conformance.stage import Stage
from madang.ports.payment import Checkout, PaymentSnapshot, StoredMethod
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

SECRET = "whsec_bm90LWEtc2VjcmV0LW5vdC1hLXNlY3JldA=="


class TestSandbox(SandboxFaults, PaymentConformance):
    port = "payment"
    unknown_reference = "pay_unknown"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"webhook_secret": SECRET}

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        async with stage.browser() as browser:
            answer = await browser.post(f"{checkout.url}/pay", json={})
            assert answer.json()["status"] == "paid"
        return checkout.reference or ""

    async def leave_method(self, stage: Stage, window: Checkout) -> str:
        async with stage.browser() as browser:
            answer = await browser.post(f"{window.url}/agree", json={})
        return parse_qs(urlsplit(answer.json()["redirectTo"]).query)["clientKey"][0]

    async def exhaust(self, stage: Stage, method: StoredMethod) -> None:
        async with stage.browser() as browser:
            await browser.put("/sandbox/knobs", json={"decline": True})

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        data = {
            "reference": snapshot.reference,
            "payment_id": snapshot.payment_id,
            "status": snapshot.status,
            "amount": snapshot.amount.amount,
            "currency": snapshot.amount.currency,
            "refunded": snapshot.refunded.amount,
            "method": snapshot.method,
            "paid_at": snapshot.paid_at and snapshot.paid_at.timestamp(),
        }
        return signed({"type": "payment.paid", "data": data}, "evt_1", signed_at)

    def other_event(self, stage: Stage) -> WebhookRequest:
        return signed({"type": "billing_key.issued", "data": {}}, "evt_2", datetime.now(UTC))


def signed(event: Mapping[str, Any], identity: str, signed_at: datetime) -> WebhookRequest:
    text = json.dumps(event)
    return WebhookRequest(signed_headers(Secret(SECRET), identity, text, signed_at), text.encode(), datetime.now(UTC))
