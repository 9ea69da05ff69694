"""Which numbers wake an operator: the rules of the seeds as data, and what each reads from the measurements.

Seed 003 ("알림"): failures of payments above 10 %, of AI and SMS above 5 %, answers slower than 3 s. Seed 002
(`ALERT_THRESHOLDS`): answers slower than 1 s, errors above 5 %, memory above 80 %, CPU above 70 %, disk above 85 %.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from madang.core.operations.measurements import CallName, Durations, Measurement, SystemReading

SLOWEST_SHARE: Final = 0.95
"""Of the answers, how many must come within the time: one slow report is no slow API."""
DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Reading:
    """`sample`: how many calls, answers or intervals it rests on."""

    value: float
    sample: int


Measure = Callable[[Sequence[Measurement]], Reading]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Raised when the value has been above `threshold` for the time `lasting`, cleared when it has been at or below
    `clears_at` for the time `calm`: between the two nothing changes, so a value at the border raises nothing twice.

    The value is that of the last `window`, and none with a sample below `at_least`. A firing rule that has none for the time
    `silence` is cleared, too: nobody calls any more, and it cannot be told whether it would fail.
    """

    name: str
    unit: str
    threshold: float
    measure: Measure
    at_least: int = 1
    window: timedelta = timedelta(minutes=5)
    lasting: timedelta = timedelta(minutes=2)
    calm: timedelta = timedelta(minutes=5)
    silence: timedelta = timedelta(minutes=30)

    @property
    def clears_at(self) -> float:
        return self.threshold * 0.9

    def value(self, measurements: Iterable[Measurement]) -> float | None:
        reading = self.measure([one for one in measurements if one.age <= self.window])
        return reading.value if reading.sample >= self.at_least else None


def failures_of(*kinds: str) -> Measure:
    """Per cent of the calls of these kinds of provider that did not do what they were for."""

    def measure(measurements: Sequence[Measurement]) -> Reading:
        calls = [(name, took.count) for one in measurements for name, took in one.calls.items() if name.kind in kinds]
        return _share(sum(count for name, count in calls if failed(name)), sum(count for _, count in calls))

    return measure


def failed(name: CallName) -> bool:
    return name.outcome != DONE


def error_rate(measurements: Sequence[Measurement]) -> Reading:
    """Per cent of the answers that say that we failed (500 and above)."""
    return _share(sum(one.errors for one in measurements), sum(one.requests.count for one in measurements))


def response_time(measurements: Sequence[Measurement]) -> Reading:
    """Seconds within which all but the slowest twentieth were answered."""
    together = Durations()
    for one in measurements:
        together.merge(one.requests)
    return Reading(together.quantile(SLOWEST_SHARE), together.count)


def worst_of(part: Callable[[SystemReading], float | None]) -> Measure:
    """Per cent, averaged over time, of the process that has least left."""

    def measure(measurements: Sequence[Measurement]) -> Reading:
        values: dict[str, list[float]] = {}
        for one in measurements:
            if (value := part(one.system)) is not None:
                values.setdefault(one.process_id, []).append(value)
        worst = max((sum(found) / len(found) for found in values.values()), default=0.0)
        return Reading(worst, max((len(found) for found in values.values()), default=0))

    return measure


def wrong_amounts(measurements: Sequence[Measurement]) -> Reading:
    """Payments; money is never a matter of degree, so one is enough, and none is a reading, too."""
    return Reading(float(sum(one.wrong_amounts for one in measurements)), 1)


def stuck_subscriptions(measurements: Sequence[Measurement]) -> Reading:
    """Subscriptions: somebody has what is not paid, or pays for what does not work. None is a reading, too."""
    return Reading(float(sum(one.stuck_subscriptions for one in measurements)), 1)


def reversed_disputes(measurements: Sequence[Measurement]) -> Reading:
    """Payments whose buyer is due again what was taken back, until a person has answered. None is a reading, too."""
    return Reading(float(sum(one.reversed_disputes for one in measurements)), 1)


def _share(part: int, whole: int) -> Reading:
    return Reading(100 * part / whole if whole else 0.0, whole)


_QUARTER: Final = timedelta(minutes=15)
RULES: Final = (
    AlertRule("payment_failures", "%", 10, failures_of("payment"), at_least=10, window=_QUARTER),
    AlertRule("payment_amounts", "payments", 0, wrong_amounts, lasting=timedelta(0)),
    AlertRule("stuck_subscriptions", "subscriptions", 0, stuck_subscriptions, lasting=timedelta(0)),
    AlertRule("reversed_disputes", "payments", 0, reversed_disputes, lasting=timedelta(0)),
    AlertRule("ai_failures", "%", 5, failures_of("text_model", "image_model"), at_least=20, window=_QUARTER),
    AlertRule("sms_failures", "%", 5, failures_of("sms"), at_least=20, window=_QUARTER),
    AlertRule("email_failures", "%", 5, failures_of("email"), at_least=20, window=_QUARTER),
    AlertRule("response_time", "s", 1, response_time, at_least=50, lasting=timedelta(minutes=5)),
    AlertRule("response_time_critical", "s", 3, response_time, at_least=20),
    AlertRule("error_rate", "%", 5, error_rate, at_least=50),
    AlertRule("memory", "%", 80, worst_of(lambda system: system.memory), lasting=timedelta(minutes=5)),
    AlertRule("cpu", "%", 70, worst_of(lambda system: system.cpu), lasting=timedelta(minutes=5)),
    AlertRule("disk", "%", 85, worst_of(lambda system: system.disk)),
)
