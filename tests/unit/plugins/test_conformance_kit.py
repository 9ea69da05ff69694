"""The kit's own machinery: reasons and repairs, what counts as a leak, and that it costs nothing where it is not used."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

import pytest
from prometheus_client import REGISTRY, Counter

from madang.plugins import conformance
from madang.plugins.conformance.leaks import parts_of, texts_of_error, texts_of_metrics, texts_of_object, texts_of_record
from madang.plugins.conformance.remote import Arrived
from madang.plugins.conformance.repairs import deviation, repair_of, suite_tests, unexplained
from madang.plugins.conformance.sms import SmsConformance
from madang.plugins.conformance.suite import GUARD, ProviderConformance, words_of
from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret

KEY = "test-key-not-secret"


def suites() -> Iterator[type[ProviderConformance]]:
    for each in iter_modules(conformance.__path__):
        if each.name != "plugin":
            found = vars(import_module(f"{conformance.__name__}.{each.name}")).values()
            yield from (value for value in found if isinstance(value, type) and issubclass(value, ProviderConformance))


def test_every_test_of_every_suite_says_how_to_repair_what_it_finds() -> None:
    silent = {f"{suite.__name__}.{test}" for suite in suites() for test in suite_tests(suite) if not repair_of(suite, test)}
    assert not silent


def test_a_test_of_a_suite_is_replaced_with_a_reason_or_told() -> None:
    class Replacing(SmsConformance):
        @deviation(reason="Acme has no such thing")
        async def test_a_subject_goes_along(self) -> None: ...

        @pytest.mark.xfail(reason="Acme repairs it next year")
        async def test_many_tasks_use_it_at_once(self) -> None: ...

        @pytest.mark.xfail
        async def test_a_request_may_name_its_sender(self) -> None: ...

        @pytest.mark.skip(reason="no time")
        async def test_a_wrong_key_is_misconfigured(self) -> None: ...

        test_the_key_shows_nowhere = None

        async def test_something_of_our_own(self) -> None: ...

    class Inheriting(Replacing):
        """Whoever replaces it, the suite's user answers for it."""

    told = {"test_a_request_may_name_its_sender", "test_a_wrong_key_is_misconfigured", "test_the_key_shows_nowhere"}
    assert set(unexplained(Replacing)) == set(unexplained(Inheriting)) == told
    assert not set(unexplained(SmsConformance))


def test_a_reason_says_something() -> None:
    with pytest.raises(ValueError, match="reason"):
        deviation(reason=" ")


def test_the_test_that_asks_for_reasons_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="nobody may"):
        type("Sly", (SmsConformance,), {GUARD: None})


def test_a_replaced_test_still_says_how_to_repair() -> None:
    class Replacing(SmsConformance):
        @deviation(reason="Acme has no such thing")
        async def test_a_subject_goes_along(self) -> None: ...

    assert repair_of(Replacing, "test_a_subject_goes_along") == repair_of(SmsConformance, "test_a_subject_goes_along") != ""
    assert repair_of(Replacing, "test_something_of_our_own") == ""


