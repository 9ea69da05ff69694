"""What HTTP asks of the composed process about operations: what the people who run a deployment look at and change."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from madang.core.kernel.caller import Caller
from madang.core.kernel.outbox import MessageRow
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.tracing import Tracer
from madang.core.operations.alerts import Episode, Standing
from madang.core.operations.audit_reading import AuditFilter, ReadEvent
from madang.core.operations.jobs import JobFilter
from madang.core.operations.measurements import CallName, Durations, Meter
from madang.core.operations.metering import SpentOn
from madang.core.operations.provider_standing import CheckedProvider, StandingOfProcess
from madang.entrypoints.providers.administration import ListedProvider


class AuditEvents(Protocol):
    """The audit trail for its readers (`AuditReading`)."""

    async def page(self, caller: Caller, request: CursorRequest, wanted: AuditFilter) -> CursorPage[ReadEvent]: ...


class Jobs(Protocol):
    """The outbox for administrators (`JobService`)."""

    async def page(self, request: CursorRequest, wanted: JobFilter) -> CursorPage[MessageRow]: ...

    async def get(self, job_id: UUID) -> MessageRow: ...

    async def retry(self, caller: Caller, job_id: UUID) -> MessageRow: ...


class Alerts(Protocol):
    """Rules and what fires (`AlertService`)."""

    async def standing(self) -> Sequence[Standing]: ...

    async def history(self, request: CursorRequest) -> CursorPage[Episode]: ...


class ProviderAdministration(Protocol):
    """Providers as administrators see them."""

    async def listing(self, window: timedelta) -> Sequence[ListedProvider]: ...

    async def check(self, caller: Caller, name: str) -> Sequence[CheckedProvider]: ...


class OwnLimits(Protocol):
    """Rate limits of single users (`UserLimits`)."""

    async def of(self, user_id: UUID) -> Mapping[str, str]: ...

    async def shown(self, user_id: UUID) -> Mapping[str, str]: ...

    async def change(self, caller: Caller, user_id: UUID, changes: Mapping[str, str | None]) -> Mapping[str, str]: ...


class MeasurementLog(Protocol):
    async def provider_calls(self) -> Mapping[CallName, Durations]: ...


class MeteringLog(Protocol):
    async def totals(self) -> Sequence[SpentOn]: ...


class ProviderStandings(Protocol):
    async def standings(self, within: timedelta) -> Sequence[StandingOfProcess]: ...


class OperationParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def jobs(self) -> Jobs: ...

    @property
    def audit_reading(self) -> AuditEvents: ...

    @property
    def alerts(self) -> Alerts: ...

    @property
    def provider_administration(self) -> ProviderAdministration: ...

    @property
    def user_limits(self) -> OwnLimits: ...

    @property
    def meter(self) -> Meter: ...

    @property
    def tracer(self) -> Tracer: ...

    @property
    def measurement_log(self) -> MeasurementLog: ...

    @property
    def metering_log(self) -> MeteringLog: ...

    @property
    def provider_standings(self) -> ProviderStandings: ...
