"""Answers kept by idempotency key, so that a repeated POST is answered and not repeated.

A claim carries a `subject_id` that stays the same for every try of one key: creating use cases take it as the id of what they
create, so a try that died after its commit is found again by the next one, not doubled.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class ClaimOutcome(StrEnum):
    """`CLAIMED`: go on. `REPLAY`: answer what `answer` holds. `IN_PROGRESS`: another request has it. `REUSED`: same
    key, other body."""

    CLAIMED = "claimed"
    REPLAY = "replay"
    IN_PROGRESS = "in_progress"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    status: int
    media_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    outcome: ClaimOutcome
    subject_id: UUID
    answer: KeptAnswer | None = None


class IdempotencyStore(Protocol):
    """`scope` is who asks and what for: a key of one account and operation says nothing about another's."""

    async def claim(self, scope: str, key: str, body_hash: bytes, *, now: datetime, lease: float, keep: float) -> Claim:
        """Take the key for `lease` seconds (a claimant that died frees it by that), to be kept `keep` seconds once answered."""
        ...

    async def answer(self, scope: str, key: str, answer: KeptAnswer) -> None:
        """Keep the first answer. The body is encrypted at rest: it may hold a token."""
        ...

    async def release(self, scope: str, key: str) -> None:
        """Forget the claim: the request failed validation or did nothing."""
        ...
