"""What is sent to Sentry and to an OpenTelemetry collector, what never is, and that nothing is unless it is asked for."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from deployment import OpenDeployment
from integration.operations.collectors import Collector
from madang.core.identity.roles import Role
from madang.core.kernel.errors import Conflict
from madang.core.operations.alerts import EVALUATE, AlertService
from madang.core.operations.jobs import JobService
from madang.entrypoints.logs import configure_logs
from madang.entrypoints.settings import Settings
from madang.entrypoints.telemetry import reporting
from madang.ports.errors import Misconfigured, Unavailable

CANARY = "canary-in-the-test"
MAIL = f"{CANARY}@example.com"
PASSWORD = f"{CANARY} and a long passphrase"
TRACE, CALLERS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NO_CANARY = CANARY.encode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector().listening() as listening:
        yield listening


@pytest.fixture
def logs() -> Iterator[None]:
    """As in a process: what is logged goes through the standard library's root."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logs(level="info", log_format="json")
    structlog.configure(cache_logger_on_first_use=False)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def dsn(collector: Collector) -> str:
    return f"http://fake-public-key@{collector.address}/1"


async def boom(*_: Any, **__: Any) -> Any:
    secret = CANARY
    raise RuntimeError(f"{secret} cannot be worked on")


# OpenTelemetry


async def test_one_trace_goes_from_the_request_through_the_outbox_to_the_providers_call(
    open_deployment: OpenDeployment, collector: Collector
) -> None:
    async with open_deployment(otel_endpoint=f"http://{collector.address}") as deployment:
        answer = await deployment.client.post(
            "/auth/register",
            json={"email": MAIL, "password": PASSWORD},
            headers={"traceparent": f"00-{TRACE}-{CALLERS_SPAN}-01", "X-Request-Id": "request-1"},
        )
        assert answer.status_code == 201
        await deployment.work()
    spans = {span.name: span for span in collector.spans()}
    chain = [spans["POST /api/v1/auth/register"], spans["notifications.send"], spans["email send"]]
    assert [span.trace_id.hex() for span in chain] == [TRACE] * 3
    assert [span.parent_span_id for span in chain] == [bytes.fromhex(CALLERS_SPAN), chain[0].span_id, chain[1].span_id]
    assert answer.headers["traceparent"] == f"00-{TRACE}-{chain[0].span_id.hex()}-01"
    assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in chain)
    assert NO_CANARY not in collector.everything


async def test_what_a_caller_does_not_want_traced_is_not_sent(open_deployment: OpenDeployment, collector: Collector) -> None:
    async with open_deployment(otel_endpoint=f"http://{collector.address}") as deployment:
        body = {"email": MAIL, "password": PASSWORD}
        await deployment.client.post("/auth/register", json=body, headers={"traceparent": f"00-{TRACE}-{CALLERS_SPAN}-00"})
        await deployment.work()
    assert [span.name for span in collector.spans() if span.trace_id.hex() == TRACE] == []


async def test_a_failure_is_marked_by_its_type_and_kind_alone(open_deployment: OpenDeployment, collector: Collector) -> None:
    async with open_deployment(otel_endpoint=f"http://{collector.address}") as deployment:
        await deployment.told_to("payment.open_checkout:unavailable@1")
        assert (await deployment.client.post("/portraits", json={})).status_code == 503
    spans = {span.name: span for span in collector.spans()}
    call, request = spans["payment open_checkout"], spans["POST /api/v1/portraits"]
    attributes = {each.key: each.value.string_value for each in call.attributes}
    assert (call.status.code, request.status.code) == (2, 2)
    assert (attributes["madang.outcome"], attributes["madang.error"]) == ("unavailable", "Unavailable")
    assert call.status.message == ""


async def test_runs_of_a_schedule_are_no_endless_trace(open_deployment: OpenDeployment, collector: Collector) -> None:
    async with open_deployment(otel_endpoint=f"http://{collector.address}") as deployment:
        await deployment.container.schedule_recurring_work()
        for _ in range(3):
            await deployment.let_pass(minutes=1)
            await deployment.work()
    runs = [span for span in collector.spans() if span.name == EVALUATE]
    assert len(runs) == len({span.trace_id for span in runs}) >= 2


async def test_a_collector_that_is_away_costs_nobody_an_answer(open_deployment: OpenDeployment, collector: Collector) -> None:
    async with open_deployment(otel_endpoint=f"http://{collector.address}") as deployment:
        await deployment.client.get("/admin/jobs")
        handlers = {handler.topic.name for handler in deployment.container.handlers}
    async with open_deployment() as untraced:
        assert {handler.topic.name for handler in untraced.container.handlers} == handlers
        await untraced.client.post("/auth/register", json={"email": MAIL, "password": PASSWORD})
        assert await untraced.value("SELECT count(*) FROM messages WHERE payload ? '$traceparent'") == 0


# Sentry


