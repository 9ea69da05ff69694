"""Counting, summing up, and what the rules read from it."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.psutil.gauge import PsutilGauge
from madang.core.kernel.ids import new_id
from madang.core.operations.alert_rules import RULES
from madang.core.operations.measurements import BOUNDS, CallName, Durations, Measurement, Meter, SystemReading

RULE = {rule.name: rule for rule in RULES}
NOW = timedelta(0)
seconds = st.lists(st.floats(0, 200), min_size=1, max_size=50)


def durations(*all_seconds: float) -> Durations:
    found = Durations()
    for each in all_seconds:
        found.add(each)
    return found


def measured(process: str = "api:1", *, age: timedelta = NOW, **parts: object) -> Measurement:
    return Measurement(new_id(), process, "api", **{"requests": Durations(), "errors": 0, "calls": {}, **parts}, age=age)  # type: ignore[arg-type]


def calls(kind: str, **outcomes: int) -> dict[CallName, Durations]:
    return {CallName(kind, "sandbox", outcome): durations(*[0.1] * count) for outcome, count in outcomes.items()}


@given(seconds, st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_real_one(all_seconds: list[float], share: float) -> None:
    ordered = sorted(all_seconds)
    real = next(each for number, each in enumerate(ordered, 1) if number >= share * len(ordered))
    edges = [0.0, *BOUNDS]
    low = max(edge for edge in edges if edge < real or edge == 0)
    high = next((edge for edge in BOUNDS if edge >= real), BOUNDS[-1])
    assert low <= durations(*all_seconds).quantile(share) <= high


@given(seconds, seconds)
def test_merged_durations_are_those_of_all(some: list[float], others: list[float]) -> None:
    merged = durations(*some)
    merged.merge(durations(*others))
    together = durations(*some, *others)
    assert (merged.count, merged.buckets) == (together.count, together.buckets)
    assert merged.seconds == pytest.approx(together.seconds)


def test_what_is_taken_from_a_meter_is_counted_anew() -> None:
    meter = Meter()
    meter.answered(200, 0.1)
    meter.answered(503, 2.0)
    meter.called(CallName("sms", "sandbox", "done"), 0.2)
    first, second = meter.take("a", "api", SystemReading()), meter.take("a", "api", SystemReading())
    assert (first.requests.count, first.errors, [took.count for took in first.calls.values()]) == (2, 1, [1])
    assert (second.requests.count, second.errors, second.calls) == (0, 0, {})


@pytest.mark.parametrize(
    ("rule", "measurements", "value"),
    [
        ("payment_failures", [measured(calls=calls("payment", done=8, unavailable=1, rejected=1))], 20),
        ("payment_failures", [measured(calls=calls("payment", done=5)), measured("b", calls=calls("payment", failed=5))], 50),
        ("payment_failures", [measured(calls=calls("payment", unavailable=9))], None),
        ("payment_failures", [measured(calls=calls("sms", unavailable=90))], None),
        ("ai_failures", [measured(calls={**calls("text_model", done=15), **calls("image_model", failed=5)})], 25),
        ("sms_failures", [measured(calls=calls("sms", done=20), age=timedelta(minutes=16))], None),
        ("error_rate", [measured(requests=durations(*[0.1] * 50), errors=5)], 10),
        ("error_rate", [measured(requests=durations(*[0.1] * 49), errors=49)], None),
        ("memory", [measured("a", system=SystemReading(memory=50)), measured("b", system=SystemReading(memory=90))], 90),
        ("cpu", [measured(system=SystemReading(cpu=60)), measured(system=SystemReading(cpu=90))], 75),
        ("disk", [measured()], None),
        ("disk", [measured(system=SystemReading(disk=86))], 86),
    ],
)
def test_a_rule_reads_its_share_over_all_processes_or_nothing_of_too_little(
    rule: str, measurements: list[Measurement], value: float | None
) -> None:
    assert RULE[rule].value(measurements) == (None if value is None else pytest.approx(value))


def test_slow_answers_are_those_that_more_than_a_twentieth_waits_for() -> None:
    few, many = durations(*[0.1] * 97, *[4.0] * 3), durations(*[0.1] * 90, *[4.0] * 10)
    assert (RULE["response_time"].value([measured(requests=few)]) or 9) < 1
    assert (RULE["response_time_critical"].value([measured(requests=many)]) or 0) > 3


def test_a_container_is_measured_by_its_own_limits(tmp_path: Path) -> None:
    files = {
        "memory.max": "1000",
        "memory.current": "900",
        "memory.stat": "anon 500\ninactive_file 150\n",
        "cpu.max": "50000 100000",
        "cpu.stat": "usage_usec 1000000\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    gauge = PsutilGauge(tmp_path, control_group=tmp_path)
    first = gauge.read()
    (tmp_path / "cpu.stat").write_text("usage_usec 9000000000000\n")
    assert (first.memory, first.cpu) == (75, None)
    assert gauge.read().cpu == 100


def test_without_limits_it_is_the_machine_that_is_measured(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max")
    reading = PsutilGauge(tmp_path, control_group=tmp_path).read()
    assert all(value is not None and 0 <= value <= 100 for value in (reading.memory, reading.cpu, reading.disk))


def test_a_folder_that_is_not_there_has_no_disk(tmp_path: Path) -> None:
    assert PsutilGauge(tmp_path / "none", control_group=tmp_path).read().disk is None


@pytest.mark.parametrize(
    ("name", "counted"), [("payment_amounts", "wrong_amounts"), ("stuck_subscriptions", "stuck_subscriptions")]
)
@pytest.mark.parametrize("value", [None, 0, 2])
def test_one_row_is_enough_to_fire_at_once_and_none_is_a_reading_too(name: str, counted: str, value: int | None) -> None:
    rule = RULE[name]
    told = [] if value is None else [measured(), measured(**{counted: value})]
    assert rule.value(told) == (value or 0)
    assert ((value or 0) > rule.threshold, rule.lasting) == (value == 2, NOW)
