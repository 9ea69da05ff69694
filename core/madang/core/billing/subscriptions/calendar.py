"""When the periods of a subscription begin and end.

Every boundary is counted from the anchor and never from the boundary before it, so that a month that is too short takes
nothing from those after it: 31 January, 28 February, 31 March. The day and the time of day are those of a time zone; a boundary
that its clocks skip or show twice is taken as PEP 495 has it (`fold=0`): by the offset before the gap, and the first of two.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """Cycles of `interval_months` from `anchor` on; cycle 0 begins there. All answers are in UTC."""

    anchor: datetime
    interval_months: int
    zone: ZoneInfo

    def boundary(self, cycle: int) -> datetime:
        """Where this cycle begins, and the one before it ends."""
        return months_later(self.anchor, cycle * self.interval_months, self.zone)

    def cycle_at(self, moment: datetime) -> int:
        """The cycle that this moment is in; negative before the anchor."""
        local, begun = moment.astimezone(self.zone), self.anchor.astimezone(self.zone)
        months = (local.year - begun.year) * 12 + local.month - begun.month
        cycle = months // self.interval_months
        while self.boundary(cycle) > moment:
            cycle -= 1
        while self.boundary(cycle + 1) <= moment:
            cycle += 1
        return cycle


def months_later(anchor: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The anchor's day and time of day that many months later, on the month's last day where it has no such day."""
    local = anchor.astimezone(zone)
    month = local.year * 12 + local.month - 1 + months
    year, number = month // 12, month % 12 + 1
    day = min(local.day, monthrange(year, number)[1])
    return local.replace(year=year, month=number, day=day, fold=local.fold if months == 0 else 0).astimezone(UTC)


def days_later(anchor: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same time of day that many days later."""
    local = anchor.astimezone(zone)
    return (local.replace(fold=local.fold if days == 0 else 0) + timedelta(days=days)).astimezone(UTC)
