"""Port: a model that answers in text or in JSON, with pictures in."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Cost
from madang.ports.provider import Provider


class Role(StrEnum):
    """Who speaks in a `PromptMessage`."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture given to a model: the encoded file (`image/jpeg`, `image/png` or `image/webp`)."""

    data: bytes = field(repr=False)
    media_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One turn of the conversation: its text, and the pictures that belong to it in order."""

    role: Role
    text: str
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What to answer, and how.

    `schema` is a JSON Schema (draft 2020-12, an object at the top) that the answer must follow; without one the answer is text.
    `timeout` is in seconds. `seed` and `temperature` are wishes: a provider without them says so in its capabilities.
    `extra` is passed to the provider as it is: the way to what this contract does not name.
    """

    messages: Sequence[PromptMessage]
    idempotency_key: str
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    max_output_tokens: int = 4096
    temperature: float | None = None
    seed: int | None = None
    timeout: float = 120.0
    extra: Mapping[str, Any] = field(default_factory=dict)


class FinishReason(StrEnum):
    """Why the answer ended; `LENGTH` means that it was cut off at `max_output_tokens`."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_POLICY = "content_policy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextResult:
    """The answer. `text` is always what the model wrote; with a schema it is JSON, not yet checked against it."""

    text: str
    model: str
    finish: FinishReason = FinishReason.STOP
    usage: TokenUsage = field(default_factory=TokenUsage)
    cost: Cost | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of a streamed answer; the last one carries the whole `result`."""

    text: str
    result: TextResult | None = None


@dataclass(frozen=True, slots=True)
class TextModelCapabilities:
    """What the model can do: callers ask this before they send a schema, pictures, a seed or a temperature."""

    json_schema: bool = True
    vision: bool = True
    streaming: bool = False
    seed: bool = False
    temperature: bool = True
    max_input_tokens: int = 128_000


class TextModel(Provider, Protocol):
    """A text model. Generating has no lasting effect outside, so a lost answer may be asked for again (it costs again)."""

    @property
    def capabilities(self) -> TextModelCapabilities: ...

    async def generate(self, request: TextRequest) -> TextResult:
        """Answer once.

        Raises `Unavailable`, `RateLimited`, `Rejected` (`content_policy`, `invalid_request`, `context_length`),
        `OutcomeUnknown` (time-out), `Misconfigured`, and `Unsupported` for pictures or a schema that it cannot take.
        """
        ...

    def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        """Answer piece by piece; `Unsupported` unless `capabilities.streaming`."""
        ...
