"""How the core asks for a provider: by kind, in the order of the deployment's routes, never by a name of its own."""

from collections.abc import Sequence
from typing import Protocol

from madang.ports.chat import ChatPoster
from madang.ports.email import EmailSender
from madang.ports.faces import FaceDetector
from madang.ports.identity import IdentityProvider
from madang.ports.image_model import ImageModel
from madang.ports.payment import PaymentGateway
from madang.ports.sms import SmsSender
from madang.ports.storage import Storage
from madang.ports.text_model import TextModel


class Providers(Protocol):
    """The configured providers of this process. Names in rows (`payments.provider`) are resolved by the `…(name)` methods,
    which raise `Misconfigured` when that plugin is no longer configured."""

    def text_models(self) -> Sequence[TextModel]:
        """In the order of the route; at least one, else `Misconfigured`."""
        ...

    def image_models(self) -> Sequence[ImageModel]: ...

    def image_model(self, name: str) -> ImageModel: ...

    def payment_gateways(self) -> Sequence[PaymentGateway]: ...

    def payment_gateway(self, name: str) -> PaymentGateway: ...

    def sms_senders(self) -> Sequence[SmsSender]: ...

    def sms_sender(self, name: str) -> SmsSender: ...

    def email_senders(self) -> Sequence[EmailSender]: ...

    def email_sender(self, name: str) -> EmailSender: ...

    def chat_posters(self) -> Sequence[ChatPoster]:
        """All of the route: none stands in for another, each posts to a channel of its own. Empty when none is named."""
        ...

    def chat_poster(self, name: str) -> ChatPoster: ...

    def identity_provider(self, name: str) -> IdentityProvider:
        """Raises `Misconfigured` for one that the route does not name."""
        ...

    def storage(self) -> Storage: ...

    def face_detector(self) -> FaceDetector | None:
        """None when no face detector is on: the check is optional."""
        ...
