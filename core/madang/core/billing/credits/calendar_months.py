"""The months of a subscription's period, and the ends of days, by the calendar of the deployment's zone."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise
from typing import Final

_DAYS_OF_A_MONTH: Final = 30.44
_EXACT: Final = timedelta(microseconds=1)


def months_of(start: datetime, end: datetime, zone: tzinfo) -> Sequence[tuple[datetime, datetime]]:
    """The period cut at the same day of each month (the last one where a month is shorter) and the same time of day; the first
    begins with the period and the last ends with it. A trial of two weeks is one month."""
    number = max(1, round((end - start) / timedelta(days=_DAYS_OF_A_MONTH)))
    begins = [start, *(_months_later(start, count, zone) for count in range(1, number))]
    return list(pairwise([*begins, end]))


def share_of_month(start: datetime, end: datetime, zone: tzinfo) -> Fraction:
    """How much this is of the month that begins then; at most the whole."""
    return min(Fraction(1), Fraction((end - start) // _EXACT, (_months_later(start, 1, zone) - start) // _EXACT))


def end_of_day(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """The midnight that ends the day so many days later: who bought in the morning has no less than who bought at night."""
    day = moment.astimezone(zone).date() + timedelta(days=days + 1)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _months_later(start: datetime, count: int, zone: tzinfo) -> datetime:
    local = start.astimezone(zone)
    years, month = divmod(local.month - 1 + count, 12)
    year = local.year + years
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day).astimezone(UTC)
