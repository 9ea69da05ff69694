"""Tries a mutant: a fresh process, in which one module is the mutated one, runs the tests.

The process is forked from one that has loaded the libraries, and neither the adapters, the kit nor the tests: that saves two
seconds of each. No file is written, so that a run that is killed leaves nothing behind.
"""

import importlib
import importlib.machinery
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.abc import MetaPathFinder, SourceLoader
from pathlib import Path
from types import ModuleType

import pytest
from coverage import Coverage

from source_tree import ROOT

LEAST_SECONDS = 20.0
OF_MANY = "a fixture of many tests"
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "madang.plugins.conformance.plugin")
"""Those that the tests of adapters need: the others take longer to load than most tests to run."""
ARGUMENTS = (
    "-o", "addopts=--import-mode=importlib",
    "-x", "-q", "--no-header", "-p", "no:cacheprovider", *(word for plugin in PLUGINS for word in ("-p", plugin)),
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
"""That a library with a plugin is loaded already is what we want."""
TESTS = ("tests", "contract", "conftest", "test_", "embedded_stack")


class Verdict(Enum):
    CAUGHT = "caught"
    SURVIVED = "survived"
    HUNG = "hung"


@dataclass(frozen=True)
class Trial:
    verdict: Verdict
    seconds: float


class _Mutated(SourceLoader, MetaPathFinder):
    """Answers for one module with another source."""

    def __init__(self, module: str, path: Path, code: str) -> None:
        self.module, self.path, self.code = module, path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self.path))

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str | bytes) -> bytes:
        return self.code.encode()


def trial_of(path: Path, code: str, tests: Sequence[str], limit: float = 3600.0) -> Trial:
    """Run the tests with this source in the place of the file's."""
    return _forked(lambda: sys.meta_path.insert(0, _Mutated(module_of(path), path, code)), tests, limit)


def rehearsal_of(paths: Sequence[Path], tests: Sequence[str], report: Path) -> Trial:
    """Run the tests as they are, and write into `report` what they loaded and which test ran which line."""
    watching = _Watching([str(path) for path in paths], report)
    return _forked(watching.start, tests, 3600.0, watching)


def _forked(prepare: Callable[[], None], tests: Sequence[str], limit: float, *plugins: object) -> Trial:
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_the_child(prepare, tests, plugins)
    status = _waited(pid, started + limit)
    seconds = time.monotonic() - started
    if status is None:
        return Trial(Verdict.HUNG, seconds)
    return Trial(Verdict.SURVIVED if os.waitstatus_to_exitcode(status) == 0 else Verdict.CAUGHT, seconds)


def load_what_was_loaded(report: Path, fresh: tuple[str, ...]) -> None:
    """The libraries that the tests use, loaded once for all that are forked from here; nothing below the packages `fresh`."""
    for name in json.loads(report.read_text())["modules"]:
        if not name.startswith((*fresh, *TESTS)):
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001, S112  a module that only its own package can load is loaded by the tests
                continue


class _Ending:
    """How the tests ended, whatever becomes of pytest's own tidying up."""

    status = 70

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.status = int(exitstatus)


def _be_the_child(prepare: Callable[[], None], tests: Sequence[str], plugins: Sequence[object]) -> None:
    ending = _Ending()
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        os.chdir(ROOT)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        prepare()
        pytest.main([*ARGUMENTS, *tests], plugins=[ending, *plugins])
    finally:
        os._exit(ending.status)


class _Watching:
    """Writes down which test runs which line, and which lines the fixtures run that many tests share."""

    def __init__(self, paths: Sequence[str], report: Path) -> None:
        self._coverage = Coverage(data_file=None, include=list(paths), config_file=False)
        self._paths, self._report, self._item = paths, report, ""

    def start(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._item = item.nodeid
        self._coverage.switch_context(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        if fixturedef.scope != "function":
            self._coverage.switch_context(OF_MANY)
        try:
            return (yield)
        finally:
            self._coverage.switch_context(self._item)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {path: data.contexts_by_lineno(path) for path in self._paths}
        modules = [name for name, module in list(sys.modules.items()) if module is not None and not _is_a_test(module)]
        self._report.write_text(json.dumps({"modules": modules, "lines": lines}))


def _is_a_test(module: ModuleType) -> bool:
    return (ROOT / "tests") in Path(getattr(module, "__file__", None) or "/").parents


def module_of(path: Path) -> str:
    """`adapters/madang/adapters/x/y.py` is `madang.adapters.x.y`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])


def _waited(pid: int, until: float) -> int | None:
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def report_file() -> Path:
    handle, name = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    return Path(name)
