"""The servers that nobody configured: PostgreSQL and Valkey in the data folder, kept running."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from madang.adapters.embedded.errors import EmbeddedServerError
from madang.entrypoints.supervisor.restarts import Restarts

logger = structlog.stdlib.get_logger("madang.supervisor")
_LOOK_EVERY = 0.5
_STEP = 0.02
_REMIND_EVERY = 60.0


class EmbeddedServer(Protocol):
    @property
    def pid(self) -> int | None: ...

    @property
    def log(self) -> Path: ...

    def advance(self) -> bool: ...

    def stop(self) -> None: ...


class Watched:
    """An embedded server under watch.

    It takes single steps and never waits inside one: whoever else is watched must be served while PostgreSQL recovers. Each is
    called in the main thread, because the kernel ties the server's life to the thread that started it.
    """

    def __init__(self, name: str, server: EmbeddedServer) -> None:
        self.name = name
        self.server = server
        self._restarts = Restarts()

    async def start(self, stop: asyncio.Event) -> None:
        """Until it answers, however long it recovers, or until `stop`. Raises `EmbeddedServerError` when it ends instead."""
        clock = asyncio.get_running_loop().time
        remind_at = clock() + _REMIND_EVERY
        while not stop.is_set() and not self.server.advance():
            await asyncio.sleep(_STEP)
            if clock() > remind_at:
                logger.warning("embedded server is not ready yet", server=self.name, log=str(self.server.log))
                remind_at = clock() + _REMIND_EVERY

    async def watch(self) -> None:
        """For ever; raises `EmbeddedServerError` when the server dies again and again."""
        clock = asyncio.get_running_loop().time
        alive_since = clock()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self.server.pid is not None:
                continue
            try:
                await self.start(asyncio.Event())
            except (EmbeddedServerError, OSError) as error:
                await self._after_death(clock() - alive_since, error)
            else:
                logger.info("embedded server is back", server=self.name, pid=self.server.pid)
            alive_since = clock()

    async def _after_death(self, lived: float, error: Exception) -> None:
        delay = self._restarts.delay_after(lived)
        if delay is None:
            raise EmbeddedServerError(f"{self.name} died again and again, the last time: {error}") from error
        logger.warning("embedded server died, starting it again", server=self.name, delay=delay, error=str(error))
        await asyncio.sleep(delay)


class Servers:
    """What of PostgreSQL and Valkey is not configured, with the addresses of both."""

    def __init__(self, data_dir: Path, *, database_url: str | None, redis_url: str | None) -> None:
        self._data_dir = data_dir
        self._database_url = database_url
        self._redis_url = redis_url
        self.watched: list[Watched] = []

    async def start(self, tell: Callable[[str], None], stop: asyncio.Event) -> tuple[str, str]:
        """Both addresses. `tell` hears what is being started. After `stop` the servers need not answer."""
        return await self._database(tell, stop), await self._redis(tell, stop)

    def stop(self) -> None:
        """The last one first."""
        for watched in reversed(self.watched):
            watched.server.stop()

    async def _database(self, tell: Callable[[str], None], stop: asyncio.Event) -> str:
        if self._database_url:
            return self._database_url
        from madang.adapters.embedded.postgres_server import EmbeddedPostgres

        server = EmbeddedPostgres(self._data_dir)
        await self._start(Watched("PostgreSQL", server), tell, stop)
        return server.url()

    async def _redis(self, tell: Callable[[str], None], stop: asyncio.Event) -> str:
        if self._redis_url:
            return self._redis_url
        from madang.adapters.embedded.valkey_server import EmbeddedValkey

        server = EmbeddedValkey(self._data_dir)
        await self._start(Watched("Valkey", server), tell, stop)
        return server.url()

    async def _start(self, watched: Watched, tell: Callable[[str], None], stop: asyncio.Event) -> None:
        tell(f"starting {watched.name}")
        self.watched.append(watched)
        await watched.start(stop)
