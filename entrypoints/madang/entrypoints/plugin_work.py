"""What plugins listen to and what they do on a schedule, as ordinary messages of the outbox: kept, leased and retried."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, Topic
from madang.core.kernel.unit_of_work import UnitOfWork, UnitOfWorkFactory
from madang.plugins.declarations import PluginEvent
from madang.plugins.registry import Job, Listener

_log: Final = logging.getLogger(__name__)
_TIME_LIMIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class PluginWork:
    """The listeners and jobs of the plugins that the deployment uses."""

    listeners: Sequence[Listener]
    jobs: Sequence[Job]
    clock: Clock

    def handlers(self) -> Sequence[Handler[Any]]:
        return (*map(_listening, self.listeners), *(_working(job, self.clock) for job in self.jobs))

    def subscribe(self, subscriptions: Subscriptions) -> None:
        for listener in self.listeners:
            subscriptions.subscribe(listener.event, _topic_of_listener(listener))

    async def schedule(self, units: UnitOfWorkFactory[UnitOfWork]) -> None:
        """Record the next run of every job, unless it is recorded already: asked for by every worker that starts."""
        if self.jobs:
            async with units() as uow:
                for job in self.jobs:
                    uow.send(_next_run(job, self.clock.now()))


def _topic_of_listener(listener: Listener) -> str:
    return f"plugin.{listener.name}.{listener.event}"


def _listening(listener: Listener) -> Handler[Any]:
    async def run(delivery: Delivery[Any]) -> None:
        message = delivery.message
        event = PluginEvent(str(message.id), listener.event, message.subject or "", message.payload)
        await listener.call(event)

    return Handler(Topic(_topic_of_listener(listener), time_limit=_TIME_LIMIT), run=run)


def _working(job: Job, clock: Clock) -> Handler[Any]:
    async def run(delivery: Delivery[Any]) -> None:
        await job.call()
        async with delivery.finish() as uow:
            uow.send(_next_run(job, clock.now(), delivery.message))

    async def give_up(uow: UnitOfWork, message: Message, failure: Failure) -> None:
        """This run is lost and stays visible as dead; the schedule goes on."""
        _log.error("job %s was given up: %s", job.name, failure.message)
        uow.send(_next_run(job, clock.now(), message))

    return Handler(Topic(_topic_of_job(job), time_limit=_TIME_LIMIT), run=run, give_up=give_up)


def _topic_of_job(job: Job) -> str:
    return f"plugin.{job.name}"


def _next_run(job: Job, now: datetime, last: Message | None = None) -> NewMessage:
    """At the beginning of the next interval, counted from the epoch; its length and number make the message unique.

    Always after the last run's: what is due is the database's to say, and by our clock that interval may not have begun.
    """
    seconds = job.every.total_seconds()
    series = f"{_topic_of_job(job)}:{seconds:g}:"
    number = max(int(now.timestamp() // seconds), _number(last, series)) + 1
    due_at = datetime.fromtimestamp(0, tz=now.tzinfo) + timedelta(seconds=number * seconds)
    return NewMessage(_topic_of_job(job), key=f"{series}{number}", due_at=due_at)


def _number(run: Message | None, series: str) -> int:
    """Numbers of an earlier release's intervals say nothing about these."""
    key = run.key if run is not None else None
    return int(key.removeprefix(series)) if key is not None and key.startswith(series) else 0
