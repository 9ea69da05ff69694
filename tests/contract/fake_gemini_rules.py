"""What the Gemini API (v1beta) takes and what it refuses, field by field, as its reference says; bodies are JSON of protobuf:
names may be in camel or snake case, enumerations numbers and 64-bit integers texts."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

MEDIA = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}
JSON_SCHEMA_WORDS = {
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems",
    "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering",
}  # fmt: skip
TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
RATIOS = {"1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"}


class BadRequest(Exception):
    """400 INVALID_ARGUMENT with this message."""


Check = Callable[[Any, str], Any]


def checked_request(document: Any) -> dict[str, Any]:
    """The request with its names in camel case. Raises `BadRequest`."""
    request = _message(REQUEST)(document, "")
    if not request.get("contents"):
        raise BadRequest("* GenerateContentRequest.contents: contents is not specified")
    for content in request["contents"]:
        if content.get("role", "user") not in ("user", "model"):
            raise BadRequest("Please use a valid role: user, model.")
    config = request.get("generationConfig", {})
    _check_config(config)
    return request


def _check_config(config: Mapping[str, Any]) -> None:
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        raise BadRequest("Only one of response_schema and response_json_schema may be set")
    if schemas and config.get("responseMimeType") != "application/json":
        raise BadRequest("Function calling config or response schema needs response mime type: 'application/json'")
    if not 1 <= config.get("maxOutputTokens", 1) <= 65_536:
        raise BadRequest("max_output_tokens must be in the range from 1 to 65536")
    if not 0 <= config.get("temperature", 0) <= 2:
        raise BadRequest("temperature must be in the range [0.0, 2.0].")
    if config.get("imageConfig", {}).get("aspectRatio", "1:1") not in RATIOS:
        raise BadRequest("aspect_ratio is not supported")


def _message(fields: Mapping[str, Check]) -> Check:
    def check(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise BadRequest(f"Invalid value at '{path}'")
        read = {}
        for name, each in value.items():
            camel = re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
            if camel not in fields:
                raise BadRequest(f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field.")
            read[camel] = fields[camel](each, f"{path}.{name}".lstrip("."))
        return read

    return check


def _list_of(check: Check) -> Check:
    def each(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise BadRequest(f"Invalid value at '{path}', a list is expected")
        return [check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return each


def _text(value: Any, path: str) -> str:
    return _kind(str, value, path)


def _boolean(value: Any, path: str) -> bool:
    return _kind(bool, value, path)


def _anything(value: Any, path: str) -> Any:
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool):
        raise BadRequest(f"Invalid value at '{path}'")
    return _kind((int, float), value, path)


def _int32(value: Any, path: str) -> int:
    return _whole(value, path, 2**31)


def _int64(value: Any, path: str) -> int:
    """Protobuf writes these as texts."""
    return _whole(int(value) if isinstance(value, str) and value.isdigit() else value, path, 2**63)


def _whole(value: Any, path: str, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
        raise BadRequest(f"Invalid value at '{path}' (TYPE_INT), {value!r}")
    return value


def _kind(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, kind):
        raise BadRequest(f"Invalid value at '{path}', {value!r:.40}")
    return value


def _bytes(value: Any, path: str) -> bytes:
    """Base64 of either alphabet."""
    try:
        return base64.b64decode(_text(value, path).replace("-", "+").replace("_", "/") + "==", validate=False)
    except binascii.Error:
        raise BadRequest(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed") from None


def _media_type(value: Any, path: str) -> str:
    if value not in MEDIA:
        raise BadRequest(f"Unsupported MIME type: {value}")
    return _text(value, path)


def _part(value: Any, path: str) -> dict[str, Any]:
    read: dict[str, Any] = _message(PART)(value, path)
    if len(read.keys() & {"text", "inlineData"}) != 1 or read.get("text") == "":
        raise BadRequest(f"* {path}: required oneof field 'data' must have one initialized field")
    return read


def _content(value: Any, path: str) -> dict[str, Any]:
    read: dict[str, Any] = _message({"role": _text, "parts": _list_of(_part)})(value, path)
    if not read.get("parts"):
        raise BadRequest(f"* {path}.parts: contents.parts must not be empty.")
    return read


def _type(value: Any, path: str) -> str:
    """A name in upper or lower case, or its number."""
    named = TYPES[value] if isinstance(value, int) and 0 <= value < len(TYPES) else str(value).upper()
    if named not in TYPES:
        raise BadRequest(f"Invalid value at '{path}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), {value!r}")
    return named


def _schema(value: Any, path: str) -> dict[str, Any]:
    """The message `Schema`: an object needs properties, an array items, and what is required is described."""
    read: dict[str, Any] = _message(SCHEMA)(value, path)
    if read.get("type") == "OBJECT" and not read.get("properties"):
        raise BadRequest(f"* {path}.properties: should be non-empty for OBJECT type")
    if read.get("type") == "ARRAY" and "items" not in read:
        raise BadRequest(f"* {path}.items: missing field.")
    if read.get("type") == "STRING" and read.get("format", "enum") not in ("enum", "date-time"):
        raise BadRequest(f"* {path}.format: only 'enum' and 'date-time' are supported for STRING type")
    for name in read.get("required", ()):
        if name not in read.get("properties", {}):
            raise BadRequest(f"* {path}.required[0]: property is not defined")
    return read


def _schemas(value: Any, path: str) -> dict[str, Any]:
    return {name: _schema(each, f"{path}[{name}]") for name, each in _kind(dict, value, path).items()}


def _json_schema(value: Any, path: str) -> dict[str, Any]:
    """A JSON Schema with the words that the reference lists."""
    for word, each in _kind(dict, value, path).items():
        if word not in JSON_SCHEMA_WORDS:
            raise BadRequest(f"Unsupported JSON Schema keyword {word!r} at '{path}'")
        if word == "properties":
            for name, inner in each.items():
                _json_schema(inner, f"{path}.properties[{name}]")
        elif word in ("items", "additionalProperties") and not isinstance(each, bool):
            _json_schema(each, f"{path}.{word}")
        elif word in ("anyOf", "oneOf", "prefixItems"):
            for index, inner in enumerate(each):
                _json_schema(inner, f"{path}.{word}[{index}]")
    return dict(value)


SCHEMA: dict[str, Check] = {
    "type": _type, "format": _text, "title": _text, "description": _text, "nullable": _boolean, "enum": _list_of(_text),
    "items": _schema, "minItems": _int64, "maxItems": _int64, "properties": _schemas, "required": _list_of(_text),
    "propertyOrdering": _list_of(_text), "anyOf": _list_of(_schema), "minimum": _number, "maximum": _number,
    "minLength": _int64, "maxLength": _int64, "pattern": _text, "default": _anything, "example": _anything,
}  # fmt: skip
PART: dict[str, Check] = {
    "text": _text,
    "inlineData": _message({"mimeType": _media_type, "data": _bytes}),
    "thought": _boolean,
    "thoughtSignature": _bytes,
}
CONFIG: dict[str, Check] = {
    "candidateCount": _int32, "stopSequences": _list_of(_text), "maxOutputTokens": _int32, "temperature": _number,
    "topP": _number, "topK": _number, "seed": _int32, "presencePenalty": _number, "frequencyPenalty": _number,
    "responseMimeType": _text, "responseSchema": _schema, "responseJsonSchema": _json_schema,
    "responseModalities": _list_of(_anything),
    "imageConfig": _message({"aspectRatio": _text, "imageSize": _text}),
    "thinkingConfig": _message({"includeThoughts": _boolean, "thinkingBudget": _int32, "thinkingLevel": _text}),
}  # fmt: skip
REQUEST: dict[str, Check] = {
    "model": _text,
    "contents": _list_of(_content),
    "systemInstruction": _content,
    "generationConfig": _message(CONFIG),
    "safetySettings": _list_of(_message({"category": _anything, "threshold": _anything})),
    "cachedContent": _text,
}
