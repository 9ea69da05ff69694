"""The mutants of adapters: what counts as a mistake, and that tests which notice it are told from tests which do not."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cosmic_ray.mutating import mutate_code

from mutants.mutant_sites import mutants_of
from mutants.mutated_adapters import CONTRACT, SUITES, modules_of, trials_of
from mutants.provider_mistakes import OPERATORS, SAID_ANYHOW, ForgetItem
from source_tree import ROOT

ADAPTER = '''
"""Says nothing."""
_log = getLogger(__name__)
LIMIT = 8 * 1024
LONGEST = 2 * LIMIT
STATES = {"sent": SENT, "failed": FAILED}


@cache
def state_of(word: str | None) -> State:
    """Any other is pending."""
    _log.warning("a word", extra={"word": True})
    check(word)
    if word not in STATES:
        raise Unavailable("no such word", code=word)
    return STATES[word]
'''


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_makes_the_mistake_that_it_shows(name: str) -> None:
    for example in OPERATORS[name].examples():
        mutated = mutate_code(example.pre_mutation_code, OPERATORS[name](**example.operator_args), example.occurrence)
        if mutated is not None:
            assert ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(example.post_mutation_code))


def test_mistakes_are_made_where_somebody_could_notice(tmp_path: Path) -> None:
    path = tmp_path / "adapter.py"
    path.write_text(ADAPTER, encoding="utf-8")
    found = {(mutant.operator, mutant.line) for mutant in mutants_of(path) if mutant.code() is not None}
    lines = {text.strip().partition(" ")[0]: number for number, text in enumerate(ADAPTER.splitlines(), 1) if text}
    assert found == {
        ("ForgetItem", lines["STATES"]),
        ("ForgetStep", lines["check(word)"]),
        ("AddNot", lines["if"]),
        ("OtherMembership", lines["if"]),
        ("SwallowError", lines["raise"]),
        ("ForgetItem", lines["raise"]),
        ("AnswerNothing", lines["return"]),
    }


def test_what_is_said_anyhow_is_the_librarys_default() -> None:
    defaults = {name: each.default for name, each in inspect.signature(httpx.AsyncClient).parameters.items()}
    assert {word.partition("=")[0] for word in SAID_ANYHOW} == {"follow_redirects", "verify"}
    assert (defaults["follow_redirects"], defaults["verify"]) == (False, True)
    mutant = ForgetItem()
    code = "C(verify=trust(), trust_env=False)\nC(verify=trust(), x=1)"
    kept = {mutate_code(code, mutant, place) for place in range(3)}
    assert "C(trust_env=False)" not in "\n".join(map(str, kept))
    assert any("C(x=1)" in str(each) for each in kept)


def test_every_adapter_of_a_provider_is_mutated_and_has_its_tests() -> None:
    declared = {path.stem for path in (ROOT / "plugins" / "madang" / "plugins" / "builtin").glob("[a-z]*.py")}
    assert (declared - {"r2"}) | {"provider_http", "standard_webhooks"} == set(SUITES)
    for adapter in SUITES:
        assert modules_of(adapter)
        assert all((ROOT / test.partition("::")[0]).exists() for test in trials_of(adapter))


def test_a_mutant_is_caught_by_the_tests_that_come_by_and_survives_where_none_does() -> None:
    command = [sys.executable, "-m", "mutants", "memory", "--only", "text_model.py", "--limit", "4"]
    run = subprocess.run(
        [*command, "--tests", f"{CONTRACT}memory_kit.py::test_the_least_that_a_schema_allows_is_valid"],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    told = re.search(r"memory: (\d) of 4 caught \(\d+%\), (\d) survived", run.stdout)
    assert told is not None
    caught, survived = map(int, told.groups())
    assert 0 < caught < caught + survived == 4
    assert run.stdout.count("survived: adapters/madang/adapters/memory/text_model.py:") == survived
