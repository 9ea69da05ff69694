"""A JSON Schema as OpenAI's strict mode takes it, where it can be said there. Pure.

Strict mode makes the model unable to leave the schema, and takes a part of JSON Schema only: every object closed, every
property required, no alternatives at the top, few keywords. A schema that is open where it says nothing is closed: what fits
the closed one fits the open one. A bound that strict mode does not know (`minLength`) is said to the model in words instead:
whoever asked checks the answer anyway. A schema with an optional property, or with a keyword that changes its structure, is
not made strict: it goes out as it is, and the model is asked, not forced, to follow it.

Source: OpenAI's guide "Structured outputs" (supported schemas and their limits). Not verified: which words besides the
documented ones strict mode bears; all others are said in the description.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

TAKEN: Final = frozenset(
    {
        "type", "description", "title", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf",
        "$ref", "$defs", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minItems", "maxItems",
    }
)  # fmt: skip
FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
SAYS_NOTHING: Final = frozenset({"$schema", "$id", "$comment"})
SPOKEN: Final = frozenset(
    {
        "minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties", "default", "examples", "deprecated",
        "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
    }
)  # fmt: skip
"""What words can say to the model; anything else that is not `TAKEN` needs the whole of JSON Schema."""

MAX_DEPTH: Final = 10
MAX_PROPERTIES: Final = 5000
MAX_ENUM: Final = 1000
MAX_NAMES: Final = 120_000


class _NotStrict(Exception):
    """This schema cannot be said in strict mode."""


class _Size:
    """What strict mode counts over the whole schema."""

    def __init__(self) -> None:
        self.properties = self.options = self.letters = 0

    def check(self) -> None:
        if self.properties > MAX_PROPERTIES or self.options > MAX_ENUM or self.letters > MAX_NAMES:
            raise _NotStrict


def strict(schema: Schema) -> Mapping[str, Any] | None:
    """The schema for strict mode, None where that cannot be."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return None
    size = _Size()
    try:
        adapted = _adapted(schema, 0, size)
        size.check()
    except _NotStrict:
        return None
    return adapted


def _adapted(schema: Any, depth: int, size: _Size) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema:
        raise _NotStrict
    if schema.keys() - TAKEN - SPOKEN - SAYS_NOTHING:
        raise _NotStrict
    adapted = {name: value for name, value in schema.items() if name in TAKEN}
    spoken = {name: value for name, value in schema.items() if name in SPOKEN}
    if adapted.get("format", "date") not in FORMATS:
        spoken["format"] = adapted.pop("format")
    if spoken:
        adapted["description"] = _described(adapted.get("description"), spoken)
    _check_reference(adapted)
    _count_options(adapted, size)
    if "items" in adapted:
        adapted["items"] = _adapted(adapted["items"], depth, size)
    if "anyOf" in adapted:
        adapted["anyOf"] = [_adapted(each, depth, size) for each in adapted["anyOf"]]
    if "$defs" in adapted:
        adapted["$defs"] = {name: _adapted(each, depth, size) for name, each in adapted["$defs"].items()}
    return {**adapted, **_closed(adapted, depth + 1, size)} if _is_object(adapted) else adapted


def _check_reference(schema: Schema) -> None:
    """A reference stands alone, and points into this schema."""
    reference = schema.get("$ref")
    if reference is not None and (len(schema) > 1 or not (reference == "#" or str(reference).startswith("#/$defs/"))):
        raise _NotStrict


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _closed(schema: Schema, depth: int, size: _Size) -> Mapping[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties or depth > MAX_DEPTH:
        raise _NotStrict
    if schema.get("additionalProperties", False) is not False or set(schema.get("required", ())) != set(properties):
        raise _NotStrict
    size.properties += len(properties)
    size.letters += sum(map(len, properties))
    inside = {name: _adapted(each, depth, size) for name, each in properties.items()}
    return {"properties": inside, "required": list(schema["required"]), "additionalProperties": False}


def _count_options(schema: Schema, size: _Size) -> None:
    options = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    size.options += len(options)
    size.letters += sum(len(each) for each in [*options, *schema.get("$defs", ())] if isinstance(each, str))


def _described(description: object, spoken: Mapping[str, Any]) -> str:
    words = "; ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in spoken.items())
    return f"{description} ({words})" if description else words
