"""The use cases of credits in memory, by the rules that the API tells."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from madang.core.billing.credits.accounts import CreditGift, Deduction
from madang.core.billing.credits.model import (
    Balance,
    CreditTransaction,
    HistoryEntry,
    InsufficientCredits,
    Lot,
    LotSource,
    TransactionKind,
)
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import CursorPage, CursorRequest


class InMemoryCredits:
    """One balance for everybody."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.available = 1000
        self.entries: list[HistoryEntry] = []

    async def balance(self, caller: Caller) -> Balance:
        return Balance(self.available)

    async def history(self, caller: Caller, request: CursorRequest) -> CursorPage[HistoryEntry]:
        return CursorPage(self.entries[: request.limit], request.limit)

    async def deduct(self, caller: Caller, deduction: Deduction) -> CreditTransaction:
        if deduction.amount > self.available:
            raise InsufficientCredits("too few", balance=self.available, required=deduction.amount)
        self.available -= deduction.amount
        written = self._written(deduction.id, TransactionKind.DEDUCT, -deduction.amount)
        self.entries.insert(0, HistoryEntry(written, deduction.reason, deduction.client_reference))
        return written

    async def give(self, caller: Caller, gift: CreditGift) -> Lot:
        self.available += gift.amount
        self.entries.insert(0, HistoryEntry(self._written(gift.id, TransactionKind.GRANT, gift.amount), gift.reason))
        return Lot(gift.id, gift.id, LotSource.GRANT, "", gift.amount, self.now(), gift.expires_at, gift.amount)

    def _written(self, transaction_id: UUID, kind: TransactionKind, amount: int) -> CreditTransaction:
        spent = max(0, -amount)
        return CreditTransaction(
            transaction_id, transaction_id, kind, str(transaction_id), "", amount, spent, self.available, self.now()
        )
