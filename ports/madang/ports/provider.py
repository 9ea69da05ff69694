"""What every provider has, whatever its kind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ProviderKind(StrEnum):
    """The kinds of provider that the core asks for; the value is what settings and the CLI call it."""

    TEXT_MODEL = "text_model"
    IMAGE_MODEL = "image_model"
    PAYMENT = "payment"
    STORAGE = "storage"
    SMS = "sms"
    EMAIL = "email"
    CHAT = "chat"
    SOCIAL = "social"
    HOSTING = "hosting"
    IDENTITY = "identity"
    FACES = "faces"


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """Answer of `check`: whether the provider can be reached with our keys. `detail` is one line for an operator."""

    reachable: bool
    detail: str = ""
    latency_ms: float | None = None


class Provider(Protocol):
    """The part of the contract that all ports share.

    Every method takes one frozen request value (or a plain identifier) and returns one frozen result value; what changes
    something outside takes an `idempotency_key`. A provider does not retry by itself: the caller knows the policy.
    It is built once per process and used by many tasks at once.
    """

    @property
    def name(self) -> str:
        """The plugin's name, as in the settings: `"sandbox"`, `"toss"`."""
        ...

    async def check(self) -> ProviderHealth:
        """Reach the provider with our keys without changing anything. Raises `Misconfigured` for wrong keys."""
        ...

    async def close(self) -> None:
        """Give back connections. Called once, when the process ends."""
        ...
