"""Runs the tests once as they are: which of them come by which line, and how long each takes."""

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import ModuleType

import pytest
from coverage import Coverage

from mutants.mutant_sites import Mutant
from mutants.mutant_trials import LEAST_SECONDS, Verdict, forked, load_libraries, trial_of
from source_tree import ROOT

AT_ONCE = "tests/unit/"
"""Tests that need no server: all of them that come by are tried first, in a process of their own."""


@dataclass(frozen=True)
class Rehearsal:
    """`lines` are the tests by file and line; `enough` are the seconds of slow tests that a mutant meets."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]
    enough: float

    def stages_for(self, mutant: Mutant) -> list[list[str]]:
        """The tests that come by, in processes to be run one after another. All may where it is run as the module is loaded, or
        kept for later: first those of its module. None come by a line that nobody tests."""
        module = self.lines[str(mutant.path)]
        lines = module if mutant.lines is None else map(str, mutant.lines)
        found = self._taking_turns({test for line in lines for test in module.get(line, [])})
        if mutant.lines is None:
            found += self._taking_turns(set(self.seconds) - set(found))
        fast = [test for test in found if test.startswith(AT_ONCE)]
        slow = self._enough_of([test for test in found if not test.startswith(AT_ONCE)])
        return [stage for stage in (fast, slow) if stage]

    def limit(self, tests: Iterable[str]) -> float:
        """How many seconds a mutant gets for these tests."""
        return max(LEAST_SECONDS, 4 * sum(self.seconds[test] for test in tests))

    def quickest_of_files(self) -> list[str]:
        return list({_file_of(test): test for test in reversed(self._taking_turns(self.seconds))}.values())

    def _taking_turns(self, tests: Iterable[str]) -> list[str]:
        """The quickest of each file, then the second of each, and so on: those of one file mostly notice the same."""
        files: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=lambda each: (self.seconds[each], each)):
            files[_file_of(test)].append(test)
        turns = [(turn, self.seconds[test], test) for each in files.values() for turn, test in enumerate(each)]
        return [test for _, _, test in sorted(turns)]

    def _enough_of(self, tests: Sequence[str]) -> list[str]:
        """As many as take the seconds that are enough, and one more."""
        before = accumulate((self.seconds[test] for test in tests), initial=0.0)
        return [test for test, spent in zip(tests, before, strict=False) if spent < self.enough]


def rehearsed(paths: Sequence[Path], tests: Sequence[str], fresh: tuple[str, ...], enough: float) -> Rehearsal:
    """Raises `SystemExit` when the tests fail already, or do in a mutant's process without any mutant."""
    handle, name = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    report = Path(name)
    try:
        watching = _Watching([str(path) for path in paths], report)
        first = forked(watching.start, tests, 3600.0, watching)
        told = json.loads(report.read_text() or "{}")
    finally:
        report.unlink()
    if first.verdict is not Verdict.SURVIVED:
        raise SystemExit(f"without any mutant these tests fail: {' '.join(tests)}")
    load_libraries(told["modules"], fresh)
    rehearsal = Rehearsal(told["seconds"], told["lines"], enough)
    quickest = rehearsal.quickest_of_files()
    if trial_of(paths[0], paths[0].read_text(encoding="utf-8"), quickest).verdict is not Verdict.SURVIVED:
        raise SystemExit(f"in a mutant's process, without any mutant, these tests fail: {' '.join(quickest)}")
    return rehearsal


class _Watching:
    """Writes down what was loaded, how long each test took, and which tests come by which line, also by way of a fixture that
    several share."""

    def __init__(self, paths: Sequence[str], report: Path) -> None:
        self._coverage = Coverage(data_file=None, include=list(paths), config_file=False)
        self._paths, self._report, self._item = paths, report, ""
        self._seconds: dict[str, float] = {}
        self._sharing: dict[str, list[str]] = defaultdict(list)

    def start(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._item = item.nodeid
        for name in getattr(item, "fixturenames", ()):
            self._sharing[f"fixture {name}"].append(item.nodeid)
        self._coverage.switch_context(item.nodeid)
        started = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.monotonic() - started

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        if fixturedef.scope != "function":
            self._coverage.switch_context(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self._coverage.switch_context(self._item)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {path: {line: self._tests(by) for line, by in data.contexts_by_lineno(path).items()} for path in self._paths}
        modules = [name for name, module in list(sys.modules.items()) if module is not None and not _is_a_test(module)]
        self._report.write_text(json.dumps({"modules": modules, "seconds": self._seconds, "lines": lines}))

    def _tests(self, contexts: Iterable[str]) -> list[str]:
        """None for what is run while modules are loaded."""
        return list(dict.fromkeys(test for each in contexts if each for test in self._sharing.get(each, [each])))


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _is_a_test(module: ModuleType) -> bool:
    return (ROOT / "tests") in Path(getattr(module, "__file__", None) or "/").parents
