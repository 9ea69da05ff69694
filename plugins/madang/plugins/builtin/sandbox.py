"""The offline plugin set: one simulated provider for every port that the products need, and the pages that belong to them."""

from collections.abc import Callable

from madang.adapters.sandbox import capabilities
from madang.adapters.sandbox.settings import SandboxSettings
from madang.plugins.declarations import AsgiApp, HttpMount, ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.chat import ChatPoster
from madang.ports.context import ProviderContext
from madang.ports.email import EmailSender
from madang.ports.image_model import ImageModel
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender
from madang.ports.social import SocialPlatform
from madang.ports.text_model import TextModel

MADANG_CONTRACT = "1.0"


def _text_model(settings: SandboxSettings, context: ProviderContext) -> TextModel:
    from madang.adapters.sandbox.text_model import SandboxTextModel

    return SandboxTextModel(settings, context)


def _image_model(settings: SandboxSettings, context: ProviderContext) -> ImageModel:
    from madang.adapters.sandbox.image_model import SandboxImageModel

    return SandboxImageModel(settings, context)


def _payment(settings: SandboxSettings, context: ProviderContext) -> PaymentGateway:
    from madang.adapters.sandbox.payment import SandboxPaymentGateway

    return SandboxPaymentGateway(settings, context)


def _sms(settings: SandboxSettings, context: ProviderContext) -> SmsSender:
    from madang.adapters.sandbox.sms import SandboxSmsSender

    return SandboxSmsSender(settings, context)


def _email(settings: SandboxSettings, context: ProviderContext) -> EmailSender:
    from madang.adapters.sandbox.email import SandboxEmailSender

    return SandboxEmailSender(settings, context)


def _chat(settings: SandboxSettings, context: ProviderContext) -> ChatPoster:
    from madang.adapters.sandbox.chat import SandboxChat

    return SandboxChat(settings, context)


def _social(settings: SandboxSettings, context: ProviderContext) -> SocialPlatform:
    from madang.adapters.sandbox.social import SandboxSocialPlatform

    return SandboxSocialPlatform(settings, context)


def _pages(settings: SandboxSettings, context: ProviderContext) -> AsgiApp:
    from madang.adapters.sandbox.pages import create_app

    return create_app(settings, context)


_PROVIDERS = (
    (ProviderKind.TEXT_MODEL, capabilities.TEXT_MODEL, _text_model, "Writes plausible answers to any JSON schema, offline"),
    (
        ProviderKind.IMAGE_MODEL,
        capabilities.IMAGE_MODEL,
        _image_model,
        "Transforms the given photo by prompt and seed, offline",
    ),
    (ProviderKind.PAYMENT, capabilities.PAYMENT, _payment, "A pretend checkout with signed webhooks; no money moves"),
    (ProviderKind.SMS, capabilities.SMS, _sms, "An inbox of text messages that no phone receives"),
    (ProviderKind.EMAIL, capabilities.EMAIL, _email, "An inbox of e-mails that nobody receives"),
    (ProviderKind.CHAT, capabilities.CHAT, _chat, "A channel that only the sandbox page shows"),
    (ProviderKind.SOCIAL, capabilities.SOCIAL, _social, "A social network with limits and metrics, and no members"),
)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    for kind, ability, factory, summary in _PROVIDERS:
        register(ProviderDeclaration(kind, "sandbox", SandboxSettings, ability, factory, summary))


@hookimpl
def register_http(register: Callable[[HttpMount], None]) -> None:
    register(HttpMount("/sandbox", _pages, SandboxSettings))
