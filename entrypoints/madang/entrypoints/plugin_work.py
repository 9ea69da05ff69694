"""What plugins listen to and what they do on a schedule, as ordinary messages of the outbox: kept, leased and retried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Delivery, Handler, Topic
from madang.core.kernel.schedules import Recurring
from madang.plugins.declarations import PluginEvent
from madang.plugins.registry import Job, Listener

_TIME_LIMIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class PluginWork:
    """The listeners and jobs of the plugins that the deployment uses."""

    listeners: Sequence[Listener]
    jobs: Sequence[Job]

    def handlers(self) -> Sequence[Handler[Any]]:
        return [_listening(listener) for listener in self.listeners]

    def recurring(self) -> Sequence[Recurring]:
        return [_recurring(job) for job in self.jobs]

    def subscribe(self, subscriptions: Subscriptions) -> None:
        for listener in self.listeners:
            subscriptions.subscribe(listener.event, _topic_of_listener(listener))


def _topic_of_listener(listener: Listener) -> str:
    return f"plugin.{listener.name}.{listener.event}"


def _listening(listener: Listener) -> Handler[Any]:
    async def run(delivery: Delivery[Any]) -> None:
        message = delivery.message
        event = PluginEvent(str(message.id), listener.event, message.subject or "", message.payload)
        await listener.call(event)

    return Handler(Topic(_topic_of_listener(listener), time_limit=_TIME_LIMIT), run=run)


def _recurring(job: Job) -> Recurring:
    async def run(_: Delivery[Any]) -> None:
        await job.call()

    return Recurring(Topic(f"plugin.{job.name}", time_limit=_TIME_LIMIT), job.every, run)
