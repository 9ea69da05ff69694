"""The one place where credits move: under the wallet's lock, a transaction at a time, each under a key of its own."""

from uuid import UUID

from madang.core.billing.credits.book import Book, change_of_balance, spent_by
from madang.core.billing.credits.events import credits_changed
from madang.core.billing.credits.model import CreditTransaction, TransactionKind
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id


class Ledger:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def open(self, uow: CreditsUnitOfWork, user_id: UUID) -> Book:
        """The user's wallet, locked until the unit of work ends, with what was over booked. Raises `NotFound` for no such
        user."""
        wallet = await uow.credits.open_wallet(user_id, self._clock.now())
        if wallet is None:
            raise NotFound("there is no such user", code="USER_NOT_FOUND")
        book = Book(wallet, await uow.credits.open_lots(wallet.id), self._clock.now())
        await self.settle(uow, book)
        return book

    async def reopen(self, uow: CreditsUnitOfWork, wallet_id: UUID, *, wait: bool = True) -> Book | None:
        """A wallet by its id, also one that is nobody's any more. None where there is none, and without `wait` where somebody
        else has it."""
        wallet = await uow.credits.lock_wallet(wallet_id, wait=wait)
        if wallet is None:
            return None
        book = Book(wallet, await uow.credits.open_lots(wallet.id), self._clock.now())
        await self.settle(uow, book)
        return book

    async def settle(self, uow: CreditsUnitOfWork, book: Book) -> None:
        """Book what is over, and what refunds ask back."""
        book.expire()
        await self._post_by_itself(uow, book, TransactionKind.EXPIRE)
        book.take_back()
        await self._post_by_itself(uow, book, TransactionKind.TAKE_BACK)

    async def post(
        self,
        uow: CreditsUnitOfWork,
        book: Book,
        kind: TransactionKind,
        key: str,
        *,
        subject: str,
        transaction_id: UUID | None = None,
    ) -> CreditTransaction:
        """Write what was moved in the book as one transaction, and tell the owner."""
        moves, lots = book.drained()
        wallet = book.wallet
        transaction = CreditTransaction(
            id=transaction_id or new_id(),
            wallet_id=wallet.id,
            kind=kind,
            key=key,
            subject=subject,
            amount=change_of_balance(moves),
            spent=spent_by(moves),
            balance=wallet.available,
            created_at=book.now,
        )
        await uow.credits.write(transaction, moves, wallet, lots)
        if wallet.user_id is not None:
            uow.announce(credits_changed(wallet, transaction))
        return transaction

    async def _post_by_itself(self, uow: CreditsUnitOfWork, book: Book, kind: TransactionKind) -> None:
        """Nobody asked for it, so its key is its own; that it happens once, the wallet's lock sees to."""
        if book.has_moved:
            transaction_id = new_id()
            await self.post(uow, book, kind, f"{kind}:{transaction_id}", subject="", transaction_id=transaction_id)
