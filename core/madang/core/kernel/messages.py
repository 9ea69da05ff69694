"""Messages of the outbox: what must follow a state change, kept in the same commit, due until a row says done.

A topic names a kind of work and its policy; a handler does it. Two styles of handler, and two lanes:

- `handle(uow, message)`: the runner opens the unit of work, calls, and commits the handler's state with "done".
- `run(delivery)`: for work that talks to the outside. It commits step by step through `delivery.step()`, and its last
  state together with "done" through `delivery.finish()`. Every commit is fenced: a worker that lost its lease cannot commit.
- lane `SHORT`: drained in batches; lane `LONG`: slow or paid work, each message a job of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from madang.ports.errors import Misconfigured, PortError, RateLimited, Rejected, SignatureInvalid, Unsupported

U = TypeVar("U")
U_co = TypeVar("U_co", covariant=True)
U_contra = TypeVar("U_contra", contravariant=True)


class Lane(StrEnum):
    SHORT = "short"
    LONG = "long"


class MessageState(StrEnum):
    """`WAITING` until claimed (also before it is due), `LEASED` while a worker has it, `DONE`, or `DEAD` when given up."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds to wait before each further try; when they are used up the message is given up.

    `Unavailable`, `RateLimited`, `OutcomeUnknown` and unexpected exceptions are retried; `Rejected`, `Misconfigured`,
    `SignatureInvalid` and `Unsupported` are given up at once. A `RateLimited.retry_after` that is longer wins.
    """

    delays: Sequence[float] = (1, 5, 30, 120, 600)

    def next_delay(self, failures: int, error: BaseException) -> float | None:
        """Seconds until the next try after the `failures`-th failure (1 for the first), None to give up."""
        if isinstance(error, Rejected | Misconfigured | SignatureInvalid | Unsupported):
            return None
        if failures > len(self.delays):
            return None
        delay = float(self.delays[failures - 1])
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return max(delay, error.retry_after)
        return delay


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of work. `time_limit` is in seconds for one try; `max_crashes` is how often its worker may die before it
    is given up."""

    name: str
    lane: Lane = Lane.SHORT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    time_limit: float = 30.0
    max_crashes: int = 5


@dataclass(frozen=True, slots=True)
class NewMessage:
    """Work to be recorded. `key` makes it unique (a second one with the same key is dropped) until 60 days after it was
    done; `subject` (`portrait:<id>`) is for people and for purging; `due_at` None means now. The payload is JSON and holds
    ids, not personal data."""

    topic: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    subject: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message. `attempt` counts claims from 1, `failures` the tries that ended in an error; `request_id`
    came from the edge, `traceparent` (W3C, empty without traces) from the span that recorded it."""

    id: UUID
    topic: str
    payload: Mapping[str, Any]
    attempt: int
    failures: int
    request_id: str
    subject: str | None = None
    key: str | None = None
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was put back or given up; what `jobs show` prints."""

    kind: str
    message: str
    provider: str = ""
    operation: str = ""
    code: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """An unexpected exception is named by its type alone: its text may hold what must not be stored."""
        if isinstance(error, PortError):
            return cls(error.kind, error.message, error.provider, error.operation, error.code)
        return cls("unexpected", f"{type(error).__module__}.{type(error).__qualname__}")


class Delivery(Protocol[U_co]):
    """A leased message in the hands of a `run` handler."""

    @property
    def message(self) -> Message: ...

    def step(self) -> AbstractAsyncContextManager[U_co]:
        """A unit of work whose commit is refused (`LeaseLost`) when the lease has passed to another worker."""
        ...

    def finish(self) -> AbstractAsyncContextManager[U_co]:
        """Like `step`, and the message is done in the same commit."""
        ...


class GiveUp(Protocol[U_contra]):
    async def __call__(self, uow: U_contra, message: Message, failure: Failure) -> None: ...


@dataclass(frozen=True, slots=True)
class Handler(Generic[U]):
    """A topic with what does its work: exactly one of `handle` and `run`, and what compensates when it is given up
    (same commit as "dead")."""

    topic: Topic
    handle: Callable[[U, Message], Awaitable[None]] | None = None
    run: Callable[[Delivery[U]], Awaitable[None]] | None = None
    give_up: GiveUp[U] | None = None

    def __post_init__(self) -> None:
        if (self.handle is None) == (self.run is None):
            raise ValueError(f"{self.topic.name}: a handler has either handle or run")
