"""What the documents say can be done, and what they point at exists."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from madang.core.operations.alert_rules import RULES
from madang.entrypoints.cli.main import COMMANDS
from madang.entrypoints.http.metrics import Metrics
from madang.entrypoints.http.rate_limits import POLICIES
from madang.entrypoints.providers.routing_rules import DEFAULTS
from madang.entrypoints.settings import FAILS_OVER
from source_tree import ROOT, repository_files, shown

PARTS_OF_A_DECISION = ["Context", "Decision", "Consequences", "Alternatives", "The check"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
OUR_PATH = re.compile(r"`((?:core|ports|adapters|plugins|entrypoints|tests|docs|bench)/[\w./-]*|noxfile\.py|pyproject\.toml)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    language: str
    text: str


def documents() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md" and path.is_relative_to(ROOT)]


def decisions() -> list[Path]:
    return sorted((ROOT / "docs" / "decisions").glob("*.md"))


def blocks(document: Path, *languages: str) -> Iterator[Block]:
    for language, text in FENCE.findall(document.read_text(encoding="utf-8")):
        if language in languages:
            yield Block(document, language, text)


def readme_commands() -> list[str]:
    return [block.text for block in blocks(ROOT / "README.md", "sh", "bash", "shell")]


def test_the_first_two_commands_of_the_readme_are_one_line_to_paste_each() -> None:
    demo, tests = readme_commands()[:2]
    assert [demo.count("\n"), tests.count("\n")] == [1, 1]
    assert demo.rstrip().endswith("madang demo")
    assert tests.rstrip().endswith(" -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder")


def test_each_of_them_makes_its_own_environment() -> None:
    for command in readme_commands()[:2]:
        environment = re.match(r"python3 -m venv (\S+) && ", command)
        assert environment
        assert all(word.startswith(f"{environment[1]}/bin/") for word in re.findall(r"&& (\S+)", command))


def test_ci_runs_the_readmes_second_command(tmp_path: Path) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text(script.replace("bash -euo pipefail -c", "exit 0 #"), encoding="utf-8")
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    said = subprocess.run(["bash", str(tmp_path / ".ci" / "run")], capture_output=True, text=True, check=True).stdout
    assert said == f"$ {readme_commands()[1]}"


@pytest.mark.parametrize("document", documents(), ids=shown)
def test_links_lead_somewhere(document: Path) -> None:
    targets = [target.partition("#")[0] for target in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in target]
    missing = [target for target in targets if target and not (document.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", documents(), ids=shown)
def test_files_that_a_document_names_exist(document: Path) -> None:
    named = OUR_PATH.findall(document.read_text(encoding="utf-8"))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("document", documents(), ids=shown)
def test_python_in_the_documents_runs(document: Path, tmp_path: Path) -> None:
    """The blocks of one document are one program, in their order."""
    program = "\n\n".join(block.text for block in blocks(document, "python", "py"))
    compile(program, str(document), "exec")
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": "/usr/bin:/bin", "MADANG_LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("document", documents(), ids=shown)
def test_toml_in_the_documents_is_toml(document: Path) -> None:
    for block in blocks(document, "toml"):
        tomllib.loads(block.text)


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in decisions()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("decision", decisions(), ids=lambda path: path.stem)
def test_a_decision_is_half_a_page_with_all_its_parts(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert list(sections) == PARTS_OF_A_DECISION
    assert all(section.strip() for section in sections.values())
    assert len(sections["Decision"].strip().splitlines()) == 1, "the decision is one line"
    assert OUR_PATH.search(sections["The check"]), "the check names the file that holds it"
    assert len(text.splitlines()) <= 45


@pytest.mark.parametrize("document", documents(), ids=shown)
def test_commands_that_a_document_names_exist(document: Path) -> None:
    named = re.findall(r"(?:`|^)madang ([a-z][a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(set(named) - set(COMMANDS)) == []


def test_the_operators_guide_has_every_rate_limit_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+/\w+) \|", operators_guide(), re.MULTILINE)
    assert dict(rows) == dict(POLICIES)


def test_the_operators_guide_has_every_metric() -> None:
    said = set(re.findall(r"^\| `(madang_\w+)` \|", operators_guide(), re.MULTILINE))
    assert said == set(re.findall(r"^# HELP (madang_\w+)", Metrics().render().decode(), re.MULTILINE))


def test_the_operators_guide_has_every_alert_rule_with_its_numbers() -> None:
    row = r"^\| `(\w+)` \| (?=[\d.]+ (%|payments|subscriptions|s))([\d.]+) .*?\| (\d+) min \| (\d+) \w+ \| (\d+) min \|$"
    said = [[name, unit, *map(float, numbers)] for name, unit, *numbers in re.findall(row, operators_guide(), re.MULTILINE)]
    minute = timedelta(minutes=1)
    assert said == [
        [rule.name, rule.unit, rule.threshold, rule.window / minute, rule.at_least, rule.lasting / minute] for rule in RULES
    ]


def test_the_operators_guide_has_the_patience_of_every_route() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d–]+) \| ([\d–]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", operators_guide(), re.MULTILINE
    )
    said = {kind: [None if number == "–" else float(number) for number in numbers] for kind, *numbers in rows}
    assert said == {
        kind.value: [
            *((float(rules.breaker.failures), rules.breaker.open_seconds) if kind in FAILS_OVER else (None, None)),
            float(rules.concurrency),
            rules.wait,
            rules.longest,
            rules.pause,
        ]
        for kind, rules in DEFAULTS.items()
    }


def operators_guide() -> str:
    return (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")


def test_the_operators_guide_has_every_setting_with_its_default() -> None:
    from madang.entrypoints.settings import Settings

    said = dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", section(operators_guide(), "Settings"), re.MULTILINE))
    fields = Settings.model_fields
    assert set(said) - set(POLICIES) == set(fields)
    plain = {name: default for name, default in said.items() if name in fields and default.startswith("`")}
    real = {name: fields[name].get_default(call_default_factory=True) for name in plain}
    assert plain == {name: f"`{as_written(value)}`" for name, value in real.items()}


def test_the_operators_guide_has_every_setting_of_billing() -> None:
    from madang.entrypoints.billing_settings import BillingSetting

    said = re.findall(r"^\| `([a-z_]+)` \|", section(operators_guide(), "Billing"), re.MULTILINE)
    assert said == list(BillingSetting.model_fields)


def as_written(value: object) -> str:
    """As in `madang.toml`."""
    return json.dumps(value, default=lambda other: list(other) if isinstance(other, tuple | frozenset) else str(other))


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
