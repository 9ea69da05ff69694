"""API keys in PostgreSQL."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.identity.revocations import CHANNEL, KEY
from madang.adapters.postgres.statements import insert, select, update
from madang.core.identity.model import ApiKey, UserStatus
from madang.core.identity.repository import KeyHolder

_KEY: Final = (
    "id",
    "user_id",
    "name",
    "prefix",
    "digest",
    "permissions",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
)
_ADD: Final = insert(
    "api_keys",
    _KEY,
    on_conflict="ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, prefix = excluded.prefix "
    "WHERE api_keys.user_id = excluded.user_id",
)
_GET: Final = {lock: select("api_keys", _KEY, "id = $1", lock=lock) for lock in (False, True)}
_OF_USER: Final = f"SELECT {', '.join(_KEY)} FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id DESC"
_UPDATE: Final = (
    f"WITH changed AS ({update('api_keys', _KEY)} RETURNING id) SELECT id, pg_notify('{CHANNEL}', '{KEY}' || id) FROM changed"
)
_REVOKE_ALL: Final = f"""
WITH open AS (
    SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id FOR UPDATE
), ended AS (
    UPDATE api_keys SET revoked_at = $2 FROM open WHERE api_keys.id = open.id RETURNING api_keys.id
)
SELECT id, pg_notify('{CHANNEL}', '{KEY}' || id) FROM ended
"""
_RECONSIDER: Final = f"SELECT id, pg_notify('{CHANNEL}', '{KEY}' || id) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL"
_HOLDER: Final = f"""
WITH found AS (
    SELECT {", ".join(f"api_keys.{column}" for column in _KEY)}, users.role, users.status
    FROM api_keys JOIN users ON users.id = api_keys.user_id WHERE api_keys.digest = $1
), used AS (
    UPDATE api_keys SET last_used_at = $2 FROM found
    WHERE api_keys.id = found.id AND found.status = '{UserStatus.ACTIVE}' AND api_keys.revoked_at IS NULL
      AND (found.expires_at IS NULL OR found.expires_at > $2)
      AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at <= $2 - interval '1 minute')
)
SELECT * FROM found
"""
"""What is asked of a key that is shown, and that it was used, at most once a minute: one round trip."""


class PostgresApiKeys:
    """Fulfils `ApiKeyRepository`; `changed` is told of every key whose worth changed, as the channel will be."""

    def __init__(self, connection: Connection, changed: Callable[[str], None]) -> None:
        self._connection = connection
        self._changed = changed

    async def add(self, key: ApiKey) -> None:
        await self._connection.execute(_ADD, *_values(key))

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        return [_api_key(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def get(self, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
        row = await self._connection.fetchrow(_GET[lock], key_id)
        return None if row is None else _api_key(row)

    async def update(self, key: ApiKey) -> None:
        await self._changing(_UPDATE, *_values(key))

    async def revoke_all(self, user_id: UUID, now: datetime) -> Sequence[UUID]:
        return await self._changing(_REVOKE_ALL, user_id, now)

    async def reconsider(self, user_id: UUID) -> None:
        await self._changing(_RECONSIDER, user_id)

    async def _changing(self, statement: str, *values: Any) -> Sequence[UUID]:
        ids = [row["id"] for row in await self._connection.fetch(statement, *values)]
        for key_id in ids:
            self._changed(f"{KEY}{key_id}")
        return ids


class PostgresKeyHolders:
    """Fulfils `KeyHolders`, outside any unit of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_digest(self, digest: bytes, now: datetime) -> KeyHolder | None:
        row = await self._database.fetchrow(_HOLDER, digest, now)
        return None if row is None else KeyHolder(_api_key(row), row["role"], UserStatus(row["status"]))


def _api_key(row: asyncpg.Record) -> ApiKey:
    values = {column: row[column] for column in _KEY}
    return ApiKey(**{**values, "permissions": frozenset(values["permissions"])})


def _values(key: ApiKey) -> tuple[Any, ...]:
    return tuple(sorted(key.permissions) if column == "permissions" else getattr(key, column) for column in _KEY)
