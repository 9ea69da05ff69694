"""Actions: effects outside that cannot be undone, each with a committed intent before it and a committed outcome after it.

A charge, a refund, an SMS, a paid prediction. The states tell a later worker what the earlier one may have done:

    queued → running → succeeded | failed | unknown        unknown → succeeded | failed | running (never blindly)

`running` found by a new lease holder means that the process died during the call: it is treated as `unknown`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Delivery, Failure
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported

_repeated: ContextVar[bool] = ContextVar("repeated", default=False)


class ActionState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Action:
    """`key` is unique and is what the provider gets as idempotency key; `result` is JSON."""

    id: UUID
    key: str
    kind: str
    provider: str
    subject: str | None
    state: ActionState
    created_at: datetime
    updated_at: datetime
    result: Mapping[str, Any] | None = None
    failure: Failure | None = None
    tries: int = 0


class ActionRepository(Protocol):
    async def get(self, key: str) -> Action | None: ...

    async def save(self, action: Action) -> None:
        """Insert or update by key."""
        ...

    async def in_state(self, state: ActionState, *, limit: int = 100) -> Sequence[Action]: ...

    async def abandon(self, subject: str, failure: Failure, now: datetime) -> int:
        """Fail what is neither done nor failed about `subject`, because nobody will ask for it any more; how many."""
        ...


class ActionsUnitOfWork(Protocol):
    @property
    def actions(self) -> ActionRepository: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """How to do it, and how to find out whether it was done.

    `look_up` answers the result, or None when it surely was not done; without one, `repeatable` says that the provider itself
    honours the key, so that calling again is safe. With neither, an unknown outcome waits for a person. `time_limit` is in
    seconds and is there for the worst: see `patience`.
    """

    key: str
    kind: str
    provider: str
    call: Callable[[], Awaitable[Mapping[str, Any]]]
    look_up: Callable[[], Awaitable[Mapping[str, Any] | None]] | None = None
    repeatable: bool = False
    subject: str | None = None
    time_limit: float = 120.0
    surely_not_done: tuple[type[Exception], ...] = field(default=(Unavailable, RateLimited, Misconfigured, Unsupported))


def patience(timeout: float) -> float:
    """The time limit of an effect whose provider is granted `timeout` seconds: it may wait its turn for as long before, and
    whoever passes the call on says more than we can about one that does not end."""
    return 2 * timeout + 5


def is_repeated() -> bool:
    """Whether the call under way repeats one that may have been done: only the same provider, asked with the same key, can
    tell. Sparing it the call, or going elsewhere, is no choice then."""
    return _repeated.get()


async def perform(delivery: Delivery[Any], effect: Effect, clock: Clock) -> Mapping[str, Any]:
    """Do the effect at most once and answer its result, also when an earlier worker already did it.

    Raises what the provider raised; `OutcomeUnknown` when nobody can tell; `Rejected` again for an action that failed for good.
    """
    action = await _declare(delivery, effect, clock)
    if action.state is ActionState.SUCCEEDED:
        return action.result or {}
    if action.state is ActionState.FAILED:
        raise _rejected_again(action)
    in_doubt = action.state is ActionState.UNKNOWN and effect.look_up is None
    if action.state is ActionState.UNKNOWN:
        found = await _resolve(effect)
        if found is not None:
            await _record(delivery, action, clock, ActionState.SUCCEEDED, result=found)
            return found
    action = await _record(delivery, action, clock, ActionState.RUNNING, tries=action.tries + 1)
    return await _call(delivery, effect, action, clock, in_doubt=in_doubt)


async def resolve(delivery: Delivery[Any], effect: Effect, clock: Clock) -> None:
    """Leave no doubt about an effect that is no longer wanted: an unknown outcome is looked up where that can be done, and
    nothing is called. Raises `OutcomeUnknown` while the provider cannot tell."""
    action = await _declare(delivery, effect, clock)
    if action.state is not ActionState.UNKNOWN or effect.look_up is None:
        return
    found = await _resolve(effect)
    if found is None:
        failure = Failure("not_done", "looked up when it was no longer wanted: it was not done", effect.provider, effect.kind)
        await _record(delivery, action, clock, ActionState.FAILED, failure=failure)
    else:
        await _record(delivery, action, clock, ActionState.SUCCEEDED, result=found)


async def _declare(delivery: Delivery[Any], effect: Effect, clock: Clock) -> Action:
    """The action as an earlier worker left it, `running` read as `unknown`; a new one is not written before `running` is."""
    async with delivery.step() as uow:
        found: Action | None = await uow.actions.get(effect.key)
    if found is None:
        now = clock.now()
        return Action(new_id(), effect.key, effect.kind, effect.provider, effect.subject, ActionState.QUEUED, now, now)
    return replace(found, state=ActionState.UNKNOWN) if found.state is ActionState.RUNNING else found


async def _resolve(effect: Effect) -> Mapping[str, Any] | None:
    """What an earlier try did, None when calling is safe. A look-up that fails says nothing of the effect."""
    if effect.look_up is not None:
        try:
            return await effect.look_up()
        except PortError as error:
            raise _still_unknown(effect, error) from error
    if effect.repeatable:
        return None
    raise OutcomeUnknown(
        "an earlier try may have been done, and the provider cannot be asked: a person must look",
        provider=effect.provider,
        operation=effect.kind,
    )


async def _call(delivery: Delivery[Any], effect: Effect, action: Action, clock: Clock, *, in_doubt: bool) -> Mapping[str, Any]:
    """With `in_doubt` an earlier try may have been done, and this one repeats it: that it was not done says nothing of that."""
    try:
        async with asyncio.timeout(effect.time_limit):
            with _repeating(in_doubt):
                result = await effect.call()
    except effect.surely_not_done as error:
        state = ActionState.UNKNOWN if in_doubt else ActionState.QUEUED
        await _record(delivery, action, clock, state, failure=Failure.of(error))
        if in_doubt:
            raise _still_unknown(effect, error) from error
        raise
    except Rejected as error:
        await _record(delivery, action, clock, ActionState.FAILED, failure=Failure.of(error))
        raise
    except TimeoutError as error:
        await _record(delivery, action, clock, ActionState.UNKNOWN, failure=Failure.of(error))
        raise OutcomeUnknown("no answer in time", provider=effect.provider, operation=effect.kind) from error
    except Exception as error:
        await _record(delivery, action, clock, ActionState.UNKNOWN, failure=Failure.of(error))
        raise
    await _record(delivery, action, clock, ActionState.SUCCEEDED, result=result)
    return result


@contextmanager
def _repeating(in_doubt: bool) -> Iterator[None]:
    token = _repeated.set(in_doubt)
    try:
        yield
    finally:
        _repeated.reset(token)


async def _record(delivery: Delivery[Any], action: Action, clock: Clock, state: ActionState, **changes: Any) -> Action:
    changed = replace(action, state=state, updated_at=clock.now(), **changes)
    async with delivery.step() as uow:
        await uow.actions.save(changed)
    return changed


def _still_unknown(effect: Effect, error: Exception) -> OutcomeUnknown:
    failure = Failure.of(error)
    return OutcomeUnknown(
        f"an earlier try may have been done, and the provider did not tell: {failure.kind}",
        provider=effect.provider,
        operation=effect.kind,
        code=failure.code,
    )


def _rejected_again(action: Action) -> Rejected:
    failure = action.failure or Failure("rejected", "refused earlier")
    return Rejected(
        failure.message, reason="refused_earlier", provider=action.provider, operation=action.kind, code=failure.code
    )
