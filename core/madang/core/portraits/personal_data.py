"""Portraits know buyers, not users: nobody signs up, and everything about a buyer goes at its own time (`purging`)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.portraits.repository import PortraitsUnitOfWork


class PortraitsPersonalData:
    """Fulfils `PersonalData`. Of a user these tables hold nothing; each job's purge empties them within a day."""

    name: Final = "portraits"
    tables: Final = frozenset({"portraits", "portrait_pictures", "portrait_access_attempts", "portrait_surveys"})

    async def export(self, uow: PortraitsUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of a user."""

    async def erase(self, uow: PortraitsUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        return {}