@pytest.mark.usefixtures("logs")
async def test_an_unexpected_error_is_reported_with_where_it_was_and_nothing_of_what_was_said(
    open_deployment: OpenDeployment, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobService, "page", boom)
    async with open_deployment(sentry_dsn=dsn(collector)) as deployment:
        admin = await deployment.member(Role.ADMIN, email=MAIL)
        with reporting(deployment.container.settings, "api"):
            answer = await deployment.client.get(
                f"/admin/jobs?topic={CANARY}",
                headers={**admin.headers, "X-Request-Id": "request-7", "User-Agent": CANARY, "Cookie": f"a={CANARY}"},
            )
    assert answer.status_code == 500
    [event] = collector.events()
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"], event["tags"]) == (
        "RuntimeError",
        "",
        {"process": "api", "request_id": "request-7"},
    )
    assert exception["stacktrace"]["frames"][-1]["function"] == "boom"
    assert NO_CANARY not in collector.everything
    assert admin.headers["Authorization"].encode() not in collector.everything


@pytest.mark.usefixtures("logs")
async def test_what_fails_in_the_worker_is_reported_with_its_message(
    open_deployment: OpenDeployment, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlertService, "evaluate", boom)
    async with open_deployment(sentry_dsn=dsn(collector)) as deployment:
        await deployment.container.schedule_recurring_work()
        await deployment.let_pass(minutes=1)
        with reporting(deployment.container.settings, "worker"):
            await deployment.work()
    event = collector.events()[0]
    assert (event["tags"]["topic"], event["tags"]["process"]) == (EVALUATE, "worker")
    assert set(event["tags"]) <= {"process", "topic", "message_id", "request_id"}
    assert NO_CANARY not in collector.everything


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize("error", [Unavailable("away", provider="sandbox"), Conflict("not now"), ConnectionError("gone")])
async def test_what_is_expected_to_fail_now_and_then_is_not_reported(
    make_settings: Callable[..., Settings], collector: Collector, error: Exception
) -> None:
    log = structlog.stdlib.get_logger("madang.test")
    with reporting(make_settings(sentry_dsn=dsn(collector)), "api"):
        log.error("something failed", exc_info=error)
        log.error("something failed without an exception")
        logging.getLogger("madang.test").error("an unexpected one", exc_info=KeyError(CANARY))
    assert [event["exception"]["values"][-1]["type"] for event in collector.events()] == ["KeyError"]


# Off unless configured


@pytest.mark.parametrize(
    ("settings", "missing", "extra"),
    [
        ({"sentry_dsn": "http://fake-public-key@127.0.0.1/1"}, "sentry", "madang[sentry]"),
        ({"otel_endpoint": "http://127.0.0.1:4318"}, "opentelemetry", "madang[otel]"),
    ],
)
async def test_an_address_without_the_extra_that_it_needs_names_the_extra(
    open_deployment: OpenDeployment,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    missing: str,
    extra: str,
) -> None:
    part = {"sentry": "reports", "opentelemetry": "spans"}[missing]
    monkeypatch.setitem(sys.modules, f"madang.adapters.{missing}.{part}", None)
    with pytest.raises(Misconfigured) as refused:
        async with open_deployment(**settings) as deployment:
            with reporting(deployment.container.settings, "api"):
                pass
    assert extra in str(refused.value)


def test_a_dsn_that_cannot_be_read_is_told_without_being_repeated(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(Misconfigured, match="sentry_dsn") as refused, reporting(make_settings(sentry_dsn=CANARY), "api"):
        pass
    assert CANARY not in str(refused.value)


WHOLE_PROCESS = """
import asyncio, sys
from madang.entrypoints.cli import processes
from madang.entrypoints.container import open_container
from madang.entrypoints.http.serve import create_app
from madang.entrypoints.settings import Settings
from madang.entrypoints.telemetry import reporting
import madang.entrypoints.worker

async def live():
    settings = Settings()
    with reporting(settings, "api"):
        async with open_container(settings) as container:
            create_app(container)
            list(container.handlers)

asyncio.run(live())
print(sorted({"sentry_sdk", "opentelemetry.sdk", "opentelemetry.exporter"} & set(sys.modules)))
"""


def test_a_process_that_is_told_of_no_address_loads_neither_library(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    run = subprocess.run(
        [sys.executable, "-c", WHOLE_PROCESS],
        env={
            "PYTHONPATH": ":".join(path for path in sys.path if path),
            "PATH": "/usr/bin:/bin",
            "MADANG_DATABASE_URL": settings.database_url or "",
            "MADANG_REDIS_URL": settings.redis_url or "",
            "MADANG_DATA_DIR": str(settings.data_dir),
            "MADANG_SECRET_KEY": "test-key-not-secret-test-key-not-secret",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "SENTRY_DSN": "http://fake-public-key@127.0.0.1/1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout.strip().splitlines()[-1:], run.returncode) == (["[]"], 0), run.stderr
