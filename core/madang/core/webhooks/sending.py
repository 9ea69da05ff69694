"""How a delivery leaves, as webhooks need it: the address is the client's, so it is judged before anything goes there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutgoingWebhook:
    """Signed under each of `secrets` (`whsec_…`), all in one header. `id` stays the same over all tries."""

    id: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    sent_at: datetime
    secrets: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """`retry_after` is in seconds, `duration_ms` until the head of the answer had come."""

    status: int
    duration_ms: int
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class WebhookSender(Protocol):
    async def check(self, url: str) -> None:
        """Raises `ValidationFailed` at `url` for an address that we do not send to: not HTTPS, not public, no address."""
        ...

    async def send(self, webhook: OutgoingWebhook) -> WebhookAnswer:
        """Follows no redirect and reads no body. Raises `Rejected` for an address that we do not send to, `Unavailable` where
        nothing was sent, `OutcomeUnknown` where no answer came in time."""
        ...

    def new_secret(self) -> str:
        """`whsec_` and 32 random bytes in base64."""
        ...

    def host_of(self, url: str) -> str:
        """What people recognise the address by."""
        ...
