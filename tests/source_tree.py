"""What the tests of the architecture and of the documents look at: the files of this repository."""

import ast
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("core", "ports", "adapters", "plugins", "entrypoints")
PASSED_OVER = frozenset({"__pycache__", "dist", "build", "madang-demo", "node_modules"})


def layer_package(layer: str) -> Path:
    """The one package of a source root: `core/madang/core`."""
    return ROOT / layer / "madang" / layer


def source_modules(*layers: str) -> Sequence[Path]:
    """Every Python file of these layers, or of all of them."""
    roots = [ROOT / layer for layer in layers or LAYERS]
    return sorted(path for root in roots for path in root.rglob("*.py") if not _passed_over(path))


def modules_of_tests() -> Sequence[Path]:
    return sorted(path for path in (ROOT / "tests").rglob("*.py") if not _passed_over(path))


def shipped_files(layer: str) -> Sequence[Path]:
    """Every file under a source root that belongs into the wheel."""
    return sorted(path for path in (ROOT / layer / "madang").rglob("*") if path.is_file() and not _passed_over(path))


def repository_files() -> Sequence[Path]:
    """What is under version control, or, where there is no git (an unpacked sdist), what lies there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        paths = list(ROOT.rglob("*"))
    return sorted(path for path in paths if path.is_file() and not _passed_over(path))


def shown(path: Path) -> str:
    """A path as the failure message names it."""
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """All of them, however deep. Expressions, nine nodes of ten, hold none."""
    for parts in (getattr(tree, name, ()) for name in ("body", "handlers", "orelse", "finalbody", "cases")):
        for node in parts:
            if isinstance(node, ast.stmt):
                yield node
            yield from statements(node)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in statements(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _passed_over(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return path.suffix == ".pyc" or any(part in PASSED_OVER or part.startswith(".") for part in parts[:-1])
