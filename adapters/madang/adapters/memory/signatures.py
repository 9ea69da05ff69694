"""What the in-memory providers sign, and believe again: webhooks and tokens, by HMAC with the plugin's own key."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from madang.adapters.memory.world import NAME
from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = timedelta(minutes=5)
HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


def signed_webhook(
    key: Secret, event_id: str, event: Mapping[str, Any], signed_at: datetime, received_at: datetime
) -> WebhookRequest:
    """As an HTTP request would bring it."""
    body = json.dumps(event).encode()
    stamp = str(int(signed_at.timestamp()))
    signature = _signature(key, f"{event_id}.{stamp}.".encode() + body)
    return WebhookRequest(dict(zip(HEADERS, (event_id, stamp, signature), strict=True)), body, received_at)


def believed_webhook(key: Secret, request: WebhookRequest) -> tuple[str, Mapping[str, Any]]:
    """The event's id and the event. Raises `SignatureInvalid`."""
    event_id, stamp, signature = (request.headers.get(name, "") for name in HEADERS)
    expected = _signature(key, f"{event_id}.{stamp}.".encode() + request.body)
    if not hmac.compare_digest(expected.encode(), signature.encode()) or not event_id or not stamp.isdecimal():
        raise SignatureInvalid("the signature is not ours", provider=NAME, operation="read_webhook")
    if abs(request.received_at.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise SignatureInvalid("it was signed too long ago", provider=NAME, operation="read_webhook")
    event: Mapping[str, Any] = json.loads(request.body)
    return event_id, event


def signed_token(key: Secret, claims: Mapping[str, Any]) -> str:
    head, body = _segment({"alg": "memory", "typ": "JWT"}), _segment(claims)
    return f"{head}.{body}.{_signature(key, f'{head}.{body}'.encode())}"


def believed_claims(key: Secret, token: str) -> Mapping[str, Any] | None:
    """The claims of a token of ours, None for any other text."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(key, signed.encode()).encode(), signature.encode()):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _signature(key: Secret, data: bytes) -> str:
    return hmac.digest(key.reveal().encode(), data, "sha256").hex()


def _segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
