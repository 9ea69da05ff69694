"""E-mail through any SMTP server."""

from collections.abc import Callable

from madang.adapters.smtp import capabilities
from madang.adapters.smtp.settings import SmtpSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.email import EmailSender
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _email(settings: SmtpSettings, context: ProviderContext) -> EmailSender:
    from madang.adapters.smtp.email import SmtpEmailSender

    return SmtpEmailSender(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.EMAIL,
            "smtp",
            SmtpSettings,
            capabilities.EMAIL,
            _email,
            "E-mail through any SMTP server",
            extra="smtp",
            requires=("aiosmtplib",),
        )
    )
