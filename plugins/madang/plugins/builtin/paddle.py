"""Payments through Paddle."""

from collections.abc import Callable

from madang.adapters.paddle import capabilities
from madang.adapters.paddle.settings import PaddleSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: PaddleSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.paddle.payment import PaddleGateway

    return PaddleGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "paddle",
            PaddleSettings,
            capabilities.PAYMENT,
            _payment,
            "Payments and subscriptions sold by Paddle, which adds the tax of the buyer's country",
            requires=("httpx",),
        )
    )
