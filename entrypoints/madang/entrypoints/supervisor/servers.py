"""The servers that nobody configured: PostgreSQL and Valkey in the data folder, kept running."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from madang.entrypoints.supervisor.restarts import Restarts

logger = structlog.stdlib.get_logger("madang.supervisor")
_LOOK_EVERY = 0.5


class EmbeddedServer(Protocol):
    @property
    def pid(self) -> int | None: ...

    @property
    def is_running(self) -> bool: ...

    @property
    def log(self) -> Path: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Watched:
    """An embedded server under watch. Its `start` is called in the main thread: the kernel ties the server's life to that."""

    def __init__(self, name: str, server: EmbeddedServer) -> None:
        self.name = name
        self.server = server
        self._restarts = Restarts()

    async def watch(self) -> None:
        """For ever; raises what `start` raises when the server cannot be brought back."""
        clock = asyncio.get_running_loop().time
        alive_since = clock()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self.server.pid is not None:
                continue
            delay = self._restarts.delay_after(clock() - alive_since)
            if delay is None:
                raise RuntimeError(f"{self.name} died again and again; its log: {self.server.log}")
            logger.warning("embedded server died, starting it again", server=self.name, delay=delay)
            await asyncio.sleep(delay)
            self.server.start()
            alive_since = clock()
            logger.info("embedded server is back", server=self.name, pid=self.server.pid)


class Servers:
    """What of PostgreSQL and Valkey is not configured, with the addresses of both."""

    def __init__(self, data_dir: Path, *, database_url: str | None, redis_url: str | None) -> None:
        self._data_dir = data_dir
        self._database_url = database_url
        self._redis_url = redis_url
        self.watched: list[Watched] = []

    def start(self, tell: Callable[[str], None]) -> tuple[str, str]:
        """Both addresses. `tell` hears what is being started."""
        return self._database(tell), self._redis(tell)

    def stop(self) -> None:
        """The last one first."""
        for watched in reversed(self.watched):
            watched.server.stop()

    def _database(self, tell: Callable[[str], None]) -> str:
        if self._database_url:
            return self._database_url
        from madang.adapters.embedded.postgres_server import EmbeddedPostgres

        server = EmbeddedPostgres(self._data_dir)
        self._start("PostgreSQL", server, tell)
        return server.url()

    def _redis(self, tell: Callable[[str], None]) -> str:
        if self._redis_url:
            return self._redis_url
        from madang.adapters.embedded.valkey_server import EmbeddedValkey

        server = EmbeddedValkey(self._data_dir)
        self._start("Valkey", server, tell)
        return server.url()

    def _start(self, name: str, server: EmbeddedServer, tell: Callable[[str], None]) -> None:
        tell(f"starting {name}")
        self.watched.append(Watched(name, server))
        server.start()
