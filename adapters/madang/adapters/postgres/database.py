"""The pool of connections, and addresses in all the forms that people write."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from madang.adapters.postgres.failures import could_not_connect, unavailable, wrong_address
from madang.adapters.postgres.known_types import KnowingConnection
from madang.ports.errors import Misconfigured

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg", "postgres+asyncpg"})
_RENAMED: Final = {"ssl": "sslmode"}
_CLIENT_ONLY: Final = frozenset(
    {"channel_binding", "connect_timeout", "fallback_application_name", "gssencmode", "sslsni", "pgbouncer"}
    | {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)
"""libpq options that asyncpg would hand to the server, which refuses them."""
_HOST: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(:\d*)?")


def normalised(url: str) -> str:
    """The address as asyncpg takes it.

    Takes `postgresql://`, `postgres://` and `postgresql+asyncpg://`, TCP or a unix socket
    (`postgresql://postgres@/madang?host=/run/postgresql`), and `sslmode`, `sslrootcert` … or SQLAlchemy's `ssl`.
    Raises `Misconfigured` for anything else, without repeating the address: it may hold a password.
    """
    parts = _split(url)
    if parts.scheme not in _SCHEMES:
        raise _misconfigured("a database address starts with postgresql://")
    options = [
        (_RENAMED.get(name, name), value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in _CLIENT_ONLY
    ]
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(options, safe="/"), ""))


def _split(url: str) -> SplitResult:
    """A sign that belongs to a password may end the host: what a parser says then repeats a part of the password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _misconfigured("the database address cannot be read") from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if parts.fragment or not all(map(_HOST.fullmatch, hosts)):
        raise _misconfigured("the database address cannot be read: in a password, write / as %2F, # as %23 and ? as %3F")
    return parts


def _misconfigured(why: str) -> Misconfigured:
    return Misconfigured(why, provider="postgresql", operation="connect")


class Database:
    """A pool of asyncpg connections that outlives a restart of the server.

    `connection()` waits up to `patience` seconds for a server that is away and then raises `Unavailable`. JSONB columns are
    read and written as Python values; everything else is asyncpg's own mapping.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", url: str, *, patience: float = 5.0) -> None:
        self.pool = pool
        self.url = url
        self._patience = patience

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        patience: float = 5.0,
        start_patience: float = 30.0,
        application_name: str = "madang",
    ) -> Self:
        """Open the pool, waiting `start_patience` seconds for a server that is still starting.

        Raises `Unavailable` when it does not come, `Misconfigured` for a wrong password, user or database name.
        """
        address = normalised(url)
        pool = await patiently(lambda: _open_pool(address, pool_size, application_name), start_patience)
        return cls(pool, address, patience=patience)

    async def close(self) -> None:
        """Close the connections; those in use are given ten seconds to come back."""
        try:
            async with asyncio.timeout(10):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()

    async def acquire(self) -> Connection:
        """A connection to be given back with `release`; `connection()` does both."""
        return await patiently(self._acquire_once, self._patience)

    async def release(self, connection: Connection) -> None:
        """Give it back. A connection that broke is only thrown away: what was done on it stays done."""
        try:
            await self.pool.release(cast("PoolConnectionProxy[asyncpg.Record]", connection))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection.terminate()

    async def begin(self) -> Connection:
        """A connection with a READ COMMITTED transaction open on it.

        A connection that the server closed meanwhile shows only at its first statement, which is this one: nothing was
        done yet, so another connection is taken.
        """
        return await patiently(self._begin_once, self._patience)

    async def _acquire_once(self) -> Connection:
        return await self.pool.acquire()

    async def _begin_once(self) -> Connection:
        connection = await self.pool.acquire()
        try:
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        except BaseException:
            await self.release(connection)
            raise
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction: every statement is its own."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of one reading statement, tried again on another connection when this one was cut."""
        return await patiently(lambda: self.pool.fetch(statement, *values), self._patience)

    async def fetchrow(self, statement: str, *values: Any) -> asyncpg.Record | None:
        """Like `fetch`, the first row or None."""
        return await patiently(lambda: self.pool.fetchrow(statement, *values), self._patience)

    async def execute(self, statement: str, *values: Any) -> str:
        """The command tag of one statement that does no harm when it runs twice: tried again when the connection was cut."""
        return await patiently(lambda: self.pool.execute(statement, *values), self._patience)


_IDLE_IN_TRANSACTION: Final = "30s"
"""A process that stands still in the middle of a transaction keeps its rows locked no longer than this."""


async def _open_pool(address: str, size: int, application_name: str) -> "asyncpg.Pool[asyncpg.Record]":
    pool: asyncpg.Pool[asyncpg.Record] = asyncpg.create_pool(
        address,
        min_size=1,
        max_size=size,
        timeout=10,
        command_timeout=60,
        init=prepare,
        connection_class=KnowingConnection,
        reset=_leave_as_is,
        server_settings={
            "application_name": application_name,
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION,
        },
    )
    return await pool


async def prepare(connection: Connection) -> None:
    """Make JSONB columns Python values on a new connection; also for connections outside the pool."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_jsonb,
        decoder=_parse_jsonb,
        format="binary",
    )


def _jsonb(value: Any) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _parse_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(memoryview(data)[1:])


async def _leave_as_is(connection: Connection) -> None:
    """No session state is ever changed on a pooled connection, so the usual `RESET ALL` would only cost each call a round trip.

    asyncpg rolls an open transaction back before it calls this.
    """


async def patiently(attempt: Callable[[], Awaitable[T]], patience: float) -> T:
    """Try until it works or `patience` seconds are over, as long as it is the connection that fails."""
    deadline = time.monotonic() + patience
    pause = 0.05
    while True:
        try:
            return await attempt()
        except Exception as error:
            if (misconfigured := wrong_address(error)) is not None:
                raise misconfigured from error
            if not could_not_connect(error):
                raise
            if time.monotonic() + pause > deadline:
                raise unavailable(error, "connect") from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)
