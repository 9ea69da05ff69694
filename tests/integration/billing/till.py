"""What a buyer and the people behind the till do over HTTP, with the sandbox as the payment company."""

from collections.abc import Mapping
from typing import Any

from deployment import Deployment, Member
from madang.adapters.sandbox import knobs, payments
from madang.adapters.sandbox.settings import SandboxSettings
from madang.core.kernel.ids import new_id

PACK: Mapping[str, Any] = {
    "creditPackId": "credits-100",
    "currency": "KRW",
    "successUrl": "https://shop.example.com/paid",
    "cancelUrl": "https://shop.example.com/cart",
}
PRICE = {"amount": 5000, "currency": "KRW"}


class Till:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    async def call(self, member: Member, method: str, path: str, *, key: str | None = None, json: Any = None) -> Any:
        """The whole answer."""
        headers = {**member.headers, **({} if key is None else {"Idempotency-Key": key})}
        return await self.deployment.client.request(method, path, headers=headers, json=json)

    async def data(self, member: Member, method: str, path: str, **more: Any) -> Any:
        answer = await self.call(member, method, path, **more)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def open(self, member: Member, **changes: Any) -> Any:
        return await self.data(member, "POST", "/checkouts", json={**PACK, **changes}, key=new_id().hex)

    async def pay(self, payment_id: str) -> None:
        """At the payment company; we have not heard of it."""
        reference = await self.deployment.value("SELECT reference FROM payments WHERE id = $1::uuid", payment_id)
        await self.deployment.world.run(lambda c: payments.pay(c, knobs.current(c, SandboxSettings()), reference, "card"))

    async def paid(self, member: Member, **changes: Any) -> str:
        payment_id: str = (await self.open(member, **changes))["paymentId"]
        await self.pay(payment_id)
        await self.data(member, "POST", f"/payments/{payment_id}/confirm", json={})
        await self.deployment.work()
        return payment_id

    async def payment(self, member: Member, payment_id: str) -> Any:
        return await self.data(member, "GET", f"/payments/{payment_id}")
