"""Text messages through Solapi (CoolSMS)."""

from collections.abc import Callable

from madang.adapters.solapi import capabilities
from madang.adapters.solapi.settings import SolapiSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender

MADANG_CONTRACT = "1.0"


def _sms(settings: SolapiSettings, context: ProviderContext) -> SmsSender:
    from madang.adapters.solapi.sms import SolapiSmsSender

    return SolapiSmsSender(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.SMS,
            "solapi",
            SolapiSettings,
            capabilities.SMS,
            _sms,
            "SMS and LMS through Solapi (CoolSMS), with delivery reports",
            extra="solapi",
            requires=("solapi",),
        )
    )
