"""Text messages through Twilio."""

from collections.abc import Callable

from madang.adapters.twilio import capabilities
from madang.adapters.twilio.settings import TwilioSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender

MADANG_CONTRACT = "1.0"


def _sms(settings: TwilioSettings, context: ProviderContext) -> SmsSender:
    from madang.adapters.twilio.sms import TwilioSmsSender

    return TwilioSmsSender(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.SMS,
            "twilio",
            TwilioSettings,
            capabilities.SMS,
            _sms,
            "SMS through Twilio, with delivery reports",
            requires=("httpx",),
        )
    )
