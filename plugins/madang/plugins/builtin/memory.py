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
from madang.ports.identity import IdentityProvider
from madang.ports.image_model import ImageModel
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender
from madang.ports.social import SocialPlatform
from madang.ports.storage import Storage
from madang.ports.text_model import TextModel

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


def _text_model(settings: MemorySettings, context: ProviderContext) -> TextModel:
    from madang.adapters.memory.text_model import MemoryTextModel

    return MemoryTextModel(settings, context)


def _image_model(settings: MemorySettings, context: ProviderContext) -> ImageModel:
    from madang.adapters.memory.image_model import MemoryImageModel

    return MemoryImageModel(settings, context)


def _storage(settings: MemorySettings, context: ProviderContext) -> Storage:
    from madang.adapters.memory.storage import MemoryStorage

    return MemoryStorage(settings, context)


def _payment(settings: MemorySettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.memory.payment import MemoryPaymentGateway

    return MemoryPaymentGateway(settings, context)


def _social(settings: MemorySettings, context: ProviderContext) -> SocialPlatform:
    from madang.adapters.memory.social import MemorySocialPlatform

    return MemorySocialPlatform(settings, context)


def _identity(settings: MemorySettings, context: ProviderContext) -> IdentityProvider:
    from madang.adapters.memory.identity import MemoryIdentity

    return MemoryIdentity(settings, context)


_PROVIDERS = (
    (ProviderKind.SMS, capabilities.SMS, _sms, "Text messages kept in the process"),
    (ProviderKind.EMAIL, capabilities.EMAIL, _email, "E-mails kept in the process"),
    (ProviderKind.CHAT, capabilities.CHAT, _chat, "Chat messages kept in the process"),
    (ProviderKind.FACES, capabilities.FACES, _faces, "As many faces as its settings say"),
    (ProviderKind.TEXT_MODEL, capabilities.TEXT_MODEL, _text_model, "Says what it was told to say"),
    (ProviderKind.IMAGE_MODEL, capabilities.IMAGE_MODEL, _image_model, "Pictures of one colour, made at once"),
    (ProviderKind.STORAGE, capabilities.STORAGE, _storage, "Objects kept in the process"),
    (ProviderKind.PAYMENT, capabilities.PAYMENT, _payment, "Payments of numbers, made by a call"),
    (ProviderKind.SOCIAL, capabilities.SOCIAL, _social, "A network of the process"),
    (ProviderKind.IDENTITY, capabilities.IDENTITY, _identity, "Tokens that it issues itself"),
)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    for kind, ability, factory, summary in _PROVIDERS:
        register(ProviderDeclaration(kind, "memory", MemorySettings, ability, factory, summary))
