"""What the worker and the relay need of the process's container."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from redis.asyncio import Redis

from madang.adapters.arq.together import WorkerOutbox
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Handler


class WorkerSettings(Protocol):
    """Times in seconds; `database_pool` is the number of connections."""

    @property
    def lease_seconds(self) -> float: ...

    @property
    def sweep_seconds(self) -> float: ...

    @property
    def short_concurrency(self) -> int: ...

    @property
    def long_concurrency(self) -> int: ...

    @property
    def database_pool(self) -> int: ...


class RelayedOutbox(WorkerOutbox[Any], Protocol):
    async def listen(self, wake: Callable[[], None]) -> None: ...

    async def prune(self, older_than: timedelta, *, keyed_older_than: timedelta, limit: int = 1000) -> int: ...


class ExpiringAnswers(Protocol):
    async def purge_expired(self, now: datetime, *, limit: int = 1000) -> int: ...


class Pulse(Protocol):
    async def beat(self, process_id: str, kind: str, host: str, details: Mapping[str, Any] | None = None) -> None: ...

    async def stop(self, process_id: str) -> None: ...

    async def forget(self, *, older_than: float) -> int: ...


class WorkerContainer(Protocol):
    @property
    def settings(self) -> WorkerSettings: ...

    @property
    def outbox(self) -> RelayedOutbox: ...

    @property
    def handlers(self) -> Sequence[Handler[Any]]: ...

    @property
    def redis(self) -> Redis: ...

    @property
    def heartbeats(self) -> Pulse: ...

    @property
    def idempotency(self) -> ExpiringAnswers: ...

    @property
    def clock(self) -> Clock: ...
