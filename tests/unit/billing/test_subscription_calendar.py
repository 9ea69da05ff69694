"""Periods are counted from one anchor: they neither drift nor overlap, whatever the month, the year and the clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.subscriptions.calendar import BillingCalendar, days_later, months_later

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")

zones = st.sampled_from([SEOUL, NEW_YORK, ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")])
anchors = st.datetimes(datetime(2000, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 – naive bounds
calendars = st.builds(BillingCalendar, anchors, st.sampled_from([1, 2, 3, 6, 12]), zones)


def days(anchor: datetime, zone: ZoneInfo, count: int) -> list[str]:
    calendar = BillingCalendar(anchor, 1, zone)
    return [f"{calendar.boundary(cycle).astimezone(zone):%m-%d %H:%M}" for cycle in range(count)]


def test_the_last_of_january_comes_back_after_a_short_february() -> None:
    assert days(datetime(2026, 1, 31, 9, 30, tzinfo=SEOUL), SEOUL, 5) == [
        "01-31 09:30",
        "02-28 09:30",
        "03-31 09:30",
        "04-30 09:30",
        "05-31 09:30",
    ]


def test_a_leap_day_is_kept_for_the_next_leap_year() -> None:
    yearly = BillingCalendar(datetime(2028, 2, 29, 12, tzinfo=SEOUL), 12, SEOUL)
    assert [f"{yearly.boundary(cycle).astimezone(SEOUL):%Y-%m-%d}" for cycle in range(5)] == [
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]


def test_the_day_is_that_of_the_zone_and_not_of_utc() -> None:
    """Half past eight in the evening of UTC is the next day in Seoul: the 1st, and not the last."""
    anchor = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
    assert days(anchor, SEOUL, 3) == ["02-01 05:30", "03-01 05:30", "04-01 05:30"]
    assert days(anchor, ZoneInfo("UTC"), 3) == ["01-31 20:30", "02-28 20:30", "03-31 20:30"]


def test_the_time_of_day_stays_when_the_clocks_change() -> None:
    winter = datetime(2026, 2, 10, 9, 0, tzinfo=NEW_YORK)
    april = months_later(winter, 2, NEW_YORK)
    assert april.astimezone(NEW_YORK).hour == 9
    assert april - winter == timedelta(days=59) - timedelta(hours=1)


def test_a_time_that_the_clocks_skip_is_an_hour_later_that_day_and_itself_again_the_next_month() -> None:
    anchor = datetime(2026, 2, 8, 2, 30, tzinfo=NEW_YORK)
    assert days(anchor, NEW_YORK, 3) == ["02-08 02:30", "03-08 03:30", "04-08 02:30"]


def test_of_a_time_that_the_clocks_show_twice_the_first_is_meant() -> None:
    anchor = datetime(2026, 10, 1, 1, 30, tzinfo=NEW_YORK)
    november = months_later(anchor, 1, NEW_YORK)
    assert november == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_an_anchor_in_the_second_of_two_hours_is_itself() -> None:
    anchor = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1)
    assert BillingCalendar(anchor.astimezone(UTC), 1, NEW_YORK).boundary(0) == anchor.astimezone(UTC)


@pytest.mark.parametrize(("number", "expected"), [(0, "11-21"), (14, "12-05")])
def test_a_trial_ends_at_the_same_time_of_day(number: int, expected: str) -> None:
    end = days_later(datetime(2026, 11, 21, 18, 5, tzinfo=SEOUL), number, SEOUL)
    assert f"{end.astimezone(SEOUL):%m-%d %H:%M}" == f"{expected} 18:05"


@given(calendars, st.integers(0, 400))
def test_the_nth_period_is_the_same_however_one_comes_to_it(calendar: BillingCalendar, cycle: int) -> None:
    """No drift: the day is the anchor's, or the month's last where the month is too short."""
    boundary = calendar.boundary(cycle).astimezone(calendar.zone)
    anchor = calendar.anchor.astimezone(calendar.zone)
    months = (boundary.year - anchor.year) * 12 + boundary.month - anchor.month
    assert months == cycle * calendar.interval_months
    tomorrow = boundary.date() + timedelta(days=1)
    assert boundary.day == anchor.day or (boundary.day < anchor.day and tomorrow.month != boundary.month)


@given(calendars, st.integers(-60, 400))
def test_periods_are_contiguous_and_go_forward(calendar: BillingCalendar, cycle: int) -> None:
    starts_at, ends_at = calendar.boundary(cycle), calendar.boundary(cycle + 1)
    assert starts_at < ends_at
    assert ends_at - starts_at >= timedelta(days=27, hours=22) * calendar.interval_months


@given(calendars, st.integers(0, 200), st.integers(0, 999))
def test_every_moment_is_in_exactly_one_period(calendar: BillingCalendar, cycle: int, part: int) -> None:
    starts_at, ends_at = calendar.boundary(cycle), calendar.boundary(cycle + 1)
    moment = starts_at + (ends_at - starts_at) * part // 1000
    assert calendar.cycle_at(moment) == cycle
    assert calendar.cycle_at(ends_at) == cycle + 1
