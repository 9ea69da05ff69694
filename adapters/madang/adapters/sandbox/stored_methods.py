"""The part of the sandbox's payment gateway that keeps cards, and charges them."""

from madang.adapters.sandbox import stored
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.provider import SandboxProvider
from madang.ports.errors import Rejected
from madang.ports.payment import (
    ChargeRequest,
    Checkout,
    KeepMethodRequest,
    PaymentSnapshot,
    StoredMethod,
    StoreMethodRequest,
)
from madang.ports.secret import Secret


class SandboxStoredMethods(SandboxProvider):
    """The stored means of payment of `PaymentGateway`; the window is a page of ours."""

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        window = await self._gate.effect(
            "payment.open_method_window",
            request.idempotency_key,
            lambda c, knobs: stored.open_window(c, knobs, request),
            request.timeout,
        )
        return Checkout(f"{self._context.base_url}/sandbox/methods/{window.reference}")

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        return await self._gate.effect(
            "payment.keep_method", request.idempotency_key, lambda c, knobs: stored.keep(c, knobs, request), request.timeout
        )

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        if request.amount.amount <= 0:
            raise _rejected("an amount is more than nothing", "invalid_request")
        payment = await self._gate.effect(
            "payment.charge", request.idempotency_key, lambda c, knobs: stored.charge(c, knobs, request), request.timeout
        )
        if payment.status == "failed":
            raise _rejected("the card was declined", payment.failure or "declined")
        return payment.snapshot()

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        await self._gate.effect("payment.forget_method", "", lambda c, _: stored.forget(c, customer_id, token.reveal()), 30.0)


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="payment.charge")
