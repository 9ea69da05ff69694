"""The composition root's part for our own webhooks: who may be called, by what, and what is kept about their owners."""

from contextlib import ExitStack
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from dependency_injector import containers, providers

from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail
from madang.core.webhooks.delivering import Delivering
from madang.core.webhooks.personal_data import WebhooksPersonalData
from madang.core.webhooks.sending import OutgoingWebhook, WebhookAnswer, WebhookSender
from madang.core.webhooks.service import WebhookService
from madang.entrypoints.settings import Settings


class _LateSender:
    """Fulfils `WebhookSender` by the one that speaks HTTP, which is loaded with the first webhook: an HTTP client costs ten
    megabytes, and most processes send none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = ExitStack()

    def close(self) -> None:
        self._opened.close()

    async def check(self, url: str) -> None:
        await self._sender.check(url)

    async def send(self, webhook: OutgoingWebhook) -> WebhookAnswer:
        return await self._sender.send(webhook)

    def new_secret(self) -> str:
        return self._sender.new_secret()

    def host_of(self, url: str) -> str:
        return self._sender.host_of(url)

    @cached_property
    def _sender(self) -> WebhookSender:
        from madang.adapters.outbound.addresses import OutboundPolicy
        from madang.adapters.outbound.connecting import Resolver
        from madang.adapters.outbound.webhooks import SignedWebhookSender

        settings, resolver = self._settings, Resolver()
        self._opened.callback(resolver.close)
        policy = OutboundPolicy.of(plain_http=settings.outbound_plain_http, networks=settings.outbound_networks)
        return SignedWebhookSender(policy, resolver, timeout=settings.webhook_timeout_seconds)


class WebhookWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    sender = providers.Singleton(_LateSender, settings)
    service = providers.Singleton(WebhookService, units, sender, cipher, audit_trail, clock)
    zone = providers.Singleton(ZoneInfo, settings.provided.timezone)
    delivering = providers.Singleton(Delivering, sender, cipher, audit_trail, notifier, clock, zone)
    personal_data = providers.Singleton(WebhooksPersonalData, cipher)
