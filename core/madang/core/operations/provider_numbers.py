"""What the measurements say of each provider: how many calls, how many failed, how long they took."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from madang.core.operations.alert_rules import failed
from madang.core.operations.measurements import Durations, Measurement


@dataclass(slots=True)
class ProviderNumbers:
    """Over a window. Rates and times of nothing are None."""

    calls: int = 0
    failures: int = 0
    took: Durations = field(default_factory=Durations)

    @property
    def error_rate(self) -> float | None:
        """From 0 to 1."""
        return self.failures / self.calls if self.calls else None

    def latency(self, share: float) -> float | None:
        """Seconds within which this share of the calls ended."""
        return self.took.quantile(share) if self.took.count else None


def numbers_of(measurements: Iterable[Measurement]) -> Mapping[tuple[str, str], ProviderNumbers]:
    """By kind and provider, over all processes."""
    found: dict[tuple[str, str], ProviderNumbers] = {}
    for measurement in measurements:
        for name, took in measurement.calls.items():
            numbers = found.setdefault((name.kind, name.provider), ProviderNumbers())
            numbers.calls += took.count
            numbers.failures += took.count if failed(name) else 0
            numbers.took.merge(took)
    return found
