"""An agency with a client who pays by a plan, over HTTP, with the sandbox as the payment company."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deployment import Deployment, Member
from integration.billing.till import Till
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id

PAGES = {"successUrl": "https://shop.example.com/paid", "cancelUrl": "https://shop.example.com/plan"}


def day(days: int) -> date:
    """That many days from today in the deployment's zone."""
    return datetime.now(ZoneInfo("Asia/Seoul")).date() + timedelta(days=days)


def installments(*parts: tuple[int, int]) -> list[dict[str, Any]]:
    """By amounts and days from today."""
    return [
        {"phase": f"{number}차 대금", "amount": amount, "dueDate": day(days).isoformat()}
        for number, (amount, days) in enumerate(parts, 1)
    ]


class Agency:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.till = Till(deployment)
        self.manager: Member
        self.client: Member

    async def open(self) -> "Agency":
        self.manager = await self.deployment.member(Role.PROJECT_MANAGER)
        self.client = await self.deployment.member()
        return self

    def body(self, *parts: tuple[int, int], **more: Any) -> dict[str, Any]:
        project, client = str(new_id()), str(self.client.id)
        return {"projectId": project, "clientId": client, "currency": "KRW", "installments": installments(*parts), **more}

    async def plan(self, *parts: tuple[int, int], **more: Any) -> str:
        body = self.body(*(parts or ((3000, 5), (7000, 30))), **more)
        plan_id: str = (await self.till.data(self.manager, "POST", "/payment-plans", json=body, key=new_id().hex))["id"]
        return plan_id

    async def read(self, plan_id: str, member: Member | None = None) -> Any:
        return await self.till.data(member or self.client, "GET", f"/payment-plans/{plan_id}")

    async def states(self, plan_id: str) -> list[str]:
        """The plan's own, then those of its instalments."""
        plan = await self.read(plan_id)
        return [plan["status"], *(each["status"] for each in plan["installments"])]

    async def checkout(self, plan_id: str, number: int = 1, member: Member | None = None, **more: Any) -> Any:
        """The whole answer."""
        path = f"/payment-plans/{plan_id}/installments/{number}/checkout"
        return await self.till.call(member or self.client, "POST", path, json={**PAGES, **more}, key=new_id().hex)

    async def pay(self, plan_id: str, number: int = 1) -> str:
        answer = await self.checkout(plan_id, number)
        assert answer.status_code == 201, answer.text
        payment_id: str = answer.json()["data"]["paymentId"]
        await self.arrive(payment_id)
        return payment_id

    async def arrive(self, payment_id: str) -> None:
        """The client pays in the provider's window, and we hear of it."""
        await self.till.pay(payment_id)
        await self.deployment.execute(
            "UPDATE messages SET due_at = now() WHERE topic = 'billing.look_up' AND state = 'waiting'"
        )
        await self.deployment.work()

    async def change(self, plan_id: str, number: int, *, version: int | None = None, **change: Any) -> Any:
        """The whole answer."""
        headers = {**self.manager.headers, **({} if version is None else {"If-Match": f'"{version}"'})}
        path = f"/payment-plans/{plan_id}/installments/{number}"
        return await self.deployment.client.patch(path, headers=headers, json=change)

    async def settle(self) -> None:
        """What the worker does every minute, at once, and what follows from it."""
        settling, units = self.deployment.container.plan_settling, self.deployment.container.units
        async with units() as uow:
            due = await uow.payment_plans.due(self.deployment.container.clock.now(), after=None, limit=1000)
        for plan_id in due:
            async with units() as uow:
                await settling.settle(uow, plan_id)
        await self.deployment.work()

    async def told(self) -> list[str]:
        return [mail.subject or "" for mail in await self.deployment.e_mails() if mail.recipient == self.client.email]

    async def broken(self) -> dict[str, int]:
        """Of the invariants of payment plans, those that something breaks, and how often."""
        of_plans = [each for each in self.deployment.container.invariants if "plan" in each.name or "instalment" in each.name]
        assert len(of_plans) == 3
        found = {each.name: len(await each.violations()) for each in of_plans}
        return {name: number for name, number in found.items() if number}

    async def mend(self) -> None:
        for invariant in self.deployment.container.invariants:
            if "plan" in invariant.name or "instalment" in invariant.name:
                for violation in await invariant.violations():
                    assert await invariant.mend(violation)
        await self.deployment.work()
