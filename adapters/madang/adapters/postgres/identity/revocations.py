"""Which sessions ended lately, known in every API process without a question for each request.

Whatever ends a session notifies `madang_revoked` in the same commit: with the session's id, or with `key:<id>` for an API key
that changed. A process that was cut off from the database loads what it missed when it is back, and asks every few seconds
besides: a notification is how it hears soon, the tables are how it knows.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import asyncpg

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.failures import could_not_connect
from madang.core.identity.model import ACCESS_LIFETIME

logger = logging.getLogger(__name__)

CHANNEL: Final = "madang_revoked"
KEY: Final = "key:"
MARGIN: Final = timedelta(minutes=5)
"""What clocks of hosts may differ by, together with how long a commit may take."""
POLL_SECONDS: Final = 5.0
_RECONNECT_SECONDS: Final = 0.5
_ENDED: Final = """
SELECT id::text FROM sessions WHERE revoked_at > now() - $1::interval
UNION ALL
SELECT 'key:' || id::text FROM api_keys WHERE revoked_at > now() - $1::interval
"""


class Revocations:
    """The ids of ended sessions whose access tokens may still be alive; others are forgotten, so there are never more than
    were ended within a token's lifetime. `forget_key` is told of each API key that changed, and None when any may have."""

    def __init__(
        self, database: Database, forget_key: Callable[[str | None], None], *, lifetime: timedelta = ACCESS_LIFETIME
    ) -> None:
        self._database = database
        self._forget_key = forget_key
        self._kept = lifetime + MARGIN
        self._ended: dict[str, float] = {}
        self._loaded = asyncio.Event()

    def ended(self, session: object) -> bool:
        """Whether tokens with this `sid` are to be refused."""
        return session in self._ended

    def hear(self, told: str) -> None:
        """One notification."""
        if told.startswith(KEY):
            self._forget_key(told.removeprefix(KEY))
        else:
            self._ended.setdefault(told, time.monotonic() + self._kept.total_seconds())

    async def loaded(self, patience: float) -> bool:
        """Whether it knew what had ended before, within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._loaded.wait()
        return self._loaded.is_set()

    async def watch(self) -> None:
        """Hear and ask until it is cancelled, through whatever happens to the database."""
        while True:
            try:
                await self._watch_once()
            except Exception as error:
                if not could_not_connect(error) and not isinstance(error, TimeoutError | asyncpg.PostgresError):
                    raise
                logger.warning("revocations cannot be heard, trying again: %s", type(error).__name__)
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _watch_once(self) -> None:
        """On a connection of its own. It listens before it loads: what ends in between is heard."""
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self._database.url, timeout=10)
        gone = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(CHANNEL, self._notified)
            self._forget_key(None)
            await self._load(connection, self._kept)
            self._loaded.set()
            while not gone.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await gone.wait()
                    return
                await self._load(connection, MARGIN)
                self._forget_old()
        finally:
            connection.terminate()

    def _notified(self, _connection: Any, _process: int, _channel: str, told: object) -> None:
        self.hear(str(told))

    async def _load(self, connection: "asyncpg.Connection[asyncpg.Record]", ago: timedelta) -> None:
        for row in await connection.fetch(_ENDED, ago, timeout=POLL_SECONDS):
            self.hear(row[0])

    def _forget_old(self) -> None:
        """They stand in the order in which they were heard."""
        now = time.monotonic()
        while self._ended and next(iter(self._ended.values())) <= now:
            self._ended.pop(next(iter(self._ended)))
