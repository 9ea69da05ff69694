"""Endpoints that clients name, and what became of every event that they wanted (Standard Webhooks 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from madang.core.kernel.errors import WrongState

URL_PURPOSE: Final = "webhooks.url"
DESCRIPTION_PURPOSE: Final = "webhooks.description"
SECRET_PURPOSE: Final = "webhooks.secret"  # noqa: S105 - the name of a purpose
PREVIOUS_SECRET_PURPOSE: Final = "webhooks.previous_secret"  # noqa: S105 - as above

MAX_ENDPOINTS: Final = 20
"""An account has at most so many."""
BOTH_SECRETS: Final = timedelta(hours=24)
"""After a rotation deliveries carry a signature under the old secret, too."""
RETRY_AFTER: Final[tuple[timedelta, ...]] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=7),
    timedelta(hours=9),
)
"""The waits between the tries of one delivery: together a day."""
LONGEST_WISH: Final = timedelta(hours=9)
"""A longer `Retry-After` is cut to this."""
DISABLE_AFTER: Final = timedelta(days=3)
"""An endpoint that took nothing for so long is disabled when another delivery is given up."""
KEPT: Final = timedelta(days=30)
"""How long the log of deliveries goes back."""


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class DisabledBecause(StrEnum):
    """`OWNER`: by hand. `FAILING`: it took nothing for days. `GONE`: it answered 410."""

    OWNER = "owner"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """`url`, `description` and the secrets are encrypted: an address often carries a token. `event_types` empty means all;
    `files.*` means all of files. `rotation` is the last rotation's id, so that a repeated request finds it done."""

    id: UUID
    user_id: UUID
    url: bytes = field(repr=False)
    event_types: tuple[str, ...]
    status: EndpointStatus
    secret: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime
    description: bytes | None = field(default=None, repr=False)
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_secret_until: datetime | None = None
    rotation: UUID | None = None
    disabled_because: DisabledBecause | None = None
    failing_since: datetime | None = None

    def wants(self, event_type: str) -> bool:
        return not self.event_types or any(_matches(wanted, event_type) for wanted in self.event_types)

    def disabled(self, because: DisabledBecause, now: datetime) -> Self:
        return replace(self, status=EndpointStatus.DISABLED, disabled_because=because, updated_at=now)

    def enabled(self, now: datetime) -> Self:
        return replace(self, status=EndpointStatus.ACTIVE, disabled_because=None, failing_since=None, updated_at=now)


class DeliveryStatus(StrEnum):
    """`CANCELLED`: its endpoint was disabled before it could be delivered."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: Final[Mapping[DeliveryStatus, frozenset[DeliveryStatus]]] = {
    DeliveryStatus.PENDING: frozenset(DeliveryStatus),
    DeliveryStatus.DELIVERED: frozenset({DeliveryStatus.PENDING}),
    DeliveryStatus.FAILED: frozenset({DeliveryStatus.PENDING}),
    DeliveryStatus.CANCELLED: frozenset({DeliveryStatus.PENDING}),
}
"""What is over begins anew when its owner asks for it."""


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one endpoint. `event_id` is what the receiver sees as `webhook-id`, the same in every try. `run` names the
    series of tries: messages of an older one are dropped. Of the receiver's answer only status and time are kept: its body may
    hold anything."""

    id: UUID
    endpoint_id: UUID
    user_id: UUID
    event_id: UUID
    event_type: str
    data: Mapping[str, Any]
    occurred_at: datetime
    status: DeliveryStatus
    run: UUID
    created_at: datetime
    updated_at: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    response_status: int | None = None
    duration_ms: int | None = None
    failure: str | None = None

    def to(self, status: DeliveryStatus, now: datetime, **changes: Any) -> Self:
        """Raises `WrongState`."""
        if status not in TRANSITIONS[self.status]:
            raise WrongState("the delivery is in another state", state=self.status.value, expected=status.value)
        return replace(self, status=status, updated_at=now, **changes)


def wait_before(attempt: int, wished: float | None) -> timedelta | None:
    """Before the try that follows the `attempt`-th one (1 is the first), None when that was the last. `wished` is the
    receiver's `Retry-After` in seconds."""
    if attempt > len(RETRY_AFTER):
        return None
    usual = RETRY_AFTER[attempt - 1]
    return usual if wished is None else max(usual, min(timedelta(seconds=wished), LONGEST_WISH))


def _matches(wanted: str, event_type: str) -> bool:
    return event_type.startswith(wanted[:-1]) if wanted.endswith(".*") else event_type == wanted
