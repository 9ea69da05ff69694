"""Payments through Toss Payments."""

from collections.abc import Callable

from madang.adapters.toss import capabilities
from madang.adapters.toss.settings import TossSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: TossSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.toss.payment import TossPaymentGateway

    return TossPaymentGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "toss",
            TossSettings,
            capabilities.PAYMENT,
            _payment,
            "Cards, wallets and transfers in won, and cards kept for subscriptions",
            requires=("httpx",),
        )
    )
