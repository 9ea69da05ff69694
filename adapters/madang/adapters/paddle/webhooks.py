"""Paddle's webhooks: `Paddle-Signature: ts=…;h1=…`, an HMAC-SHA256 of the time and the body.

Source: Paddle's page on verifying signatures and its Python SDK 1.16.1 (several `h1` while a secret is changed). Paddle's own
receivers take what is at most 5 seconds old: here it is `webhook_tolerance`, by default 5 minutes, for what waits under load is
no forgery, and one that came already is known by its `event_id`. Not verified: whether what is delivered again is signed anew.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.paddle.capabilities import NAME
from madang.adapters.paddle.mapping import moment_of, ours_in, part_of, payment_of, text_of, word_of
from madang.adapters.paddle.settings import PaddleSettings
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice, PaymentSnapshot, RemotePaymentStatus
from madang.ports.webhook import WebhookRequest

HEADER: Final = "paddle-signature"
_TIME: Final = re.compile(r"[0-9]{1,11}")


def notice_in(request: WebhookRequest, settings: PaddleSettings) -> PaymentNotice:
    """Raises `SignatureInvalid`."""
    _check(request, settings)
    try:
        return _notice(json.loads(request.body), settings.inclusive)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _invalid("the body is not an event") from None


def _check(request: WebhookRequest, settings: PaddleSettings) -> None:
    pairs = [each.partition("=") for each in request.headers.get(HEADER, "").split(";")]
    moment = ";".join(value for name, _, value in pairs if name.strip() == "ts")
    if not _TIME.fullmatch(moment):
        raise _invalid("the header does not say one time")
    if abs(request.received_at.timestamp() - int(moment)) > settings.webhook_tolerance:
        raise _invalid("it was signed too long ago, or for later")
    signed = moment.encode() + b":" + request.body
    expected = hmac.new(settings.webhook_secret.reveal().encode(), signed, hashlib.sha256).hexdigest().encode()
    given = [value.strip().encode() for name, _, value in pairs if name.strip() == "h1"]
    if not any(hmac.compare_digest(expected, each) for each in given):
        raise _invalid("the signature is not ours")


def _notice(event: Mapping[str, Any], inclusive: bool) -> PaymentNotice:
    identity, kind = text_of(event.get("event_id")), text_of(event.get("event_type"))
    at, data = moment_of(event.get("occurred_at")), part_of(event, "data")
    match kind.partition(".")[0]:
        case "transaction":
            return _of_transaction(PaymentNotice(identity, kind, at), data, inclusive)
        case "subscription":
            ours = ours_in(data, "subscription_id")
            return PaymentNotice(identity, kind, at, subscription=text_of(data.get("id")), subscription_id=ours)
        case "adjustment":
            subscription = word_of(data.get("subscription_id"))
            return PaymentNotice(identity, kind, at, text_of(data.get("transaction_id")), subscription=subscription)
    return PaymentNotice(identity, kind, at)


def _of_transaction(notice: PaymentNotice, data: Mapping[str, Any], inclusive: bool) -> PaymentNotice:
    """A checkout of a subscription is no payment before there is one: then its reference stands for the subscription."""
    reference, subscription = text_of(data.get("id")), word_of(data.get("subscription_id"))
    ours = ours_in(data, "subscription_id")
    about = (notice.event_id, notice.kind, notice.occurred_at)
    if ours is not None and subscription is None:
        return PaymentNotice(*about, subscription=reference, subscription_id=ours)
    return PaymentNotice(
        *about,
        reference,
        ours_in(data, "payment_id"),
        subscription=subscription,
        snapshot=_proven(data, inclusive),
        subscription_id=ours,
    )


def _proven(data: Mapping[str, Any], inclusive: bool) -> PaymentSnapshot | None:
    """That it is completed and nothing was given back, the body proves; for anything else Paddle is asked: an event about a
    transaction does not tell its refunds."""
    if data.get("status") != "completed":
        return None
    details = part_of(data, "details")
    adjusted, totals = details.get("adjusted_totals"), part_of(details, "totals")
    if not isinstance(adjusted, dict) or adjusted.get("total") != totals.get("total"):
        return None
    snapshot = payment_of(data, inclusive)
    return snapshot if snapshot.status is RemotePaymentStatus.PAID else None


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
