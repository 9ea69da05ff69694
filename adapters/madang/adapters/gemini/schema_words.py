"""Constraints of a JSON Schema in plain English, for the model to read in a `description`."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from madang.adapters.gemini.schema_parts import unsupported

SILENT: Final = frozenset({"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "readOnly", "writeOnly"})
"""These say nothing about a value; what `$defs` holds is written where it is referred to."""
_LETTERS: Final = 40
"""As much of a strange keyword is repeated."""


def in_words(constraints: Mapping[str, Any]) -> str:
    """A sentence for each; "" for none. Raises `NotExpressible` for a keyword that has no words here."""
    return " ".join(filter(None, (_sentence(key, value) for key, value in constraints.items())))


def _sentence(key: str, value: Any) -> str:
    if key in _SENTENCES:
        return _SENTENCES[key](value)
    if key.startswith("x-"):
        return ""
    raise unsupported(repr(key[:_LETTERS]))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(values: Any) -> str:
    return ", ".join(_json(each) for each in values)


_SENTENCES: Final[Mapping[str, Callable[[Any], str]]] = {
    "title": lambda value: f"{value}.",
    "format": lambda value: f"Format: {value}.",
    "const": lambda value: f"Always {_json(value)}.",
    "enum": lambda value: f"One of: {_listed(value)}.",
    "default": lambda value: f"By default {_json(value)}.",
    "examples": lambda value: f"For example: {_listed(value)}.",
    "deprecated": lambda value: "Deprecated." if value else "",
    "pattern": lambda value: f"Matches the regular expression {value}",
    "minLength": lambda value: f"At least {value} characters.",
    "maxLength": lambda value: f"At most {value} characters.",
    "minimum": lambda value: f"At least {value}.",
    "maximum": lambda value: f"At most {value}.",
    "exclusiveMinimum": lambda value: f"More than {value}.",
    "exclusiveMaximum": lambda value: f"Less than {value}.",
    "multipleOf": lambda value: f"A multiple of {value}.",
    "minItems": lambda value: f"At least {value} items.",
    "maxItems": lambda value: f"At most {value} items.",
    "uniqueItems": lambda value: "No item twice." if value else "",
    "minProperties": lambda value: f"At least {value} properties.",
    "maxProperties": lambda value: f"At most {value} properties.",
    "additionalProperties": lambda value: "" if value else "No other properties.",
    "contentEncoding": lambda value: f"Encoded as {value}.",
    "contentMediaType": lambda value: f"Holds {value}.",
}
