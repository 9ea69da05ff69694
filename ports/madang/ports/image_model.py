"""Port: a model that makes pictures from a picture, a prompt and a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Cost
from madang.ports.provider import Provider
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """One paid prediction: one prompt, one seed, `count` pictures.

    The same `idempotency_key` never buys twice where `capabilities.idempotent`; elsewhere the caller looks the key up first.
    `webhook_url` is where the provider may announce the end; polling `fetch` must work without it.
    """

    prompt: str
    idempotency_key: str
    seed: int
    picture: Picture | None = None
    width: int | None = None
    height: int | None = None
    count: int = 1
    webhook_url: str | None = None
    timeout: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)


class PredictionStatus(StrEnum):
    """A remote status that an adapter does not know is `PENDING`, never a success."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A finished picture at the provider: `reference` is what `download` takes; it may be gone after `expires_at`."""

    reference: str
    media_type: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the provider says of a prediction now. `error` says why it failed; `retryable` whether the same input may
    yet succeed."""

    id: str
    status: PredictionStatus
    pictures: Sequence[RemotePicture] = ()
    model: str = ""
    error: str | None = None
    retryable: bool = False
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class ImageModelCapabilities:
    """`idempotent`: the provider itself honours `idempotency_key`. `finds_by_key`: `find` works."""

    edits_pictures: bool = True
    seed: bool = True
    webhooks: bool = False
    cancels: bool = True
    idempotent: bool = False
    finds_by_key: bool = False
    max_count: int = 1


class ImageModel(Provider, Protocol):
    """An image model whose predictions cost money: what was bought is looked up by key or by id, never bought again."""

    @property
    def capabilities(self) -> ImageModelCapabilities: ...

    async def start(self, request: PictureRequest) -> Prediction:
        """Buy a prediction; a provider that works at once answers it finished.

        Raises `Unavailable`, `RateLimited`, `Rejected` (`content_policy`, `invalid_request`), `OutcomeUnknown`,
        `Misconfigured`.
        """
        ...

    async def fetch(self, prediction_id: str) -> Prediction:
        """The prediction as it stands. Raises `Rejected(reason="not_found")` for an id that the provider does not know."""
        ...

    async def find(self, idempotency_key: str) -> Prediction | None:
        """The prediction bought with this key, or None when there surely is none; `Unsupported` unless
        `capabilities.finds_by_key`."""
        ...

    async def cancel(self, prediction_id: str) -> Prediction:
        """Ask it to stop. One that already ended is answered as it ended."""
        ...

    async def download(self, picture: RemotePicture) -> Picture:
        """The finished file. Raises `Rejected(reason="not_found")` when the provider has thrown it away."""
        ...

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        """Verify and read an announcement. Raises `SignatureInvalid`, and `Unsupported` unless `capabilities.webhooks`."""
        ...
