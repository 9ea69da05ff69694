"""Toss's webhooks: not signed, so a notice says only which payment to read again. Pure: no clock, no network.

Source: the page on webhook events: `PAYMENT_STATUS_CHANGED` and `CANCEL_STATUS_CHANGED` carry `data`, `DEPOSIT_CALLBACK` has
neither `eventType` nor the payment's key, and `createdAt` is Korea's time without saying so. Each delivery has an id in
`tosspayments-webhook-transmission-id`, the same when it is tried again; the body's digest stands in where it is missing.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.toss.capabilities import NAME
from madang.adapters.toss.payload import ORDER_ID, SEOUL
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice
from madang.ports.webhook import WebhookRequest

TRANSMISSION: Final = "tosspayments-webhook-transmission-id"
DEPOSIT: Final = "DEPOSIT_CALLBACK"
OF_PAYMENTS: Final = frozenset({"PAYMENT_STATUS_CHANGED", DEPOSIT})
LONGEST: Final = 200


def notice_of(request: WebhookRequest) -> PaymentNotice:
    """Raises `SignatureInvalid` for what has not the shape of Toss's events."""
    event = _event(request.body)
    deposit = "eventType" not in event and "secret" in event
    kind = DEPOSIT if deposit else _word(event.get("eventType"))
    data = event if deposit else event.get("data")
    if not kind or not isinstance(data, Mapping):
        raise SignatureInvalid("the body is no event of Toss's", provider=NAME, operation="read_webhook")
    identity = request.headers.get(TRANSMISSION) or f"sha256:{hashlib.sha256(request.body).hexdigest()}"
    occurred_at = _when(event.get("createdAt"))
    if kind not in OF_PAYMENTS:
        return PaymentNotice(identity[:LONGEST], kind, occurred_at)
    reference, order = _word(data.get("paymentKey")), _word(data.get("orderId"))
    if not reference and not order:
        raise SignatureInvalid("the event names no payment", provider=NAME, operation="read_webhook")
    ours = order if order and ORDER_ID.fullmatch(order) else None
    return PaymentNotice(identity[:LONGEST], kind, occurred_at, reference, ours)


def _event(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise SignatureInvalid("the body is no event of Toss's", provider=NAME, operation="read_webhook")
    return event


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None


def _when(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=SEOUL)).astimezone(UTC)
