"""The plugin of docs/plugins.md, built from the page: installed as a distribution of its own, tested by the kit, configured."""

import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from madang.plugins.conformance.suite import ProviderConformance
from madang.plugins.registry import Deployment, PluginRegistry
from madang.plugins.template import write_project
from madang.ports import errors
from madang.ports.errors import PortError
from madang.ports.provider import ProviderKind

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', TEXT, re.MULTILINE | re.DOTALL))
CODE = {path: text for path, text in BLOCKS.items() if path.endswith(".py")}

INSTALLED = """
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.secret import Secret


def test_the_plugin_is_found_by_its_entry_point(tmp_path):
    deployment = Deployment("http://127.0.0.1:8000", tmp_path, Secret("not-a-master-key"))
    given = {"acmesms": {"api_key": "test-key-not-secret"}}
    registry = PluginRegistry.load(given, deployment, variables={}, allowed=["acmesms"], strict=True)
    [report] = [each for each in registry.report() if each.name == "acmesms"]
    assert (report.configured, report.origin) == (True, "madang-acmesms 1.0 (madang_acmesms)")
"""

DEFECTIVE = """
from contextlib import suppress
from dataclasses import replace

from prometheus_client import Gauge

from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.errors import *
from madang.ports.provider import ProviderKind
from madang_acmesms import CAN, AcmeSettings


def make_sender(settings, context):
    from madang_acmesms.sender import AcmeSender

    class Defective(AcmeSender):
{body}

    return Defective(settings)


@hookimpl
def register_providers(register):
    register(ProviderDeclaration(ProviderKind.SMS, "acmesms", AcmeSettings, CAN, make_sender))
"""

