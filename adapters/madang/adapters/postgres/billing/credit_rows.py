"""How credits are written down: columns, and from a row to what it stands for."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from madang.core.billing.credits.model import (
    CreditMonth,
    CreditTransaction,
    Hold,
    HoldStatus,
    Lot,
    LotSource,
    MonthStatus,
    TransactionKind,
)

LOT: Final = (
    "id",
    "wallet_id",
    "source",
    "subject",
    "amount",
    "created_at",
    "expires_at",
    "available",
    "held",
    "spent",
    "expired",
    "taken_back",
    "lost",
    "revoked",
)
PARTS: Final = ("available", "held", "spent", "expired", "taken_back", "lost")
TRANSACTION: Final = ("id", "wallet_id", "kind", "key", "subject", "amount", "spent", "balance", "created_at")
NOTE: Final = ("transaction_id", "user_id", "created_at", "reason", "client_reference")
HOLD: Final = ("id", "key", "wallet_id", "subject", "amount", "status", "created_at", "ends_at", "taken", "ended_at")
MONTH: Final = (
    "id",
    "wallet_id",
    "subscription_id",
    "period",
    "month",
    "credits",
    "starts_at",
    "ends_at",
    "status",
)


def values(row: Any, columns: Sequence[str]) -> list[Any]:
    found = (getattr(row, column) for column in columns)
    return [getattr(value, "value", value) for value in found]


def lot(row: asyncpg.Record) -> Lot:
    return Lot(**{**{column: row[column] for column in LOT}, "source": LotSource(row["source"])})


def transaction(row: asyncpg.Record) -> CreditTransaction:
    return CreditTransaction(**{**{column: row[column] for column in TRANSACTION}, "kind": TransactionKind(row["kind"])})


def hold(row: asyncpg.Record) -> Hold:
    return Hold(**{**{column: row[column] for column in HOLD}, "status": HoldStatus(row["status"])})


def month(row: asyncpg.Record) -> CreditMonth:
    return CreditMonth(**{**{column: row[column] for column in MONTH}, "status": MonthStatus(row["status"])})
