"""Plugins made on the spot, for the tests of the plugins layer."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest, SmsStatus


class EchoSms:
    """A complete SMS provider that keeps what it was built with."""

    capabilities = SmsCapabilities()

    def __init__(self, settings: Any, context: ProviderContext, name: str = "echo") -> None:
        self.settings = settings
        self.context = context
        self.name = name
        self.closed = 0

    async def send(self, request: SmsRequest) -> SmsReceipt:
        return SmsReceipt(request.idempotency_key, SmsStatus.ACCEPTED)

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        return SmsReceipt(receipt_id, SmsStatus.DELIVERED)

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        return None

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)

    async def close(self) -> None:
        self.closed += 1


def sms(name: str = "echo", settings: type | None = None, factory: Any = EchoSms, **more: Any) -> ProviderDeclaration:
    return ProviderDeclaration(ProviderKind.SMS, name, settings, SmsCapabilities(), factory, **more)


def plugin(contract: object = None, **hooks: Callable[..., Any]) -> Any:
    """A plugin with these hooks: `plugin(register_providers=lambda register: register(sms()))`."""
    marked = {name: hookimpl(specname=name)(_taking_register(function)) for name, function in hooks.items()}
    return SimpleNamespace(MADANG_CONTRACT=contract, **marked) if contract is not None else SimpleNamespace(**marked)


def _taking_register(function: Callable[..., Any]) -> Callable[..., Any]:
    def hook(register: Callable[[object], None]) -> None:
        function(register)

    return hook


def giving(*declarations: object) -> Any:
    """A plugin that registers these providers."""
    return plugin(register_providers=lambda register: [register(each) for each in declarations])
