"""The composition root's part for operations: the people who run a deployment, and what they look at and change."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from dependency_injector import containers, providers

from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.operations.heartbeats import Heartbeats
from madang.adapters.postgres.operations.measurements import MeasurementLog
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.notifications.service import NotificationService
from madang.core.operations.alerts import AlertService
from madang.core.operations.audit import AuditTrail
from madang.core.operations.audit_reading import AuditReading
from madang.core.operations.jobs import JobService
from madang.core.operations.measurements import SystemGauge
from madang.core.operations.metering import MeteringRetention
from madang.core.operations.user_limits import UserLimits
from madang.entrypoints.alert_settings import alert_rules
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts

if TYPE_CHECKING:
    from madang.core.operations.key_rotation import KeyRotation


class OperationWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    keys = providers.Dependency(instance_of=KeyRing)
    database = providers.Dependency(instance_of=Database)
    units: "providers.Dependency[Any]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    notifications = providers.Dependency(instance_of=NotificationService)
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    jobs = providers.Singleton(JobService, units, audit_trail)
    audit_reading = providers.Singleton(AuditReading, units, audit_trail)
    key_rotation = providers.Singleton(parts.key_rotation, database, cipher, keys, units, audit_trail)
    user_limits = providers.Singleton(UserLimits, units, audit_trail, clock)
    alert_rules = providers.Callable(alert_rules, settings.provided.alerts)
    alerts = providers.Singleton(AlertService, units, notifications, audit_trail, clock, alert_rules)
    metering_retention = providers.Singleton(
        MeteringRetention, providers.Factory(timedelta, days=settings.provided.provider_calls_days)
    )
    heartbeats = providers.Singleton(Heartbeats, database)
    measurement_log = providers.Singleton(MeasurementLog, database)
    system_gauge = providers.Singleton(parts.system_gauge, settings.provided.data_dir)


class OperationServices:
    """The parts of operations, as plain objects; each is made when it is first asked for."""

    def __init__(self, operations: "providers.Container[Any]") -> None:
        self._operations = cast(OperationWiring, operations)

    @property
    def jobs(self) -> JobService:
        return self._operations.jobs()

    @property
    def audit_reading(self) -> AuditReading:
        return self._operations.audit_reading()

    @property
    def key_rotation(self) -> "KeyRotation":
        return self._operations.key_rotation()

    @property
    def user_limits(self) -> UserLimits:
        return self._operations.user_limits()

    @property
    def alerts(self) -> AlertService:
        return self._operations.alerts()

    @property
    def heartbeats(self) -> Heartbeats:
        return self._operations.heartbeats()

    @property
    def measurement_log(self) -> MeasurementLog:
        return self._operations.measurement_log()

    @property
    def system_gauge(self) -> SystemGauge:
        return self._operations.system_gauge()
