"""arq's worker, kept alive: it carries announcements to the runner, and losing Redis only makes the runner look by itself."""

import asyncio
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import structlog
from arq.worker import Worker, func
from redis.asyncio import Redis

from madang.adapters.arq import carrier
from madang.adapters.arq.runner import Runner
from madang.core.kernel.messages import Lane

log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.05
_START_AGAIN_SECONDS: Final = 1.0
_TELL_AGAIN_SECONDS: Final = 0.5
"""Long enough to give a connection back: told again in the midst of that, arq would leave it open."""
_LAST_WORDS_SECONDS: Final = 5.0
_HEALTH_SECONDS: Final = 30
_DRAINS_AT_ONCE: Final = 4


class ArqWorker:
    """Both queues of one worker process. Times in seconds; `longest` is the longest time limit of any topic."""

    def __init__(
        self, runner: Runner[Any], redis: Redis, *, long_concurrency: int, longest: float, poll_without_redis: float
    ) -> None:
        self._runner = runner
        self._arq = carrier.arq_client(redis)
        self._long_concurrency = long_concurrency
        self._job_timeout = longest + 60
        self._poll_with_redis = runner.poll_seconds
        self._poll_without_redis = poll_without_redis

    async def run(self) -> None:
        """Until it is cancelled; the runner's own tasks go on then. At its end neither queue is read any more."""
        async with asyncio.TaskGroup() as both:
            for lane in Lane:
                both.create_task(self._keep_alive(lane))

    async def _keep_alive(self, lane: Lane) -> None:
        while True:
            self._runner.poll_seconds = self._poll_with_redis
            error = await _until_it_fails(self._worker(lane))
            log.warning("arq is away, the outbox is polled instead", lane=lane, error=type(error).__name__)
            self._runner.poll_seconds = self._poll_without_redis
            for each in Lane:
                self._runner.wake(each)
            await asyncio.sleep(_START_AGAIN_SECONDS)

    def _worker(self, lane: Lane) -> Worker:
        """Announcements to a worker that is going to end are worth nothing: the next one finds the messages in the outbox."""
        jobs = {Lane.SHORT: func(self._drain, name=carrier.DRAIN), Lane.LONG: func(self._deliver, name=carrier.DELIVER)}
        return Worker(
            [jobs[lane]],
            queue_name=carrier.QUEUES[lane],
            redis_pool=self._arq,
            handle_signals=False,
            max_jobs=_DRAINS_AT_ONCE if lane is Lane.SHORT else self._long_concurrency,
            queue_read_limit=500,
            poll_delay=_POLL_SECONDS,
            job_timeout=self._job_timeout,
            keep_result=0,
            max_tries=1,
            retry_jobs=False,
            health_check_interval=_HEALTH_SECONDS,
            job_serializer=carrier.serialize,
            job_deserializer=carrier.deserialize,
            log_results=False,
        )

    async def _drain(self, ctx: dict[str, Any]) -> None:
        self._runner.wake()

    async def _deliver(self, ctx: dict[str, Any], message_id: str) -> None:
        await self._runner.deliver(UUID(message_id))


async def _until_it_fails(worker: Worker) -> BaseException | None:
    """arq ends with whatever Redis or its driver raised. Cancelled, this does not return before arq has ended.

    An interrupted command may end in an error of the driver's, which arq takes for a bad moment of Redis and goes on: it is
    told again.
    """
    running = asyncio.create_task(worker.async_run())
    try:
        await asyncio.wait({running})
    finally:
        while not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=_TELL_AGAIN_SECONDS)
        await _end_jobs(worker)
    return None if running.cancelled() else running.exception()


async def _end_jobs(worker: Worker) -> None:
    """arq forgets its running jobs when its loop ends: let each write its end, or it would do so on a client closed meanwhile.

    Only what arq waits for is cancelled, which does not touch the handlers: those are the runner's. A job interrupted while
    it talks to Redis would leave that to a task that nobody can wait for.
    """
    jobs = set(worker.tasks.values())
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_SECONDS):
            while jobs:
                for waiting in worker.job_tasks.values():
                    waiting.cancel()
                _, jobs = await asyncio.wait(jobs, timeout=_TELL_AGAIN_SECONDS)
    for task in worker.tasks.values():
        task.cancel()
        task.add_done_callback(_look_away)


def _look_away(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
