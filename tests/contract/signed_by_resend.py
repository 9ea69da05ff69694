"""Deliveries of Resend's webhook, signed as it signs them."""

import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from madang.ports.webhook import WebhookRequest

SECRET = "whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU="
ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def delivery(kind: str, moment: datetime = ARRIVED, secret: str = SECRET, **data: Any) -> WebhookRequest:
    told = {
        "email_id": "4ef9a417",
        "from": "a@b.example",
        "to": ["buyer@example.com"],
        "subject": "s",
        "created_at": "x",
        **data,
    }
    body = json.dumps({"type": kind, "created_at": "2026-03-01T11:59:00.000Z", "data": told})
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(moment.timestamp())),
        "svix-signature": Webhook(secret).sign("msg_1", moment, body),
    }
    return WebhookRequest(headers, body.encode(), ARRIVED)
