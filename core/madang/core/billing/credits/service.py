"""Credits for every context that sells, gives or uses them: each call in the caller's own unit of work and under a key, so that
state and credit move in one commit and the same reason never moves them twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from madang.core.billing.credits.book import Book
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import (
    CreditTransaction,
    Hold,
    HoldIsOver,
    HoldStatus,
    Lot,
    LotSource,
    TransactionKind,
)
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.kernel.errors import Conflict, NotFound, Problem, ValidationFailed
from madang.core.kernel.ids import new_id

_KIND = TransactionKind


class CreditService:
    """Keys are the caller's (`generation:<id>`), each unique among calls of one kind; one that moved another account's credits
    raises `Conflict`. Who locks other rows, too, locks them first: a wallet's lock is the last."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def grant(
        self,
        uow: CreditsUnitOfWork,
        user_id: UUID,
        amount: int,
        *,
        key: str,
        subject: str,
        expires_at: datetime | None = None,
        source: LotSource = LotSource.GRANT,
        lot_id: UUID | None = None,
    ) -> Lot:
        """A lot of their own; the same key answers the first one. One that is over already is booked as expired. Raises
        `NotFound` for no such user."""
        _require(amount)
        book = await self._ledger.open(uow, user_id)
        written = f"{_KIND.GRANT}:{key}"
        earlier = await uow.credits.transaction(written)
        if earlier is not None:
            _require_own(earlier.wallet_id, book)
            return (await uow.credits.lots_by_id([earlier.id]))[0]
        lot = Lot(lot_id or new_id(), book.wallet.id, source, subject, amount, book.now, expires_at, available=amount)
        book.add(lot)
        await self._ledger.post(uow, book, _KIND.GRANT, written, subject=subject, transaction_id=lot.id)
        await self._ledger.settle(uow, book)
        return book.lot(lot.id)

    async def deduct(
        self,
        uow: CreditsUnitOfWork,
        user_id: UUID,
        amount: int,
        *,
        key: str,
        subject: str,
        transaction_id: UUID | None = None,
    ) -> CreditTransaction:
        """Spend at once; the same key answers the first one. Raises `InsufficientCredits`, `NotFound` for no such user."""
        _require(amount)
        book = await self._ledger.open(uow, user_id)
        written = f"{_KIND.DEDUCT}:{key}"
        earlier = await uow.credits.transaction(written)
        if earlier is not None:
            _require_own(earlier.wallet_id, book)
            return earlier
        book.spend(amount)
        return await self._ledger.post(uow, book, _KIND.DEDUCT, written, subject=subject, transaction_id=transaction_id)

    async def hold(
        self, uow: CreditsUnitOfWork, user_id: UUID, amount: int, *, key: str, subject: str, ends_at: datetime
    ) -> Hold:
        """Set aside until it is taken or released, and until `ends_at` at the latest: choose it beyond all tries of the work
        that it pays for. The same key answers the first one, whatever became of it. Raises `InsufficientCredits`, `NotFound`
        for no such user."""
        _require(amount)
        book = await self._ledger.open(uow, user_id)
        earlier = await uow.credits.hold(key)
        if earlier is not None:
            _require_own(earlier.wallet_id, book)
            return earlier
        book.hold(amount)
        posted = await self._ledger.post(uow, book, _KIND.HOLD, f"{_KIND.HOLD}:{key}", subject=subject)
        hold = Hold(posted.id, key, book.wallet.id, subject, amount, HoldStatus.OPEN, book.now, ends_at)
        await uow.credits.add_hold(hold)
        return hold

    async def take(self, uow: CreditsUnitOfWork, key: str, amount: int | None = None) -> Hold:
        """Spend what is held, or less, and give the rest back. Asked again it answers what was taken. Raises `NotFound` for no
        such hold, `HoldIsOver` for one that was given back."""
        hold, book = await self._locked(uow, key)
        if hold.status is HoldStatus.TAKEN:
            return hold
        if hold.status is not HoldStatus.OPEN:
            raise HoldIsOver(f"hold {hold.id} was given back before it was taken")
        taken = hold.amount if amount is None else amount
        if not 0 <= taken <= hold.amount:
            raise ValidationFailed(Problem("amount", f"is between 0 and the {hold.amount} that are held"))
        return await self._end(uow, hold, book, HoldStatus.TAKEN if taken else HoldStatus.RELEASED, taken)

    async def release(self, uow: CreditsUnitOfWork, key: str) -> Hold:
        """Give back what is held; one that is taken or given back stays as it is. Raises `NotFound` for no such hold."""
        hold, book = await self._locked(uow, key)
        if hold.status is not HoldStatus.OPEN:
            return hold
        return await self._end(uow, hold, book, HoldStatus.RELEASED)

    async def release_over(self, uow: CreditsUnitOfWork, book: Book) -> None:
        """Give back the wallet's holds whose time is over."""
        for hold in await uow.credits.holds_over(book.wallet.id, book.now):
            await self._end(uow, hold, book, HoldStatus.EXPIRED)

    async def revoke(self, uow: CreditsUnitOfWork, wallet_id: UUID, wanted: Sequence[tuple[Lot, int]]) -> None:
        """A refund asks back this much of each lot: what is left goes at once, what is held when it comes back, and what was
        spent is recorded as lost. Asked again for no more, nothing changes."""
        book = await self._ledger.reopen(uow, wallet_id)
        if book is None:
            return
        book.include(await uow.credits.lots_by_id([lot.id for lot, _ in wanted]))
        for lot, amount in wanted:
            book.revoke(lot.id, amount)
        await self._ledger.settle(uow, book)
        await uow.credits.update_lots(book.drained()[1])

    async def forgive(self, uow: CreditsUnitOfWork, wallet_id: UUID, lots: Sequence[Lot]) -> None:
        """The money of these lots came back: what was asked back of them and is not got yet, stays."""
        book = await self._ledger.reopen(uow, wallet_id)
        if book is None:
            return
        book.include(await uow.credits.lots_by_id([lot.id for lot in lots]))
        for lot in lots:
            book.forgive(lot.id)
        await uow.credits.update_lots(book.drained()[1])

    async def _locked(self, uow: CreditsUnitOfWork, key: str) -> tuple[Hold, Book]:
        """Read again behind the wallet's lock: while we waited for it, another may have ended the hold."""
        found = await uow.credits.hold(key)
        book = None if found is None else await self._ledger.reopen(uow, found.wallet_id)
        hold = await uow.credits.hold(key)
        if hold is None or book is None:
            raise NotFound("there is no such hold")
        return hold, book

    async def _end(self, uow: CreditsUnitOfWork, hold: Hold, book: Book, status: HoldStatus, taken: int = 0) -> Hold:
        book.take(await uow.credits.held_parts(hold), taken)
        kind = _KIND.TAKE if taken else _KIND.RELEASE
        await self._ledger.post(uow, book, kind, f"{kind}:{hold.key}", subject=hold.subject)
        await self._ledger.settle(uow, book)
        ended = replace(hold, status=status, taken=taken, ended_at=book.now)
        await uow.credits.end_hold(ended)
        return ended


def _require_own(wallet_id: UUID, book: Book) -> None:
    """A key that moved another's credits answers nothing of them."""
    if wallet_id != book.wallet.id:
        raise Conflict("this key moved the credits of another account")


def _require(amount: int) -> None:
    if amount <= 0:
        raise ValidationFailed(Problem("amount", "is more than nothing"))
