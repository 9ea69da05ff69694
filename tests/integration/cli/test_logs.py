"""What a log line says, and what it never says."""

import io
import json
import logging
import signal
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from madang.core.kernel.request_context import serving
from madang.entrypoints.logs import HIDDEN, configure_logs
from madang.ports.secret import Secret


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    output = io.StringIO()
    configure_logs(level="info", log_format="json", process="api", stream=output)
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_names_its_process_level_time_and_request(stream: io.StringIO) -> None:
    with serving("request-1"):
        structlog.stdlib.get_logger("madang.test").info("picture made", index=2)
    (line,) = _lines(stream)
    assert line["event"] == "picture made"
    assert line["index"] == 2
    assert (line["process"], line["level"], line["request_id"]) == ("api", "info", "request-1")
    assert str(line["timestamp"]).endswith("Z")


def test_standard_loggers_come_out_the_same_way(stream: io.StringIO) -> None:
    with serving("request-2"):
        logging.getLogger("granian.access").warning("slow answer after %s s", 3, extra={"path": "/health"})
    (line,) = _lines(stream)
    assert line["event"] == "slow answer after 3 s"
    assert (line["logger"], line["request_id"], line["path"]) == ("granian.access", "request-2", "/health")


def test_secrets_bytes_and_personal_fields_never_get_through(stream: io.StringIO) -> None:
    structlog.stdlib.get_logger("madang.test").info(
        "hello",
        key=Secret("fake-secret-1"),
        setting=SecretStr("fake-secret-2"),
        content=b"fake-secret-3",
        phone="fake-secret-4",
        api_key="fake-secret-5",
        nested={"resultToken": "fake-secret-0", "access_token": "fake-secret-6", "list": [b"fake-secret-7"]},
        address="postgresql://someone:fake-secret-8@db.example/madang",
        header="Bearer fake-secret-9",
    )
    assert "fake-secret" not in stream.getvalue()
    (line,) = _lines(stream)
    assert line["phone"] == HIDDEN
    assert line["address"] == f"postgresql://{HIDDEN}@db.example/madang"


@pytest.mark.parametrize(
    "written",
    [
        "postgresql://someone:fake/secret@db.example/madang",
        "postgresql://someone:fake@secret@db.example/madang",
        "postgresql://db.example/madang?user=someone&password=fake-secret&sslmode=require",
        "https://shop.example/objects/a.jpg?expires=1&signature=fake-secret",
        "https://bucket.example/a.jpg?X-Amz-Expires=1&X-Amz-Signature=fake-secret",
        "cannot log in: password='fake-secret'",
    ],
)
def test_credentials_are_cut_out_of_text_however_they_are_written(stream: io.StringIO, written: str) -> None:
    structlog.stdlib.get_logger("madang.test").info("refused", reason=written)
    assert "secret" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


ENDLESS = ("a", "-a", "x://", "a://:", "eyJ-", "secret-", "a.eyJ", "bearer ", "@", "://a:", "token=")
"""What a pattern that looks back and forth would read again from each of its places: for days, in a text of this length."""


@pytest.mark.parametrize("piece", ENDLESS)
def test_a_stranger_cannot_keep_us_busy_with_what_we_log(stream: io.StringIO, piece: str) -> None:
    path = "/" + piece * (400_000 // len(piece))
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(30)
    try:
        structlog.stdlib.get_logger("madang.http").info("request", path=path)
    finally:
        signal.alarm(0)
    assert len(_lines(stream)) == 1


def _too_long(*_: object) -> None:
    raise AssertionError("still reading")


def test_an_address_without_credentials_is_logged_as_it_is(stream: io.StringIO) -> None:
    for address in ("http://127.0.0.1:8000/health/live?lang=ko", "postgresql://db.example:5432/madang"):
        structlog.stdlib.get_logger("madang.test").info("called", address=address)
        assert _lines(stream)[-1]["address"] == address


def test_a_traceback_holds_no_local_values_and_no_credentials(stream: io.StringIO) -> None:
    def fail() -> None:
        local_password = "fake-local-value"  # noqa: F841 - what must not be printed
        raise RuntimeError("cannot reach redis://user:fake-secret@cache.example:6379")

    try:
        fail()
    except RuntimeError:
        structlog.stdlib.get_logger("madang.test").exception("failed")
    assert "RuntimeError" in stream.getvalue()
    assert "cannot reach redis://" in stream.getvalue()
    assert "fake-secret" not in stream.getvalue()
    assert '"local_password": ' not in stream.getvalue()


def test_console_style_is_readable_and_as_discreet(stream: io.StringIO) -> None:
    configure_logs(log_format="console", process="worker", stream=stream)
    try:
        raise RuntimeError("cannot reach redis://user:fake-secret@cache.example:6379")
    except RuntimeError:
        structlog.stdlib.get_logger("madang.test").exception("failed", token="fake-secret")
    assert "failed" in stream.getvalue()
    assert "cannot reach redis://" in stream.getvalue()
    assert "fake-secret" not in stream.getvalue()
