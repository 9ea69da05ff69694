"""Who signed a webhook, and when. Source: the specification of Standard Webhooks (standardwebhooks.com); Svix names the headers
`svix-…` and does the same.

The library signs; its own check measures a webhook's age by the clock at the check, and one that waited would come too late.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from standardwebhooks import Webhook

from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = timedelta(minutes=5)
MAX_SIGNATURES: Final = 10
MAX_ID: Final = 255


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """`id` is the delivery's, the same when it is sent again. `document` is the JSON object of the body."""

    id: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WebhookVerification:
    """How a provider's webhooks are believed; `headers` is what their names begin with."""

    provider: str
    secret: Secret
    headers: str = "webhook"

    def read(self, request: WebhookRequest) -> SignedEvent:
        """Raises `SignatureInvalid` unless it was signed with our secret within five minutes of its arrival. While a secret is
        rotated it carries several signatures, and one that fits is enough."""
        identity, sent_at = self._identity(request)
        if abs(request.received_at - sent_at) > TOLERANCE:
            raise self._invalid("it was signed too long ago, or for later")
        if not self._is_signed(identity, sent_at, request):
            raise self._invalid("no signature is ours")
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            raise self._invalid("the body cannot be read") from None
        if not isinstance(document, dict):
            raise self._invalid("the body is not an event")
        return SignedEvent(identity, document)

    def _is_signed(self, identity: str, sent_at: datetime, request: WebhookRequest) -> bool:
        try:
            expected = Webhook(self.secret.reveal()).sign(identity, sent_at, request.body.decode()).encode()
        except UnicodeDecodeError:
            raise self._invalid("the body cannot be read") from None
        given = request.headers.get(f"{self.headers}-signature", "").split(" ")[:MAX_SIGNATURES]
        return any(hmac.compare_digest(expected, each.encode()) for each in given)

    def _identity(self, request: WebhookRequest) -> tuple[str, datetime]:
        identity = request.headers.get(f"{self.headers}-id", "")
        moment = request.headers.get(f"{self.headers}-timestamp", "")
        if not (0 < len(identity) <= MAX_ID and moment.isascii() and moment.isdigit() and len(moment) <= 11):
            raise self._invalid(f"the headers {self.headers}-id and {self.headers}-timestamp are missing or wrong")
        return identity, datetime.fromtimestamp(int(moment), UTC)

    def _invalid(self, why: str) -> SignatureInvalid:
        return SignatureInvalid(why, provider=self.provider, operation="read_webhook")
