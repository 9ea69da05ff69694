"""What the tests of a suite carry: how to repair what they find, and the reason of whoever replaces one."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

KIT: Final = "madang.plugins.conformance."
_REPAIR: Final = "__madang_repair__"
_DEVIATION: Final = "__madang_deviation__"


def must(repair: str) -> Callable[[F], F]:
    """A test of a suite; `repair` is shown when it fails, and says what to change in the provider."""
    return _attach(_REPAIR, repair)


def deviation(*, reason: str) -> Callable[[F], F]:
    """A test that replaces one of the suite: `reason` says why this provider cannot do what the suite asks."""
    if not reason.strip():
        raise ValueError("a deviation needs a reason")
    return _attach(_DEVIATION, reason)


def repair_of(suite: type, test: str) -> str:
    """The sentence of a suite's test, also where a subclass has replaced it; empty for a test that is not of a suite."""
    for each in suite.__mro__:
        if found := getattr(vars(each).get(test), _REPAIR, ""):
            return str(found)
    return ""


def unexplained(suite: type) -> Iterator[str]:
    """The tests of the kit that a subclass replaces or removes without a reason."""
    for name, original in suite_tests(suite).items():
        current = inspect.getattr_static(suite, name)
        if current is not original and not _reason(current):
            yield name


def suite_tests(suite: type) -> dict[str, object]:
    """Every test that the kit has for a suite, as the kit defines it."""
    kit = [each for each in reversed(suite.__mro__) if each.__module__.startswith(KIT)]
    return {name: value for each in kit for name, value in vars(each).items() if name.startswith("test_")}


def _reason(test: object) -> str:
    if told := getattr(test, _DEVIATION, ""):
        return str(told)
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "xfail"]
    return next((str(reason) for mark in marks if (reason := mark.kwargs.get("reason", "")).strip()), "")


def _attach(name: str, text: str) -> Callable[[F], F]:
    def attach(test: F) -> F:
        setattr(test, name, text)
        return test

    return attach
