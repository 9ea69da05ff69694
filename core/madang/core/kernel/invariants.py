"""What must always be true of a running deployment, checked in production."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that broke an invariant. `subject` names it (`portrait:<id>`); `detail` holds no personal data."""

    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Invariant(Protocol):
    @property
    def name(self) -> str:
        """`no-message-older-than-its-lease`"""
        ...

    @property
    def explanation(self) -> str:
        """What must hold, and what to do when it does not: one or two sentences for an operator."""
        ...

    async def violations(self, *, limit: int = 100) -> Sequence[Violation]: ...

    async def mend(self, violation: Violation) -> str:
        """Repair it through the ordinary machinery and say what was done; an empty answer means that a person must look."""
        ...
