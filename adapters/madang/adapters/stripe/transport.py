"""How the SDK's requests travel: bounded in time and size, no redirect followed, nothing tried twice, no report to Stripe.

The SDK shapes the request; this carries it, and judges the answer before the SDK reads it.
"""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import httpx
import stripe

from madang.adapters.stripe.capabilities import NAME
from madang.adapters.stripe.errors import error_of, request_id
from madang.adapters.stripe.settings import StripeSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Unavailable

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
    """The SDK's own interface for a transport, over httpx. Raises ports' errors through the SDK."""

    name = "httpx"

    def __init__(self, settings: StripeSettings) -> None:
        super().__init__()
        self._http = httpx.AsyncClient(
            # No connection is kept: one that the other side closed meanwhile would leave open what became of a refund.
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={"user-agent": "madang", "accept": "application/json", "accept-encoding": "identity"},
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        call = UNDER_WAY.get()
        kept = {name: value for name, value in headers.items() if name.lower() in _HEADERS}
        effect = method.upper() != "GET"
        status, answered, body = await self._exchange(call, method, url, kept, post_data, effect)
        document = object_in(body)
        if not 200 <= status < 300:
            raise error_of(call.operation, status, answered, document, effect=effect)
        if not document:
            raise call.lost("the answer cannot be read", code=str(status), request=request_id(answered))
        return body, status, answered

    async def close_async(self) -> None:
        await self._http.aclose()

    async def _exchange(
        self, call: Call, method: str, url: str, headers: Mapping[str, str], body: str | None, effect: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        left = call.left
        if left <= 0:
            raise call.lost("no time was left", code="timeout")
        try:
            limits = httpx.Timeout(left, pool=left / 3, connect=left / 3)
            request = self._http.build_request(method, url, content=body, headers=dict(headers), timeout=limits)
            before, call.acted = call.acted, call.acted or effect
            async with asyncio.timeout(left):
                return await self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            call.acted = before
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=call.operation) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Misconfigured("base_url cannot be used", provider=NAME, operation=call.operation) from None
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            raise call.lost(f"the answer was lost: {type(error).__name__}") from None

    async def _receive(self, request: httpx.Request) -> tuple[int, Mapping[str, str], bytes]:
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise _TooLong
            return response.status_code, dict(response.headers), bytes(body)
        finally:
            await response.aclose()


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body, empty where there is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
