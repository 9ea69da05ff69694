"""Lemon Squeezy's webhooks: an HMAC over the body, without a time.

Source: Lemon Squeezy's page on signing requests, and its own example of a receiver. The body names no event of its own: what
was sent again is known by being the same, byte by byte. An old body that somebody sends again is one that we have.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from madang.adapters.lemonsqueezy.capabilities import NAME
from madang.adapters.lemonsqueezy.mapping import attributes_of, moment_of, payment_of
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest


def notice_in(request: WebhookRequest, secret: Secret) -> PaymentNotice:
    """Raises `SignatureInvalid`."""
    given = request.headers.get("x-signature", "")
    expected = hmac.new(secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise _invalid("the signature is not ours")
    try:
        return _notice(json.loads(request.body), hashlib.sha256(request.body).hexdigest())
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _invalid("the body is not an event") from None


def _notice(event: Mapping[str, Any], identity: str) -> PaymentNotice:
    meta, data = event["meta"], event["data"]
    kind, at = str(meta["event_name"]), moment_of(attributes_of(data).get("updated_at"))
    told = meta.get("custom_data")
    ours: Mapping[str, Any] = told if isinstance(told, dict) else {}
    subscription_id = _text(ours.get("subscription_id"))
    match data.get("type"):
        case "orders" if subscription_id is None:
            snapshot = payment_of(data)
            return PaymentNotice(identity, kind, at, snapshot.reference, _text(ours.get("payment_id")), snapshot=snapshot)
        case "subscription-invoices":
            snapshot = payment_of(data)
            return PaymentNotice(
                identity, kind, at, snapshot.reference, subscription=snapshot.subscription, snapshot=snapshot,
                subscription_id=subscription_id,
            )  # fmt: skip
        case "subscriptions":
            return PaymentNotice(identity, kind, at, subscription=str(data["id"]), subscription_id=subscription_id)
    return PaymentNotice(identity, kind, at)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
