"""Providers that keep everything in the process, for tests and for trying something out."""

from collections.abc import Callable

from madang.adapters.memory import capabilities
from madang.adapters.memory.settings import MemorySettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.chat import ChatPoster
from madang.ports.context import ProviderContext
from madang.ports.email import EmailSender
from madang.ports.faces import FaceDetector
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender

MADANG_CONTRACT = "1.0"


def _sms(settings: MemorySettings, context: ProviderContext) -> SmsSender:
    from madang.adapters.memory.sms import MemorySmsSender

    return MemorySmsSender(settings, context)


def _email(settings: MemorySettings, context: ProviderContext) -> EmailSender:
    from madang.adapters.memory.email import MemoryEmailSender

    return MemoryEmailSender(settings, context)


def _chat(settings: MemorySettings, context: ProviderContext) -> ChatPoster:
    from madang.adapters.memory.chat import MemoryChat

    return MemoryChat(settings, context)


def _faces(settings: MemorySettings, context: ProviderContext) -> FaceDetector:
    from madang.adapters.memory.faces import MemoryFaceDetector

    return MemoryFaceDetector(settings, context)


_PROVIDERS = (
    (ProviderKind.SMS, capabilities.SMS, _sms, "Text messages kept in the process"),
    (ProviderKind.EMAIL, capabilities.EMAIL, _email, "E-mails kept in the process"),
    (ProviderKind.CHAT, capabilities.CHAT, _chat, "Chat messages kept in the process"),
    (ProviderKind.FACES, capabilities.FACES, _faces, "As many faces as its settings say"),
)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    for kind, ability, factory, summary in _PROVIDERS:
        register(ProviderDeclaration(kind, "memory", MemorySettings, ability, factory, summary))
