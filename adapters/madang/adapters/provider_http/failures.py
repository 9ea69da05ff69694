"""What may go wrong on the way, as errors of the taxonomy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Unavailable

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Nothing of the request has left: there was no connection to send it over."""


class TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@contextmanager
def port_errors(name: str, operation: str, *, acts: bool = False) -> Iterator[None]:
    """Raises `Unavailable` when surely nothing was done, `Misconfigured` for an address that cannot be used, and for a lost
    answer `OutcomeUnknown` where the call `acts`, else `Unavailable`. No message repeats what httpx says: it may quote an
    address or a header."""
    try:
        yield
    except NEVER_SENT as error:
        raise Unavailable(f"no connection: {type(error).__name__}", provider=name, operation=operation) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Misconfigured("the address cannot be used", provider=name, operation=operation) from None
    except (httpx.HTTPError, TimeoutError, TooLong) as error:
        raise lost(name, operation, f"the answer was lost: {type(error).__name__}", acts=acts) from None


def lost(name: str, operation: str, why: str, *, acts: bool) -> PortError:
    """The error of an answer that did not come: what `acts` may be done."""
    return (OutcomeUnknown if acts else Unavailable)(why, provider=name, operation=operation)
