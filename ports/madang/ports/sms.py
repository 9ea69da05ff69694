"""Port: text messages to phones."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from madang.ports.provider import Provider


@dataclass(frozen=True, slots=True)
class SmsRequest:
    """One message. `to` and `sender` are E.164 (`+821012345678`); without `sender` the configured one is used.

    The provider picks the length class (SMS or LMS) itself; longer than `capabilities.max_bytes` is `Rejected`.
    """

    to: str = field(repr=False)
    text: str = field(repr=False)
    idempotency_key: str
    sender: str | None = None
    subject: str | None = None
    timeout: float = 20.0


class SmsStatus(StrEnum):
    """`ACCEPTED`: the provider has it; `DELIVERED`: the phone has it; an unknown remote state is `ACCEPTED`."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SmsReceipt:
    """One message at the provider: its id there, what became of it, and the provider's words when it failed."""

    id: str
    status: SmsStatus
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SmsCapabilities:
    """`max_bytes` counts the text as the network does (EUC-KR for Korean LMS, 2 bytes a Hangul syllable)."""

    delivery_reports: bool = False
    idempotent: bool = False
    finds_by_key: bool = False
    max_bytes: int = 2000


class SmsSender(Provider, Protocol):
    """Sends text messages. What was sent cannot be called back: an unknown outcome is looked up, never sent again."""

    @property
    def capabilities(self) -> SmsCapabilities: ...

    async def send(self, request: SmsRequest) -> SmsReceipt:
        """Hand over one message.

        Raises `Unavailable`, `RateLimited`, `Rejected` (`invalid_recipient`, `too_long`, `blocked`), `OutcomeUnknown`,
        `Misconfigured`.
        """
        ...

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        """What became of it; `Unsupported` unless `capabilities.delivery_reports`."""
        ...

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        """The message sent with this key, or None when there surely is none; `Unsupported` unless
        `capabilities.finds_by_key`."""
        ...
