"""Everything that identity keeps about one user: to be handed over, and to be forgotten."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.identity.revocations import CHANNEL, KEY
from madang.adapters.postgres.identity.sessions import SESSION, to_session
from madang.adapters.postgres.statements import affected, select
from madang.core.identity.repository import KeptAboutUser

_SESSIONS: Final = select("sessions", SESSION, "user_id = $1 ORDER BY created_at")
_API_KEYS: Final = """
SELECT id, name, prefix, permissions, created_at, expires_at, last_used_at, revoked_at FROM api_keys
WHERE user_id = $1 ORDER BY created_at
"""
_EXTERNAL: Final = (
    "SELECT provider, issuer, subject, created_at FROM external_identities WHERE user_id = $1 ORDER BY created_at"
)
_CODES_LEFT: Final = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"
_EMPTY_USER: Final = """
UPDATE users SET status = 'erased', email = NULL, email_hash = NULL, email_verified_at = NULL, name = NULL, phone = NULL,
    password_hash = NULL, password_changed_at = NULL, totp_secret = NULL, totp_confirmed_at = NULL, totp_last_step = NULL,
    updated_at = $2, version = version + 1
WHERE id = $1 AND status <> 'erased'
"""
_EMPTY_SESSIONS: Final = f"""
WITH emptied AS (
    UPDATE sessions SET agent = NULL, address = NULL, revoked_at = coalesce(revoked_at, $2),
        revoked_because = coalesce(revoked_because, 'erased')
    WHERE user_id = $1 AND (revoked_at IS NULL OR num_nonnulls(agent, address) > 0) RETURNING id
)
SELECT id::text AS told, pg_notify('{CHANNEL}', id::text) FROM emptied
"""
_FORGET_KEYS: Final = f"""
WITH forgotten AS (DELETE FROM api_keys WHERE user_id = $1 RETURNING id)
SELECT '{KEY}' || id AS told, pg_notify('{CHANNEL}', '{KEY}' || id) FROM forgotten
"""
_FORGET_REFRESH: Final = "DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)"
_OWNED: Final = ("one_time_tokens", "recovery_codes", "external_identities")


class PostgresIdentityRecords:
    """Fulfils `IdentityRecords`; `ended` is told of each session and key that ended, as the channel will be."""

    def __init__(self, connection: Connection, ended: Callable[[str], None]) -> None:
        self._connection = connection
        self._ended = ended

    async def of(self, user_id: UUID) -> KeptAboutUser:
        return KeptAboutUser(
            [to_session(row) for row in await self._connection.fetch(_SESSIONS, user_id)],
            await self._as_json(_API_KEYS, user_id),
            await self._as_json(_EXTERNAL, user_id),
            await self._connection.fetchval(_CODES_LEFT, user_id),
        )

    async def erase(self, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """Sessions before their tokens, as a refresh locks them."""
        rows = {
            "users": affected(await self._connection.execute(_EMPTY_USER, user_id, now)),
            "sessions": await self._ending(_EMPTY_SESSIONS, user_id, now),
            "refresh_tokens": affected(await self._connection.execute(_FORGET_REFRESH, user_id)),
            "api_keys": await self._ending(_FORGET_KEYS, user_id),
        }
        for table in _OWNED:
            rows[table] = affected(await self._connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id))
        return rows

    async def _ending(self, statement: str, *values: Any) -> int:
        told = [row["told"] for row in await self._connection.fetch(statement, *values)]
        for each in told:
            self._ended(each)
        return len(told)

    async def _as_json(self, statement: str, user_id: UUID) -> list[Mapping[str, Any]]:
        return [
            {_camel(name): _plain(value) for name, value in row.items()}
            for row in await self._connection.fetch(statement, user_id)
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
