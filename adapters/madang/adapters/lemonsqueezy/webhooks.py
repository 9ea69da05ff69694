"""Lemon Squeezy's webhooks: an HMAC over the body, without a time.

Source: Lemon Squeezy's page on signing requests, and its own example of a receiver. The body names no event of its own: what
was sent again is known by being the same, byte by byte. An old body that somebody sends again is one that we have.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from madang.adapters.lemonsqueezy.capabilities import NAME
from madang.adapters.lemonsqueezy.mapping import UNREADABLE, moment_of, payment_of, word_of
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
    except (*UNREADABLE, RecursionError):
        raise _invalid("the body is not an event") from None


def _notice(event: Mapping[str, Any], identity: str) -> PaymentNotice:
    meta, data = event["meta"], event["data"]
    notice = PaymentNotice(identity, meta["event_name"], moment_of(data["attributes"].get("updated_at")))
    ours = meta.get("custom_data") or {}
    match data["type"]:
        case "orders" if "subscription_id" not in ours:
            snapshot = payment_of(data)
            return replace(notice, reference=snapshot.reference, payment_id=ours.get("payment_id"), snapshot=snapshot)
        case "subscription-invoices":
            snapshot = payment_of(data)
            notice = replace(notice, reference=snapshot.reference, subscription=snapshot.subscription, snapshot=snapshot)
        case "subscriptions":
            notice = replace(notice, subscription=word_of(data["id"]))
        case _:
            return notice
    return replace(notice, subscription_id=ours.get("subscription_id"))


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
