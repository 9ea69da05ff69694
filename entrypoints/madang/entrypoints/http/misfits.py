"""What msgspec says of input that does not fit its shape, as a path and a sentence that a client can show to a person."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

from madang.core.kernel.errors import Problem, ValidationFailed

_PLACE: Final = re.compile(r"(?P<message>.*) - at `(?P<path>[^`]*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d*|\.\.\.)\]")
_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
    "uuid": "a UUID",
    "date": "a day, as 2026-01-05",
    "datetime": "a time with its offset, as 2026-01-05T12:00:00+09:00",
}
_PATTERNS: Final = {
    r"^[A-Z]{2}\Z": "must be a country's two capital letters, as KR",
    r"^[A-Z]{3}\Z": "must be a currency's three capital letters, as KRW",
    r"^[0-9]{6}\Z": "must be six digits",
    r"^[a-z-]+:[a-z-]+\Z": "must be written like files:read",
    r"^[0-9a-fA-F]{64}\Z": "must be 64 hexadecimal digits",
    r"^https?://[^\u0000]+$": "must be a web address",
    r"^[1-9][0-9]{0,8}/(second|minute|hour|day)\Z": "must be written like 100/minute",
}
"""What is asked for by the shapes' commonest patterns; a person need not read regular expressions."""
_OTHER_SIGNS: Final = "holds signs that are not taken here, or misses some"
_CONTROL: Final = "must not hold line breaks or control characters"
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def misfit(error: msgspec.ValidationError, shape: Any) -> ValidationFailed:
    """`shape` is the type that was asked for; of several faults the first is told."""
    found = _PLACE.fullmatch(str(error))
    message, place = (found["message"], found["path"]) if found else (str(error), "$")
    steps = [name or index for name, index in _STEP.findall(place)]
    for pattern, told in _TELLING:
        if match := pattern.fullmatch(message):
            field, text = told(match)
            path = [*steps, *([field] if field else [])]
            return ValidationFailed(Problem(".".join(each for each in path if each not in ("", "...")), text))
    choices = _choices(inspect.type_info(shape), steps) if message.startswith("Invalid enum value") else ()
    return ValidationFailed(Problem(".".join(steps), f"must be one of {', '.join(choices)}" if choices else message))


def _kind(match: re.Match[str]) -> tuple[str, str]:
    kinds = [_KINDS.get(kind, kind) for kind in match[1].split(" | ")]
    return "", f"must be {' or '.join(kinds)}"


def _length(match: re.Match[str]) -> tuple[str, str]:
    kind, sign, number = match.groups()
    if (sign, number) == (">=", "1"):
        return "", "must not be empty"
    return "", f"must have {_BOUNDS[sign]} {number} {'characters' if kind == 'str' else 'entries'}"


def _pattern(match: re.Match[str]) -> tuple[str, str]:
    pattern = match[1].replace("\\\\", "\\")
    if pattern.startswith(r"^[^\u0000"):
        return "", _CONTROL
    return "", _PATTERNS.get(pattern, _OTHER_SIGNS)


def _always(text: str) -> Callable[[re.Match[str]], tuple[str, str]]:
    return lambda _: ("", text)


_TELLING: Final[Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]]]] = (
    (re.compile(r"Object missing required field `([^`]*)`"), lambda match: (match[1], "is missing")),
    (re.compile(r"Object contains unknown field `([^`]*)`"), lambda match: (match[1], "is not known here")),
    (re.compile(r"Expected `([^`]*)`, got `[^`]*`"), _kind),
    (re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)"), _length),
    (re.compile(r"Expected `(?:int|float)` (>=|<=|>|<) (\S+)"), lambda match: ("", f"must be {_BOUNDS[match[1]]} {match[2]}")),
    (re.compile(r"Expected `str` matching regex '(.*)'", re.DOTALL), _pattern),
    (re.compile(r"(?:Invalid RFC3339 encoded datetime|Expected `datetime` with .*)"), _always(f"must be {_KINDS['datetime']}")),
    (re.compile(r"Invalid RFC3339 encoded date"), _always(f"must be {_KINDS['date']}")),
    (re.compile(r"Invalid UUID"), _always(f"must be {_KINDS['uuid']}")),
)


def _choices(found: inspect.Type, steps: Sequence[str]) -> Sequence[str]:
    """The words that may stand at this place; none where the place cannot be found in the shape."""
    if isinstance(found, inspect.UnionType):
        return next((words for each in found.types if (words := _choices(each, steps))), ())
    if not steps:
        return _words(found)
    step, *rest = steps
    if isinstance(found, inspect.StructType):
        return next((_choices(field.type, rest) for field in found.fields if field.encode_name == step), ())
    inner = found.item_type if isinstance(found, inspect.CollectionType) else getattr(found, "value_type", None)
    return () if inner is None else _choices(inner, rest)


def _words(found: inspect.Type) -> Sequence[str]:
    if isinstance(found, inspect.EnumType):
        return [str(member.value) for member in found.cls]
    return [str(value) for value in found.values] if isinstance(found, inspect.LiteralType) else ()
