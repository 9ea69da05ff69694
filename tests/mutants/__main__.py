"""`python -m mutants [name …]`: how many mistakes the tests notice, in our adapters (the conformance kit and the adapters' own
tests) and in contexts of the core."""

import argparse
import math
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from mutants import mutated_adapters, mutated_core
from mutants.mutant_rehearsal import Rehearsal, rehearsed
from mutants.mutant_sites import Mutant, mutants_of
from mutants.mutant_trials import Verdict, trial_of
from mutants.shared_servers import shared_servers


@dataclass(frozen=True)
class Subject:
    """What is mutated. `fresh` are the packages that a trial must load anew; `goal` is the share of mutants to be caught; with
    `enough` seconds of tests that need servers a mutant has survived."""

    name: str
    paths: Sequence[Path]
    tests: Sequence[str]
    fresh: tuple[str, ...]
    goal: float
    enough: float = math.inf


def subject_of(name: str) -> Subject:
    if name in mutated_core.SUITES:
        return Subject(name, mutated_core.modules_of(name), mutated_core.trials_of(name), ("madang",), 0.8, 60.0)
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
    tally = Tally(subject)
    with nullcontext() if subject.enough is math.inf else shared_servers():
        rehearsal = rehearsed(paths, options.tests or subject.tests, subject.fresh, subject.enough)
        for mutant, code in _chosen(subject.name, paths, options):
            tally.tried += 1
            if not _is_caught(mutant, code, rehearsal):
                tally.survived.append(mutant)
                print(f"survived: {mutant}", *([mutant.diff()] if options.diffs else []), sep="\n", flush=True)
    print(tally, flush=True)
    return tally


def _is_caught(mutant: Mutant, code: str, rehearsal: Rehearsal) -> bool:
    trials = (trial_of(mutant.path, code, tests, rehearsal.limit(tests)) for tests in rehearsal.stages_for(mutant))
    return any(trial.verdict is not Verdict.SURVIVED for trial in trials)


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
