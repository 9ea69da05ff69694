"""PortOne's webhooks (version 2024-04-25): Standard Webhooks, with several signatures while a secret is rotated.

Source: PortOne's page on webhooks and the schemas of its own SDK. What changed is asked afterwards: the body names the payment
and tells nothing of its state but the kind of the event.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from madang.adapters.portone.capabilities import NAME
from madang.adapters.portone.settings import PortOneSettings
from madang.adapters.standard_webhooks.verification import WebhookVerification
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice
from madang.ports.webhook import WebhookRequest

LONGEST: Final = 200


def notice_of(settings: PortOneSettings, request: WebhookRequest) -> PaymentNotice:
    """Raises `SignatureInvalid` unless PortOne signed it within the last five minutes."""
    signed = WebhookVerification(NAME, settings.webhook_secret).read(request)
    identity, event = signed.id[:LONGEST], signed.document
    kind, data = _word(event.get("type")), event.get("data")
    if kind is None or not isinstance(data, Mapping):
        raise _invalid("the body is no event of PortOne's")
    occurred_at = _when(event.get("timestamp"))
    payment = _word(data.get("paymentId"))
    if payment is None or not kind.startswith("Transaction.") or data.get("storeId") != settings.store_id:
        return PaymentNotice(identity, kind, occurred_at)
    return PaymentNotice(identity, kind, occurred_at, payment, payment)


def _invalid(message: str) -> SignatureInvalid:
    return SignatureInvalid(message, provider=NAME, operation="read_webhook")


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None


def _when(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
