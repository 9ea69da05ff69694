"""`python -m mutants [name …]`: how many mistakes the tests notice, in our adapters (the conformance kit and the adapters' own
tests) and in contexts of the core."""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutants import mutated_adapters, mutated_core
from mutants.mutant_sites import Mutant, mutants_of
from mutants.mutant_trials import LEAST_SECONDS, OF_MANY, Verdict, load_what_was_loaded, rehearsal_of, report_file, trial_of


@dataclass(frozen=True)
class Subject:
    """What is mutated. `fresh` are the packages that a trial must load anew; `goal` is the share of mutants to be caught."""

    name: str
    paths: Sequence[Path]
    tests: Sequence[str]
    fresh: tuple[str, ...]
    goal: float


def subject_of(name: str) -> Subject:
    if name in mutated_core.SUITES:
        return Subject(name, mutated_core.modules_of(name), mutated_core.trials_of(name), ("madang",), 0.8)
    fresh = ("madang.adapters", "madang.plugins.conformance")
    return Subject(name, mutated_adapters.modules_of(name), mutated_adapters.trials_of(name), fresh, 0.9)


@dataclass
class Tally:
    """What became of a subject's mutants."""

    subject: Subject
    tried: int = 0
    survived: list[Mutant] = field(default_factory=list)

    @property
    def share(self) -> float:
        return 1 - len(self.survived) / self.tried if self.tried else 1.0

    def __str__(self) -> str:
        caught = self.tried - len(self.survived)
        return f"{self.subject.name}: {caught} of {self.tried} caught ({self.share:.0%}), {len(self.survived)} survived"


def main(arguments: Sequence[str]) -> int:
    """0 when of each subject's mutants as many were caught as is its goal."""
    options = _parser().parse_args(arguments)
    tallies = [_tried(subject_of(each), options) for each in options.names or sorted(mutated_adapters.SUITES)]
    print("\n" + "\n".join(map(str, tallies)))
    return 0 if all(tally.share >= tally.subject.goal for tally in tallies) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="adapters, or contexts of the core; all adapters without any")
    parser.add_argument("--limit", type=int, default=100, help="how many mutants of each are tried; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--only", default="", help="modules whose path ends like this")
    parser.add_argument("--tests", nargs="+", help="tests instead of its own")
    parser.add_argument("--diffs", action="store_true", help="show what survived")
    return parser


def _tried(subject: Subject, options: argparse.Namespace) -> Tally:
    paths = [path for path in subject.paths if str(path).endswith(options.only)]
    rehearsed = _rehearsed(paths, options.tests or subject.tests, subject.fresh)
    tally = Tally(subject)
    for mutant, code in _chosen(subject.name, paths, options):
        tally.tried += 1
        tests = rehearsed.tests_for(mutant)
        if not tests or trial_of(mutant.path, code, tests, rehearsed.limit).verdict is Verdict.SURVIVED:
            tally.survived.append(mutant)
            print(f"survived: {mutant}", *([mutant.diff()] if options.diffs else []), sep="\n", flush=True)
    print(tally, flush=True)
    return tally


@dataclass(frozen=True)
class Rehearsal:
    """What was learned of the tests as they are: the seconds that a mutant gets, and which test runs which line."""

    tests: Sequence[str]
    limit: float
    lines: dict[str, dict[str, list[str]]]

    def tests_for(self, mutant: Mutant) -> Sequence[str]:
        """Those that come by; all, where a fixture that many share does. None come by a line that nobody tests."""
        if mutant.lines is None:
            return self.tests
        by_line = self.lines[str(mutant.path)]
        found = list(dict.fromkeys(test for line in mutant.lines for test in by_line.get(str(line), []) if test))
        return self.tests if OF_MANY in found else found


def _rehearsed(paths: Sequence[Path], tests: Sequence[str], fresh: tuple[str, ...]) -> Rehearsal:
    """Raises `SystemExit` when the tests fail already."""
    report = report_file()
    try:
        before = rehearsal_of(paths, tests, report)
        load_what_was_loaded(report, fresh)
        lines = json.loads(report.read_text())["lines"]
    finally:
        report.unlink()
    after = trial_of(paths[0], paths[0].read_text(encoding="utf-8"), tests)
    if (before.verdict, after.verdict) != (Verdict.SURVIVED, Verdict.SURVIVED):
        raise SystemExit(f"without any mutant these tests fail: {' '.join(tests)}")
    return Rehearsal(tests, max(LEAST_SECONDS, 4 * after.seconds), lines)


def _chosen(name: str, paths: Sequence[Path], options: argparse.Namespace) -> list[tuple[Mutant, str]]:
    """The same ones in every run with the same seed."""
    found = [mutant for path in paths for mutant in mutants_of(path)]
    random.Random(f"{options.seed} {name}").shuffle(found)
    chosen: list[tuple[Mutant, str]] = []
    for mutant in found:
        if options.limit and len(chosen) == options.limit:
            break
        if (code := mutant.code()) is not None:
            chosen.append((mutant, code))
    return sorted(chosen, key=lambda each: (each[0].path, each[0].line))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
