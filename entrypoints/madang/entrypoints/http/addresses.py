"""Who is calling: the peer, or what a proxy that we trust says."""

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from litestar.types import Scope

from madang.entrypoints.http.exchange import exchange_of

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Addresses:
    """`trusted_proxies` are addresses or networks. `X-Forwarded-For` is read from the right, past the proxies that we trust:
    what stands further left was written by anybody. `hide` makes what may be stored of an address: it is personal data."""

    def __init__(self, trusted_proxies: Sequence[str], hide: Callable[[str], str]) -> None:
        self.hidden = lru_cache(maxsize=4096)(hide)
        self._trusted: tuple[_Network, ...] = tuple(ipaddress.ip_network(item, strict=False) for item in trusted_proxies)

    def of(self, scope: Scope) -> str:
        """The caller's address in canonical form; a caller with IPv6 counts by its /64, which one subscriber has to itself."""
        exchange = exchange_of(scope)
        if exchange.address is None:
            exchange.address = _canonical(self._find(scope))
        return exchange.address

    def _find(self, scope: Any) -> str:
        client = scope.get("client")
        peer: str = client[0] if client else ""
        if not self._trusted or not self._is_trusted(peer):
            return peer
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
        for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()][-20:]):
            if _parse(hop) is None:
                return peer
            if not self._is_trusted(hop):
                return hop
            peer = hop
        return peer

    def _is_trusted(self, written: str) -> bool:
        address = _parse(written)
        return address is not None and any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def _canonical(written: str) -> str:
    address = _parse(written)
    if address is None:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


@lru_cache(maxsize=4096)
def _parse(written: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(written.strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
