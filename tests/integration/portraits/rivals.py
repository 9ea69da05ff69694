"""A plugin of the tests: two image models and two text models of their own, told by the test how to behave.

They keep the letter of the ports and nothing more: what they sold is in their books, by key.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integration.portraits.shop import photo
from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, SignatureInvalid
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.text_model import Picture, TextModelCapabilities, TextRequest, TextResult
from madang.ports.webhook import WebhookRequest

PAINTERS = ("first_painter", "second_painter")
AUTHORS = ("first_author", "second_author")


class _Company:
    def __init__(self, name: str) -> None:
        self.name = name

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)

    async def close(self) -> None:
        """Nothing is open."""


class Painter(_Company):
    """An image model that finds by key and is not idempotent: two calls buy twice. `errors` are raised by the next starts,
    one each, before anything is sold; those in `lost` after it, those in `silent` by the next look-ups. `ends` is how the next
    predictions end, one each."""

    capabilities = ImageModelCapabilities(finds_by_key=True)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sold: list[PictureRequest] = []
        self.calls: list[str] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception] = []
        self.silent: list[Exception] = []
        self.ends: list[Prediction] = []
        self._predictions: dict[str, Prediction] = {}

    async def start(self, request: PictureRequest) -> Prediction:
        self.calls.append("start")
        if self.errors:
            raise self.errors.pop(0)
        self.sold.append(request)
        identity = f"{self.name}-{len(self.sold)}"
        made = Prediction(identity, PredictionStatus.SUCCEEDED, (RemotePicture(identity, "image/jpeg"),))
        prediction = replace(self.ends.pop(0), id=identity) if self.ends else made
        self._predictions[identity] = prediction
        if self.lost:
            raise self.lost.pop(0)
        return prediction

    async def fetch(self, prediction_id: str) -> Prediction:
        self.calls.append("fetch")
        if prediction_id not in self._predictions:
            raise Rejected("no such prediction", reason="not_found", provider=self.name, operation="fetch")
        return self._predictions[prediction_id]

    async def find(self, idempotency_key: str) -> Prediction | None:
        self.calls.append("find")
        if self.silent:
            raise self.silent.pop(0)
        numbers = [number for number, request in enumerate(self.sold, 1) if request.idempotency_key == idempotency_key]
        return self._predictions[f"{self.name}-{numbers[0]}"] if numbers else None

    async def cancel(self, prediction_id: str) -> Prediction:
        return await self.fetch(prediction_id)

    async def download(self, picture: RemotePicture) -> Picture:
        return Picture(photo(), "image/jpeg")

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        raise SignatureInvalid("no webhooks here", provider=self.name, operation="read_webhook")


@dataclass
class Answers:
    """What an author answers, one each; the last one for ever. An exception is raised."""

    texts: list[str | Exception] = field(default_factory=list)

    def next(self) -> str:
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        if isinstance(text, Exception):
            raise text
        return text


class Author(_Company):
    capabilities = TextModelCapabilities(vision=True, json_schema=True)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers = Answers([json.dumps(report())])
        self.requests: list[TextRequest] = []

    async def generate(self, request: TextRequest) -> TextResult:
        self.requests.append(request)
        return TextResult(self.answers.next(), self.name)

    def stream(self, request: TextRequest) -> Any:
        raise NotImplementedError


def report(*codes: str, **changes: Any) -> dict[str, Any]:
    """A report as a model answers it."""
    improvement = {"area": "skin", "description": "calmer", "recommendations": list(codes)}
    return {
        "summary": "well done", "improvements": [improvement], "timeline": "8-12 weeks", "estimated_cost": "300,000 won"
    } | changes  # fmt: skip


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    for name in PAINTERS:
        register(ProviderDeclaration(ProviderKind.IMAGE_MODEL, name, None, Painter.capabilities, _maker(Painter, name)))
    for name in AUTHORS:
        register(ProviderDeclaration(ProviderKind.TEXT_MODEL, name, None, Author.capabilities, _maker(Author, name)))


def _maker(company: type[Any], name: str) -> Callable[[Any, ProviderContext], Any]:
    return lambda settings, context: company(name)


def painters(shop: Any) -> Sequence[Painter]:
    """In the order of the route."""
    return [shop.container.providers.image_model(name) for name in PAINTERS]


def authors(shop: Any) -> Sequence[Author]:
    return list(shop.container.providers.text_models())
