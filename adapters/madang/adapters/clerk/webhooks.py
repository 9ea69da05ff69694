"""Svix signatures: the scheme of Standard Webhooks under the header names `svix-…`."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from standardwebhooks import Webhook

from madang.adapters.clerk.mapping import NAME
from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = timedelta(minutes=5)
MAX_SIGNATURES: Final = 10


def verified(secret: Secret, request: WebhookRequest) -> tuple[str, Mapping[str, Any]]:
    """The delivery's id and its event. Raises `SignatureInvalid` unless it was signed with our secret within five minutes of
    its arrival. While secrets are rotated it carries several signatures, and one that fits is enough."""
    identity = request.headers.get("svix-id", "")
    moment = request.headers.get("svix-timestamp", "")
    given = request.headers.get("svix-signature", "").split(" ")
    if not (0 < len(identity) <= 255 and moment.isascii() and moment.isdigit() and len(moment) <= 11):
        raise _invalid("the headers svix-id and svix-timestamp are missing or wrong")
    sent_at = datetime.fromtimestamp(int(moment), UTC)
    if abs(request.received_at - sent_at) > TOLERANCE:
        raise _invalid("it was signed too long ago, or for later")
    try:
        body = request.body.decode()
        expected = Webhook(secret.reveal()).sign(identity, sent_at, body)
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("the body cannot be read") from None
    if not any(_same(expected, each) for each in given[:MAX_SIGNATURES]):
        raise _invalid("no signature is ours")
    if not isinstance(event, dict):
        raise _invalid("the body is not an event")
    return identity, event


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
