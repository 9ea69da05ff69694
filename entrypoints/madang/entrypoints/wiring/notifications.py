"""The composition root's part for notifications: messages to people and operators, and what is kept about them."""

from typing import Any, cast

from dependency_injector import containers, providers

from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.addressing import Addressing
from madang.core.notifications.delivery_log import DeliveryLog
from madang.core.notifications.delivery_reports import DeliveryReports
from madang.core.notifications.personal_data import NotificationsPersonalData
from madang.core.notifications.preferences import PreferenceService
from madang.core.notifications.retention import NotificationRetention
from madang.core.notifications.service import NotificationService, Operators
from madang.core.operations.audit import AuditTrail
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring.when_asked import Rendering


class NotificationWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    tokens: "providers.Dependency[Tokens]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    renderer = providers.Singleton(Rendering, settings.provided.brand, settings.provided.timezone)
    addressing = providers.Singleton(Addressing, routed, renderer, cipher, tokens, clock, base_url=settings.provided.base_url)
    operators = providers.Singleton(
        Operators, emails=settings.provided.operator_emails, language=settings.provided.operator_language
    )
    service = providers.Singleton(NotificationService, routed, cipher, clock, addressing, operators)
    preferences = providers.Singleton(PreferenceService, units, audit_trail, tokens, clock)
    delivery_log = providers.Singleton(DeliveryLog, units, cipher)
    delivery_reports = providers.Singleton(DeliveryReports, units, routed, cipher, clock)
    retention = providers.Singleton(
        NotificationRetention,
        clock,
        text_days=settings.provided.notification_text_days,
        log_days=settings.provided.notification_log_days,
    )
    personal_data = providers.Singleton(NotificationsPersonalData, cipher)


class NotificationServices:
    """The parts of notifications, as plain objects; each is made when it is first asked for."""

    def __init__(self, notifications: "providers.Container[Any]") -> None:
        self._notifications = cast(NotificationWiring, notifications)

    @property
    def notifications(self) -> NotificationService:
        return self._notifications.service()

    @property
    def notification_preferences(self) -> PreferenceService:
        return self._notifications.preferences()

    @property
    def delivery_log(self) -> DeliveryLog:
        return self._notifications.delivery_log()

    @property
    def delivery_reports(self) -> DeliveryReports:
        return self._notifications.delivery_reports()