def test_the_pytest_plugin_loads_alone_and_brings_neither_suites_nor_pytest_asyncio() -> None:
    script = (
        "import sys; sys.modules['pytest_asyncio'] = None; before = set(sys.modules)\n"
        "import madang.plugins.conformance.plugin\n"
        "print(*sorted(set(sys.modules) - before - {'madang.plugins.conformance.plugin'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not [each for each in loaded if each.startswith(("madang.plugins.conformance.", "madang.plugins.registry"))]
    assert not [each for each in loaded if each.startswith(("madang.adapters", "madang.core", "httpx"))]


@dataclass(slots=True)
class Slotted:
    told: object


class Holder:
    """As a provider may hold its key; it shows none of it by itself."""

    def __init__(self, held: object) -> None:
        self.held = held


@dataclass
class Shown:
    hidden: str = field(repr=False)
    key: Secret


HELD = {
    "a text": KEY,
    "bytes": f"Bearer {KEY}".encode(),
    "a header": {"authorization": f"Bearer {KEY}"},
    "a list in a slot": Slotted([("sid", KEY)]),
    "an object's own attribute": Shown(KEY, Secret("another")),
}


def leaks(texts: Iterator[str]) -> bool:
    return any(KEY in text for text in texts)


@pytest.mark.parametrize("held", HELD)
def test_a_key_in_plain_text_is_found_wherever_it_is_held(held: str) -> None:
    assert leaks(texts_of_object(Holder(Holder(HELD[held])), (__name__,)))


def test_a_key_in_a_secret_is_not_shown() -> None:
    around = Holder([Secret(KEY), Shown("", Secret(KEY))])
    around.__dict__["itself"] = around
    assert not leaks(texts_of_object(around, (__name__, "madang")))


def test_a_key_in_an_error_is_found_also_behind_its_causes() -> None:
    hidden = ValueError("no")
    hidden.__dict__["request"] = f"https://api.example/?key={KEY}"
    errors = [Misconfigured(f"no {KEY}"), Misconfigured("no", code=KEY), Misconfigured("no")]
    errors[2].__cause__ = Misconfigured("no")
    errors[2].__cause__.__context__ = hidden
    assert all(leaks(texts_of_error(each)) for each in errors)
    assert not leaks(texts_of_error(Misconfigured("no")))


def test_a_key_in_a_record_is_found_also_in_what_only_a_handler_writes() -> None:
    records = [
        logging.makeLogRecord({"msg": "sent with %s", "args": (KEY,)}),
        logging.makeLogRecord({"msg": "sent", "headers": {"authorization": KEY}}),
    ]
    assert all(leaks(texts_of_record(each)) for each in records)


@pytest.mark.parametrize("label", [KEY, f'say "{KEY}"\n'])
def test_a_key_in_a_metric_is_found(label: str) -> None:
    counted = Counter("calls_of_a_careless_plugin", "Calls.", ["account"])
    try:
        assert not leaks(texts_of_metrics())
        counted.labels(label).inc()
        assert leaks(texts_of_metrics())
    finally:
        REGISTRY.unregister(counted)


@pytest.mark.parametrize(("help_text", "exemplar"), [(KEY, {}), ("no key", {"trace": KEY})])
def test_a_key_in_the_help_or_an_exemplar_of_a_metric_is_found(help_text: str, exemplar: dict[str, str]) -> None:
    counted = Counter("calls_of_a_careless_plugin", f"Calls with {help_text}.")
    try:
        counted.inc(exemplar=exemplar)
        assert leaks(texts_of_metrics())
    finally:
        REGISTRY.unregister(counted)


def test_without_a_library_of_metrics_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "prometheus_client")
    assert not list(texts_of_metrics())
    assert "prometheus_client" not in sys.modules


def test_of_an_address_the_path_is_a_secret_too() -> None:
    assert parts_of(["http://127.0.0.1:1/hooks/T0/not-a-secret"]) == {
        "http://127.0.0.1:1/hooks/T0/not-a-secret",
        "hooks/T0/not-a-secret",
    }
    with pytest.raises(AssertionError, match="8 characters"):
        parts_of(["short"])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json; charset=utf-8", b'{"to": ["+82", {"text": "\\ub9c8\\ub2f9"}], "n": 7}'),
        ("application/x-www-form-urlencoded", b"Body=%EB%A7%88%EB%8B%B9&n=7"),
        ("text/plain", "마당 7".encode()),
        ("multipart/form-data; boundary=x", "--x\r\n\r\n마당\r\n--x\r\n\r\n7\r\n--x--".encode()),
    ],
)
def test_the_words_of_a_request_are_read_whatever_packs_them(kind: str, body: bytes) -> None:
    said = words_of(Arrived("POST", "/messages", {"key": "k-1"}, {"content-type": kind}, body))
    assert all(word in said for word in ("/messages", "k-1", "마당", "7"))
