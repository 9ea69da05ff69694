"""The days of a payment plan as moments in the deployment's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from madang.core.billing.subscriptions.calendar import days_later, months_later

REMINDER_DAYS: Final = (-3, 0, 3, 7)
FEE_LEAD: Final = timedelta(days=7)
"""A month's fee is there to be paid this long before its day."""

_MORNING: Final = time(9)
_NOON: Final = time(12)


@dataclass(frozen=True, slots=True)
class Reminder:
    """`day` counts from the due day: -3 is three days before it."""

    at: datetime
    day: int


@dataclass(frozen=True, slots=True)
class PlanCalendar:
    """`reminder_days` are in order."""

    zone: ZoneInfo
    reminder_days: Sequence[int] = REMINDER_DAYS

    def today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """The first moment of the next day."""
        return datetime.combine(day + timedelta(days=1), time.min, self.zone).astimezone(UTC)

    def first_reminder(self, due: date, now: datetime) -> Reminder | None:
        """The first one that is still to come, at nine in the morning."""
        for day in self.reminder_days:
            at = datetime.combine(due + timedelta(days=day), _MORNING, self.zone).astimezone(UTC)
            if at > now:
                return Reminder(at, day)
        return None

    def after(self, reminder: Reminder) -> Reminder | None:
        """The next one of the same due day."""
        for day in self.reminder_days:
            if day > reminder.day:
                return Reminder(days_later(reminder.at, day - reminder.day, self.zone), day)
        return None

    def fee_day(self, anchor: date, month: int) -> date:
        """That many months after the anchor, on its day or on the month's last one."""
        noon = datetime.combine(anchor, _NOON, self.zone)
        return months_later(noon, month, self.zone).astimezone(self.zone).date()

    def fee_made_at(self, day: date) -> datetime:
        return datetime.combine(day - FEE_LEAD, time.min, self.zone).astimezone(UTC)
