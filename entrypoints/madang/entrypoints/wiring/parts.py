"""Parts of the container that take more than their constructor to make; what few processes need is loaded when it is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.adapters.redis.connection import Client
from madang.adapters.spool.disk import DiskSpool
from madang.core.files.policies import MEGABYTE
from madang.core.files.service import Allowance
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Handler
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.schedules import Recurring, handler_of
from madang.core.kernel.tracing import Tracer
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditTrail
from madang.core.operations.measurements import SystemGauge
from madang.core.operations.prices import Price, PriceTable, released_prices
from madang.entrypoints.message_spans import traced
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured

if TYPE_CHECKING:
    from madang.adapters.redis.limits import RedisRateLimiter
    from madang.core.operations.key_rotation import KeyRotation


def limiter(redis: Client, limits: Mapping[str, str]) -> "RedisRateLimiter":
    """Only the API counts calls: a worker never loads what it takes."""
    from madang.adapters.redis.limits import RedisRateLimiter
    from madang.entrypoints.http.rate_limits import POLICIES

    if unknown := sorted(set(limits) - set(POLICIES)):
        known = ", ".join(POLICIES)
        raise Misconfigured(f"limits.{unknown[0]}: there is no such limit, known are {known}", operation="limits")
    return RedisRateLimiter(redis, {**POLICIES, **limits})


def key_rotation(
    database: Database,
    cipher: PersonalDataCipher,
    keys: KeyRing,
    units: UnitOfWorkFactory[PostgresUnitOfWork],
    trail: AuditTrail,
) -> "KeyRotation":
    """Only the command line rotates: no process that serves loads the declared tables."""
    from madang.adapters.postgres.sealed_rows import PostgresSealedRows
    from madang.core.operations.key_rotation import KeyRotation

    return KeyRotation(PostgresSealedRows(database), cipher, [key_id.hex() for key_id in keys.key_ids], units, trail)


def system_gauge(folder: Path) -> SystemGauge:
    """Loaded by processes that measure: a command that only looks has no use for it."""
    from madang.adapters.psutil.gauge import PsutilGauge

    return PsutilGauge(folder)


class _Worked(Protocol):
    def handlers(self) -> Sequence[Handler[Any]]: ...


class _Recurs(Protocol):
    def recurring(self) -> Sequence[Recurring]: ...


class Working:
    """Several that work, as one."""

    def __init__(self, *parts: _Worked) -> None:
        self._parts = parts

    def handlers(self) -> Sequence[Handler[Any]]:
        return [handler for part in self._parts for handler in part.handlers()]


class Scheduled:
    """Several whose work comes back, as one."""

    def __init__(self, *parts: _Recurs) -> None:
        self._parts = parts

    def recurring(self) -> Sequence[Recurring]:
        return recurring(*self._parts)


def price_table(settings: Settings) -> PriceTable:
    """The deployment's own prices before those of the release."""
    return PriceTable([Price(**setting.model_dump()) for setting in settings.prices], released_prices())


def spool(settings: Settings) -> DiskSpool:
    return DiskSpool(settings.data_dir / "spool", settings.file_spool_mb * MEGABYTE)


def allowance(settings: Settings) -> Allowance:
    return Allowance(settings.file_quota_mb * MEGABYTE, settings.file_pending_uploads)


def recurring(*parts: _Recurs) -> Sequence[Recurring]:
    return [work for part in parts for work in part.recurring()]


def handlers(
    tracer: Tracer, products: Mapping[str, _Worked], named: Collection[str], *always: _Worked
) -> Sequence[Handler[Any]]:
    """Of the products only those that the deployment runs; each within a span where traces are taken."""
    groups = [*always, *(product for name, product in products.items() if name in named)]
    found = [handler for group in groups for handler in group.handlers()]
    return tuple(traced(handler, tracer) for handler in found) if tracer.is_on else tuple(found)


@dataclass(frozen=True, slots=True)
class RecurringWork:
    """What comes back by itself, as handlers of the outbox."""

    works: Sequence[Recurring]
    clock: Clock

    def handlers(self) -> Sequence[Handler[Any]]:
        return [handler_of(work, self.clock) for work in self.works]
