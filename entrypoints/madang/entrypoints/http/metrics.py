"""What Prometheus may know of our traffic: requests and their duration by route template, and the outbox's depth."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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

    def render(self) -> bytes:
        return generate_latest(self.registry)
