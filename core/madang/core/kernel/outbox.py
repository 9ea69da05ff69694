"""The outbox as the worker sees it: claim under a lease, keep the lease alive, commit under its fence, put back or give up.

All times of leases are the database's, so hosts with different clocks agree.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from madang.core.kernel.messages import Failure, Lane, Message, MessageState

U_co = TypeVar("U_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Leased:
    """A message in this worker's hands; `token` is the fence: it grows with every claim of the message."""

    message: Message
    token: int


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that waits for a worker: what the relay wakes arq for."""

    id: UUID
    lane: Lane
    attempt: int


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as an operator sees it."""

    id: UUID
    topic: str
    lane: Lane
    state: MessageState
    subject: str | None
    attempts: int
    failures: int
    due_at: datetime
    created_at: datetime
    lease_until: datetime | None
    last_failure: Failure | None
    request_id: str


class Outbox(Protocol[U_co]):
    async def due(self, lane: Lane, *, limit: int) -> Sequence[DueMessage]:
        """Messages due now: waiting past their time, or leased past their lease. The oldest first."""
        ...

    async def seconds_to_next(self) -> float | None:
        """Until the next message becomes due or a lease ends; 0 for now, None when there is none."""
        ...

    async def claim(self, lane: Lane, worker: str, *, limit: int, lease: float) -> Sequence[Leased]:
        """Take up to `limit` due messages (`FOR UPDATE SKIP LOCKED`) for `lease` seconds."""
        ...

    async def claim_one(self, message_id: UUID, worker: str, *, lease: float) -> Leased | None:
        """Take this message if it is due and nobody has it."""
        ...

    async def extend(self, leased: Sequence[Leased], *, lease: float) -> frozenset[UUID]:
        """The heartbeat: prolong those still ours and answer the ids of those that are not any more."""
        ...

    def step(self, leased: Leased) -> AbstractAsyncContextManager[U_co]:
        """A unit of work that commits only while the lease is ours, else raises `LeaseLost`. Messages sent in it carry
        the request id."""
        ...

    def finish(self, leased: Leased) -> AbstractAsyncContextManager[U_co]:
        """Like `step`, and the message is done in the same commit."""
        ...

    def bury(self, leased: Leased, failure: Failure) -> AbstractAsyncContextManager[U_co]:
        """Like `step`, and the message is dead in the same commit (compensation goes in there)."""
        ...

    async def put_back(self, leased: Leased, failure: Failure, *, delay: float) -> None:
        """Due again in `delay` seconds, with one more failure; nothing when the lease is lost."""
        ...

    async def give_back(self, leased: Sequence[Leased]) -> None:
        """Due again at once, without a failure and without counting the attempt: a worker that drains on SIGTERM."""
        ...

    async def listing(self, *, state: MessageState | None, topic: str | None, limit: int) -> Sequence[MessageRow]: ...

    async def get(self, message_id: UUID) -> MessageRow | None: ...

    async def revive(self, message_id: UUID) -> bool:
        """Make a dead (or waiting) message due now, with fresh failure and crash counts; False when it is not dead or
        waiting."""
        ...
