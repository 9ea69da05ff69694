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
from madang.ports.errors import Rejected, SignatureInvalid, Unsupported
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.text_model import Picture, TextModelCapabilities, TextRequest, TextResult
from madang.ports.webhook import WebhookRequest

PAINTERS = ("first_painter", "second_painter")
ANNOUNCER = "announcing_painter"
SIGNATURE = "signed-by-the-announcing-painter"
RUNNING = (PredictionStatus.PENDING, PredictionStatus.RUNNING)
AUTHORS = ("first_author", "second_author")


class _Company:
    def __init__(self, name: str) -> None:
        self.name = name

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Habits:
    """Whether a painter can be told to stop, and what becomes of a running prediction then."""

    cancels: bool = True
    stopped: PredictionStatus = PredictionStatus.CANCELLED


class Painter(_Company):
    """An image model that finds by key and is not idempotent: two calls buy twice. `errors` are raised by the next starts,
    one each, before anything is sold; those in `lost` after it, those in `silent` by the next look-ups, those in `deaf` by the
    next cancellations. `ends` is how the next predictions stand, one each."""

    abilities = ImageModelCapabilities(finds_by_key=True)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.habits = Habits()
        self.sold: list[PictureRequest] = []
        self.calls: list[str] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception] = []
        self.silent: list[Exception] = []
        self.deaf: list[Exception] = []
        self.cancelled: list[str] = []
        self.ends: list[Prediction] = []
        self._predictions: dict[str, Prediction] = {}

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return replace(self.abilities, cancels=self.habits.cancels)

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
        self.cancelled.append(prediction_id)
        if self.deaf:
            raise self.deaf.pop(0)
        found = self._predictions[prediction_id]
        if found.status in RUNNING:
            self._predictions[prediction_id] = replace(found, status=self.habits.stopped)
            if self.habits.stopped is PredictionStatus.SUCCEEDED:
                self.finish(prediction_id)
        return self._predictions[prediction_id]

    def finish(self, prediction_id: str) -> None:
        """It ends now, and well."""
        made = (RemotePicture(prediction_id, "image/jpeg"),)
        self._predictions[prediction_id] = Prediction(prediction_id, PredictionStatus.SUCCEEDED, made)

    @property
    def statuses(self) -> list[PredictionStatus]:
        """Of everything that was sold, in its order."""
        return [prediction.status for prediction in self._predictions.values()]

    async def download(self, picture: RemotePicture) -> Picture:
        return Picture(photo(), "image/jpeg")

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        raise SignatureInvalid("no webhooks here", provider=self.name, operation="read_webhook")


class Announcer(Painter):
    """Finds nothing by key, and announces what became of a prediction: `id:status`, under a signature."""

    abilities = ImageModelCapabilities(webhooks=True)

    async def find(self, idempotency_key: str) -> Prediction | None:
        raise Unsupported("no look-up by key", provider=self.name, operation="find")

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        if request.headers.get("x-signature") != SIGNATURE:
            raise SignatureInvalid("not by us", provider=self.name, operation="read_webhook")
        identity, _, status = request.body.decode().partition(":")
        return Prediction(identity, PredictionStatus(status))


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
        register(ProviderDeclaration(ProviderKind.IMAGE_MODEL, name, None, Painter.abilities, _maker(Painter, name)))
    register(ProviderDeclaration(ProviderKind.IMAGE_MODEL, ANNOUNCER, None, Announcer.abilities, _maker(Announcer, ANNOUNCER)))
    for name in AUTHORS:
        register(ProviderDeclaration(ProviderKind.TEXT_MODEL, name, None, Author.capabilities, _maker(Author, name)))


def _maker(company: type[Any], name: str) -> Callable[[Any, ProviderContext], Any]:
    return lambda settings, context: company(name)


def painters(shop: Any) -> Sequence[Painter]:
    """In the order of the route."""
    return [shop.container.providers.image_model(name) for name in PAINTERS]


def authors(shop: Any) -> Sequence[Author]:
    return list(shop.container.providers.text_models())
