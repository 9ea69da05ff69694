"""A process's sign of life, which `/health/ready` and `madang doctor` look at."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog

from madang.core.kernel.cancellation import end_tasks
from madang.entrypoints.process_names import host
from madang.entrypoints.worker.composition import Pulse

log = structlog.get_logger(__name__)

_BEAT_SECONDS: Final = 3.0
_PATIENCE_SECONDS: Final = 10.0


@asynccontextmanager
async def beating(pulse: Pulse, process_id: str, kind: str, details: Callable[[], Mapping[str, Any]]) -> AsyncIterator[None]:
    """Beats while the block runs, and says goodbye after it."""
    task = asyncio.create_task(_beat(pulse, process_id, kind, details), name="pulse")
    try:
        yield
    finally:
        await end_tasks(task)
        with suppress(Exception):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await pulse.stop(process_id)


async def _beat(pulse: Pulse, process_id: str, kind: str, details: Callable[[], Mapping[str, Any]]) -> None:
    while True:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await pulse.beat(process_id, kind, host(), details())
        except Exception as error:  # noqa: BLE001 - the pulse must outlive everything
            log.warning("no heartbeat written", kind=kind, error=type(error).__name__)
        await asyncio.sleep(_BEAT_SECONDS)
