"""The months of a period, and the ends of days, in any zone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.credits.calendar_months import end_of_day, months_of

SEOUL, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York")
ZONES = st.sampled_from([SEOUL, NEW_YORK, UTC])
MOMENTS = st.integers(0, 12 * 366 * 24 * 60).map(lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


def later(moment: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The same day so many months later, or the last one of that month, found by trying."""
    local = moment.astimezone(zone)
    year, month = local.year + (local.month - 1 + months) // 12, (local.month - 1 + months) % 12 + 1
    for day in range(local.day, 0, -1):
        try:
            return local.replace(year=year, month=month, day=day).astimezone(UTC)
        except ValueError:
            continue
    raise AssertionError


@given(start=MOMENTS, months=st.integers(1, 24), zone=ZONES)
def test_a_period_of_months_is_cut_into_them_without_a_gap(start: datetime, months: int, zone: ZoneInfo) -> None:
    cut = months_of(start, later(start, months, zone), zone)
    assert [begins for begins, _ in cut] == [later(start, number, zone) for number in range(months)]
    assert (cut[0][0], cut[-1][1]) == (start, later(start, months, zone))
    assert all(ends == begins for (_, ends), (begins, _) in pairwise(cut))


@given(start=MOMENTS, days=st.integers(1, 800), zone=ZONES)
def test_any_period_begins_and_ends_with_its_months_and_none_is_a_sliver(start: datetime, days: int, zone: ZoneInfo) -> None:
    cut = months_of(start, start + timedelta(days=days), zone)
    assert (cut[0][0], cut[-1][1]) == (start, start + timedelta(days=days))
    assert all(ends == begins for (_, ends), (begins, _) in pairwise(cut))
    assert all(ends - begins > timedelta(days=min(days - 1, 12)) for begins, ends in cut)


@pytest.mark.parametrize(("day", "following"), [("2028-01-31", "2028-02-29"), ("2027-01-31", "2027-02-28")])
def test_the_last_day_of_a_month_stays_one_in_a_shorter_month(day: str, following: str) -> None:
    start = datetime.fromisoformat(f"{day}T10:00:00+09:00")
    cut = months_of(start, start + timedelta(days=91), SEOUL)
    begins = [begins.astimezone(SEOUL).date().isoformat() for begins, _ in cut]
    assert begins == [day, following, day.replace("-01-", "-03-")]


def test_a_trial_of_two_weeks_is_one_month() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    assert months_of(start, start + timedelta(days=14), SEOUL) == [(start, start + timedelta(days=14))]


@given(moment=MOMENTS, days=st.integers(0, 400), zone=ZONES)
def test_a_pack_is_good_until_a_midnight_no_less_than_its_days_later(moment: datetime, days: int, zone: ZoneInfo) -> None:
    end = end_of_day(moment, days, zone).astimezone(zone)
    assert end.replace(tzinfo=None).time() == datetime.min.time() or end.utcoffset() != moment.astimezone(zone).utcoffset()
    assert (end.date() - moment.astimezone(zone).date()).days == days + 1
