"""What credits ask of storage."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from madang.core.billing.credits.book import Part
from madang.core.billing.credits.model import (
    Balance,
    CreditMonth,
    CreditNote,
    CreditTransaction,
    HistoryEntry,
    Hold,
    Lot,
    LotSource,
    Move,
    Wallet,
)
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.unit_of_work import UnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork


class CreditRepository(Protocol):
    """The wallet's row is the lock: lots, holds, months and transactions of a wallet are written by who holds it."""

    async def open_wallet(self, user_id: UUID, now: datetime) -> Wallet | None:
        """The user's, locked, made when it was not there; None for no such user, or one who is being erased."""
        ...

    async def lock_wallet(self, wallet_id: UUID, *, wait: bool = True) -> Wallet | None:
        """None when there is none; without `wait`, also when somebody else has it."""
        ...

    async def open_lots(self, wallet_id: UUID) -> Sequence[Lot]:
        """Those with anything available or held."""
        ...

    async def lots_of(self, subject: str, source: LotSource) -> Sequence[Lot]: ...

    async def lots_by_id(self, lot_ids: Sequence[UUID]) -> Sequence[Lot]: ...

    async def transaction(self, key: str) -> CreditTransaction | None: ...

    async def write(self, transaction: CreditTransaction, moves: Sequence[Move], wallet: Wallet, lots: Sequence[Lot]) -> None:
        """The transaction with its entries, and the totals and lots as they are after it."""
        ...

    async def update_lots(self, lots: Sequence[Lot]) -> None: ...

    async def add_note(self, note: CreditNote) -> bool:
        """False when the transaction has one already: then nothing was written."""
        ...

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        """The transaction that this user gave this reference."""
        ...

    async def add_hold(self, hold: Hold) -> None: ...

    async def hold(self, key: str) -> Hold | None: ...

    async def held_parts(self, hold: Hold) -> Sequence[Part]: ...

    async def end_hold(self, hold: Hold) -> None: ...

    async def holds_over(self, wallet_id: UUID, now: datetime) -> Sequence[Hold]:
        """Open ones whose time is over, the oldest first."""
        ...

    async def add_months(self, months: Sequence[CreditMonth]) -> None:
        """What is there already, by subscription, period and month, stays as it is."""
        ...

    async def months_due(self, wallet_id: UUID, now: datetime) -> Sequence[CreditMonth]: ...

    async def months_running(self, subscription_id: UUID, at: datetime, before_period: int) -> Sequence[CreditMonth]:
        """Granted by earlier periods, and not over then."""
        ...

    async def end_month(self, month: CreditMonth) -> None: ...

    async def cancel_months(self, subscription_id: UUID, *, since: datetime, before_period: int | None = None) -> int:
        """Those still due that start then or later; with `before_period`, of earlier periods only. Answers how many."""
        ...

    async def wallets_with_due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Whose lots or holds are over, or whose months are due, in the order of their ids."""
        ...

    async def balance(self, user_id: UUID, now: datetime, until: datetime) -> Balance:
        """What ends `until` then counts as ending."""
        ...

    async def history(self, user_id: UUID, request: CursorRequest) -> CursorPage[HistoryEntry]:
        """The newest first, without what changed no balance and used nothing up."""
        ...

    async def recount(self, wallet_id: UUID) -> bool:
        """Set totals and lots to what the ledger says. False when it says something below zero: then nothing is changed."""
        ...

    async def records(self, user_id: UUID) -> Mapping[str, Any]:
        """Everything about this person, as JSON."""
        ...

    async def forget_user(self, user_id: UUID) -> tuple[UUID | None, int, int]:
        """The wallet is nobody's from now on, and what the person wrote is gone: the wallet's id, and rows of accounts and
        notes."""
        ...


class CreditsUnitOfWork(UnitOfWork, Protocol):
    """What whoever moves credits in a commit of their own needs."""

    @property
    def credits(self) -> CreditRepository: ...


class CreditAccountsUnitOfWork(CreditsUnitOfWork, AuditedUnitOfWork, Protocol):
    """For people's own calls, which are audited."""


class CreditPurchasesUnitOfWork(CreditsUnitOfWork, BillingUnitOfWork, Protocol):
    """For what payments change."""
