"""What people see of their credits and do with them, and what administrators give."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.credits.model import Balance, CreditNote, CreditTransaction, HistoryEntry, Lot
from madang.core.billing.credits.repository import CreditAccountsUnitOfWork
from madang.core.billing.credits.service import CreditService
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import AlreadyExists, Problem, ValidationFailed
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail

SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Deduction:
    """What somebody spends of their own. `id` is chosen by the caller and stays the same for every try."""

    id: UUID
    amount: int
    reason: str
    client_reference: str | None = None


@dataclass(frozen=True, slots=True)
class CreditGift:
    """What an administrator gives a user."""

    id: UUID
    user_id: UUID
    amount: int
    reason: str
    expires_at: datetime | None = None


class CreditAccounts:
    def __init__(
        self,
        units: UnitOfWorkFactory[CreditAccountsUnitOfWork],
        service: CreditService,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._credits = service
        self._audit_trail = audit_trail
        self._clock = clock

    async def balance(self, caller: Caller) -> Balance:
        now = self._clock.now()
        async with self._units() as uow:
            return await uow.credits.balance(caller.person, now, now + SOON)

    async def history(self, caller: Caller, request: CursorRequest) -> CursorPage[HistoryEntry]:
        """Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        async with self._units() as uow:
            return await uow.credits.history(caller.person, request)

    async def deduct(self, caller: Caller, deduction: Deduction) -> CreditTransaction:
        """The same id again answers the same. Raises `InsufficientCredits`; `AlreadyExists` for a reference that another of the
        account's transactions has."""
        async with self._units() as uow:
            await self._require_new(uow, caller.person, deduction)
            posted = await self._credits.deduct(
                uow, caller.person, deduction.amount, key=str(deduction.id), subject="", transaction_id=deduction.id
            )
            note = CreditNote(posted.id, caller.person, posted.created_at, deduction.reason, deduction.client_reference)
            if await uow.credits.add_note(note):
                await self._audit_trail.record(
                    uow, caller, AuditAction.CREDITS_SPENT, f"credits:{posted.wallet_id}", amount=deduction.amount
                )
        return posted

    async def give(self, caller: Caller, gift: CreditGift) -> Lot:
        """The same id again answers the same. Raises `NotFound` for no such user, `ValidationFailed` for an end that is
        over."""
        if gift.expires_at is not None and gift.expires_at <= self._clock.now():
            raise ValidationFailed(Problem("expiresAt", "lies in the future"))
        async with self._units() as uow:
            lot = await self._credits.grant(
                uow,
                gift.user_id,
                gift.amount,
                key=str(gift.id),
                subject="administration",
                expires_at=gift.expires_at,
                lot_id=gift.id,
            )
            if await uow.credits.add_note(CreditNote(lot.id, gift.user_id, lot.created_at, gift.reason)):
                await self._audit_trail.record(
                    uow, caller, AuditAction.CREDITS_GRANTED, f"user:{gift.user_id}", amount=gift.amount, lot=str(lot.id)
                )
        return lot

    async def _require_new(self, uow: CreditAccountsUnitOfWork, user_id: UUID, deduction: Deduction) -> None:
        """Behind the wallet's lock, and before anything is spent: who asks again hears of the first one, and not that the
        balance is low since."""
        if deduction.client_reference is None:
            return
        await uow.credits.open_wallet(user_id, self._clock.now())
        first = await uow.credits.referred(user_id, deduction.client_reference)
        if first not in (None, deduction.id):
            raise AlreadyExists("this reference was used before", id=str(first))
