"""What the audit trail owes a person: what is recorded about them, and where they were to become unreadable."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.operations.audit import AuditedUnitOfWork, AuditEvent, AuditTrail

MAX_EVENTS: Final = 10_000


class AuditPersonalData:
    """Fulfils `PersonalData`. The trail is append-only: what is personal in it is sealed under the person's own key, and goes
    with that."""

    name: Final = "activity"
    tables: Final = frozenset({"personal_keys"})

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def export(self, uow: AuditedUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        """The newest ten thousand events. Who else acted, and from where, is theirs."""
        keys = await uow.personal_keys.of([user_id])
        events = await uow.audit.about(user_id, limit=MAX_EVENTS)
        return {"events": [self._described(event, user_id, keys) for event in events]} if events else {}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing lies outside."""

    async def erase(self, uow: AuditedUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        return {"personal_keys": int(await uow.personal_keys.destroy(user_id))}

    def _described(self, event: AuditEvent, user_id: UUID, keys: Mapping[UUID, bytes]) -> Mapping[str, Any]:
        origin = self._trail.origin_under(keys, event)
        by_you = event.actor_id == user_id
        return {
            "at": event.at,
            "action": event.action.value,
            "subject": event.subject,
            "byYou": by_you,
            "address": None if origin is None else origin.address,
            "agent": None if origin is None else origin.agent,
            "details": dict(event.details) if by_you else {},
        }
