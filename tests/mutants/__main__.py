"""`python -m mutants [adapter …]`: how many mistakes in our adapters the conformance kit and the adapters' own tests notice."""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutants.mutant_sites import Mutant, mutants_of
from mutants.mutant_trials import LEAST_SECONDS, OF_MANY, Verdict, load_what_was_loaded, rehearsal_of, report_file, trial_of
from mutants.mutated_adapters import SUITES, modules_of, trials_of

GOAL = 0.9


@dataclass
class Tally:
    """What became of an adapter's mutants."""

    adapter: str
    tried: int = 0
    survived: list[Mutant] = field(default_factory=list)

    @property
    def share(self) -> float:
        return 1 - len(self.survived) / self.tried if self.tried else 1.0

    def __str__(self) -> str:
        caught = self.tried - len(self.survived)
        return f"{self.adapter}: {caught} of {self.tried} caught ({self.share:.0%}), {len(self.survived)} survived"


def main(arguments: Sequence[str]) -> int:
    """0 when of each adapter's mutants at least nine in ten were caught."""
    options = _parser().parse_args(arguments)
    wanted = options.adapters or sorted(SUITES)
    tallies = [_tried(each, options) for each in wanted]
    print("\n" + "\n".join(map(str, tallies)))
    return 0 if all(tally.share >= GOAL for tally in tallies) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mutants", description=__doc__)
    parser.add_argument("adapters", nargs="*", help="names of adapters; all without any")
    parser.add_argument("--limit", type=int, default=100, help="how many of an adapter's mutants are tried; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--only", default="", help="modules whose path ends like this")
    parser.add_argument("--tests", nargs="+", help="tests instead of the adapter's own")
    parser.add_argument("--diffs", action="store_true", help="show what survived")
    return parser


def _tried(adapter: str, options: argparse.Namespace) -> Tally:
    paths = [path for path in modules_of(adapter) if str(path).endswith(options.only)]
    rehearsed = _rehearsed(paths, options.tests or trials_of(adapter))
    tally = Tally(adapter)
    for mutant, code in _chosen(adapter, paths, options):
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


def _rehearsed(paths: Sequence[Path], tests: Sequence[str]) -> Rehearsal:
    """Raises `SystemExit` when the tests fail already."""
    report = report_file()
    try:
        before = rehearsal_of(paths, tests, report)
        load_what_was_loaded(report)
        lines = json.loads(report.read_text())["lines"]
    finally:
        report.unlink()
    after = trial_of(paths[0], paths[0].read_text(encoding="utf-8"), tests)
    if (before.verdict, after.verdict) != (Verdict.SURVIVED, Verdict.SURVIVED):
        raise SystemExit(f"without any mutant these tests fail: {' '.join(tests)}")
    return Rehearsal(tests, max(LEAST_SECONDS, 4 * after.seconds), lines)


def _chosen(adapter: str, paths: Sequence[Path], options: argparse.Namespace) -> list[tuple[Mutant, str]]:
    """The same ones in every run with the same seed."""
    found = [mutant for path in paths for mutant in mutants_of(path)]
    random.Random(f"{options.seed} {adapter}").shuffle(found)
    chosen: list[tuple[Mutant, str]] = []
    for mutant in found:
        if options.limit and len(chosen) == options.limit:
            break
        if (code := mutant.code()) is not None:
            chosen.append((mutant, code))
    return sorted(chosen, key=lambda each: (each[0].path, each[0].line))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
