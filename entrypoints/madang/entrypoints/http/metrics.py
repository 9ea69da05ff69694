"""What Prometheus may know: requests by route template, refusals by limits, the outbox's depth, calls of providers, alerts.

Requests and refusals are this process's; all else is the whole deployment's, the same from each of its API processes.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from madang.core.operations.breaker import BreakerState
from madang.core.operations.measurements import BOUNDS, CallName, Durations
from madang.core.operations.metering import SpentOn
from madang.core.operations.provider_standing import StandingOfProcess

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Metrics:
    """One registry per application, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "madang_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "madang_http_request_seconds", "Time to answer.", ("method", "route"), buckets=_BUCKETS, registry=self.registry
        )
        self._messages = Gauge("madang_messages", "Messages of the outbox.", ("state",), registry=self.registry)
        self._oldest = Gauge(
            "madang_messages_oldest_due_seconds", "Age of the oldest message that is due.", registry=self.registry
        )
        self._refusals = Counter(
            "madang_rate_limit_refusals", "Calls refused by a rate limit.", ("policy",), registry=self.registry
        )
        self._alerts = Gauge("madang_alerts_firing", "1 for each alert rule that fires.", ("rule",), registry=self.registry)
        self._breakers = Gauge(
            "madang_provider_breakers",
            "Processes by the state of their circuit breaker.",
            ("kind", "provider", "state"),
            registry=self.registry,
        )
        self._calls, self._spending = _ProviderCalls(), _Spending()
        self.registry.register(self._calls)
        self.registry.register(self._spending)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Route templates and not paths: the number of series must not grow with the number of ids."""
        key = (method, route, status)
        found = self._known.get(key)
        if found is None:
            name = method if method in _METHODS else "OTHER"
            found = (self._requests.labels(name, route, str(status)), self._seconds.labels(name, route))
            if name != "OTHER":
                self._known[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def set_outbox(self, counts: Mapping[str, int], oldest_due_seconds: float) -> None:
        for state, count in counts.items():
            self._messages.labels(state).set(count)
        self._oldest.set(oldest_due_seconds)

    def refused(self, policy: str) -> None:
        self._refusals.labels(policy).inc()

    def set_alerts(self, fires: Mapping[str, bool]) -> None:
        for rule, firing in fires.items():
            self._alerts.labels(rule).set(firing)

    def set_provider_calls(self, totals: Mapping[CallName, Durations]) -> None:
        self._calls.totals = totals

    def set_spending(self, spent: Sequence[SpentOn]) -> None:
        self._spending.spent = spent

    def set_breakers(self, standings: Sequence[StandingOfProcess]) -> None:
        """Of the processes that were heard of: one that is gone is not shown as it was."""
        self._breakers.clear()
        for each in standings:
            standing = each.standing
            for state in BreakerState:
                self._breakers.labels(standing.kind, standing.provider, state.value).inc(state is standing.breaker)

    def render(self) -> bytes:
        return generate_latest(self.registry)


class _ProviderCalls(Collector):
    """Sums that the database keeps: the calls are made by workers, which nobody asks for numbers."""

    def __init__(self) -> None:
        self.totals: Mapping[CallName, Durations] = {}

    def collect(self) -> Iterable[Metric]:
        calls = CounterMetricFamily(
            "madang_provider_calls", "Calls of providers by their outcome.", labels=("kind", "provider", "outcome")
        )
        seconds = HistogramMetricFamily(
            "madang_provider_call_seconds", "Time that calls of providers took.", labels=("kind", "provider")
        )
        together: dict[tuple[str, str], Durations] = {}
        for name, took in self.totals.items():
            calls.add_metric((name.kind, name.provider, name.outcome), took.count)
            together.setdefault((name.kind, name.provider), Durations()).merge(took)
        for labels, took in together.items():
            bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
            seconds.add_metric(labels, list(zip(bounds, accumulate(took.buckets), strict=True)), took.seconds)
        return (calls, seconds)


class _Spending(Collector):
    """What calls used and cost. A call whose cost nobody knows is counted as such and adds nothing to any cost."""

    def __init__(self) -> None:
        self.spent: Sequence[SpentOn] = ()

    def collect(self) -> Iterable[Metric]:
        whose = ("kind", "provider", "model")
        tokens = CounterMetricFamily(
            "madang_provider_tokens", "Tokens; cached_input is a part of input.", labels=(*whose, "direction")
        )
        cost = CounterMetricFamily(
            "madang_provider_cost", "Cost of calls, in units of the currency.", labels=(*whose, "currency")
        )
        unpriced = CounterMetricFamily("madang_provider_unpriced_calls", "Calls whose cost nobody knows.", labels=whose)
        for spent in self.spent:
            labels = (spent.kind, spent.provider, spent.model)
            unpriced.add_metric(labels, spent.unpriced)
            for each in spent.costs:
                cost.add_metric((*labels, each.currency), each.micros / 1_000_000)
            if spent.input_tokens or spent.output_tokens:
                tokens.add_metric((*labels, "input"), spent.input_tokens)
                tokens.add_metric((*labels, "cached_input"), spent.cached_input_tokens)
                tokens.add_metric((*labels, "output"), spent.output_tokens)
        return (tokens, cost, unpriced)
