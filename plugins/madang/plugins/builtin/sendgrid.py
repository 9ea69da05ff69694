"""E-mail through SendGrid."""

from collections.abc import Callable

from madang.adapters.sendgrid import capabilities
from madang.adapters.sendgrid.settings import SendgridSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.email import EmailSender
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _email(settings: SendgridSettings, context: ProviderContext) -> EmailSender:
    from madang.adapters.sendgrid.email import SendgridEmailSender

    return SendgridEmailSender(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.EMAIL,
            "sendgrid",
            SendgridSettings,
            capabilities.EMAIL,
            _email,
            "E-mail through SendGrid, with templates and webhooks",
            requires=("httpx", "cryptography"),
        )
    )
