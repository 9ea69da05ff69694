"""Gemini's answers and refusals read, and what is asked, at the bounds of each rule."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from madang.adapters.gemini.errors import NotExpressible, error_of
from madang.adapters.gemini.mapping import Reading, Unreadable, usage_of
from madang.adapters.gemini.payload import picture_payload, text_payload, with_extra
from madang.adapters.gemini.schema import JSON_SCHEMA, MAX_DEPTH, OPENAPI, translated
from madang.adapters.gemini.schema_parts import merged, resolved
from madang.adapters.gemini.schema_words import in_words
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.image_model import PictureRequest
from madang.ports.text_model import FinishReason, Picture, PromptMessage, Role, TextRequest, TokenUsage

TEXT = TextRequest([PromptMessage(Role.USER, "안녕")], "text-1")
PICTURE = PictureRequest("a portrait", "picture-1", 40)


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ({"title": "When"}, "When."),
        ({"format": "date"}, "Format: date."),
        ({"const": "가"}, 'Always "가".'),
        ({"enum": [1, "나"]}, 'One of: 1, "나".'),
        ({"default": None}, "By default null."),
        ({"examples": ["a", 2]}, 'For example: "a", 2.'),
        ({"deprecated": True}, "Deprecated."),
        ({"deprecated": False}, ""),
        ({"pattern": "^a$"}, "Matches the regular expression ^a$"),
        ({"minLength": 1, "maxLength": 2}, "At least 1 characters. At most 2 characters."),
        ({"minimum": 1, "maximum": 2}, "At least 1. At most 2."),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 2}, "More than 1. Less than 2."),
        ({"multipleOf": 3}, "A multiple of 3."),
        ({"minItems": 1, "maxItems": 2}, "At least 1 items. At most 2 items."),
        ({"uniqueItems": True}, "No item twice."),
        ({"uniqueItems": False}, ""),
        ({"minProperties": 1, "maxProperties": 2}, "At least 1 properties. At most 2 properties."),
        ({"additionalProperties": False}, "No other properties."),
        ({"additionalProperties": True}, ""),
        ({"contentEncoding": "base64", "contentMediaType": "image/png"}, "Encoded as base64. Holds image/png."),
        ({"x-mine": 1}, ""),
    ],
)
def test_each_constraint_has_its_sentence(constraints: dict[str, Any], words: str) -> None:
    assert in_words(constraints) == words


@pytest.mark.parametrize("of", ["Length", "Items", "Properties", "imum"])
def test_of_two_bounds_the_narrower_counts(of: str) -> None:
    one, other = {f"min{of}": 1, f"max{of}": 9}, {f"min{of}": 3, f"max{of}": 12}
    for first, second in ((one, other), (other, one)):
        assert merged(first, second) == {f"min{of}": 3, f"max{of}": 9}


def test_schemas_are_joined_by_what_they_say() -> None:
    assert merged({"exclusiveMinimum": 1, "exclusiveMaximum": 9}, {"exclusiveMinimum": 2, "exclusiveMaximum": 8}) == {
        "exclusiveMinimum": 2, "exclusiveMaximum": 8,
    }  # fmt: skip
    assert merged({"required": ["a", "b"]}, {"required": ["b", "c"]}) == {"required": ["a", "b", "c"]}
    for key in ("properties", "$defs"):
        joined = merged({key: {"a": 1, "b": 2}}, {key: {"b": 3, "c": 4}})
        assert joined == {key: {"a": 1, "b": {"allOf": [2, 3]}, "c": 4}}
    for key in ("title", "description", "default", "examples", "$comment", "$id"):
        assert merged({key: "one"}, {key: "other"}) == {key: "other"}
    assert merged({"type": "string"}, {"type": "string"}) == {"type": "string"}
    with pytest.raises(NotExpressible, match="pattern given twice"):
        merged({"pattern": "a"}, {"pattern": "b"})


def test_a_reference_is_followed_as_far_as_it_goes() -> None:
    chain = {f"d{step}": {"$ref": f"#/$defs/d{step + 1}"} for step in range(64)}
    root = {"$defs": {**chain, "d64": {"type": "string"}}}
    assert resolved({"$ref": "#/$defs/d64", "title": "x"}, root) == {"type": "string", "title": "x"}
    assert resolved({"$ref": "#/$defs/d1"}, root) == {"type": "string"}
    for unfit, why in (
        ({"$ref": "#/$defs/d0"}, "contains itself"),
        ({"$ref": 7}, "elsewhere"),
        ({"$ref": "other#/a"}, "elsewhere"),
        ({"$ref": "#/$defs/none/below"}, "nothing"),
        (7, "nothing fits"),
    ):
        with pytest.raises(NotExpressible, match=why):
            resolved(unfit, root)
    assert resolved({"$ref": "#"}, {"type": "string"}) == resolved({"$ref": "#/"}, {"type": "string"}) == {"type": "string"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_a_schema_is_as_deep_and_as_large_as_allowed() -> None:
    assert translated(nested(MAX_DEPTH), JSON_SCHEMA) == nested(MAX_DEPTH)
    wide = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(1999)}}
    assert translated(wide, JSON_SCHEMA) == wide
    wide["properties"]["more"] = {"type": "string"}
    for unfit in (nested(MAX_DEPTH + 1), wide):
        with pytest.raises(NotExpressible, match="too deep, too large"):
            translated(unfit, JSON_SCHEMA)


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True, "format": "enum"}),
        ({"type": ["null", "integer"]}, {"type": "INTEGER", "nullable": True}),
        ({"type": ["integer"]}, {"type": "INTEGER"}),
        ({"anyOf": [{"type": "string", "minLength": 2}]}, {"type": "STRING", "description": "At least 2 characters."}),
        ({"type": "boolean", "enum": [True]}, {"type": "BOOLEAN", "description": "One of: true."}),
        ({"type": "integer", "format": "int32"}, {"type": "INTEGER", "format": "int32"}),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 64},
            {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 64},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 65},
            {"type": "ARRAY", "items": {"type": "STRING"}, "description": "At least 65 items."},
        ),
    ],
)
def test_the_old_field_says_it_like_this(schema: dict[str, Any], written: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    expected = {"type": "OBJECT", "properties": {"a": written}, "required": ["a"]}
    assert translated(whole, OPENAPI) == expected


def test_a_tuple_that_ends_early_keeps_the_shorter_end() -> None:
    pair = [{"type": "string"}, {"type": "string"}]
    for given, end in ((1, 1), (5, 2)):
        schema = {"type": "array", "prefixItems": pair, "items": False, "maxItems": given}
        assert translated(schema, JSON_SCHEMA) == {"type": "array", "prefixItems": pair, "maxItems": end}
    assert translated({"type": "array", "items": False}, JSON_SCHEMA) == {"type": "array", "maxItems": 0}


@pytest.mark.parametrize(
    ("document", "usage"),
    [
        ({}, TokenUsage(0, 0, 0)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 3}, TokenUsage(7, 3, 0)),
        ({"candidatesTokenCount": 3, "thoughtsTokenCount": 4}, TokenUsage(0, 7, 0)),
        ({"promptTokenCount": 5, "totalTokenCount": 9}, TokenUsage(5, 4, 0)),
        ({"promptTokenCount": -1, "candidatesTokenCount": "3", "cachedContentTokenCount": 2}, TokenUsage(0, 0, 2)),
    ],
)
def test_tokens_are_counted_as_they_are_billed(document: dict[str, Any], usage: TokenUsage) -> None:
    assert usage_of(document) == usage


def candidate(*parts: object, reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason}], **more}


def test_an_answer_is_put_together_from_its_pieces() -> None:
    reading = Reading("gemini", "stream")
    assert reading.read(candidate({"text": "가"}, {"text": "out", "thought": True}, "no part", reason=None)) == "가"
    with pytest.raises(Unreadable, match="no end"):
        reading.result()
    assert reading.read({"usageMetadata": {"promptTokenCount": 3}}) == ""
    assert reading.read(candidate({"text": "나"}, {"text": 7}, modelVersion="gemini-9", responseId="r-1")) == "나"
    assert reading.read({"usageMetadata": {}, "candidates": "none"}) == ""
    result = reading.result()
    assert (result.text, result.model, result.finish, result.request_id, result.usage.input_tokens) == (
        "가나", "gemini-9", FinishReason.STOP, "r-1", 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("CONTINUATION", FinishReason.LENGTH),
        *((each, FinishReason.CONTENT_POLICY) for each in (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION", "ESCALATION", "MODEL_ARMOR",
        )),
        ("LANGUAGE", FinishReason.OTHER),
        ("MALFORMED_FUNCTION_CALL", FinishReason.OTHER),
    ],
)  # fmt: skip
def test_an_answer_ends_for_a_reason(reason: str, finish: FinishReason) -> None:
    reading = Reading("gemini", "generate")
    reading.read(candidate({"text": "a"}, reason=reason))
    assert reading.result().finish is finish
    withheld = Reading("gemini", "generate")
    withheld.read(candidate(reason=reason, responseId="r-1"))
    if finish is not FinishReason.CONTENT_POLICY:
        assert withheld.result().text == ""
        return
    with pytest.raises(Rejected) as refused:
        withheld.result()
    assert (refused.value.reason, refused.value.code, refused.value.request_id) == ("content_policy", reason, "r-1")


def test_what_is_no_answer_is_told() -> None:
    for document, why in (
        ([], "no object"),
        ({}, "neither"),
        ({"candidates": [], "promptFeedback": {}}, "neither"),
        (candidate({"inlineData": {"mimeType": "image/png", "data": "?"}}), "not base64"),
    ):
        with pytest.raises(Unreadable, match=why):
            Reading("gemini", "start").read(document)
    with pytest.raises(Rejected) as blocked:
        Reading("gemini", "start").read({"promptFeedback": {"blockReason": "B" * 70}, "responseId": "r-2"})
    assert (blocked.value.reason, blocked.value.code, blocked.value.operation) == ("content_policy", "B" * 64, "start")
    assert blocked.value.request_id == "r-2"
    with pytest.raises(Misconfigured) as limited:
        Reading("gemini", "start").read(candidate(reason="PUP_LIMITED_DISABLED"))
    assert (limited.value.code, limited.value.operation) == ("PUP_LIMITED_DISABLED", "start")
    pictures = Reading("gemini", "start")
    pictures.read(candidate({"inlineData": {"mimeType": "image/png", "data": "AAE="}}, {"inlineData": {"mimeType": "text/a"}}))
    assert pictures.pictures == [Picture(b"\x00\x01", "image/png")]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((each, Rejected) for each in (400, 402, 406, 411, 413, 422, 498)),
        *((each, Misconfigured) for each in (302, 399, 401, 403, 404, 405, 407)),
        *((each, Unavailable) for each in (408, 409, 499, 500, 503)),
        (429, RateLimited),
    ],
)
def test_without_a_status_the_number_decides(status: int, error: type[PortError]) -> None:
    for body in (b"", b"[]", b"[[]]", b"{", b'{"error": "text"}', b'{"error": {"status": "no word", "details": {}}}'):
        told = error_of(status, {}, body, "generate")
        assert (type(told), told.code, told.operation, told.request_id) == (error, str(status), "generate", None)


def test_a_failure_before_gemini_leaves_open_whether_a_picture_was_made() -> None:
    said = json.dumps({"error": {"status": "INTERNAL"}}).encode()
    assert type(error_of(500, {}, b"", "start")) is OutcomeUnknown
    assert type(error_of(499, {}, b"", "start")) is Unavailable
    assert type(error_of(500, {}, said, "start")) is Unavailable


@pytest.mark.parametrize(
    ("delay", "header", "seconds"),
    [
        ("3s", "9", 3.0),
        ("3.5s", "", 3.5),
        ("3", "9", 9.0),
        ("", "1.5", 1.5),
        ("", "soon", None),
        ("999999s", "", 86_400.0),
    ],
)
def test_a_refusal_says_when_to_come_again(delay: str, header: str, seconds: float | None) -> None:
    kind = "type.googleapis.com/google.rpc."
    details = [
        "no detail",
        {"@type": f"{kind}RetryInfo", "retryDelay": delay},
        {"@type": f"{kind}RequestInfo", "requestId": "r" * 300},
    ]
    body = json.dumps([{"error": {"status": "RESOURCE_EXHAUSTED", "details": details}}]).encode()
    told = error_of(429, httpx.Headers({"retry-after": header}), body, "generate")
    assert isinstance(told, RateLimited)
    assert (told.retry_after, told.code, told.request_id) == (seconds, "RESOURCE_EXHAUSTED", "r" * 200)


@pytest.mark.parametrize(
    ("width", "height", "config"),
    [
        (300, 100, {"aspectRatio": "21:9"}),
        (100, 300, {"aspectRatio": "9:16"}),
        (1, 1, {"aspectRatio": "1:1"}),
        (1024, 1024, {"aspectRatio": "1:1"}),
        (1025, 1024, {"aspectRatio": "1:1", "imageSize": "2K"}),
        (2048, 2048, {"aspectRatio": "1:1", "imageSize": "2K"}),
        (2049, 2048, {"aspectRatio": "1:1", "imageSize": "4K"}),
        (4096, 4096, {"aspectRatio": "1:1", "imageSize": "4K"}),
    ],
)
def test_a_size_is_a_shape_and_a_name(width: int, height: int, config: dict[str, str]) -> None:
    assert picture_payload(replace(PICTURE, width=width, height=height))["generationConfig"]["imageConfig"] == config


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 4097, "height": 4097},
        {"width": 301, "height": 100},
        {"width": 100, "height": 301},
        {"width": 100},
        {"height": 100},
        {"width": 0, "height": 1},
        {"count": 0},
        {"count": 2},
        {"prompt": ""},
        {"prompt": "\ud800"},
        {"extra": {"a": float("nan")}},
        {"extra": {"a": object()}},
        {"picture": Picture(b"GIF", "image/gif")},
    ],
)
def test_a_picture_that_gemini_would_refuse_is_not_asked_for(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        picture_payload(replace(PICTURE, **changes))
    assert (refused.value.reason, refused.value.operation) == ("invalid_request", "start")


def test_a_conversation_is_told_in_turns() -> None:
    messages = [
        PromptMessage(Role.SYSTEM, "be kind"),
        PromptMessage(Role.SYSTEM, ""),
        PromptMessage(Role.USER, ""),
        PromptMessage(Role.USER, "look", [Picture(b"\x00", "image/webp")]),
        PromptMessage(Role.USER, "again"),
        PromptMessage(Role.ASSISTANT, "yes"),
    ]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    request = replace(TEXT, messages=messages, temperature=0.0, seed=2**31 + 7, max_output_tokens=10, schema=schema)
    assert text_payload(request, 5, JSON_SCHEMA, "generate") == {
        "contents": [
            {
                "role": "user",
                "parts": [{"inlineData": {"mimeType": "image/webp", "data": "AA=="}}, {"text": "look"}, {"text": "again"}],
            },
            {"role": "model", "parts": [{"text": "yes"}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 15, "temperature": 0.0, "seed": 7, "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
        "systemInstruction": {"parts": [{"text": "be kind"}]},
    }  # fmt: skip
    assert "seed" not in text_payload(request, 5, OPENAPI, "generate")["generationConfig"]
    for unfit in ([PromptMessage(Role.SYSTEM, "x")], [*messages, PromptMessage(Role.SYSTEM, "x", [Picture(b"", "image/png")])]):
        with pytest.raises(Rejected):
            text_payload(replace(request, messages=unfit), 5, JSON_SCHEMA, "generate")
    assert with_extra({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"b": 3}, "d": {"e": 1}}) == {"a": {"b": 3, "c": 2}, "d": {"e": 1}}
    assert picture_payload(replace(PICTURE, seed=2**31 + 7))["generationConfig"] == {"responseModalities": ["IMAGE"], "seed": 7}
