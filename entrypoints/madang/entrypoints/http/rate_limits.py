"""How often one caller may do one thing: the policies by name, and the headers that tell the caller."""

import math
from collections.abc import Mapping
from typing import Final

from litestar.types import Scope

from madang.entrypoints.http.addresses import Addresses
from madang.entrypoints.http.composition import Allowance, Limiter
from madang.entrypoints.http.errors import RateLimitExceeded
from madang.entrypoints.http.exchange import Exchange, exchange_of

DEFAULT: Final = "default"
POLICIES: Final[Mapping[str, str]] = {
    DEFAULT: "100/minute",
    "order": "30/hour",
    "photo": "30/hour",
    "phone_check": "10/hour",
    "webhook": "1200/minute",
}
"""A deployment may set others by name in `limits`."""
_HEADER: Final = b"ratelimit-limit"


class RateLimits:
    def __init__(self, limiter: Limiter, addresses: Addresses) -> None:
        self._limiter = limiter
        self._addresses = addresses

    async def spend(self, scope: Scope, policy: str, caller: str) -> None:
        """Count one call by `caller` (hidden here: it may be an address). Raises `RateLimitExceeded`."""
        allowance = await self._count(exchange_of(scope), policy, caller)
        if not allowance.allowed:
            raise RateLimitExceeded("too many requests", retry_after=max(1.0, allowance.reset_after))

    async def announce(self, scope: Scope, exchange: Exchange) -> None:
        """The headers for an answer that no operation made: an unknown path, a wrong method."""
        if scope["path"].startswith("/api/") and not any(name == _HEADER for name, _ in exchange.extra_headers):
            await self._count(exchange, DEFAULT, f"address:{self._addresses.of(scope)}")

    async def _count(self, exchange: Exchange, policy: str, caller: str) -> Allowance:
        allowance = await self._limiter.hit(policy, self._addresses.hidden(caller))
        exchange.extra_headers += [
            (_HEADER, b"%d" % allowance.limit),
            (b"ratelimit-remaining", b"%d" % max(0, allowance.remaining)),
            (b"ratelimit-reset", b"%d" % math.ceil(max(0.0, allowance.reset_after))),
        ]
        return allowance
