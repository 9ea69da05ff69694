"""Portrait jobs in PostgreSQL, with the fence that keeps late writers out of a purged job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.portraits import rows
from madang.adapters.postgres.statements import affected, insert, select, update, upsert
from madang.core.kernel.errors import AlreadyExists, Gone
from madang.core.portraits.model import AccessAttempts, Portrait, PortraitPicture, Survey, subject_of

_GET: Final = {lock: select("portraits", rows.PORTRAIT, "id = $1", lock=lock) for lock in (False, True)}
_BY_CLIENT_REFERENCE: Final = select("portraits", rows.PORTRAIT, "account = $1 AND client_reference = $2")
_ADD: Final = insert("portraits", rows.PORTRAIT, on_conflict="ON CONFLICT DO NOTHING")
_FIRST: Final = "SELECT id FROM portraits WHERE id = $1 OR (account = $2 AND client_reference = $3) LIMIT 1"
_UPDATE: Final = update(
    "portraits", rows.PORTRAIT, where=f"purged_at IS NOT DISTINCT FROM ${rows.PORTRAIT.index('purged_at') + 1}"
)
_HOLD: Final = "SELECT 1 FROM portraits WHERE id = $1 AND purged_at IS NULL FOR UPDATE"
_PICTURES: Final = select("portrait_pictures", rows.PICTURE, "portrait_id = $1 ORDER BY index")
_ADD_PICTURE: Final = insert("portrait_pictures", rows.PICTURE)
_UPDATE_PICTURE: Final = """
UPDATE portrait_pictures SET seed = $3, status = $4, provider = $5, full_file = $6, webp_file = $7, thumbnail_file = $8
WHERE portrait_id = $1 AND index = $2
"""
_ATTEMPTS: Final = select("portrait_access_attempts", rows.ATTEMPTS, "portrait_id = $1 AND address_hash = $2")
_SAVE_ATTEMPTS: Final = upsert("portrait_access_attempts", rows.ATTEMPTS, key=["portrait_id", "address_hash"])
_ADD_SURVEY: Final = insert("portrait_surveys", rows.SURVEY, on_conflict="ON CONFLICT (portrait_id) DO NOTHING")
_SURVEY: Final = select("portrait_surveys", rows.SURVEY, "portrait_id = $1")

_PURGE_DETAILS: Final = {
    "portrait_pictures": "DELETE FROM portrait_pictures WHERE portrait_id = $1",
    "portrait_access_attempts": "DELETE FROM portrait_access_attempts WHERE portrait_id = $1",
    "portrait_surveys": "DELETE FROM portrait_surveys WHERE portrait_id = $1",
}
_PURGE_KEPT_ANSWERS: Final = """
DELETE FROM idempotency_keys WHERE scope = 'submitPortraitSurvey:portrait-result:' || $1::uuid
"""
"""The survey's answer repeats the comment, and its key would be kept for a day whenever the job ends."""
_PURGE: Final = """
UPDATE portraits
SET account = '', client_reference = NULL, phone = NULL, phone_hash = NULL, photo = NULL, report = NULL, purged_at = $2
WHERE id = $1 AND purged_at IS NULL
"""
_PURGE_ACTIONS: Final = "UPDATE actions SET result = NULL WHERE subject = $1 AND result IS NOT NULL"
"""What providers answered about the job may hold addresses of its pictures or words about the person."""


class PostgresPortraits:
    """Fulfils `PortraitRepository`.

    Whatever would put a row or a field back into a purged job raises `Gone` (`PORTRAIT_EXPIRED`) instead: the statements hold
    this themselves, also for a writer that read the job before the purge. Writers of details hold the job's row first, so they
    and the purge take turns in one order and cannot deadlock.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, portrait_id: UUID, *, lock: bool = False) -> Portrait | None:
        row = await self._connection.fetchrow(_GET[lock], portrait_id)
        return None if row is None else rows.to_portrait(row)

    async def by_client_reference(self, account: str, client_reference: str) -> Portrait | None:
        row = await self._connection.fetchrow(_BY_CLIENT_REFERENCE, account, client_reference)
        return None if row is None else rows.to_portrait(row)

    async def add(self, portrait: Portrait) -> None:
        """Raises `AlreadyExists` also when the id itself is taken: a repeated order."""
        if affected(await self._connection.execute(_ADD, *rows.of_portrait(portrait))):
            return
        first = await self._connection.fetchval(_FIRST, portrait.id, portrait.account, portrait.client_reference)
        raise AlreadyExists("an order with this client reference is already there", id=str(first or portrait.id))

    async def update(self, portrait: Portrait) -> None:
        if not affected(await self._connection.execute(_UPDATE, *rows.of_portrait(portrait))):
            raise _gone()

    async def pictures(self, portrait_id: UUID) -> Sequence[PortraitPicture]:
        return [rows.to_picture(row) for row in await self._connection.fetch(_PICTURES, portrait_id)]

    async def add_pictures(self, pictures: Sequence[PortraitPicture]) -> None:
        for portrait_id in sorted({picture.portrait_id for picture in pictures}):
            await self._hold(portrait_id)
        await self._connection.executemany(_ADD_PICTURE, [rows.of_picture(picture) for picture in pictures])

    async def update_picture(self, picture: PortraitPicture) -> None:
        if not affected(await self._connection.execute(_UPDATE_PICTURE, *rows.of_picture(picture))):
            raise _gone()

    async def attempts(self, portrait_id: UUID, address_hash: bytes, *, lock: bool = False) -> AccessAttempts | None:
        """With `lock`, the job's row is held: two first tries at once have no row of their own to hold."""
        if lock:
            await self._connection.fetchval(_HOLD, portrait_id)
        row = await self._connection.fetchrow(_ATTEMPTS, portrait_id, address_hash)
        return None if row is None else AccessAttempts(*row.values())

    async def save_attempts(self, attempts: AccessAttempts) -> None:
        await self._hold(attempts.portrait_id)
        await self._connection.execute(
            _SAVE_ATTEMPTS, attempts.portrait_id, attempts.address_hash, attempts.failures, attempts.blocked_until
        )

    async def add_survey(self, survey: Survey) -> bool:
        await self._hold(survey.portrait_id)
        values: tuple[Any, ...] = (survey.portrait_id, survey.score, survey.comment, survey.created_at)
        return affected(await self._connection.execute(_ADD_SURVEY, *values)) == 1

    async def survey(self, portrait_id: UUID) -> Survey | None:
        row = await self._connection.fetchrow(_SURVEY, portrait_id)
        return None if row is None else Survey(*row.values())

    async def purge(self, portrait_id: UUID, *, now: datetime) -> dict[str, int]:
        """The counts of tables where nothing was left to remove are 0; a job that was purged before keeps its `purged_at`."""
        emptied = affected(await self._connection.execute(_PURGE, portrait_id, now))
        removed = {"portraits": emptied}
        for table, statement in _PURGE_DETAILS.items():
            removed[table] = affected(await self._connection.execute(statement, portrait_id))
        removed["idempotency_keys"] = affected(await self._connection.execute(_PURGE_KEPT_ANSWERS, portrait_id))
        removed["actions"] = affected(await self._connection.execute(_PURGE_ACTIONS, subject_of(portrait_id)))
        return removed

    async def _hold(self, portrait_id: UUID) -> None:
        if await self._connection.fetchval(_HOLD, portrait_id) is None:
            raise _gone()


def _gone() -> Gone:
    return Gone("this portrait's 24 hours are over and everything was deleted", code="PORTRAIT_EXPIRED")
