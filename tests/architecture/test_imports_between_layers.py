"""Imports go down only, the inner layers know the standard library only, and nothing is imported by the name of its root."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from source_tree import LAYERS, ROOT, parsed, shown, source_modules, statements

ALLOWED_INSIDE = {"ports": ("madang.ports",), "core": ("madang.core", "madang.ports")}
DOES_INPUT_OR_OUTPUT = {
    "ftplib", "http.client", "http.server", "imaplib", "shutil", "smtplib", "socket", "socketserver", "sqlite3", "ssl",
    "subprocess", "tempfile", "urllib.request",
}  # fmt: skip

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys, warnings
import madang
warnings.simplefilter("error")
RUN_NOT_IMPORTED = ("__main__", "env")
failed, imported = {}, []
def note(name):
    failed[name] = "cannot be walked"
for found in pkgutil.walk_packages(madang.__path__, "madang.", onerror=note):
    if found.name.rpartition(".")[2] in RUN_NOT_IMPORTED:
        continue
    try:
        importlib.import_module(found.name)
        imported.append(found.name)
    except Exception as error:
        failed[found.name] = repr(error)
print(json.dumps({"imported": imported, "failed": failed, "modules": sorted(sys.modules), "path": list(madang.__path__)}))
"""


@pytest.fixture(scope="module")
def everything() -> dict[str, list[str]]:
    """All of Madang imported in one fresh process, and what that process then has."""
    roots = json.dumps([str(ROOT / layer) for layer in LAYERS])
    program = f"import sys; sys.path[:0] = {roots}\n{IMPORT_EVERYTHING}"
    run = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answer: dict[str, list[str]] = json.loads(run.stdout.splitlines()[-1])
    return answer


def test_every_module_can_be_imported(everything: dict[str, list[str]]) -> None:
    assert not everything["failed"]
    assert {name.split(".")[1] for name in everything["imported"]} == set(LAYERS)


def test_nothing_is_imported_by_the_name_of_its_source_root(everything: dict[str, list[str]]) -> None:
    assert not [name for name in everything["modules"] if name.partition(".")[0] in LAYERS]


def test_madang_itself_is_a_namespace_and_has_no_code(everything: dict[str, list[str]]) -> None:
    assert {str(ROOT / layer / "madang") for layer in LAYERS} <= set(everything["path"])


@pytest.mark.parametrize("layer", sorted(ALLOWED_INSIDE))
def test_an_inner_layer_imports_the_standard_library_only(layer: str) -> None:
    strangers = [
        f"{shown(path)}: {name}"
        for path in source_modules(layer)
        for name in imported_names(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(ALLOWED_INSIDE[layer])
    ]
    assert not strangers


@pytest.mark.parametrize("layer", sorted(ALLOWED_INSIDE))
def test_an_inner_layer_does_no_input_or_output(layer: str) -> None:
    doing = [
        f"{shown(path)}: {name}"
        for path in source_modules(layer)
        for name in imported_names(path)
        if name in DOES_INPUT_OR_OUTPUT
    ]
    assert not doing


def test_no_import_is_relative() -> None:
    relative = [
        f"{shown(path)}:{node.lineno}"
        for path in source_modules()
        for node in imports(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_the_contracts_of_the_layers_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([str(tool), "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@cache
def imports(path: Path) -> Sequence[ast.Import | ast.ImportFrom]:
    """Those of a file, wherever in it."""
    return [node for node in statements(parsed(path)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_names(path: Path) -> Iterator[str]:
    for node in imports(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
