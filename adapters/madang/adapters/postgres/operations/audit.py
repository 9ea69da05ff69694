"""The audit trail in PostgreSQL, and the data keys of people."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert
from madang.core.kernel.caller import CallerKind
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.operations.audit import AuditAction, AuditEvent

_EVENT: Final = (
    "id",
    "at",
    "action",
    "actor_kind",
    "subject",
    "request_id",
    "actor_id",
    "api_key_id",
    "person_id",
    "origin",
    "details",
)
_ADD: Final = insert("audit_events", _EVENT)
_ABOUT: Final = f"""
SELECT {", ".join(_EVENT)} FROM audit_events WHERE actor_id = $1 OR subject = $2 ORDER BY id DESC LIMIT $3
"""
_PAGE: Final = f"""
SELECT {", ".join(_EVENT)} FROM audit_events
WHERE ($1::text IS NULL OR action = $1) AND ($2::uuid IS NULL OR actor_id = $2) AND ($3::text IS NULL OR subject = $3)
  AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)
  AND ($6::uuid IS NULL OR id < $6)
ORDER BY id DESC LIMIT $7
"""
"""Ids are UUIDv7: their order is the order in which the events were made."""


class PostgresAudit:
    """Fulfils `AuditRepository`; a cursor is the id of the last event of the page before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, event: AuditEvent) -> None:
        await self._connection.execute(_ADD, *_values(event))

    async def page(
        self,
        request: CursorRequest,
        *,
        action: AuditAction | None = None,
        actor_id: UUID | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> CursorPage[AuditEvent]:
        wanted = (None if action is None else action.value, actor_id, subject, since, until)
        rows = await self._connection.fetch(_PAGE, *wanted, id_in(request.cursor), request.limit + 1)
        events = [_event(row) for row in rows[: request.limit]]
        return CursorPage(events, request.limit, events[-1].id.hex if len(rows) > request.limit else None)

    async def about(self, user_id: UUID, *, limit: int) -> Sequence[AuditEvent]:
        return [_event(row) for row in await self._connection.fetch(_ABOUT, user_id, f"user:{user_id}", limit)]


class PostgresPersonalKeys:
    """Fulfils `PersonalKeyRepository`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, person_id: UUID) -> bytes | None:
        wrapped: bytes | None = await self._connection.fetchval(
            "SELECT wrapped FROM personal_keys WHERE person_id = $1", person_id
        )
        return wrapped

    async def of(self, person_ids: Collection[UUID]) -> Mapping[UUID, bytes]:
        rows = await self._connection.fetch(
            "SELECT person_id, wrapped FROM personal_keys WHERE person_id = ANY ($1)", list(person_ids)
        )
        return {row["person_id"]: row["wrapped"] for row in rows}

    async def add(self, person_id: UUID, wrapped: bytes) -> bytes:
        kept: bytes = await self._connection.fetchval(
            "INSERT INTO personal_keys (person_id, wrapped) VALUES ($1, $2) "
            "ON CONFLICT (person_id) DO UPDATE SET wrapped = personal_keys.wrapped RETURNING wrapped",
            person_id,
            wrapped,
        )
        return kept

    async def destroy(self, person_id: UUID) -> bool:
        return affected(await self._connection.execute("DELETE FROM personal_keys WHERE person_id = $1", person_id)) == 1


def id_in(cursor: str | None) -> UUID | None:
    """Raises `ValidationFailed` for a cursor that is none of ours."""
    try:
        return None if cursor is None else UUID(hex=cursor)
    except ValueError:
        raise ValidationFailed(Problem("cursor", "is not a cursor that a page before has answered")) from None


def _event(row: asyncpg.Record) -> AuditEvent:
    values = {column: row[column] for column in _EVENT}
    return AuditEvent(**{**values, "action": AuditAction(row["action"]), "actor_kind": CallerKind(row["actor_kind"])})


def _values(event: AuditEvent) -> tuple[Any, ...]:
    return tuple(
        value.value if isinstance(value := getattr(event, column), AuditAction | CallerKind) else value for column in _EVENT
    )
