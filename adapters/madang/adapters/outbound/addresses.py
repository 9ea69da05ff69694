"""Where a request may go whose address a stranger wrote: public unicast only, however the address is spelled.

Every address that hides in another is judged, too: IPv4-mapped, 6to4, Teredo and NAT64 all lead to an IPv4 host somewhere.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

import httpx

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_LENGTH: Final = 2048
_NAT64: Final = IPv6Network("64:ff9b::/96")
_UNICAST: Final = IPv6Network("2000::/3")
_NEVER: Final[Sequence[Network]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)
"""What some releases of Python call global: carrier NAT, protocol assignments, the 6to4 relay, documentation."""
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")


class AddressRefused(Exception):
    """`str()` says what is wrong with the address and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """`plain_http` lets `http://` pass, for development. `networks` may be reached although they are not public."""

    plain_http: bool = False
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, *, plain_http: bool, networks: Sequence[str]) -> "OutboundPolicy":
        return cls(plain_http, tuple(ip_network(network, strict=False) for network in networks))

    def read(self, written: str) -> httpx.URL:
        """The address as it will be asked. Raises `AddressRefused`."""
        url = _parsed(written)
        if url.scheme not in (("https", "http") if self.plain_http else ("https",)):
            raise AddressRefused("must start with https://")
        if url.userinfo or "@" in written.partition("//")[2].partition("/")[0]:
            raise AddressRefused("must not carry a user or a password")
        if url.fragment:
            raise AddressRefused("must not carry a fragment")
        if url.port is not None and url.port not in (80, 443) and not 1024 <= url.port <= 65535:
            raise AddressRefused("must not name a port below 1024 but 80 and 443")
        self._require_host(url)
        return url

    def require(self, address: str) -> None:
        """Raises `AddressRefused` for a resolved address that must not be reached."""
        if not self.admits(ip_address(address)):
            raise AddressRefused("leads to an address that is not public")

    def admits(self, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        return all(_is_public(each) for each in (address, *_inside(address)))

    def _require_host(self, url: httpx.URL) -> None:
        host = url.raw_host.decode("ascii")
        try:
            literal: Address | None = ip_address(host)
        except ValueError:
            literal = None
        if literal is not None:
            self.require(host)
            return
        labels = host.split(".")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or _NUMBER.fullmatch(labels[-1]):
            raise AddressRefused("must name a host, as example.com, without a dot at its end")


def _parsed(written: str) -> httpx.URL:
    if len(written) > MAX_LENGTH or not written.isprintable() or " " in written or "\\" in written:
        raise AddressRefused("must be an address of at most 2,048 characters, without blanks and backslashes")
    try:
        url = httpx.URL(written)
        host = url.host
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise AddressRefused("is not a web address") from None
    if not host:
        raise AddressRefused("must name a host")
    return url


def _inside(address: Address) -> Iterator[Address]:
    """The IPv4 hosts that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _NAT64:
            return True
        if address not in _UNICAST:
            return False
        if address.teredo is not None:
            return True
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_private
    )
