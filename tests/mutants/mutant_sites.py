"""Where a mistake in an adapter would matter: every place of an operator, less what no caller could ever notice."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TypeAlias

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from mutants.provider_mistakes import OPERATORS
from source_tree import ROOT

FINGERS = 10
Span: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Line and column, from and to."""
LOGGERS = ("_log", "log", "logger", "_logger")


@dataclass(frozen=True)
class Mutant:
    """The `occurrence`-th place of an operator in a file."""

    path: Path
    operator: str
    occurrence: int
    line: int
    lines: range | None
    """Those of its statement up to its own; None where it is run when the module is loaded, or once for all tests."""

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} {self.operator}"

    def code(self) -> str | None:
        """The mutated source; None where it is no Python, or the same program."""
        source = self.path.read_text(encoding="utf-8")
        mutated = mutate_code(source, OPERATORS[self.operator](), self.occurrence)
        try:
            same = mutated is None or ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source))
        except SyntaxError:
            return None
        return None if same else mutated

    def diff(self) -> str:
        before, after = self.path.read_text(encoding="utf-8").splitlines(), (self.code() or "").splitlines()
        return "\n".join(
            f"    {line}" for line in unified_diff(before, after, n=0, lineterm="") if line[:2] not in ("--", "++", "@@")
        )


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    hidden = list(_nobodys_business(tree))
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator_type in OPERATORS.items():
        operator = operator_type()
        places = [position for node in nodes for position in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(places):
            if not any(first <= start < last for first, last in hidden):
                yield Mutant(path, name, occurrence, start[0], _lines_of(tree, start[0]))


def _lines_of(tree: ast.Module, line: int) -> range | None:
    """From the beginning of the innermost statement of a function, unless what that answers is kept."""
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    bodies = [each for each in functions if each.body[0].lineno <= line <= (each.end_lineno or 0)]
    starts = [each.lineno for body in bodies for each in ast.walk(body) if isinstance(each, ast.stmt) and each.lineno <= line]
    kept = any(isinstance(each, ast.Name) and each.id == "cache" for body in bodies for each in body.decorator_list)
    return range(max(starts), line + 1) if bodies and not kept else None


def _nobodys_business(tree: ast.Module) -> Iterator[Span]:
    """Annotations, the names that types are given for them, and what `import *` would bring, which nobody may write: nothing is
    run of these. Decorators, logs, `repr`, how large a limit is, how a time limit is divided, and how long something took: a
    thousandth of it less could no test tell."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                told = [node] if node.name in ("__repr__", "__str__") else []
                yield from map(_span, [*node.decorator_list, *filter(None, [node.returns]), *told])
            case ast.ClassDef():
                yield from map(_span, node.decorator_list)
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                yield _span(node)
            case ast.arg(annotation=ast.expr()) | ast.AnnAssign():
                yield _span(node.annotation)
            case ast.Assign(value=ast.Subscript(value=ast.Name(id="Callable" | "Mapping" | "Sequence"))):
                yield _span(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in LOGGERS:
                yield _span(node)
            case ast.BinOp(left=ast.Name(id="timeout") | ast.BinOp(left=ast.Call(func=ast.Attribute(attr="perf_counter")))):
                yield _span(node)
    yield from _limits_in(tree)


def _limits_in(tree: ast.Module) -> Iterator[Span]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(value=ast.expr()) | ast.AnnAssign(value=ast.expr()) if node in tree.body and _is_amount(node.value):
                yield _span(node)
            case ast.Compare() if any(map(_is_length, (node.left, *node.comparators))):
                yield from _large_numbers((node.left, *node.comparators))
            case ast.Call():
                yield from _large_numbers(node.args)


def _is_length(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "len"


def _large_numbers(values: Sequence[ast.expr]) -> Iterator[Span]:
    """The numbers among them that are no count of a hand's fingers."""
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float) and value.value > FINGERS:
            yield _span(value)


def _is_amount(value: ast.expr | None) -> bool:
    """A number, or several multiplied, also with a unit that has a name."""
    named = (ast.Name, ast.expr_context) if isinstance(value, ast.BinOp) else ()
    counted = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, *named)
    return all(isinstance(each, counted) for each in ast.walk(value))


def _span(node: ast.AST | None) -> Span:
    assert isinstance(node, ast.expr | ast.stmt)
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
