"""Tries a mutant: a fresh process, in which one module is the mutated one, runs the tests.

The process is forked from one that has loaded the libraries, and neither the adapters, the kit nor the tests: that saves two
seconds of each. No file is written, so that a run that is killed leaves nothing behind.
"""

import importlib
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.abc import MetaPathFinder, SourceLoader
from pathlib import Path
from types import ModuleType

import pytest

from source_tree import ROOT

LEAST_SECONDS = 30.0
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
    return forked(lambda: sys.meta_path.insert(0, _Mutated(module_of(path), path, code)), tests, limit)


def forked(prepare: Callable[[], None], tests: Sequence[str], limit: float, *plugins: object) -> Trial:
    """Run these tests in this order, after `prepare`, until the first fails."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_the_child(prepare, tests, plugins)
    status = _waited(pid, started + limit)
    seconds = time.monotonic() - started
    if status is None:
        return Trial(Verdict.HUNG, seconds)
    return Trial(Verdict.SURVIVED if os.waitstatus_to_exitcode(status) == 0 else Verdict.CAUGHT, seconds)


def load_libraries(names: Iterable[str], fresh: tuple[str, ...]) -> None:
    """What the tests loaded, once for all that are forked from here; nothing below the packages `fresh`."""
    for name in names:
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


class _InThisOrder:
    """The tests are run as they are named, and not file by file."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        items.sort(key=lambda item: self._places.get(item.nodeid, 0))
        return result


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
        pytest.main([*ARGUMENTS, *tests], plugins=[ending, _InThisOrder(tests), *plugins])
    finally:
        os._exit(ending.status)


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
