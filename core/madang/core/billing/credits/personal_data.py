"""What credits know about a person: whose wallet it is, and what they wrote. The ledger stays, and is nobody's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.repository import CreditsUnitOfWork


class CreditsPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "credits"
    tables: Final = frozenset({"credit_accounts", "credit_notes"})

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def export(self, uow: CreditsUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return await uow.credits.records(user_id)

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of them lies outside."""

    async def erase(self, uow: CreditsUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """What nobody can spend any more is booked as expired."""
        wallet_id, accounts, notes = await uow.credits.forget_user(user_id)
        if wallet_id is not None:
            await self._ledger.reopen(uow, wallet_id)
        return {"credit_accounts": accounts, "credit_notes": notes}
