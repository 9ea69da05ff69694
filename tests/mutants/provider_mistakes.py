"""The mistakes that authors of adapters make, as operators of Cosmic Ray: its own, and those that it has not."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import parso
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import OPERATOR_PROVIDERS

Position = tuple[tuple[int, int], tuple[int, int]]

LIBRARY: Final = (
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ZeroIterationForLoop",
    "ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_Gt_LtE",
    "ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_GtE_Lt",
    "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is", "ReplaceComparisonOperator_Lt_GtE",
    "ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_LtE_Gt", "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_NotEq_Eq",
)  # fmt: skip


class Replacing(Operator):
    """Puts another text in the place of a node; a subclass says by `others` which."""

    shown: ClassVar[tuple[str, str]]

    def others(self, node: Any) -> Iterator[str]:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        for _ in self.others(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.parse(node.get_first_leaf().prefix + list(self.others(node))[index])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(*cls.shown),)


SAID_ANYHOW: Final[Mapping[str, str]] = {
    "follow_redirects=False": "",
    "verify=trust()": "trust_env=False",
    "verify=_trust()": "trust_env=False",
}
"""Arguments of httpx's client that are its own default, where another stands beside them: forgotten, the program does the same.
The certificates are those that it would read by itself, for each client anew."""


class ForgetItem(Replacing):
    """An item of a table, a set, a list or a tuple, or an argument with a name is forgotten."""

    shown = ("x = {'a': 1, 'b': 2}", "x = {'b': 2}")

    def others(self, node: Any) -> Iterator[str]:
        items = _items(node)
        for place, item in enumerate(items):
            rest = [_text(each) for each in items[:place] + items[place + 1 :]]
            if node.type in ("arglist", "trailer") and (not _has_name(item) or _is_said_anyhow(_text(item), rest)):
                continue
            comma = "," if node.type == "testlist_comp" and len(rest) == 1 else ""
            yield f"({', '.join(rest)})" if node.type == "trailer" else ", ".join(rest) + comma


class SwallowError(Replacing):
    """An error is not raised."""

    shown = ("if x: raise ValueError('x')", "if x: pass")

    def others(self, node: Any) -> Iterator[str]:
        if node.type == "raise_stmt":
            yield "pass"


class OtherError(Replacing):
    """An error is told as another that the caller treats otherwise."""

    instead: ClassVar[Mapping[str, str]] = {
        "Unavailable": "OutcomeUnknown",
        "OutcomeUnknown": "Unavailable",
        "Misconfigured": "Unavailable",
    }
    shown = (
        "from errors import OutcomeUnknown, Unavailable\nx = Unavailable",
        "from errors import OutcomeUnknown, Unavailable\nx = OutcomeUnknown",
    )

    def others(self, node: Any) -> Iterator[str]:
        if node.type != "name" or node.value not in self.instead or _within(node, "import_from", "except_clause", "comparison"):
            return
        other = self.instead[node.value]
        if f"{other}" in node.get_root_node().get_code():
            yield other


class AnswerNothing(Replacing):
    """A function works, and answers nothing of it."""

    shown = ("def f(): return 1", "def f(): return None")

    def others(self, node: Any) -> Iterator[str]:
        if node.type == "return_stmt" and _text(node) != "return None":
            yield "return None"


class ForgetStep(Replacing):
    """Something that is only done, such as a check, is left out."""

    shown = ("check(x)", "pass")

    def others(self, node: Any) -> Iterator[str]:
        if node.type == "atom_expr" and node.parent is not None and node.parent.type == "simple_stmt":
            yield "pass"


class LetThrough(Replacing):
    """What a library raises goes through to the caller."""

    shown = ("try: f()\nexcept (http.A, http.B): g()", "try: f()\nexcept ZeroDivisionError: g()")

    def others(self, node: Any) -> Iterator[str]:
        if node.type == "except_clause" and len(node.children) > 1:
            yield " ".join(["except ZeroDivisionError", *map(_text, node.children[2:])])


class OtherMembership(Replacing):
    """What is in a set counts as what is not."""

    shown = ("x = 1 in y", "x = 1 not in y")

    def others(self, node: Any) -> Iterator[str]:
        if node.parent is not None and node.parent.type == "comparison" and _text(node) in ("in", "not in"):
            yield "not in" if _text(node) == "in" else "in"


OPERATORS: Final[Mapping[str, type[Operator]]] = {
    **{name: OPERATOR_PROVIDERS["core"][name] for name in LIBRARY},
    **{
        each.__name__: each
        for each in (ForgetItem, SwallowError, OtherError, AnswerNothing, ForgetStep, LetThrough, OtherMembership)
    },
}


def _items(node: Any) -> list[Any]:
    """The items of a display or of a call's arguments, each a list of nodes."""
    if node.type == "trailer" and node.children[0].value == "(" and len(node.children) == 3:
        return [[node.children[1]]] if node.children[1].type == "argument" else []
    if node.type not in ("dictorsetmaker", "testlist_comp", "arglist"):
        return []
    if any(child.type in ("comp_for", "sync_comp_for") for child in node.children):
        return []
    found: list[list[Any]] = [[]]
    for child in node.children:
        if child.type == "operator" and child.value == ",":
            found.append([])
        else:
            found[-1].append(child)
    return [each for each in found if each]


def _is_said_anyhow(item: str, rest: list[str]) -> bool:
    return item in SAID_ANYHOW and SAID_ANYHOW[item] in ("", *rest)


def _has_name(item: list[Any]) -> bool:
    """Whether this is an argument such as `name=value`."""
    return item[0].type == "argument" and item[0].children[0].type == "name" and item[0].children[1].type == "operator"


def _text(item: Any) -> str:
    nodes = item if isinstance(item, list) else [item]
    return "".join(node.get_code() for node in nodes).strip()


def _within(node: Any, *types: str) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.type in types:
            return True
        parent = parent.parent
    return False
