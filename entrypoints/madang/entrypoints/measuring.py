"""A process measures itself: every half minute it writes down what it counted meanwhile and how full its machine is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from madang.core.kernel.cancellation import end_tasks
from madang.core.operations.measurements import Measurement, Meter, SystemGauge, SystemReading
from madang.core.operations.provider_standing import ProviderStanding

log = structlog.stdlib.get_logger("madang.measuring")

INTERVAL: Final = 30.0
"""Seconds. The shortest window of an alert rule holds several."""
_PATIENCE: Final = 10.0


class Recorder(Protocol):
    async def record(self, measured: Measurement) -> None: ...


class Ledger(Protocol):
    process_kind: str

    async def report(self, standings: Sequence[ProviderStanding]) -> None: ...


class Stands(Protocol):
    def standings(self) -> Sequence[ProviderStanding]: ...


class Standing(Protocol):
    """What telling how a process stands with its providers needs of its container."""

    @property
    def call_ledger(self) -> Ledger: ...

    @property
    def providers(self) -> Stands: ...


class Measured(Protocol):
    """What measuring needs of the process's container."""

    @property
    def meter(self) -> Meter: ...

    @property
    def system_gauge(self) -> SystemGauge: ...

    @property
    def measurement_log(self) -> Recorder: ...


class Process(Measured, Standing, Protocol):
    @property
    def process_id(self) -> str: ...


@asynccontextmanager
async def measuring(container: Process, kind: str) -> AsyncIterator[None]:
    """Measures while the block runs, and writes the rest down after it."""
    container.call_ledger.process_kind = kind
    task = asyncio.create_task(_measure(container, kind), name="measuring")
    try:
        yield
    finally:
        await end_tasks(task)
        await write_down(container, container.process_id, kind)


async def write_down(container: Measured, process_id: str, kind: str) -> None:
    """What was counted until now. A database that is away costs an interval's numbers and nothing else."""
    try:
        async with asyncio.timeout(_PATIENCE):
            system = await asyncio.to_thread(_read, container.system_gauge)
            await container.measurement_log.record(container.meter.take(process_id, kind, system))
    except Exception as error:  # noqa: BLE001 - measuring must outlive everything
        log.warning("nothing was measured", kind=kind, error=type(error).__name__)


async def tell_standings(container: Standing) -> None:
    """How the process stands with its providers now, for all others to read."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await container.call_ledger.report(container.providers.standings())
    except Exception as error:  # noqa: BLE001 - measuring must outlive everything
        log.warning("nobody is told how providers are", error=type(error).__name__)


async def _measure(container: Process, kind: str) -> None:
    while True:
        await asyncio.sleep(INTERVAL)
        await write_down(container, container.process_id, kind)
        await tell_standings(container)


def _read(gauge: SystemGauge) -> SystemReading:
    try:
        return gauge.read()
    except Exception as error:  # noqa: BLE001 - what was counted is written down without it
        log.warning("the machine could not be measured", error=type(error).__name__)
        return SystemReading()
