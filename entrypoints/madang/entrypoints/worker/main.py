"""Runs a worker or a relay on a composed container until it is asked to stop."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog

from madang.adapters.arq.relay import Relay
from madang.adapters.arq.runner import Runner, RunnerSettings
from madang.adapters.arq.worker import ArqWorker
from madang.core.kernel.cancellation import end_tasks
from madang.core.kernel.messages import Lane
from madang.entrypoints.process_names import host, new_process_id
from madang.entrypoints.worker.composition import WorkerContainer, WorkerSettings
from madang.entrypoints.worker.pulse import beating

log = structlog.get_logger(__name__)

_CONNECTIONS_FOR_LEASES: Final = 4
"""Of the database's pool, for claims, the heartbeat and the steps of handlers that talk to the outside."""
_KEEP_DONE: Final = timedelta(days=7)
_KEEP_KEYS: Final = timedelta(days=60)
"""A key must outlive all that could record the same work again: jobs live for a day, look-ups end hours after that."""
_KEEP_SILENT_SECONDS: Final = 86_400.0
_HOUSEKEEPING_SECONDS: Final = 600.0
_FORGOTTEN_AT_ONCE: Final = 1000
_TELL_AGAIN_SECONDS: Final = 10.0
"""Longer than arq takes for its last words: told again in the midst of them, it would leave a connection open."""


async def run_worker(container: WorkerContainer, stop: asyncio.Event, *, grace: float = 10.0) -> None:
    """Until `stop` is set; then running handlers have `grace` seconds to end. Raises what ended a part of it unexpectedly."""
    process_id = new_process_id()
    settings = container.settings
    runner = Runner(container.outbox, container.handlers, process_id, _runner_settings(settings, grace))
    arq = ArqWorker(
        runner,
        container.redis,
        long_concurrency=settings.long_concurrency,
        longest=max((handler.topic.time_limit for handler in container.handlers), default=0.0),
        poll_without_redis=settings.sweep_seconds,
    )
    log.info("worker starts", host=host(), process_id=process_id, topics=len(container.handlers))
    await runner.start()
    async with beating(container.heartbeats, process_id, "worker", lambda: {"running": runner.running}):
        try:
            for lane in Lane:
                runner.wake(lane)
            await _until_stopped(stop, [arq.run()])
        finally:
            await runner.stop()
    log.info("worker ends", process_id=process_id)


async def run_relay(container: WorkerContainer, stop: asyncio.Event) -> None:
    """Until `stop` is set. Raises what ended a part of it unexpectedly."""
    process_id = new_process_id()
    relay = Relay(container.outbox, container.redis, container.outbox.listen, sweep=container.settings.sweep_seconds)
    log.info("relay starts", host=host(), process_id=process_id)
    async with beating(container.heartbeats, process_id, "relay", dict):
        await _until_stopped(stop, [relay.run(), _keep_house(container)])
    log.info("relay ends", process_id=process_id)


def _runner_settings(settings: WorkerSettings, grace: float) -> RunnerSettings:
    return RunnerSettings(
        lease=settings.lease_seconds,
        short_concurrency=settings.short_concurrency,
        long_concurrency=settings.long_concurrency,
        transactions=max(1, settings.database_pool - _CONNECTIONS_FOR_LEASES),
        grace=grace,
        poll=max(5.0, settings.sweep_seconds),
    )


async def _until_stopped(stop: asyncio.Event, parts: "Sequence[Coroutine[Any, Any, None]]") -> None:
    tasks = [asyncio.create_task(part) for part in parts]
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end_tasks(stopping, *tasks, tell_again=_TELL_AGAIN_SECONDS)


async def _keep_house(container: WorkerContainer) -> None:
    """Forget what is over, a little at a time: messages, answers kept under idempotency keys, processes that were killed."""
    while True:
        for forget in (_forget_messages, _forget_answers, _forget_processes):
            try:
                forgotten = _FORGOTTEN_AT_ONCE
                while forgotten >= _FORGOTTEN_AT_ONCE:
                    forgotten = await forget(container)
                    await asyncio.sleep(0.1)
            except Exception as error:  # noqa: BLE001 - the next round does it
                log.warning("housekeeping put off", what=forget.__name__, error=type(error).__name__)
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


async def _forget_messages(container: WorkerContainer) -> int:
    return await container.outbox.prune(_KEEP_DONE, keyed_older_than=_KEEP_KEYS, limit=_FORGOTTEN_AT_ONCE)


async def _forget_answers(container: WorkerContainer) -> int:
    return await container.idempotency.purge_expired(container.clock.now(), limit=_FORGOTTEN_AT_ONCE)


async def _forget_processes(container: WorkerContainer) -> int:
    return await container.heartbeats.forget(older_than=_KEEP_SILENT_SECONDS)
