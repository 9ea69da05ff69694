"""Port: messages to a team's chat channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.provider import Provider


class ChatTone(StrEnum):
    """How the message looks where the platform shows colours."""

    NEUTRAL = "neutral"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ChatField:
    """A labelled value shown in a small table under the text."""

    label: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One message. It is plain text: an adapter escapes the platform's own mark-up, and mentions in it notify nobody.

    Without `channel` the configured one is used; `thread` is the receipt's id of the message to answer under. A `link` with
    `title` makes the title a link. A text beyond `capabilities.max_length` is `Rejected`, never cut. `timeout` is in seconds.
    `extra` is passed to the provider as it is (Slack blocks, Discord embeds).
    """

    text: str = field(repr=False)
    idempotency_key: str
    channel: str | None = None
    thread: str | None = None
    title: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    fields: Sequence[ChatField] = ()
    tone: ChatTone = ChatTone.NEUTRAL
    timeout: float = 15.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatReceipt:
    """A posted message. `id` is None where the platform tells none (`capabilities.returns_id`)."""

    id: str | None
    posted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChatCapabilities:
    """`channels`: the request may name a channel (a webhook address has one fixed). `max_length` counts code points of
    `text`."""

    channels: bool = False
    threads: bool = False
    fields: bool = True
    returns_id: bool = False
    idempotent: bool = False
    finds_by_key: bool = False
    max_length: int = 2000
    max_fields: int = 10


class ChatPoster(Provider, Protocol):
    """Posts to a channel."""

    @property
    def capabilities(self) -> ChatCapabilities: ...

    async def post(self, request: ChatRequest) -> ChatReceipt:
        """Post one message.

        Raises `Unavailable`, `RateLimited`, `Rejected` (`unknown_channel`, `channel_closed`, `too_long`, `invalid_request`),
        `OutcomeUnknown`, `Misconfigured` (the webhook address or token is not valid), and `Unsupported` for a channel, thread
        or field that it cannot take.
        """
        ...

    async def find(self, idempotency_key: str) -> ChatReceipt | None:
        """The message posted with this key, or None when there surely is none; `Unsupported` unless
        `capabilities.finds_by_key`."""
        ...
