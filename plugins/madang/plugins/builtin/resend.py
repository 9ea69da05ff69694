"""E-mail through Resend."""

from collections.abc import Callable

from madang.adapters.resend import capabilities
from madang.adapters.resend.settings import ResendSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.email import EmailSender
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _email(settings: ResendSettings, context: ProviderContext) -> EmailSender:
    from madang.adapters.resend.email import ResendEmailSender

    return ResendEmailSender(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.EMAIL,
            "resend",
            ResendSettings,
            capabilities.EMAIL,
            _email,
            "E-mail through Resend, with delivery reports and webhooks",
            requires=("httpx", "standardwebhooks"),
        )
    )
