"""A subscriber over HTTP, and the sandbox's card company: what it is told to do, and what it took."""

from datetime import timedelta
from typing import Any

from deployment import Deployment, Member
from madang.adapters.sandbox import knobs, stored
from madang.adapters.sandbox.settings import SandboxSettings
from madang.core.kernel.schedules import schedule

BACK = {"successUrl": "https://shop.example.com/subscribed", "cancelUrl": "https://shop.example.com/plans"}


async def renewing(deployment: Deployment) -> None:
    """Of all that comes back by itself, only what subscriptions are renewed by."""
    container = deployment.container
    await schedule(container.subscription_work.recurring(), container.units, container.clock)


class Subscriber:
    def __init__(self, deployment: Deployment, member: Member) -> None:
        self.deployment = deployment
        self.member = member

    async def call(self, method: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
        """The answer's data, or its error."""
        asked = {"json": body} if body is not None else {}
        answer = await self.deployment.client.request(method, path, headers={**self.member.headers, **headers}, **asked)
        assert answer.status_code == status, answer.text
        return answer.json()["data"] if answer.is_success else answer.json()["error"]

    async def begin(self, plan: str = "hosting-basic", **more: Any) -> dict[str, Any]:
        body = {"planId": plan, "currency": "KRW", **BACK, **more}
        begun: dict[str, Any] = await self.call("POST", "/subscriptions", 201, body)
        return begun

    async def leave_a_card(self, subscription: dict[str, Any]) -> str:
        """The person goes through the window; the key that the browser brings back."""
        reference = subscription["checkout"]["url"].rsplit("/", 1)[1]
        window = await self.deployment.world.run(lambda c: stored.agree(c, SandboxSettings(), reference))
        assert window.client_key is not None
        return window.client_key

    async def activate(self, subscription: dict[str, Any]) -> dict[str, Any]:
        key = await self.leave_a_card(subscription)
        path = f"/subscriptions/{subscription['id']}/activate"
        activated: dict[str, Any] = await self.call("POST", path, 202, {"clientKey": key})
        return activated

    async def subscribe(self, plan: str = "hosting-enterprise", **more: Any) -> dict[str, Any]:
        """To a plan without a trial: paid for and active."""
        begun = await self.begin(plan, **more)
        await self.activate(begun)
        await self.deployment.work()
        return await self.get(begun)

    async def get(self, subscription: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/subscriptions/{subscription['id']}", 200)
        return found

    async def step(self, subscription: dict[str, Any], what: str, body: Any = None, status: int = 202) -> dict[str, Any]:
        """Asked for, and worked off."""
        answer: dict[str, Any] = await self.call("POST", f"/subscriptions/{subscription['id']}/{what}", status, body)
        await self.deployment.work()
        return answer if status >= 400 else await self.get(subscription)

    async def sweep(self) -> None:
        """What the worker does every minute, now."""
        await self.deployment.execute(
            "UPDATE messages SET due_at = now() WHERE topic = 'billing.subscriptions_due' AND state = 'waiting'"
        )
        await self.deployment.work()

    async def days_pass(self, days: float) -> None:
        """And what is due then is done. A sweep leaves a row that somebody has to the next sweep: here that is another one."""
        await self.deployment.let_pass(seconds=timedelta(days=days).total_seconds())
        await self.sweep()
        await self.sweep()

    async def cards_are_declined(self, declined: bool = True) -> None:
        change = {"decline": declined}
        await self.deployment.world.run(lambda c: knobs.change(c, SandboxSettings(), change))

    async def taken(self) -> list[int]:
        """What the card company took, the oldest first."""
        rows = await self.deployment.world.run(
            lambda c: c.execute("SELECT amount FROM payments WHERE status = 'paid' ORDER BY created_at").fetchall()
        )
        return [row["amount"] for row in rows]

    async def payments(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = await self.call("GET", "/payments", 200)
        return listed


class Asked:
    """Of a delivery what a sweep needs: many of them at once, as no schedule would have it."""

    def __init__(self, deployment: Deployment) -> None:
        self._units = deployment.container.units

    def step(self) -> Any:
        return self._units()
