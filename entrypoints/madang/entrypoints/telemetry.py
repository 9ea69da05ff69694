"""What a deployment sends to Sentry and to an OpenTelemetry collector: nothing, unless its settings name them.

Their libraries are extras, and loaded by a process whose settings name an address.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from madang.core.kernel.errors import DomainError, LeaseLost
from madang.core.kernel.request_context import request_id
from madang.core.kernel.tracing import NO_TRACER, Tracer
from madang.entrypoints.http.envelope import api_version
from madang.entrypoints.logs import without_credentials
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured, PortError

_EXPECTED: Final = (DomainError, PortError, LeaseLost, ConnectionError, TimeoutError)
"""What has a sentence of its own for the client, or is tried again: the logs and the alerts tell of it."""
_TAGS: Final = ("topic", "message_id")


class Reports(Protocol):
    def report(self, error: BaseException, *, level: str, where: str, tags: Mapping[str, str]) -> None: ...


@contextmanager
def tracing(settings: Settings) -> Iterator[Tracer]:
    """Spans go to `otel_endpoint` while the block runs. Raises `Misconfigured` when the extra is not installed."""
    if settings.otel_endpoint is None:
        yield NO_TRACER
        return
    try:
        from madang.adapters.opentelemetry.spans import OtlpSpans
    except ImportError:
        raise _extra_missing("otel_endpoint", "otel") from None
    spans = OtlpSpans(settings.otel_endpoint, environment=settings.environment, release=api_version())
    try:
        yield Tracer(spans)
    finally:
        spans.close()


@contextmanager
def reporting(settings: Settings, process: str) -> Iterator[None]:
    """Unexpected errors that are logged go to `sentry_dsn` while the block runs. Raises `Misconfigured` when the extra is not
    installed."""
    if settings.sentry_dsn is None:
        yield
        return
    try:
        from madang.adapters.sentry.reports import SentryReports
    except ImportError:
        raise _extra_missing("sentry_dsn", "sentry") from None
    dsn = settings.sentry_dsn.get_secret_value()
    reports = SentryReports(dsn, environment=settings.environment, release=api_version())
    handler = ReportingHandler(reports, process)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        reports.close()


class ReportingHandler(logging.Handler):
    """Hands on the exceptions of what is logged as a warning or worse. A log line is where every unexpected error ends up."""

    def __init__(self, reports: Reports, process: str) -> None:
        super().__init__(logging.WARNING)
        self._reports = reports
        self._process = process

    def emit(self, record: logging.LogRecord) -> None:
        try:
            error = _exception_of(record)
            if error is not None and not isinstance(error, _EXPECTED):
                self._reports.report(error, level=record.levelname.lower(), where=record.name, tags=self._tags(record))
        except Exception:  # noqa: BLE001 - who reports must not fail what is reported
            self.handleError(record)

    def _tags(self, record: logging.LogRecord) -> Mapping[str, str]:
        facts = record.msg if isinstance(record.msg, Mapping) else {}
        named = {"process": self._process, "request_id": request_id.get(), **{name: facts.get(name, "") for name in _TAGS}}
        return {name: without_credentials(str(value)) for name, value in named.items() if value}


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    """structlog leaves the exception in the event, the standard library in the record; `True` is the one being handled."""
    found: Any = record.msg.get("exc_info") if isinstance(record.msg, Mapping) else None
    found = found or record.exc_info
    if found is True:
        found = sys.exc_info()
    if isinstance(found, tuple):
        found = found[1]
    return found if isinstance(found, BaseException) else None


def _extra_missing(setting: str, extra: str) -> Misconfigured:
    return Misconfigured(
        f"{setting} is set, and what it needs is not installed: pip install 'madang[{extra}]'", operation="telemetry"
    )
