"""Signed event webhooks: ECDSA with P-256 and SHA-256 over the timestamp and the body as they came.

Source: SendGrid's own library (`EventWebhook`, version 6.12.5). SendGrid tries again for a day and does not say whether it
signs anew then, so a delivery is good for half a day: an event that is told twice has the same id.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from madang.adapters.provider_http.answers import document_in
from madang.adapters.sendgrid.capabilities import NAME
from madang.ports.errors import Misconfigured, SignatureInvalid
from madang.ports.webhook import WebhookRequest

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
AGE: Final = timedelta(hours=12)
AHEAD: Final = timedelta(minutes=5)


def public_key(text: str) -> EllipticCurvePublicKey:
    """The verification key of the settings. Raises `Misconfigured` for a point that is not on the curve."""
    try:
        key = load_der_public_key(base64.b64decode(text))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise Misconfigured("plugins.sendgrid.webhook_key is no public key", provider=NAME, operation="read_webhook")
    return key


def verified(key: EllipticCurvePublicKey, request: WebhookRequest) -> Sequence[dict[str, Any]]:
    """The delivery's events. Raises `SignatureInvalid` unless SendGrid signed it within half a day of its arrival."""
    moment = request.headers.get(TIMESTAMP, "")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 11):
        raise _invalid("the header with the timestamp is missing or wrong")
    if not -AHEAD <= request.received_at - datetime.fromtimestamp(int(moment), UTC) <= AGE:
        raise _invalid("it was signed too long ago, or for later")
    try:
        signature = base64.b64decode(request.headers.get(SIGNATURE, ""), validate=True)
        key.verify(signature, moment.encode() + request.body, ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        raise _invalid("the signature is not SendGrid's") from None
    events = document_in(request.body)
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise _invalid("the body is no list of events")
    return events


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
