"""Replicate's announcements: Standard Webhooks, signed with the account's secret (`GET /webhooks/default/secret`)."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from standardwebhooks import Webhook

from madang.adapters.replicate.payload import NAME
from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = timedelta(minutes=5)
MAX_SIGNATURES: Final = 10


def verified(secret: Secret, request: WebhookRequest) -> Mapping[str, Any]:
    """The prediction that is announced. Raises `SignatureInvalid` unless it was signed with our secret within five minutes of
    its arrival; of several signatures one that fits is enough. (The SDK's own check leaves the time out.)"""
    identity = request.headers.get("webhook-id", "")
    moment = request.headers.get("webhook-timestamp", "")
    given = request.headers.get("webhook-signature", "").split(" ")
    if not (0 < len(identity) <= 255 and moment.isascii() and moment.isdigit() and len(moment) <= 11):
        raise invalid("the headers webhook-id and webhook-timestamp are missing or wrong")
    sent_at = datetime.fromtimestamp(int(moment), UTC)
    if abs(request.received_at - sent_at) > TOLERANCE:
        raise invalid("it was signed too long ago, or for later")
    try:
        body = request.body.decode()
        expected = Webhook(secret.reveal()).sign(identity, sent_at, body)
    except ValueError:
        raise invalid("the body cannot be read") from None
    if not any(hmac.compare_digest(expected.encode(), each.encode()) for each in given[:MAX_SIGNATURES]):
        raise invalid("no signature is ours")
    return _object(body)


def invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")


def _object(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("the body cannot be read") from None
    if not isinstance(document, dict):
        raise invalid("the body is no prediction")
    return document
