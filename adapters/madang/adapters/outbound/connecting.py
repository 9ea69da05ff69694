"""Connections to exactly the address that was judged: a name is resolved once, here, and what it then leads to does not matter.

Below httpcore, so that nothing above (a pool, a redirect, a retry) can reach a host in another way. Certificates are still
checked against the name, which httpcore keeps for `Host` and SNI.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from madang.adapters.outbound.addresses import AddressRefused, OutboundPolicy

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses. Raises `OSError`."""
_RESOLVERS: Final = 4


class Resolver:
    """The system's, in threads of its own: a name server that is slow on purpose holds up nobody else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="outbound-resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class JudgedBackend(AsyncNetworkBackend):
    """Raises `AddressRefused` when any of a host's addresses must not be reached, `httpcore.ConnectError` when none answers."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._beneath = httpcore.AnyIOBackend()

    async def addresses_of(self, host: str, port: int) -> Sequence[str]:
        """All are judged: one private address among public ones is an attempt."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the host has no address") from error
        if not addresses:
            raise httpcore.ConnectError("the host has no address")
        for address in addresses:
            self._policy.require(address)
        return addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        failed: Exception | None = None
        for address in await self.addresses_of(host, port):
            try:
                return await self._beneath.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("the host has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        raise AddressRefused("must not be a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
