"""What OpenAI's description of its API says of requests, written down as JSON Schemas, and its strict mode as checks.

Taken from the description 2.3.0 (`CreateResponse`, `CreateChatCompletionRequest`, `CreateImageRequest`,
`CreateImageEditRequest`) and the guide "Structured outputs"; only fields that a caller of ours may send are here, and any other
is refused, as OpenAI does (`unknown_parameter`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
NAME = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
SIZE = {"type": "string", "pattern": "^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$"}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def message(roles: list[str], part: Mapping[str, Any]) -> dict[str, Any]:
    content = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": part}]}
    return closed(["role", "content"], role={"enum": roles}, content=content)


FORMAT_FIELDS = {"name": NAME, "schema": {"type": "object"}, "strict": {"type": ["boolean", "null"]}}

_RESPONSES = closed(
    ["model", "input"],
    model={"type": "string"},
    input={
        "type": "array",
        "minItems": 1,
        "items": message(
            ["user", "assistant", "system", "developer"],
            {
                "oneOf": [
                    closed(["type", "text"], type={"const": "input_text"}, text={"type": "string"}),
                    closed(
                        ["type", "detail", "image_url"],
                        type={"const": "input_image"},
                        detail={"enum": ["low", "high", "auto", "original"]},
                        image_url={"type": "string"},
                    ),
                ]
            },
        ),
    },
    max_output_tokens={"type": "integer", "minimum": 16},
    store={"type": "boolean"},
    stream={"type": "boolean"},
    temperature={"type": "number", "minimum": 0, "maximum": 2},
    reasoning=closed([], effort={"enum": EFFORTS}),
    text=closed(
        [],
        verbosity={"enum": ["low", "medium", "high"]},
        format=closed(["type", "name", "schema"], type={"const": "json_schema"}, **FORMAT_FIELDS),
    ),
    metadata={"type": "object", "additionalProperties": {"type": "string", "maxLength": 512}},
    safety_identifier={"type": "string", "maxLength": 64},
)

_CHAT = closed(
    ["model", "messages"],
    model={"type": "string"},
    messages={
        "type": "array",
        "minItems": 1,
        "items": message(
            ["user", "assistant", "system", "developer"],
            {
                "oneOf": [
                    closed(["type", "text"], type={"const": "text"}, text={"type": "string"}),
                    closed(
                        ["type", "image_url"],
                        type={"const": "image_url"},
                        image_url=closed(["url"], url={"type": "string"}, detail={"enum": ["low", "high", "auto"]}),
                    ),
                ]
            },
        ),
    },
    max_completion_tokens={"type": "integer", "minimum": 1},
    max_tokens={"type": "integer", "minimum": 1},
    store={"type": "boolean"},
    stream={"type": "boolean"},
    stream_options=closed([], include_usage={"type": "boolean"}),
    temperature={"type": "number", "minimum": 0, "maximum": 2},
    seed={"type": "integer"},
    reasoning_effort={"enum": EFFORTS},
    response_format=closed(
        ["type", "json_schema"], type={"const": "json_schema"}, json_schema=closed(["name", "schema"], **FORMAT_FIELDS)
    ),
    metadata={"type": "object", "additionalProperties": {"type": "string", "maxLength": 512}},
    safety_identifier={"type": "string", "maxLength": 64},
)

_GENERATION = closed(
    ["prompt", "model"],
    prompt={"type": "string", "minLength": 1, "maxLength": 32_000},
    model={"type": "string"},
    n={"type": "integer", "minimum": 1, "maximum": 10},
    size=SIZE,
    output_format={"enum": ["png", "jpeg", "webp"]},
    output_compression={"type": "integer", "minimum": 0, "maximum": 100},
    quality={"enum": ["low", "medium", "high", "xhigh", "max", "auto"]},
    background={"enum": ["transparent", "opaque", "auto"]},
    moderation={"enum": ["low", "auto"]},
    response_format={"enum": ["url", "b64_json"]},
    safety_identifier={"type": "string", "maxLength": 64},
)

_EDIT = closed(
    ["prompt", "model"],
    **{name: rule for name, rule in _GENERATION["properties"].items() if name != "moderation"},
    input_fidelity={"enum": ["high", "low"]},
)
"""The fields beside the picture; numbers come as text in a form, and are read before."""

RESPONSES, CHAT, GENERATION, EDIT = map(jsonschema_rs.Draft202012Validator, (_RESPONSES, _CHAT, _GENERATION, _EDIT))

KEYWORDS = {
    "type", "title", "description", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf",
    "$ref", "$defs", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems",
}  # fmt: skip
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def strict_problems(schema: Any, depth: int = 0) -> Iterator[str]:
    """Why OpenAI would not take this schema with `strict: true`."""
    if not isinstance(schema, dict) or not schema:
        yield "schema must have a 'type' key"
        return
    if depth == 0 and (schema.get("type") != "object" or "anyOf" in schema):
        yield "schema must be an object without anyOf at its root"
    if depth > 10:
        yield "schema is nested too deeply"
        return
    yield from _wrong_words(schema)
    yield from _wrong_shape(schema)
    inside = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    for each in [*inside, *([schema["items"]] if "items" in schema else [])]:
        yield from strict_problems(each, depth + 1)


def _wrong_words(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"'{name}' is not permitted" for name in sorted(set(schema) - KEYWORDS))
    if schema.get("format", "date") not in FORMATS:
        yield f"'{schema['format']}' is not a valid format"
    if "$ref" in schema and (len(schema) > 1 or not re.fullmatch(r"#(/\$defs/.+)?", str(schema["$ref"]))):
        yield "$ref cannot have keywords, and points to a definition"


def _wrong_shape(schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if "object" in kinds or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield "'additionalProperties' is required to be supplied and to be false"
        if sorted(schema.get("required", [])) != sorted(schema.get("properties", {})):
            yield "'required' is required to be supplied and to be an array including every key in properties"
    if "array" in kinds and "items" not in schema:
        yield "array schema missing items"
