"""What HTTP asks of credits: the part of the container that their routes touch."""

from typing import Protocol

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.credits.accounts import CreditGift, Deduction
from madang.core.billing.credits.model import Balance, CreditTransaction, HistoryEntry, Lot
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import CursorPage, CursorRequest


class CreditAccounts(Protocol):
    """What people see of their credits and do with them (`CreditAccounts` of the core)."""

    async def balance(self, caller: Caller) -> Balance: ...

    async def history(self, caller: Caller, request: CursorRequest) -> CursorPage[HistoryEntry]: ...

    async def deduct(self, caller: Caller, deduction: Deduction) -> CreditTransaction: ...

    async def give(self, caller: Caller, gift: CreditGift) -> Lot: ...


class CreditParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def credit_accounts(self) -> CreditAccounts: ...
