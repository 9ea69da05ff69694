"""When a rule fires: once for an episode, cleared once, and not at all for a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.operations.alert_rules import AlertRule, Reading
from madang.core.operations.alert_states import Alert, AlertChange, AlertState, step

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = AlertRule("failures", "%", 10, lambda _: Reading(0, 0), lasting=2 * MINUTE, calm=3 * MINUTE, silence=10 * MINUTE)
HIGH, BORDER, LOW = 11.0, 9.5, 2.0

values = st.one_of(st.none(), st.sampled_from([HIGH, BORDER, LOW, 10.0, 9.0]), st.floats(0, 100))


def told(*each_minute: float | None) -> list[tuple[int, AlertChange]]:
    """What operators hear, and in which minute."""
    alert, changes = Alert(RULE.name, AlertState.QUIET, BEGIN), []
    for minute, value in enumerate(each_minute):
        alert, change = step(alert, RULE, value, BEGIN + minute * MINUTE)
        if change is not None:
            changes.append((minute, change))
    return changes


@given(st.lists(values, max_size=120))
def test_raised_and_cleared_take_turns_whatever_comes(each_minute: list[float | None]) -> None:
    changes = [change for _, change in told(*each_minute)]
    assert changes == [AlertChange.RAISED, AlertChange.CLEARED] * (len(changes) // 2) + [AlertChange.RAISED] * (
        len(changes) % 2
    )


@given(st.lists(values, max_size=120))
def test_nothing_is_raised_without_being_above_for_as_long_as_it_must_last(each_minute: list[float | None]) -> None:
    for minute, change in told(*each_minute):
        before = each_minute[max(0, minute - 2) : minute + 1]
        if change is AlertChange.RAISED:
            assert all(value is not None and value > RULE.threshold for value in before)
        else:
            assert all(value is None or value <= RULE.clears_at for value in before)


@given(st.lists(st.floats(9.0, 10.0, exclude_min=True), min_size=1, max_size=60), st.booleans())
def test_at_the_border_nothing_changes(between: list[float], fires: bool) -> None:
    before = [HIGH] * 3 if fires else [LOW] * 3
    assert len(told(*before, *between)) == int(fires)


@pytest.mark.parametrize(
    ("each_minute", "heard"),
    [
        ([HIGH, HIGH], []),
        ([HIGH, HIGH, HIGH, HIGH], [(2, "raised")]),
        ([HIGH, HIGH, LOW, HIGH, HIGH], []),
        ([HIGH, None, HIGH, HIGH], []),
        ([HIGH] * 3 + [LOW] * 4, [(2, "raised"), (6, "cleared")]),
        ([HIGH] * 3 + [LOW] * 3 + [HIGH] + [LOW] * 3, [(2, "raised")]),
        ([HIGH] * 3 + [BORDER] * 30, [(2, "raised")]),
        ([HIGH] * 3 + [None] * 10, [(2, "raised")]),
        ([HIGH] * 3 + [None] * 11, [(2, "raised"), (13, "cleared")]),
        ([HIGH] * 3 + [None] * 9 + [LOW], [(2, "raised"), (12, "cleared")]),
    ],
)
def test_who_hears_what_and_when(each_minute: list[float | None], heard: list[tuple[int, str]]) -> None:
    assert told(*each_minute) == heard
