"""Users in PostgreSQL."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.identity.model import User, UserStatus
from madang.core.kernel.errors import AlreadyExists, StaleVersion
from madang.core.kernel.paging import Page, PageRequest

USER: Final = (
    "id",
    "role",
    "status",
    "locale",
    "created_at",
    "updated_at",
    "email",
    "email_hash",
    "email_verified_at",
    "name",
    "phone",
    "password_hash",
    "password_changed_at",
    "totp_secret",
    "totp_confirmed_at",
    "totp_last_step",
    "version",
)
_ADD: Final = insert("users", USER, on_conflict="ON CONFLICT DO NOTHING")
_GET: Final = {lock: select("users", USER, "id = $1", lock=lock) for lock in (False, True)}
_BY_EMAIL: Final = {lock: select("users", USER, "email_hash = ANY ($1)", lock=lock) for lock in (False, True)}
_UPDATE: Final = update("users", USER, where=f"version = ${USER.index('version') + 1} - 1")
_PAGE: Final = f"""
SELECT {", ".join(USER)}, count(*) OVER () AS total FROM users
WHERE ($1::text IS NULL OR role = $1) AND ($2::text IS NULL OR status = $2)
ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4
"""
_COUNT: Final = "SELECT count(*) FROM users WHERE ($1::text IS NULL OR role = $1) AND ($2::text IS NULL OR status = $2)"
_LOCK_ACTIVE: Final = f"""
SELECT id FROM users WHERE role = $1 AND status = '{UserStatus.ACTIVE}' ORDER BY id FOR UPDATE
"""


class PostgresUsers:
    """Fulfils `UserRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, user_id: UUID, *, lock: bool = False) -> User | None:
        row = await self._connection.fetchrow(_GET[lock], user_id)
        return None if row is None else to_user(row)

    async def by_email(self, email_hashes: Sequence[bytes], *, lock: bool = False) -> User | None:
        row = await self._connection.fetchrow(_BY_EMAIL[lock], list(email_hashes))
        return None if row is None else to_user(row)

    async def add(self, user: User) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(user))) == 1

    async def update(self, user: User) -> None:
        try:
            changed = affected(await self._connection.execute(_UPDATE, *_values(user)))
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists("another account has this e-mail address") from error
        if not changed:
            raise StaleVersion("somebody else changed this user meanwhile")

    async def page(self, request: PageRequest, *, role: str | None = None, status: UserStatus | None = None) -> Page[User]:
        wanted = (role, None if status is None else status.value)
        rows = await self._connection.fetch(_PAGE, *wanted, request.limit, request.offset)
        total: int = rows[0]["total"] if rows else await self._connection.fetchval(_COUNT, *wanted)
        return Page([to_user(row) for row in rows], total, request.page, request.limit)

    async def lock_active(self, role: str) -> Sequence[UUID]:
        return [row["id"] for row in await self._connection.fetch(_LOCK_ACTIVE, role)]


class PostgresUserReader:
    """Fulfils `UserReader`. asyncpg prepares the statement once a connection and keeps it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, user_id: UUID) -> User | None:
        row = await self._database.fetchrow(_GET[False], user_id)
        return None if row is None else to_user(row)


def to_user(row: asyncpg.Record) -> User:
    return User(**{column: row[column] for column in USER if column != "status"}, status=UserStatus(row["status"]))


def _values(user: User) -> tuple[Any, ...]:
    return tuple(user.status.value if column == "status" else getattr(user, column) for column in USER)
