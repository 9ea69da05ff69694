"""How often one caller may do one thing: the policies by name, and the headers that tell the caller."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog
from litestar.types import Scope

from madang.core.kernel.tokens import Claims
from madang.entrypoints.http.addresses import Addresses
from madang.entrypoints.http.composition import Allowance, Limiter
from madang.entrypoints.http.errors import RateLimitExceeded
from madang.entrypoints.http.exchange import Exchange, exchange_of
from madang.entrypoints.http.operations.parts import OwnLimits

logger = structlog.stdlib.get_logger("madang.http")

DEFAULT: Final = "default"
API_KEY: Final = "api_key"
POLICIES: Final[Mapping[str, str]] = {
    DEFAULT: "100/minute",
    API_KEY: "1000/day",
    "order": "30/hour",
    "photo": "30/hour",
    "upload": "600/hour",
    "phone_check": "10/hour",
    "export": "5/day",
    "erasure": "20/day",
    "webhook": "1200/minute",
    "register": "20/hour",
    "sign_in": "30/minute",
    "two_factor": "20/hour",
    "mailed_link": "10/hour",
}
"""A deployment may set others by name in `limits`."""
_WITHOUT_DEFAULT: Final = frozenset({"webhook"})
"""A provider delivers for everybody from a few addresses: it is counted by this alone."""
_USER: Final = "user:"
_KEPT_SECONDS: Final = 30.0
_AWAY_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 0.5
_REMEMBERED: Final = 10_000
_NONE: Final[Mapping[str, str]] = {}
_HEADER: Final = b"ratelimit-limit"


def policies_of(own: str | Sequence[str], claims: Claims | None) -> Sequence[str]:
    """What a call of an operation with these limits counts under: all under the default, a key's calls by the day, too."""
    named = (own,) if isinstance(own, str) else tuple(own)
    general = () if _WITHOUT_DEFAULT.intersection(named) else (DEFAULT,)
    by_key = (API_KEY,) if claims is not None and "keyId" in claims.extra else ()
    return tuple(dict.fromkeys((*general, *by_key, *named)))


def counted_as(claims: Claims | None, address: str) -> str:
    """Whose calls these are. A user is one caller, by all sessions and keys; who shows no valid token is an address."""
    if claims is None:
        return f"address:{address}"
    user_id = claims.extra.get("userId")
    return f"{_USER}{user_id}" if user_id else f"{claims.audience}:{claims.subject}"


class KeptLimits:
    """Limits of single users, each read once in half a minute. While they cannot be read, everybody has the deployment's."""

    def __init__(self, own_limits: OwnLimits) -> None:
        self._own_limits = own_limits
        self._kept: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def of(self, caller: str) -> Mapping[str, str]:
        """By policy; nothing for a caller who is no user."""
        if not caller.startswith(_USER):
            return _NONE
        now = time.monotonic()
        if (kept := self._kept.get(caller)) is not None and now < kept[0]:
            return kept[1]
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found, seconds = await self._own_limits.of(UUID(caller.removeprefix(_USER))), _KEPT_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever it is, a limit that cannot be read stops nobody
            logger.warning("a user's own limits could not be read", reason=type(error).__name__)
            found, seconds = _NONE, _AWAY_SECONDS
        if len(self._kept) >= _REMEMBERED:
            self._kept.clear()
        self._kept[caller] = (now + seconds, found)
        return found


class RateLimits:
    """`refused` hears of each policy that refused a call."""

    def __init__(self, limiter: Limiter, addresses: Addresses, own_limits: KeptLimits, refused: Callable[[str], None]) -> None:
        self._limiter = limiter
        self._addresses = addresses
        self._own_limits = own_limits
        self._refused = refused

    async def spend(self, scope: Scope, policies: Sequence[str], caller: str, *, path: str = "") -> None:
        """Count one call by `caller` (hidden here: it may be an address) under each of the policies, until one refuses; with a
        `path`, all but the general ones count it by itself. Raises `RateLimitExceeded`."""
        own = await self._own_limits.of(caller)
        allowances = {}
        for policy in policies:
            by = caller if not path or policy in (DEFAULT, API_KEY) else f"{caller}:{path}"
            named = (policy, self._addresses.hidden(by))
            written = own.get(policy)
            allowances[policy] = allowance = await (
                self._limiter.hit(*named) if written is None else self._limiter.hit(*named, written)
            )
            if not allowance.allowed:
                self._refused(policy)
                break
        tightest = min(allowances, key=lambda policy: _room(allowances[policy]))
        _announce(exchange_of(scope), tightest, allowances[tightest])
        if not (last := allowances[tightest]).allowed:
            raise RateLimitExceeded(
                f"too many requests: {tightest} allows {last.limit}",
                retry_after=max(1.0, last.reset_after),
                policy=tightest,
                limit=last.limit,
            )

    async def announce(self, scope: Scope, exchange: Exchange) -> None:
        """The headers for an answer that no operation made: an unknown path, a wrong method."""
        if scope["path"].startswith("/api/") and not any(name == _HEADER for name, _ in exchange.extra_headers):
            caller = self._addresses.hidden(f"address:{self._addresses.of(scope)}")
            _announce(exchange, DEFAULT, await self._limiter.hit(DEFAULT, caller))


def _room(allowance: Allowance) -> tuple[bool, int, float]:
    """Refused is tighter than allowed, little left tighter than much, a long wait tighter than a short one."""
    return allowance.allowed, allowance.remaining, -allowance.reset_after


def _announce(exchange: Exchange, policy: str, allowance: Allowance) -> None:
    exchange.extra_headers += [
        (_HEADER, b"%d" % allowance.limit),
        (b"ratelimit-remaining", b"%d" % max(0, allowance.remaining)),
        (b"ratelimit-reset", b"%d" % math.ceil(max(0.0, allowance.reset_after))),
        (b"ratelimit-policy", policy.encode("ascii")),
    ]
