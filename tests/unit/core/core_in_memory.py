"""A database in memory that commits or forgets, and a worker that can die at any of its commits."""

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Message, NewMessage
from madang.core.notifications.model import Notification

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


class Died(BaseException):
    """The process is gone: like `kill -9`, no handler of exceptions sees it."""


class StandingClock:
    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        self.at += time


class ActionRows:
    def __init__(self) -> None:
        self.rows: dict[str, Action] = {}

    async def get(self, key: str) -> Action | None:
        return self.rows.get(key)

    async def save(self, action: Action) -> None:
        self.rows[action.key] = action

    async def in_state(self, state: ActionState, *, limit: int = 100) -> Sequence[Action]:
        return [action for action in self.rows.values() if action.state is state][:limit]


class NotificationRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, Notification] = {}

    async def add(self, notification: Notification) -> bool:
        if any(row.key == notification.key for row in self.rows.values()):
            return False
        self.rows[notification.id] = notification
        return True

    async def get(self, notification_id: UUID, *, lock: bool = False) -> Notification | None:
        return self.rows.get(notification_id)

    async def update(self, notification: Notification) -> None:
        self.rows[notification.id] = notification

    async def purge(self, subject: str) -> int:
        raise NotImplementedError


class UnitInMemory:
    """Fulfils `NotificationsUnitOfWork`."""

    def __init__(self) -> None:
        self.actions = ActionRows()
        self.notifications = NotificationRows()
        self.sent: list[NewMessage] = []

    def send(self, message: NewMessage) -> None:
        if message.key is None or all(message.key != other.key for other in self.sent):
            self.sent.append(message)

    def announce(self, event: Event) -> None:
        raise NotImplementedError


@dataclass
class DatabaseInMemory:
    """`commits` counts; `fail_at` maps the number of a commit (from 1) to what it raises instead of committing, or, for
    `Died`, after having committed."""

    state: UnitInMemory = field(default_factory=UnitInMemory)
    commits: int = 0
    fail_at: dict[int, BaseException] = field(default_factory=dict)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitInMemory]:
        unit = copy.deepcopy(self.state)
        yield unit
        self.commits += 1
        error = self.fail_at.get(self.commits)
        if error is None or isinstance(error, Died):
            self.state = unit
        if error is not None:
            raise error

    def action(self, key: str) -> Action:
        return self.state.actions.rows[key]


class DeliveryInMemory:
    """Fulfils `Delivery`; `done` once `finish` has committed."""

    def __init__(self, database: DatabaseInMemory, payload: Mapping[str, Any] | None = None) -> None:
        self.database = database
        self.message = Message(new_id(), "test.topic", payload or {}, 1, 0, "req-test")
        self.done = False

    @asynccontextmanager
    async def step(self) -> AsyncIterator[UnitInMemory]:
        async with self.database.unit() as unit:
            yield unit

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[UnitInMemory]:
        async with self.database.unit() as unit:
            yield unit
        self.done = True
