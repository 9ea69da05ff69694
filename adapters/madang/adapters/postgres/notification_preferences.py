"""What users want of notifications, and the addresses that want none, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.notifications.model import Category, Channel, Preferences, Suppression

_PREFERENCES: Final = ("user_id", "chosen", "version", "updated_at")
_GET: Final = select("notification_preferences", _PREFERENCES, "user_id = $1")
_LOCK: Final = select("notification_preferences", _PREFERENCES, "user_id = $1", lock=True)
_MAKE: Final = insert("notification_preferences", _PREFERENCES, on_conflict="ON CONFLICT (user_id) DO NOTHING")
_SAVE: Final = update("notification_preferences", _PREFERENCES, key="user_id")

_SUPPRESSION: Final = ("address_hash", "address", "user_id", "reason", "created_at")
_SUPPRESS: Final = insert("email_suppressions", _SUPPRESSION, on_conflict="ON CONFLICT (address_hash) DO NOTHING")
_ANY: Final = "SELECT EXISTS (SELECT FROM email_suppressions WHERE address_hash = ANY ($1))"
_OF_USER: Final = select("email_suppressions", _SUPPRESSION, "user_id = $1 ORDER BY created_at")


class PostgresPreferences:
    """Fulfils `PreferencesRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, user_id: UUID) -> Preferences | None:
        row = await self._connection.fetchrow(_GET, user_id)
        return None if row is None else _preferences(row)

    async def lock(self, user_id: UUID, now: datetime) -> Preferences:
        await self._connection.execute(_MAKE, user_id, {}, 0, now)
        row = await self._connection.fetchrow(_LOCK, user_id)
        if row is None:
            raise LookupError("the row was removed between the two statements")
        return _preferences(row)

    async def save(self, preferences: Preferences) -> None:
        chosen = {category.value: [channel.value for channel in channels] for category, channels in preferences.chosen.items()}
        await self._connection.execute(_SAVE, preferences.user_id, chosen, preferences.version, preferences.updated_at)

    async def remove(self, user_id: UUID) -> int:
        return affected(await self._connection.execute("DELETE FROM notification_preferences WHERE user_id = $1", user_id))


class PostgresSuppressions:
    """Fulfils `SuppressionRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, suppression: Suppression) -> bool:
        values = [getattr(suppression, column) for column in _SUPPRESSION]
        return affected(await self._connection.execute(_SUPPRESS, *values)) == 1

    async def any_of(self, address_hashes: Sequence[bytes]) -> bool:
        found: bool = await self._connection.fetchval(_ANY, list(address_hashes))
        return found

    async def of_user(self, user_id: UUID) -> Sequence[Suppression]:
        rows = await self._connection.fetch(_OF_USER, user_id)
        return [Suppression(**{column: row[column] for column in _SUPPRESSION}) for row in rows]

    async def remove(self, user_id: UUID) -> int:
        return affected(await self._connection.execute("DELETE FROM email_suppressions WHERE user_id = $1", user_id))


def _preferences(row: asyncpg.Record) -> Preferences:
    return Preferences(row["user_id"], _chosen(row["chosen"]), row["version"], row["updated_at"])


def _chosen(document: Mapping[str, Any]) -> Mapping[Category, Sequence[Channel]]:
    return {Category(name): [Channel(channel) for channel in channels] for name, channels in document.items()}
