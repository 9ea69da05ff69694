"""The composition root's part for our own webhooks: who may be called, by what, and what is kept about their owners."""

from typing import Any
from zoneinfo import ZoneInfo

from dependency_injector import containers, providers

from madang.adapters.outbound.addresses import OutboundPolicy
from madang.adapters.outbound.connecting import Resolver
from madang.adapters.outbound.webhooks import SignedWebhookSender
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail
from madang.core.webhooks.delivering import Delivering
from madang.core.webhooks.personal_data import WebhooksPersonalData
from madang.core.webhooks.service import WebhookService
from madang.entrypoints.settings import Settings


class WebhookWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    resolver = providers.Singleton(Resolver)
    outbound = providers.Singleton(
        OutboundPolicy.of, plain_http=settings.provided.outbound_plain_http, networks=settings.provided.outbound_networks
    )
    sender = providers.Singleton(SignedWebhookSender, outbound, resolver, timeout=settings.provided.webhook_timeout_seconds)
    service = providers.Singleton(WebhookService, units, sender, cipher, audit_trail, clock)
    zone = providers.Singleton(ZoneInfo, settings.provided.timezone)
    delivering = providers.Singleton(Delivering, sender, cipher, audit_trail, notifier, clock, zone)
    personal_data = providers.Singleton(WebhooksPersonalData, cipher)
