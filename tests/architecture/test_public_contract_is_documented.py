"""`madang.ports` is what plugin authors read: every value, Protocol and method says what it is."""

import ast
from collections.abc import Iterator

from source_tree import parsed, shown, source_modules


def undocumented(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Public classes and what is public in them; an override says nothing new and needs no docstring."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        name = f"{prefix}{node.name}"
        if ast.get_docstring(node) is None and not _explains_itself(node):
            yield name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{name}.")


def test_everything_public_in_the_ports_says_what_it_is() -> None:
    silent = [f"{shown(path)}: {name}" for path in source_modules("ports") for name in undocumented(parsed(path))]
    assert not silent, "no docstring:\n" + "\n".join(silent)


def _explains_itself(node: ast.AST) -> bool:
    """`capabilities` answers the value that its type documents; `zero`, `exponent` and the like are properties of values."""
    return isinstance(node, ast.FunctionDef) and (node.name == "capabilities" or node.name == "zero")