DEFECTS = {
    "tries_again": (
        "test_each_failure_of_the_call_has_its_error[answer_lost]",
        """
        async def send(self, request):
            try:
                return await super().send(request)
            except OutcomeUnknown:
                return await super().send(request)
        """,
    ),
    "says_not_done": (
        "test_each_failure_of_the_call_has_its_error[server_error]",
        """
        async def send(self, request):
            try:
                return await super().send(request)
            except OutcomeUnknown as error:
                raise Unavailable(error.message, provider="acmesms", operation="send") from None
        """,
    ),
    "drops_the_status": (
        "test_a_bare_status_has_its_error[413]",
        """
        async def send(self, request):
            try:
                return await super().send(request)
            except Rejected as error:
                raise Rejected("refused", reason=error.reason, provider="acmesms", operation="send") from None
        """,
    ),
    "tells_its_key": (
        "test_the_key_shows_nowhere",
        """
        async def send(self, request):
            try:
                return await super().send(request)
            except Misconfigured:
                raise Misconfigured(f"refused: {settings.api_key.reveal()}", provider="acmesms", operation="send") from None
        """,
    ),
    "shows_its_key": (
        "test_the_key_shows_nowhere",
        """
        def __repr__(self):
            return f"AcmeSender({self._http.headers['x-api-key']})"
        """,
    ),
    "drops_the_key": (
        "test_the_same_key_acts_once_also_from_another_process",
        """
        async def send(self, request):
            return await super().send(replace(request, idempotency_key=f"{request.idempotency_key}-{id(self)}"))
        """,
    ),
    "finds_nothing": (
        "test_what_was_done_is_found_by_its_key",
        """
        async def find(self, idempotency_key):
            return None
        """,
    ),
    "claims_more": (
        "test_the_provider_is_what_its_plugin_declares",
        """
        capabilities = replace(CAN, delivery_reports=True)
        """,
    ),
    "cuts_the_text": (
        "test_a_message_reaches_the_provider_whole",
        """
        async def send(self, request):
            return await super().send(replace(request, text=request.text[:20]))
        """,
    ),
    # The last: a metric stays in its process, and what it tells with it.
    "counts_by_key": (
        "test_the_key_shows_nowhere",
        """
        async def send(self, request):
            with suppress(ValueError):  # it is counted already
                Gauge("acme_keys", "In use.", ["key"]).labels(settings.api_key.reveal())
            return await super().send(request)
        """,
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The page's project, installed and tested in an interpreter of its own: what became of each test, and what it said.

    Beside its own tests run others that must fail: each finds one defect of a provider that has one.
    """
    folder = tmp_path_factory.mktemp("acmesms")
    project, site = folder / "project", folder / "site"
    _write(project, {path: text for path, text in BLOCKS.items() if path != "madang.toml"})
    _run(project, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), ".")
    _write(site, {f"acme_{name}.py": DEFECTIVE.format(body=body) for name, (_, body) in DEFECTS.items()})
    suites = [f"class Test{name}(TestAcme):\n    plugin = 'acme_{name}'\n" for name in DEFECTS]
    careless = "class TestCareless(TestAcme):\n    test_it_closes_unused_used_and_twice = None\n"
    begun = write_project("harbour_sms", folder)
    tests = {
        "test_installed.py": INSTALLED,
        "test_defects.py": "from test_acmesms import TestAcme\n" + "\n".join([*suites, careless]),
    }
    _write(project / "tests", tests)
    chosen = [f"tests/test_defects.py::Test{name}::{test}" for name, (test, _) in DEFECTS.items()]
    chosen.append("tests/test_defects.py::TestCareless::test_no_test_of_the_suite_is_replaced_without_a_reason")
    own = ["tests/test_acmesms.py", "tests/test_installed.py", f"{begun}/tests/test_harbour_sms.py"]
    report = folder / "report.xml"
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--show-capture=no", f"--junitxml={report}"]
    _run(project, "pytest", *options, *own, *chosen, path=f"{site}{os.pathsep}{begun}", fails=True)
    return dict(_outcomes(report))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _run(folder: Path, module: str, *words: str, path: str = "", fails: bool = False) -> None:
    """A module of this Python in a project of its own: no setting of ours reaches it."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == int(fails), done.stdout + done.stderr


def _outcomes(report: Path) -> list[tuple[str, str]]:
    cases = ET.parse(report).iter("testcase")  # noqa: S314  our own run wrote it
    return [(f"{each.get('classname')}.{each.get('name')}", _outcome(each)) for each in cases]


def _outcome(case: ET.Element) -> str:
    return next((f"{each.tag}: {each.text}" for each in case if each.tag in ("failure", "error", "skipped")), "passed")


def passes(results: Mapping[str, str], suite: str) -> bool:
    """Whether a suite ran whole, and all of it passed but what its provider does not claim."""
    own = {name.rpartition(".")[2]: outcome for name, outcome in results.items() if f"{suite}." in name}
    left_out = [name for name, outcome in own.items() if outcome.startswith("skipped")]
    assert left_out == ["test_a_proxy_of_the_settings_is_used", "test_each_state_of_the_provider_has_its_status"]
    return len(own) > 35 and all(outcome == "passed" for name, outcome in own.items() if name not in left_out)


def test_the_example_passes_the_suite_in_a_project_of_its_own(results: Mapping[str, str]) -> None:
    assert passes(results, "TestAcme")
    assert results["tests.test_installed.test_the_plugin_is_found_by_its_entry_point"] == "passed"


def test_a_project_that_was_begun_under_another_name_passes_it_too(results: Mapping[str, str]) -> None:
    assert passes(results, "TestHarbour")


def test_the_project_to_begin_with_is_the_one_of_the_page(tmp_path: Path) -> None:
    project = write_project("acmesms", tmp_path)
    files = {path.relative_to(project).as_posix(): path.read_text(encoding="utf-8") for path in project.rglob("*.*")}
    assert files == {path: text for path, text in BLOCKS.items() if path != "madang.toml"}


@pytest.mark.parametrize("name", ["", "Acme", "7up", "a-b", "../evil", "a.b", "class", "é", "a" * 41])
def test_what_is_no_name_for_a_plugin_begins_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a plugin"):
        write_project(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "madang-acmesms").mkdir()
    with pytest.raises(FileExistsError, match="there already"):
        write_project("acmesms", tmp_path)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_the_example_is_found_and_its_repair_told(results: Mapping[str, str], defect: str) -> None:
    outcome = results[f"tests.test_defects.Test{defect}.{DEFECTS[defect][0]}"]
    assert outcome.startswith("failure")
    assert "how to repair" in outcome


def test_a_test_that_is_left_out_without_a_reason_is_told(results: Mapping[str, str]) -> None:
    guard = "tests.test_defects.TestCareless.test_no_test_of_the_suite_is_replaced_without_a_reason"
    assert "test_it_closes_unused_used_and_twice" in results[guard]


def test_the_example_has_fewer_than_eighty_lines_of_code() -> None:
    assert sum(len(lines_of_code(text)) for text in CODE.values()) < 80


def lines_of_code(text: str) -> set[int]:
    """The lines with something on them besides comments and docstrings."""
    passed_over = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [each for each in tokenize.generate_tokens(io.StringIO(text).readline) if each.type not in passed_over]
    return {line for each in tokens if not each.string.startswith('"""') for line in range(each.start[0], each.end[0] + 1)}


def test_the_example_is_configured_by_the_file_and_the_variable(install: Callable[..., Path], deployment: Deployment) -> None:
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    install(project["name"], CODE, project["entry-points"]["madang"])
    given = tomllib.loads(BLOCKS["madang.toml"])["plugins"]
    whole = PluginRegistry.load(given, deployment, variables={"MADANG_ACMESMS_API_KEY": "test-key-not-secret"}, strict=True)
    bare = PluginRegistry.load({}, deployment, variables={})
    reports = [next(each for each in registry.report() if each.name == "acmesms") for registry in (whole, bare)]
    assert [each.why for each in reports] == ["", "needs plugins.acmesms.api_key (MADANG_ACMESMS_API_KEY)"]


def test_the_guide_tells_every_error_that_a_provider_may_raise() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) - set(ProviderKind)
    own = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, PortError)}
    assert told >= own - {"PortError", "ProviderError", "MissingExtra"}


def test_the_guide_tells_the_suite_of_every_port_that_has_one() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|$", TEXT, re.MULTILINE))
    assert set(told) == set(ProviderKind) - {ProviderKind.HOSTING}
    for kind, suite in told.items():
        module, _, name = suite.rpartition(".")
        found = getattr(import_module(module), name)
        assert issubclass(found, ProviderConformance)
        assert found.kind == kind
