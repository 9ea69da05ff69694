"""How the SDK's requests travel: over the providers' transport, with no report to Stripe.

The SDK shapes the request; this carries it, and judges the answer before the SDK reads it.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import stripe

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.stripe.capabilities import NAME
from madang.adapters.stripe.errors import error_of, request_id
from madang.adapters.stripe.settings import StripeSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable

MAX_ANSWER_BYTES: Final = 8 * 1024**2
"""A page of a hundred checkouts with their charges is long."""
_HEADERS: Final = ("authorization", "content-type", "idempotency-key", "stripe-version")
"""What of the SDK's headers goes along: not its description of this machine."""


@dataclass(slots=True)
class Call:
    """One call of the port: all its requests together have until `deadline` (of the event loop's clock). `acted` once a request
    for an effect has left."""

    operation: str
    deadline: float
    acted: bool = False

    @classmethod
    def within(cls, operation: str, timeout: float) -> "Call":
        return cls(operation, asyncio.get_running_loop().time() + timeout)

    @property
    def left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()

    def lost(self, why: str, *, code: str | None = None, request: str | None = None) -> PortError:
        kind = OutcomeUnknown if self.acted else Unavailable
        return kind(why, provider=NAME, operation=self.operation, code=code, request_id=request)


UNDER_WAY: Final[ContextVar[Call]] = ContextVar("stripe_call")


class BoundedTransport(stripe.HTTPClient):
    """The SDK's own interface for a transport. Raises ports' errors through the SDK."""

    name = "httpx"

    def __init__(self, settings: StripeSettings) -> None:
        super().__init__()
        self._http = ProviderHttp(NAME, proxy=settings.proxy, max_answer_bytes=MAX_ANSWER_BYTES)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        call = UNDER_WAY.get()
        kept = {name: value for name, value in headers.items() if name.lower() in _HEADERS}
        effect = method.upper() != "GET"
        answer = await self._exchange(call, method, url, kept, post_data, effect)
        if not answer.is_success:
            raise error_of(call.operation, answer.status, answer.headers, answer.fields, effect=effect)
        if not answer.fields:
            raise call.lost("the answer cannot be read", code=str(answer.status), request=request_id(answer.headers))
        return answer.body, answer.status, dict(answer.headers)

    async def close_async(self) -> None:
        await self._http.close()

    async def _exchange(
        self, call: Call, method: str, url: str, headers: Mapping[str, str], body: str | None, effect: bool
    ) -> Answer:
        left = call.left
        if left <= 0:
            raise call.lost("no time was left", code="timeout")
        before, call.acted = call.acted, call.acted or effect
        try:
            return await self._http.call(call.operation, method, url, left, acts=call.acted, content=body, headers=headers)
        except (Unavailable, Misconfigured, Rejected):
            call.acted = before
            raise
