"""Accounts, lots, holds, and the transactions that move credits between accounts.

Every credit belongs to a lot: what came at once and ends at once. A transaction is a set of moves, each from one account to
another and of one lot, so that its entries sum to zero, and every number that a lot or an account keeps can be counted again
from the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final
from uuid import UUID

from madang.core.kernel.errors import Conflict, PaymentRequired


class AccountKind(StrEnum):
    """Of an owner: `AVAILABLE` and `HELD`. Of the system, one each: where credits come from (`GRANTED`, `SOLD`; below zero by
    as much as was ever given), and where they end. `LOST` is what was spent of a purchase that was refunded."""

    AVAILABLE = "available"
    HELD = "held"
    GRANTED = "granted"
    SOLD = "sold"
    SPENT = "spent"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"
    LOST = "lost"


_K = AccountKind

_EXACT: Final = timedelta(microseconds=1)

OF_OWNERS: Final = (_K.AVAILABLE, _K.HELD)

SYSTEM_ACCOUNTS: Final[Mapping[AccountKind, UUID]] = MappingProxyType(
    {
        kind: UUID(f"00000000-0000-7000-8000-{number:012d}")
        for number, kind in enumerate((_K.GRANTED, _K.SOLD, _K.SPENT, _K.EXPIRED, _K.TAKEN_BACK, _K.LOST), 1)
    }
)
"""Their ids are the same in every deployment. They keep no running total: it would be one row that everybody waits for."""


class InsufficientCredits(PaymentRequired):
    """`params` carry the `balance` and what is `required`."""

    code = "INSUFFICIENT_CREDITS"


class HoldIsOver(Conflict):
    """The hold was given back before it was taken: what it held may be spent already."""


class LotSource(StrEnum):
    """Why it was given. What is sold comes from another account than what is granted."""

    GRANT = "grant"
    PLAN = "plan"
    PACK = "pack"

    @property
    def account(self) -> AccountKind:
        return AccountKind.SOLD if self is LotSource.PACK else AccountKind.GRANTED


@dataclass(frozen=True, slots=True)
class Lot:
    """`amount` is the sum of the six numbers that are named like accounts. `revoked` is how much of it a refund asks back.

    One without `expires_at` never ends. `subject` says what it came by (`payment:<id>`, `subscription:<id>`).
    """

    id: UUID
    wallet_id: UUID
    source: LotSource
    subject: str
    amount: int
    created_at: datetime
    expires_at: datetime | None
    available: int
    held: int = 0
    spent: int = 0
    expired: int = 0
    taken_back: int = 0
    lost: int = 0
    revoked: int = 0

    def moved(self, source: AccountKind, target: AccountKind, amount: int) -> "Lot":
        changes = {source.value: getattr(self, source) - amount, target.value: getattr(self, target) + amount}
        return replace(self, **changes)

    @property
    def owed(self) -> int:
        """What a refund asks back and has not got."""
        return self.revoked - self.taken_back - self.lost


@dataclass(frozen=True, slots=True)
class Wallet:
    """The two accounts of one owner. `user_id` is None once the person was erased."""

    id: UUID
    user_id: UUID | None
    available: int
    held: int

    def moved(self, source: AccountKind, target: AccountKind, amount: int) -> "Wallet":
        changes = {source: -amount, target: amount}
        totals = {kind.value: getattr(self, kind) + changes.get(kind, 0) for kind in OF_OWNERS}
        return replace(self, **totals)


@dataclass(frozen=True, slots=True)
class Move:
    lot_id: UUID
    source: AccountKind
    target: AccountKind
    amount: int


class TransactionKind(StrEnum):
    GRANT = "grant"
    DEDUCT = "deduct"
    HOLD = "hold"
    TAKE = "take"
    RELEASE = "release"
    EXPIRE = "expire"
    TAKE_BACK = "take_back"


@dataclass(frozen=True, slots=True)
class CreditTransaction:
    """Written once, never changed. `amount` is the change of the owner's balance and `balance` what it was afterwards; `spent`
    is how much of it was used up. `key` is unique: the same reason never moves credits twice."""

    id: UUID
    wallet_id: UUID
    kind: TransactionKind
    key: str
    subject: str
    amount: int
    spent: int
    balance: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What a person wrote about a transaction: kept apart from the ledger, because it can be erased."""

    transaction_id: UUID
    user_id: UUID
    created_at: datetime
    reason: str | None = None
    client_reference: str | None = None


class HoldStatus(StrEnum):
    """`EXPIRED`: nobody took it or gave it back in its time, so it was given back."""

    OPEN = "open"
    TAKEN = "taken"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits set aside until `ends_at`. Its id is that of the transaction that set them aside; `taken` may be less than
    `amount`."""

    id: UUID
    key: str
    wallet_id: UUID
    subject: str
    amount: int
    status: HoldStatus
    created_at: datetime
    ends_at: datetime
    taken: int = 0
    ended_at: datetime | None = None


class MonthStatus(StrEnum):
    """`MISSED`: its time was over before anybody could grant it."""

    DUE = "due"
    GRANTED = "granted"
    CANCELLED = "cancelled"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class CreditMonth:
    """A plan's credits for one month of a subscription's period, due at `starts_at` and over at `ends_at`."""

    id: UUID
    wallet_id: UUID
    subscription_id: UUID
    period: int
    month: int
    credits: int
    starts_at: datetime
    ends_at: datetime
    status: MonthStatus = MonthStatus.DUE

    def left_at(self, moment: datetime) -> Fraction:
        """What of its credits is for the time that is left of it then."""
        left, whole = self.ends_at - moment, self.ends_at - self.starts_at
        return self.credits * Fraction(left // _EXACT, whole // _EXACT)

    @property
    def key(self) -> str:
        return f"subscription:{self.subscription_id}:{self.period}:{self.month}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends within a time: how much in all, and when the first of it does."""

    amount: int
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """`available` without what is past its end, also before that was booked."""

    available: int = 0
    held: int = 0
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    transaction: CreditTransaction
    reason: str | None = None
    client_reference: str | None = None
