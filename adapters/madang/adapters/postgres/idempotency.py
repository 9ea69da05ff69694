"""Answers kept by idempotency key, in PostgreSQL."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.failures import could_not_connect
from madang.adapters.postgres.statements import affected
from madang.core.kernel.idempotency import Claim, ClaimOutcome, KeptAnswer
from madang.core.kernel.ids import new_id
from madang.core.kernel.protection import PersonalDataCipher

PURPOSE: Final = "idempotency.body"
HASH_PURPOSE: Final = "idempotency.request"

_CLAIM: Final = """
INSERT INTO idempotency_keys AS kept (scope, key, body_hash, subject_id, claims, lease_until, expires_at)
VALUES ($1, $2, $3, $4, 1, $5, $6)
ON CONFLICT (scope, key) DO UPDATE SET
    subject_id = CASE WHEN kept.expires_at <= $7 THEN excluded.subject_id ELSE kept.subject_id END,
    claims = CASE WHEN kept.expires_at <= $7 THEN 1 ELSE kept.claims + 1 END,
    body_hash = excluded.body_hash,
    lease_until = excluded.lease_until,
    expires_at = excluded.expires_at,
    status = NULL, media_type = NULL, body = NULL
WHERE kept.expires_at <= $7 OR (kept.status IS NULL AND kept.lease_until <= $7 AND kept.body_hash = ANY ($8))
RETURNING subject_id
"""
"""Takes a key that is new, expired, or left behind by a claimant that died; the row lock makes claimants take turns."""
_LOOK: Final = """
SELECT subject_id, body_hash, status, media_type, body FROM idempotency_keys WHERE scope = $1 AND key = $2
"""
_ANSWER: Final = """
UPDATE idempotency_keys SET status = $3, media_type = $4, body = $5
WHERE scope = $1 AND key = $2 AND status IS NULL
"""
_RELEASE: Final = """
WITH forgotten AS (DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND status IS NULL AND claims = 1)
UPDATE idempotency_keys SET lease_until = '-infinity'
WHERE scope = $1 AND key = $2 AND status IS NULL AND claims > 1
"""
"""A key that was claimed more than once is freed and not forgotten: another claimant may be at work under its subject's id."""
_PURGE: Final = """
WITH ended AS MATERIALIZED (
    SELECT scope, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys AS kept USING ended WHERE kept.scope = ended.scope AND kept.key = ended.key
"""


class PostgresIdempotencyStore:
    """Fulfils `IdempotencyStore`.

    Hashes of requests are kept keyed: a body may hold a password, and a plain hash of one could be guessed at by who reads the
    table.
    """

    def __init__(self, database: Database, cipher: PersonalDataCipher) -> None:
        self._database = database
        self._cipher = cipher

    async def claim(self, scope: str, key: str, body_hash: bytes, *, now: datetime, lease: float, keep: float) -> Claim:
        lease_until, expires_at = now + timedelta(seconds=lease), now + timedelta(seconds=keep)
        hashes = self._cipher.keyed_hashes(body_hash.hex(), purpose=HASH_PURPOSE)
        values: tuple[Any, ...] = (scope, key, hashes[0], new_id(), lease_until, expires_at, now, hashes)
        while True:
            taken = await self._database.fetchrow(_CLAIM, *values)
            if taken is not None:
                return Claim(ClaimOutcome.CLAIMED, taken["subject_id"])
            held = await self._database.fetchrow(_LOOK, scope, key)
            if held is not None:
                return self._held(held, hashes)
            # Its claimant released it between the two statements: it is free again.

    async def answer(self, scope: str, key: str, answer: KeptAnswer) -> None:
        text = base64.b64encode(answer.body).decode("ascii")
        sealed = self._cipher.encrypt(text, purpose=PURPOSE)
        await self._database.execute(_ANSWER, scope, key, answer.status, answer.media_type, sealed)

    async def release(self, scope: str, key: str) -> None:
        """Tried once: a second try could forget the claim of whoever took the freed key meanwhile. One that is lost with its
        connection is made good by the end of the lease."""
        try:
            await self._database.pool.execute(_RELEASE, scope, key)
        except Exception as error:
            if not could_not_connect(error):
                raise

    async def purge_expired(self, now: datetime, *, limit: int = 1000) -> int:
        """Delete up to `limit` keys whose time is over; how many."""
        return affected(await self._database.execute(_PURGE, now, limit))

    def _held(self, row: asyncpg.Record, body_hashes: Sequence[bytes]) -> Claim:
        if row["body_hash"] not in body_hashes:
            return Claim(ClaimOutcome.REUSED, row["subject_id"])
        if row["status"] is None:
            return Claim(ClaimOutcome.IN_PROGRESS, row["subject_id"])
        body = base64.b64decode(self._cipher.decrypt(row["body"], purpose=PURPOSE))
        return Claim(ClaimOutcome.REPLAY, row["subject_id"], KeptAnswer(row["status"], row["media_type"], body))
