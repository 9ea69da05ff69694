"""What is read from the ledger: balances, histories, what is kept of a person, and every number counted anew."""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.billing import credit_rows as rows
from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.core.billing.credits.model import Balance, Ending, HistoryEntry
from madang.core.kernel.paging import CursorPage, CursorRequest

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_BALANCE: Final = """
SELECT available.balance AS available, held.balance AS held, lots.over, lots.ending, lots.first_at
FROM credit_accounts AS available
JOIN credit_accounts AS held ON held.wallet_id = available.wallet_id AND held.kind = 'held'
CROSS JOIN LATERAL (
    SELECT coalesce(sum(lot.available) FILTER (WHERE lot.expires_at <= $2), 0)::bigint AS over,
           coalesce(sum(lot.available) FILTER (WHERE lot.expires_at > $2 AND lot.expires_at <= $3), 0)::bigint AS ending,
           min(lot.expires_at) FILTER (WHERE lot.expires_at > $2 AND lot.expires_at <= $3) AS first_at
    FROM credit_lots AS lot WHERE lot.wallet_id = available.wallet_id AND lot.available > 0
) AS lots
WHERE available.user_id = $1 AND available.kind = 'available'
"""
_HISTORY: Final = f"""
SELECT {", ".join(f"written.{column}" for column in rows.TRANSACTION)}, note.reason, note.client_reference
FROM credit_transactions AS written LEFT JOIN credit_notes AS note ON note.transaction_id = written.id
WHERE written.wallet_id = (SELECT wallet_id FROM credit_accounts WHERE user_id = $1 AND kind = 'available')
  AND (written.amount <> 0 OR written.spent <> 0)
"""
_PAGE: Final = f"{_HISTORY} AND ($2::uuid IS NULL OR written.id < $2) ORDER BY written.id DESC LIMIT $3"
_ALL: Final = f"{_HISTORY} ORDER BY written.id"
_RECOUNT_ACCOUNTS: Final = """
UPDATE credit_accounts AS account SET balance = counted.total
FROM (SELECT owned.id, coalesce(sum(entry.amount), 0)::bigint AS total
      FROM credit_accounts AS owned LEFT JOIN credit_entries AS entry ON entry.account_id = owned.id
      WHERE owned.wallet_id = $1 GROUP BY owned.id) AS counted
WHERE account.id = counted.id
"""
_BELOW_ZERO: Final = """
SELECT EXISTS (
    SELECT FROM credit_entries AS entry
    JOIN credit_accounts AS account ON account.id = entry.account_id
    JOIN credit_lots AS lot ON lot.id = entry.lot_id
    WHERE lot.wallet_id = $1 AND account.kind NOT IN ('granted', 'sold')
    GROUP BY entry.lot_id, entry.account_id HAVING sum(entry.amount) < 0
)
"""
_PARTS: Final = ", ".join(
    f"coalesce(sum(entry.amount) FILTER (WHERE account.kind = '{part}'), 0)::bigint AS {part}" for part in rows.PARTS
)
_RECOUNT_LOTS: Final = f"""
UPDATE credit_lots AS lot SET {", ".join(f"{part} = counted.{part}" for part in rows.PARTS)},
    amount = {" + ".join(f"counted.{part}" for part in rows.PARTS)},
    revoked = greatest(lot.revoked, counted.taken_back + counted.lost)
FROM (SELECT entry.lot_id, {_PARTS}
      FROM credit_entries AS entry JOIN credit_accounts AS account ON account.id = entry.account_id
      WHERE entry.lot_id IN (SELECT id FROM credit_lots WHERE wallet_id = $1) GROUP BY entry.lot_id) AS counted
WHERE lot.id = counted.lot_id
"""


class PostgresCreditReading:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def balance(self, user_id: UUID, now: datetime, until: datetime) -> Balance:
        row = await self._connection.fetchrow(_BALANCE, user_id, now, until)
        if row is None:
            return Balance()
        ending = Ending(row["ending"], row["first_at"]) if row["ending"] else None
        return Balance(row["available"] - row["over"], row["held"], ending)

    async def history(self, user_id: UUID, request: CursorRequest) -> CursorPage[HistoryEntry]:
        """A cursor is the id of the last transaction of the page before."""
        found = await self._connection.fetch(_PAGE, user_id, id_in(request.cursor), request.limit + 1)
        entries = [_entry(row) for row in found[: request.limit]]
        following = entries[-1].transaction.id.hex if len(found) > request.limit else None
        return CursorPage(entries, request.limit, following)

    async def records(self, user_id: UUID) -> Mapping[str, Any]:
        balance = await self._connection.fetchrow(_BALANCE, user_id, _NEVER, _NEVER)
        return {
            "balance": 0 if balance is None else balance["available"],
            "held": 0 if balance is None else balance["held"],
            "history": [_written(_entry(row)) for row in await self._connection.fetch(_ALL, user_id)],
        }

    async def recount(self, wallet_id: UUID) -> bool:
        if await self._connection.fetchval(_BELOW_ZERO, wallet_id):
            return False
        await self._connection.execute(_RECOUNT_ACCOUNTS, wallet_id)
        await self._connection.execute(_RECOUNT_LOTS, wallet_id)
        return True


def _entry(row: asyncpg.Record) -> HistoryEntry:
    return HistoryEntry(rows.transaction(row), row["reason"], row["client_reference"])


def _written(entry: HistoryEntry) -> Mapping[str, Any]:
    written = entry.transaction
    return {
        "id": str(written.id),
        "type": written.kind.value,
        "amount": written.amount,
        "spent": written.spent,
        "balance": written.balance,
        "subject": written.subject,
        "reason": entry.reason,
        "clientReference": entry.client_reference,
        "createdAt": written.created_at,
    }
