"""An erasure: asked for, under way, done, and looked at once more."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.errors import WrongState


class ErasureStatus(StrEnum):
    """`FAILED` was given up after days of tries: an operator has it tried again (`madang jobs retry`)."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_S = ErasureStatus
TRANSITIONS: Final = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.FAILED}),
    _S.RUNNING: frozenset({_S.RUNNING, _S.SUCCEEDED, _S.FAILED}),
    _S.FAILED: frozenset({_S.RUNNING}),
    _S.SUCCEEDED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Erasure:
    """One for each person. `user_id` stays: the row that it names is empty by then. `verified_at` is when a second look found
    nothing any more."""

    id: UUID
    user_id: UUID
    status: ErasureStatus
    asked_at: datetime
    updated_at: datetime
    erased_at: datetime | None = None
    verified_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"erasure:{self.id}"

    @property
    def user(self) -> str:
        return f"user:{self.user_id}"

    def to(self, status: ErasureStatus, now: datetime, **changes: Any) -> "Erasure":
        """Raises `WrongState`."""
        if status not in TRANSITIONS[self.status]:
            expected = ", ".join(sorted(before for before, after in TRANSITIONS.items() if status in after))
            raise WrongState("an erasure does not go back", state=self.status.value, expected=expected)
        return replace(self, status=status, updated_at=now, **changes)
