"""Work that comes back: the next run is a message with a due time, recorded by the run before it.

So a schedule needs no memory but the outbox: a process that dies loses no run, and any number of workers make no run twice.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, Topic
from madang.core.kernel.tracing import detached
from madang.core.kernel.unit_of_work import UnitOfWork, UnitOfWorkFactory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recurring:
    """`run` is called once in every interval of `every` (at least a second), somewhere in the deployment, and again for the
    same interval after a crash. It receives the delivery and commits by `delivery.step()`; the schedule finishes it."""

    topic: Topic
    every: timedelta
    run: Callable[[Delivery[Any]], Awaitable[None]]


def handler_of(work: Recurring, clock: Clock) -> Handler[Any]:
    """A run that fails is tried again by the topic's policy; one that is given up stays visible as dead, and the schedule goes
    on."""

    async def run(delivery: Delivery[Any]) -> None:
        await work.run(delivery)
        async with delivery.finish() as uow:
            with detached():
                uow.send(next_run(work, clock.now(), delivery.message))

    async def give_up(uow: UnitOfWork, message: Message, failure: Failure) -> None:
        logger.error("job %s was given up: %s", work.topic.name, failure.message)
        with detached():
            uow.send(next_run(work, clock.now(), message))

    return Handler(work.topic, run=run, give_up=give_up)


async def schedule(works: Sequence[Recurring], units: UnitOfWorkFactory[UnitOfWork], clock: Clock) -> None:
    """Record the next run of each, unless it is recorded already: asked for by every worker that starts."""
    if works:
        async with units() as uow:
            for work in works:
                uow.send(next_run(work, clock.now()))


def next_run(work: Recurring, now: datetime, last: Message | None = None) -> NewMessage:
    """At the beginning of the next interval, counted from the epoch; its length and number make the message unique.

    Always after the last run's: what is due is the database's to say, and by our clock that interval may not have begun.
    """
    seconds = work.every.total_seconds()
    series = f"{work.topic.name}:{seconds:g}:"
    number = max(int(now.timestamp() // seconds), _number(last, series)) + 1
    due_at = datetime.fromtimestamp(0, tz=now.tzinfo) + timedelta(seconds=number * seconds)
    return NewMessage(work.topic.name, key=f"{series}{number}", due_at=due_at)


def _number(run: Message | None, series: str) -> int:
    """Numbers of an earlier release's intervals say nothing about these."""
    key = run.key if run is not None else None
    return int(key.removeprefix(series)) if key is not None and key.startswith(series) else 0
