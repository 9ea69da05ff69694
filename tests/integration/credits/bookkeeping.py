"""What tests of credits ask a deployment for."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from deployment import Deployment, Member
from madang.core.billing.credits.model import Balance, CreditTransaction, Hold, Lot
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.ids import new_id

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
INVARIANTS = {
    "credits-sum-to-zero",
    "no-credits-below-zero",
    "credit-totals-match-the-ledger",
    "credit-lots-add-up",
    "due-credits-are-settled",
}


def now() -> datetime:
    return datetime.now(UTC)


class Books:
    """The credits of a deployment, each call in a commit of its own."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.credits = deployment.container.credits

    async def grant(self, member: Member, amount: int, key: str | None = None, **more: Any) -> Lot:
        async with self.deployment.container.units() as uow:
            return await self.credits.grant(uow, member.id, amount, key=key or str(new_id()), subject="test:1", **more)

    async def deduct(self, member: Member, amount: int, key: str | None = None) -> CreditTransaction:
        async with self.deployment.container.units() as uow:
            return await self.credits.deduct(uow, member.id, amount, key=key or str(new_id()), subject="test:1")

    async def hold(self, member: Member, amount: int, key: str, ends_in: timedelta = HOUR) -> Hold:
        async with self.deployment.container.units() as uow:
            return await self.credits.hold(uow, member.id, amount, key=key, subject="test:1", ends_at=now() + ends_in)

    async def take(self, key: str, amount: int | None = None) -> Hold:
        async with self.deployment.container.units() as uow:
            return await self.credits.take(uow, key, amount)

    async def release(self, key: str) -> Hold:
        async with self.deployment.container.units() as uow:
            return await self.credits.release(uow, key)

    async def settle(self) -> None:
        """What the worker does every minute, at once."""
        settling = self.deployment.container.credit_settling
        async with self.deployment.container.units() as uow:
            due = await uow.credits.wallets_with_due(now(), after=None, limit=1000)
        for wallet_id in due:
            async with self.deployment.container.units() as uow:
                await settling.settle(uow, wallet_id)

    async def balance(self, member: Member) -> Balance:
        return await self.deployment.container.credit_accounts.balance(Caller(CallerKind.USER, member.id))

    async def have(self, member: Member) -> tuple[int, int]:
        """What is available, and what is held."""
        balance = await self.balance(member)
        return balance.available, balance.held

    async def lots(self, member: Member) -> list[Any]:
        """What the member's lots say, the oldest first."""
        return list(
            await self.deployment.rows(
                "SELECT lot.* FROM credit_lots AS lot JOIN credit_accounts AS account USING (wallet_id) "
                "WHERE account.user_id = $1 AND account.kind = 'available' ORDER BY lot.id",
                member.id,
            )
        )

    async def in_system(self, kind: str) -> int:
        """What an account of the system sums to."""
        question = (
            "SELECT coalesce(sum(entry.amount), 0) FROM credit_entries AS entry "
            "JOIN credit_accounts AS account ON account.id = entry.account_id WHERE account.kind = $1"
        )
        return int(await self.deployment.value(question, kind))

    async def forget(self, member: Member) -> None:
        """Asked for; the worker does it."""
        answer = await self.deployment.client.request(
            "DELETE", "/privacy/me", json={"confirm": True}, headers=dict(member.headers)
        )
        assert answer.status_code == 202, answer.text

    async def check(self) -> None:
        """Every invariant of credits that `madang doctor` looks at holds."""
        checked = [each for each in self.deployment.container.invariants if each.name in INVARIANTS]
        assert {each.name for each in checked} == INVARIANTS
        assert {each.name: found for each in checked if (found := await each.violations())} == {}

    async def wallet_of(self, member: Member) -> UUID:
        found: UUID = await self.deployment.value(
            "SELECT wallet_id FROM credit_accounts WHERE user_id = $1 AND kind = 'available'", member.id
        )
        return found
