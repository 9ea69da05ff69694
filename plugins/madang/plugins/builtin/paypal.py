"""Payments through PayPal."""

from collections.abc import Callable

from madang.adapters.paypal import capabilities
from madang.adapters.paypal.settings import PaypalSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: PaypalSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.paypal.payment import PaypalGateway

    return PaypalGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "paypal",
            PaypalSettings,
            capabilities.PAYMENT,
            _payment,
            "Payments and subscriptions through PayPal, approved there and then captured",
            requires=("httpx",),
        )
    )
