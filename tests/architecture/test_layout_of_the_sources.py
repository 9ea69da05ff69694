"""Five source roots, one namespace, small files with telling names."""

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from source_tree import LAYERS, ROOT, functions, layer_package, modules_of_tests, parsed, shown, source_modules

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_MODULES_IN_A_FOLDER = 40
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared"}


@dataclass(frozen=True, slots=True)
class Function:
    place: str
    lines: int


@dataclass(frozen=True, slots=True)
class Module:
    has_docstring: bool
    functions: Sequence[Function]


@cache
def looked_at(path: Path) -> Module:
    """Read once for all tests."""
    tree = parsed(path)
    found = [
        Function(f"{function.lineno} {function.name}", (function.end_lineno or function.lineno) - function.lineno + 1)
        for function in functions(tree)
    ]
    return Module(ast.get_docstring(tree) is not None, found)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_source_root_holds_one_portion_of_the_namespace(layer: str) -> None:
    namespace = ROOT / layer / "madang"
    entries = {path.name for path in namespace.iterdir() if path.name != "__pycache__"}
    assert entries == {layer}, (
        f"{shown(namespace)} may hold only {layer}/, above all no __init__.py: it would hide the other roots"
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_tells_type_checkers_that_it_is_typed(layer: str) -> None:
    assert (layer_package(layer) / "py.typed").is_file()


def test_every_folder_with_modules_is_a_package_that_says_what_it_is() -> None:
    folders = {path.parent for path in source_modules()}
    silent = [shown(folder) for folder in folders if not _documented(folder / "__init__.py")]
    assert not silent, f"an __init__.py with a docstring is missing in {sorted(silent)}"


def test_every_module_says_what_it_is() -> None:
    silent = [shown(path) for path in source_modules() if not _documented(path)]
    assert not silent, f"no docstring at the top of {silent}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [shown(path) for path in source_modules() if {path.stem, path.parent.name} & NAMES_THAT_SAY_NOTHING]
    assert not vague, f"split by domain term instead: {vague}"


def test_no_file_grows_into_a_monster() -> None:
    long = {shown(path): count for path in source_modules() if (count := _lines(path)) > MAX_FILE_LINES}
    assert not long, f"more than {MAX_FILE_LINES} lines: {long}"


def test_no_folder_holds_more_modules_than_a_reader_can_hold() -> None:
    full = {
        folder: count
        for folder, count in Counter(shown(path.parent) for path in source_modules()).items()
        if count > MAX_MODULES_IN_A_FOLDER
    }
    assert not full, f"give what belongs together a folder of its own: {full}"


def test_no_function_grows_into_a_monster() -> None:
    """Migrations are let off: one is the record of a schema's change, written once and never touched again."""
    long = [
        f"{shown(path)}:{function.place}: {function.lines} lines"
        for path in source_modules()
        if path.parent.name != "versions"
        for function in looked_at(path).functions
        if function.lines > MAX_FUNCTION_LINES
    ]
    assert not long, f"more than {MAX_FUNCTION_LINES} lines:\n" + "\n".join(long)


def test_most_functions_fit_one_look() -> None:
    lengths = [function.lines for path in source_modules() for function in looked_at(path).functions]
    short = sum(1 for length in lengths if length <= 20) / len(lengths)
    assert short >= 0.8, f"only {short:.0%} of {len(lengths)} functions have at most 20 lines"


def test_test_folders_are_no_packages_and_test_files_have_names_of_their_own() -> None:
    assert not [shown(path) for path in modules_of_tests() if path.name == "__init__.py"]
    names = Counter(path.name for path in modules_of_tests() if path.name != "conftest.py")
    assert not [name for name, count in names.items() if count > 1]


def _documented(path: Path) -> bool:
    return path.is_file() and looked_at(path).has_docstring


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
