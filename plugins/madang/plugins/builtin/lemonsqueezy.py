"""Payments through Lemon Squeezy."""

from collections.abc import Callable

from madang.adapters.lemonsqueezy import capabilities
from madang.adapters.lemonsqueezy.settings import LemonSqueezySettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: LemonSqueezySettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.lemonsqueezy.payment import LemonSqueezyGateway

    return LemonSqueezyGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "lemonsqueezy",
            LemonSqueezySettings,
            capabilities.PAYMENT,
            _payment,
            "Payments and subscriptions sold by Lemon Squeezy, which adds the tax",
            requires=("httpx",),
        )
    )
