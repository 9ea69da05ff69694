"""The months of a period, and the ends of days, in any zone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.billing.credits.calendar_months import end_of_day, months_of
from madang.core.billing.credits.model import CreditMonth
from madang.core.billing.credits.monthly import credits_of_months
from madang.core.kernel.ids import new_id

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


@given(
    changes=st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 5 * 24 * 60)), min_size=1, max_size=6),
    start=MOMENTS,
    zone=ZONES,
)
def test_changing_a_plan_to_and_fro_grants_no_more_than_the_dearest_of_them(
    changes: list[tuple[int, int]], start: datetime, zone: ZoneInfo
) -> None:
    """All within one month: what all of them grant for the time that is left is the most that one of them would."""
    now, end = start, later(start, 1, zone)
    running: list[CreditMonth] = []
    for number, (credits_, minutes) in enumerate(changes, 1):
        now = min(now + timedelta(minutes=minutes), end - timedelta(minutes=1)) if running else start
        [(amount, begins, ends)] = credits_of_months(credits_, (now, end), running, zone)
        assert (begins, ends) == (now, end)
        if not running:
            assert amount == credits_
        dearest = max(credits_ for credits_, _ in changes[:number])
        running.append(CreditMonth(new_id(), new_id(), new_id(), number, 1, amount, begins, ends))
        share = (end - now) / timedelta(days=28)
        assert sum(month.left_at(now) for month in running) <= dearest * share + 1
        assert sum(month.left_at(now) for month in running) >= credits_ * (end - now) / timedelta(days=31) - 1


def test_a_period_that_ends_before_it_begins_has_no_months() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    assert credits_of_months(100, (start, start), [], SEOUL) == []
