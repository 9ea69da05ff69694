"""Addresses in a provider's settings: whether keys and secrets may travel there."""

from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def is_safe(address: str, *, query: bool = False, plain_http: bool = False) -> bool:
    """Whether it is `https://`, or `http://` on this machine (with `plain_http` anywhere), of a host and a port that there can
    be, without credentials, and without a query unless that is allowed."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and (plain_http or host in LOOPBACK))
    bare = parts.username is None and not parts.fragment and (query or not parts.query)
    return secure and bare and bool(host) and port != 0 and _is_printed(address)


def require_safe(name: str, address: str, *, query: bool = False, plain_http: bool = False) -> None:
    """Raises `ValueError`, which names the setting and does not repeat its value, for an address that is not `is_safe`."""
    if not is_safe(address, query=query, plain_http=plain_http):
        raise ValueError(f"{name} is not an address with https://")


def _is_printed(address: str) -> bool:
    return address.isprintable() and not any(letter.isspace() for letter in address)
