"""What providers tell us: verified, stored once, answered, and then handled by the worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A verified webhook, stored once by provider and event id. `notice` is what the adapter read from it, as JSON."""

    id: UUID
    provider: str
    event_id: str
    kind: str
    notice: Mapping[str, Any]
    received_at: datetime
    handled_at: datetime | None = None
    outcome: str | None = None


class InboxRepository(Protocol):
    async def add(self, entry: InboxEntry) -> bool:
        """False when this provider's event is already there; then nothing was written."""
        ...

    async def of_events(self, provider: str, event_ids: Sequence[str]) -> Sequence[InboxEntry]: ...

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None: ...

    async def update(self, entry: InboxEntry) -> None: ...
