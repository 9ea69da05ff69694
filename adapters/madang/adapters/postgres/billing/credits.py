"""Credits in PostgreSQL: wallets, lots, the ledger, holds and months."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.adapters.postgres.billing import credit_rows as rows
from madang.adapters.postgres.billing.credit_reading import PostgresCreditReading
from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, select, update
from madang.core.billing.credits.book import Part
from madang.core.billing.credits.model import (
    OF_OWNERS,
    SYSTEM_ACCOUNTS,
    AccountKind,
    CreditMonth,
    CreditNote,
    CreditTransaction,
    Hold,
    Lot,
    LotSource,
    Move,
    Wallet,
)
from madang.core.kernel.ids import new_id

_ACCOUNTS: Final = "SELECT wallet_id, user_id, id, kind, balance FROM credit_accounts"
_OF_USER: Final = f"{_ACCOUNTS} WHERE user_id = $1 ORDER BY kind FOR UPDATE"
_OF_WALLET: Final = {
    True: f"{_ACCOUNTS} WHERE wallet_id = $1 ORDER BY kind FOR UPDATE",
    False: f"{_ACCOUNTS} WHERE wallet_id = $1 ORDER BY kind FOR UPDATE SKIP LOCKED",
}
_OPEN_SYSTEM: Final = """
INSERT INTO credit_accounts (id, kind, created_at) SELECT id, kind, $3 FROM unnest($1::uuid[], $2::text[]) AS told (id, kind)
ON CONFLICT (id) DO NOTHING
"""
_OPEN: Final = """
INSERT INTO credit_accounts (id, wallet_id, user_id, kind, balance, created_at)
SELECT told.id, $3, users.id, told.kind, 0, $4 FROM unnest($1::uuid[], $2::text[]) AS told (id, kind), users
WHERE users.id = $5 AND users.status NOT IN ('erasing', 'erased') ORDER BY told.kind
ON CONFLICT (user_id, kind) WHERE user_id IS NOT NULL DO NOTHING
"""
_SET_BALANCES: Final = """
UPDATE credit_accounts SET balance = CASE kind WHEN 'available' THEN $2::bigint ELSE $3::bigint END WHERE wallet_id = $1
"""
_OPEN_LOTS: Final = select("credit_lots", rows.LOT, "wallet_id = $1 AND (available > 0 OR held > 0)")
_LOTS_OF: Final = select("credit_lots", rows.LOT, "subject = $1 AND source = $2 ORDER BY id")
_LOTS: Final = select("credit_lots", rows.LOT, "id = ANY ($1::uuid[])")
_SAVE_LOT: Final = insert(
    "credit_lots",
    rows.LOT,
    on_conflict="ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in (*rows.PARTS, "revoked")),
)
_ADD_TRANSACTION: Final = insert("credit_transactions", rows.TRANSACTION)
_TRANSACTION: Final = select("credit_transactions", rows.TRANSACTION, "key = $1")
_ADD_ENTRIES: Final = """
INSERT INTO credit_entries (transaction_id, number, account_id, lot_id, amount)
SELECT $1, told.number, told.account_id, told.lot_id, told.amount
FROM unnest($2::int[], $3::uuid[], $4::uuid[], $5::bigint[]) AS told (number, account_id, lot_id, amount)
"""
_ADD_NOTE: Final = insert("credit_notes", rows.NOTE, on_conflict="ON CONFLICT (transaction_id) DO NOTHING")
_REFERRED: Final = "SELECT transaction_id FROM credit_notes WHERE user_id = $1 AND client_reference = $2"
_ADD_HOLD: Final = insert("credit_holds", rows.HOLD)
_HOLD: Final = select("credit_holds", rows.HOLD, "key = $1")
_HELD_PARTS: Final = """
SELECT entry.lot_id, entry.amount FROM credit_entries AS entry JOIN credit_accounts AS account ON account.id = entry.account_id
WHERE entry.transaction_id = $1 AND account.kind = 'held' ORDER BY entry.number
"""
_END_HOLD: Final = "UPDATE credit_holds SET status = $2, taken = $3, ended_at = $4 WHERE id = $1"
_HOLDS_OVER: Final = select(
    "credit_holds", rows.HOLD, "wallet_id = $1 AND status = 'open' AND ends_at <= $2 ORDER BY ends_at, id"
)
_ADD_MONTH: Final = insert("credit_months", rows.MONTH, on_conflict="ON CONFLICT (subscription_id, period, month) DO NOTHING")
_MONTHS_DUE: Final = select(
    "credit_months", rows.MONTH, "wallet_id = $1 AND status = 'due' AND starts_at <= $2 ORDER BY starts_at, id"
)
_MONTHS_RUNNING: Final = select(
    "credit_months",
    rows.MONTH,
    "subscription_id = $1 AND status = 'granted' AND starts_at <= $2 AND ends_at > $2 AND period < $3",
)
_END_MONTH: Final = update("credit_months", ("id", "status"))
_CANCEL_MONTHS: Final = """
UPDATE credit_months SET status = 'cancelled'
WHERE subscription_id = $1 AND status = 'due' AND starts_at >= $2 AND ($3::int IS NULL OR period < $3)
"""
_WITH_DUE: Final = """
SELECT DISTINCT wallet_id FROM (
    SELECT wallet_id FROM credit_lots WHERE available > 0 AND expires_at <= $1
    UNION ALL SELECT wallet_id FROM credit_holds WHERE status = 'open' AND ends_at <= $1
    UNION ALL SELECT wallet_id FROM credit_months WHERE status = 'due' AND starts_at <= $1
) AS due WHERE $2::uuid IS NULL OR wallet_id > $2 ORDER BY wallet_id LIMIT $3
"""
_FORGET_ACCOUNTS: Final = "UPDATE credit_accounts SET user_id = NULL WHERE user_id = $1 RETURNING wallet_id"
_FORGET_NOTES: Final = "DELETE FROM credit_notes WHERE user_id = $1"


class PostgresCredits(PostgresCreditReading):
    """Fulfils `CreditRepository`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._own_accounts: dict[UUID, Mapping[AccountKind, UUID]] = {}

    # The wallet

    async def open_wallet(self, user_id: UUID, now: datetime) -> Wallet | None:
        found = await self._wallet(_OF_USER, user_id)
        if found is None:
            kinds = [kind.value for kind in SYSTEM_ACCOUNTS]
            await self._connection.execute(_OPEN_SYSTEM, list(SYSTEM_ACCOUNTS.values()), kinds, now)
            ids, own = [new_id() for _ in OF_OWNERS], [kind.value for kind in OF_OWNERS]
            await self._connection.execute(_OPEN, ids, own, new_id(), now, user_id)
            found = await self._wallet(_OF_USER, user_id)
        return found

    async def lock_wallet(self, wallet_id: UUID, *, wait: bool = True) -> Wallet | None:
        return await self._wallet(_OF_WALLET[wait], wallet_id)

    async def _wallet(self, statement: str, of: UUID) -> Wallet | None:
        found = {AccountKind(row["kind"]): row for row in await self._connection.fetch(statement, of)}
        if len(found) < len(OF_OWNERS):
            return None
        available, held = (found[kind] for kind in OF_OWNERS)
        wallet = Wallet(available["wallet_id"], available["user_id"], available["balance"], held["balance"])
        self._own_accounts[wallet.id] = {kind: row["id"] for kind, row in found.items()}
        return wallet

    # Lots and the ledger

    async def open_lots(self, wallet_id: UUID) -> Sequence[Lot]:
        return [rows.lot(row) for row in await self._connection.fetch(_OPEN_LOTS, wallet_id)]

    async def lots_of(self, subject: str, source: LotSource) -> Sequence[Lot]:
        return [rows.lot(row) for row in await self._connection.fetch(_LOTS_OF, subject, source.value)]

    async def lots_by_id(self, lot_ids: Sequence[UUID]) -> Sequence[Lot]:
        return [rows.lot(row) for row in await self._connection.fetch(_LOTS, list(lot_ids))]

    async def update_lots(self, lots: Sequence[Lot]) -> None:
        if lots:
            await self._connection.executemany(_SAVE_LOT, [rows.values(lot, rows.LOT) for lot in lots])

    async def transaction(self, key: str) -> CreditTransaction | None:
        row = await self._connection.fetchrow(_TRANSACTION, key)
        return None if row is None else rows.transaction(row)

    async def write(self, transaction: CreditTransaction, moves: Sequence[Move], wallet: Wallet, lots: Sequence[Lot]) -> None:
        await self._connection.execute(_ADD_TRANSACTION, *rows.values(transaction, rows.TRANSACTION))
        await self.update_lots(lots)
        entries = list(self._entries(wallet, moves))
        numbers = list(range(1, len(entries) + 1))
        await self._connection.execute(
            _ADD_ENTRIES, transaction.id, numbers, *(list(each) for each in zip(*entries, strict=True))
        )
        await self._connection.execute(_SET_BALANCES, wallet.id, wallet.available, wallet.held)

    def _entries(self, wallet: Wallet, moves: Sequence[Move]) -> Iterator[tuple[UUID, UUID, int]]:
        """Two for each move; the wallet was locked here, and its accounts learnt by that."""
        accounts = {**SYSTEM_ACCOUNTS, **self._own_accounts[wallet.id]}
        for move in moves:
            yield accounts[move.source], move.lot_id, -move.amount
            yield accounts[move.target], move.lot_id, move.amount

    async def add_note(self, note: CreditNote) -> bool:
        return affected(await self._connection.execute(_ADD_NOTE, *rows.values(note, rows.NOTE))) == 1

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        found: UUID | None = await self._connection.fetchval(_REFERRED, user_id, client_reference)
        return found

    # Holds

    async def add_hold(self, hold: Hold) -> None:
        await self._connection.execute(_ADD_HOLD, *rows.values(hold, rows.HOLD))

    async def hold(self, key: str) -> Hold | None:
        row = await self._connection.fetchrow(_HOLD, key)
        return None if row is None else rows.hold(row)

    async def held_parts(self, hold: Hold) -> Sequence[Part]:
        return [(row["lot_id"], row["amount"]) for row in await self._connection.fetch(_HELD_PARTS, hold.id)]

    async def end_hold(self, hold: Hold) -> None:
        await self._connection.execute(_END_HOLD, hold.id, hold.status.value, hold.taken, hold.ended_at)

    async def holds_over(self, wallet_id: UUID, now: datetime) -> Sequence[Hold]:
        return [rows.hold(row) for row in await self._connection.fetch(_HOLDS_OVER, wallet_id, now)]

    # Months

    async def add_months(self, months: Sequence[CreditMonth]) -> None:
        await self._connection.executemany(_ADD_MONTH, [rows.values(month, rows.MONTH) for month in months])

    async def months_due(self, wallet_id: UUID, now: datetime) -> Sequence[CreditMonth]:
        return [rows.month(row) for row in await self._connection.fetch(_MONTHS_DUE, wallet_id, now)]

    async def months_running(self, subscription_id: UUID, at: datetime, before_period: int) -> Sequence[CreditMonth]:
        found = await self._connection.fetch(_MONTHS_RUNNING, subscription_id, at, before_period)
        return [rows.month(row) for row in found]

    async def end_month(self, month: CreditMonth) -> None:
        await self._connection.execute(_END_MONTH, month.id, month.status.value)

    async def cancel_months(self, subscription_id: UUID, *, since: datetime, before_period: int | None = None) -> int:
        return affected(await self._connection.execute(_CANCEL_MONTHS, subscription_id, since, before_period))

    async def wallets_with_due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        return [row["wallet_id"] for row in await self._connection.fetch(_WITH_DUE, now, after, limit)]

    # People

    async def forget_user(self, user_id: UUID) -> tuple[UUID | None, int, int]:
        accounts = await self._connection.fetch(_FORGET_ACCOUNTS, user_id)
        notes = affected(await self._connection.execute(_FORGET_NOTES, user_id))
        return accounts[0]["wallet_id"] if accounts else None, len(accounts), notes
