"""The mutants of a context of the core: which tests they meet, in which order, and on servers that are there already."""

from pathlib import Path

import pytest

from mutants import mutated_core
from mutants.mutant_rehearsal import Rehearsal
from mutants.mutant_sites import Mutant, mutants_of
from source_tree import ROOT

FAST, OTHER = "tests/unit/x/test_x.py::test_fast", "tests/unit/x/test_x.py::test_other"
FIRST, SECOND = "tests/integration/x/test_a.py::test_first", "tests/integration/x/test_a.py::test_second"
APART, LONG = "tests/integration/x/test_b.py::test_apart", "tests/integration/x/test_b.py::test_long"
SECONDS = {LONG: 50.0, APART: 6.0, SECOND: 5.0, FIRST: 4.0, OTHER: 0.2, FAST: 0.1}
LINES = {str(ROOT / "x.py"): {"1": [], "2": [SECOND, APART, LONG, FIRST, FAST], "3": [LONG], "9": [OTHER]}}


def mutant(*lines: int) -> Mutant:
    return Mutant(ROOT / "x.py", "AddNot", 0, 1, range(lines[0], lines[-1] + 1) if lines else None)


@pytest.mark.parametrize(
    ("met", "enough", "stages"),
    [
        (mutant(2), 60.0, [[FAST], [FIRST, APART, SECOND, LONG]]),
        (mutant(2), 10.0, [[FAST], [FIRST, APART]]),
        (mutant(3), 1.0, [[LONG]]),
        (mutant(9), 60.0, [[OTHER]]),
        (mutant(1), 60.0, []),
        (mutant(), 60.0, [[FAST, OTHER], [FIRST, APART, SECOND, LONG]]),
    ],
)
def test_a_mutant_meets_the_fast_tests_of_its_line_and_then_each_files_quickest_until_it_is_enough(
    met: Mutant, enough: float, stages: list[list[str]]
) -> None:
    assert Rehearsal(SECONDS, LINES, enough).stages_for(met) == stages


def test_what_is_run_while_a_module_is_loaded_meets_first_who_comes_by_its_module() -> None:
    rehearsal = Rehearsal({**SECONDS, FIRST: 0.3}, {str(ROOT / "x.py"): {"1": [], "2": [LONG, OTHER]}}, 60.0)
    assert rehearsal.stages_for(mutant()) == [[OTHER, FAST], [LONG, FIRST, APART, SECOND]]


def test_what_a_function_answers_once_for_all_tests_counts_as_run_while_its_module_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("@cache\ndef kept():\n    return 1\n\n\ndef asked():\n    return 1\n", encoding="utf-8")
    assert {(each.line, each.lines) for each in mutants_of(path)} == {(3, None), (7, range(7, 8))}


def test_a_contexts_tests_are_there_and_begin_with_the_fast_ones() -> None:
    for context in mutated_core.SUITES:
        assert mutated_core.modules_of(context)
        tests = mutated_core.trials_of(context)
        assert all((ROOT / test).exists() for test in tests)
        assert tests == sorted(tests, key=lambda test: not test.startswith("tests/unit"))
