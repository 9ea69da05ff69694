"""Payments through PortOne."""

from collections.abc import Callable

from madang.adapters.portone import capabilities
from madang.adapters.portone.settings import PortOneSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: PortOneSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.portone.payment import PortOnePaymentGateway

    return PortOnePaymentGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "portone",
            PortOneSettings,
            capabilities.PAYMENT,
            _payment,
            "Korean payment companies through PortOne, in won, and cards kept for subscriptions",
            requires=("httpx", "standardwebhooks"),
        )
    )
