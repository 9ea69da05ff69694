"""The pytest plugin: a failed test of a suite says how to repair what it found. It costs nothing where no suite is used."""

from collections.abc import Generator
from pkgutil import iter_modules
from typing import Any, Final

import pytest

from madang.plugins import conformance

SUITES: Final = tuple(
    f"{conformance.__name__}.{each.name}" for each in iter_modules(conformance.__path__) if each.name != "plugin"
)
"""Where asserts tell what they compared."""

pytest.register_assert_rewrite(*SUITES)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    suite: Any = getattr(item, "cls", None)
    if report.when == "call" and report.failed and suite is not None:
        from madang.plugins.conformance.repairs import repair_of

        if repair := repair_of(suite, getattr(item, "originalname", item.name)):
            _say(report, repair)
    return report


def _say(report: pytest.TestReport, repair: str) -> None:
    """Under the failure itself, so that it shows whatever is captured or hidden."""
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add("how to repair", repair)
    else:
        report.sections.append(("how to repair", repair))
