"""The outbox's messages as administrators page through them, inside a unit of work."""

from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.messages import statements as sql
from madang.adapters.postgres.messages.rows import message_row
from madang.adapters.postgres.operations.audit import id_in
from madang.core.kernel.outbox import MessageRow
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.operations.jobs import JobFilter


class PostgresJobs:
    """Fulfils `JobRepository`; a cursor is the id of the last message of the page before, and ids sort by time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def page(self, request: CursorRequest, wanted: JobFilter) -> CursorPage[MessageRow]:
        state = wanted.state.value if wanted.state else None
        statement, values = sql.listing(state, wanted.topic, request.limit + 1, before=id_in(request.cursor))
        rows = [message_row(row) for row in await self._connection.fetch(statement, *values)]
        page = rows[: request.limit]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def get(self, job_id: UUID) -> MessageRow | None:
        row = await self._connection.fetchrow(sql.GET, job_id)
        return None if row is None else message_row(row)

    async def revive(self, job_id: UUID) -> bool:
        return bool(await self._connection.fetch(sql.REVIVE, job_id))
