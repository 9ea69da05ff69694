"""Payments and subscriptions through Stripe."""

from collections.abc import Callable

from madang.adapters.stripe import capabilities
from madang.adapters.stripe.settings import StripeSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _payment(settings: StripeSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.stripe.payment import StripePaymentGateway

    return StripePaymentGateway(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.PAYMENT,
            "stripe",
            StripeSettings,
            capabilities.PAYMENT,
            _payment,
            "Payments and subscriptions by Stripe Checkout",
            extra="stripe",
            requires=("stripe",),
        )
    )
