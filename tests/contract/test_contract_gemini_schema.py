"""A JSON Schema in Gemini's words: natively where there is a field, in the description where there is none, never dropped."""

import copy
import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_gemini import as_json_schema, with_words_read
from contract.fake_gemini_rules import CONFIG
from madang.adapters.gemini.errors import NotExpressible
from madang.adapters.gemini.schema import JSON_SCHEMA, OPENAPI, Dialect, translated
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.reading import read
from madang.core.portraits.report_document import SCHEMA as REPORT
from madang.ports.text_model import PromptMessage, Role

BOTH = [JSON_SCHEMA, OPENAPI]
READING = read([PromptMessage(Role.USER, "사진을 보고 리포트를 작성해 주세요.")])
WORDS = {
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "minItems": "At least {} items.",
    "maxItems": "At most {} items.",
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "uniqueItems": "No item twice.",
    "additionalProperties": "No other properties.",
}


def bounded(least: str, most: str, highest: int) -> st.SearchStrategy[dict[str, Any]]:
    """One bound, both or none, in their order."""
    pair = st.tuples(st.integers(0, highest), st.integers(0, highest)).map(sorted)
    return pair.flatmap(lambda ends: st.sampled_from([{}, {least: ends[0]}, {most: ends[1]}, {least: ends[0], most: ends[1]}]))


def described(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([schema, {**schema, "description": "무엇인지"}])


def lists(items: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Of items that are different enough for a list in which none comes twice."""
    return bounded("minItems", "maxItems", 3).flatmap(
        lambda bounds: st.sampled_from([{"type": "array", "items": items, **bounds}])
    )


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["summary", "area", "estimated_cost", "minItems", "type"])
    properties = st.dictionaries(names, inner, min_size=1, max_size=3)
    return properties.flatmap(
        lambda each: st.builds(
            lambda required, closed: {"type": "object", "properties": each, "required": required, **closed},
            st.lists(st.sampled_from(sorted(each)), unique=True),
            st.sampled_from([{}, {"additionalProperties": False}]),
        )
    )


TEXTS = bounded("minLength", "maxLength", 40).map(lambda bounds: {"type": "string", **bounds})
CHOICES = st.lists(st.sampled_from(["피부", "skin", "a b"]), min_size=1, unique=True).map(
    lambda each: {"type": "string", "enum": each}
)
NUMBERS = bounded("minimum", "maximum", 50).map(lambda bounds: {"type": "integer", **bounds})
LEAVES = st.one_of(TEXTS, CHOICES, NUMBERS, st.just({"type": "boolean"})).flatmap(described)
SETS = st.just({"type": "array", "uniqueItems": True, "minItems": 1, "maxItems": 3, "items": {"type": "string"}})
NULLABLE = LEAVES.map(lambda each: {"anyOf": [each, {"type": "null"}]})
SCHEMAS = objects(
    st.recursive(st.one_of(LEAVES, SETS, NULLABLE), lambda inner: st.one_of(inner.flatmap(lists), objects(inner)), max_leaves=5)
)


def as_given(schema: Any, dialect: Dialect) -> Any:
    """What a model understands: the translation with its words read, as a JSON Schema."""
    plain = schema if dialect is JSON_SCHEMA else as_json_schema(CONFIG["responseSchema"](schema, ""))
    return with_words_read(plain)


@pytest.mark.parametrize("dialect", BOTH, ids=lambda each: each.field)
@given(schema=SCHEMAS)
@settings(max_examples=12)
def test_a_model_that_keeps_to_the_translation_writes_what_was_asked(dialect: Dialect, schema: dict[str, Any]) -> None:
    written = translated(schema, dialect)
    CONFIG[dialect.field](written, "")
    answer = Answerer(as_given(written, dialect), READING, 1).answer()
    assert not [*jsonschema_rs.validator_for(schema).iter_errors(answer)]


@pytest.mark.parametrize("dialect", BOTH, ids=lambda each: each.field)
@given(schema=SCHEMAS)
@settings(max_examples=12)
def test_whatever_was_asked_for_is_allowed_by_the_translation(dialect: Dialect, schema: dict[str, Any]) -> None:
    answer = Answerer(schema, READING, 1).answer()
    assert jsonschema_rs.is_valid(as_given(translated(schema, dialect), dialect), answer)


def constraints(schema: Any) -> list[tuple[str, Any]]:
    """Every word of a schema and of all within it."""
    inner = (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *filter(None, [schema.get("items")]))
    own = [(word, value) for word, value in schema.items() if word not in ("properties", "anyOf", "items", "description")]
    return own + [each for one in inner for each in constraints(one)]


@given(schema=SCHEMAS)
@settings(max_examples=10)
def test_every_constraint_is_a_keyword_or_a_sentence(schema: dict[str, Any]) -> None:
    said = json.dumps(translated(schema, JSON_SCHEMA), ensure_ascii=False)
    for word, value in constraints(schema):
        keyword = f'"{word}": {json.dumps(value, ensure_ascii=False)}'
        assert keyword in said or WORDS[word].format(value) in said


@given(schema=SCHEMAS)
@settings(max_examples=10)
def test_a_translation_is_its_own_translation(schema: dict[str, Any]) -> None:
    written = translated(schema, JSON_SCHEMA)
    assert translated(written, JSON_SCHEMA) == written


@pytest.mark.parametrize("dialect", BOTH, ids=lambda each: each.field)
@given(schema=SCHEMAS)
@settings(max_examples=6)
def test_a_reference_is_what_it_refers_to(dialect: Dialect, schema: dict[str, Any]) -> None:
    name = min(schema["properties"])
    inner = copy.deepcopy(schema["properties"][name])
    apart = {**schema, "$defs": {"a/b~c": inner}, "properties": {**schema["properties"], name: {"$ref": "#/$defs/a~1b~0c"}}}
    both = {**schema, "properties": {**schema["properties"], name: {"allOf": [inner, {}]}}}
    assert translated(apart, dialect) == translated(both, dialect) == translated(schema, dialect)


@given(schema=SCHEMAS)
@settings(max_examples=5)
def test_the_schema_itself_is_left_alone(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    translated(schema, JSON_SCHEMA)
    assert schema == before


def in_object(inner: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": inner}}


@pytest.mark.parametrize(
    ("inner", "json_schema", "openapi"),
    [
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"], "format": "enum"}),
        ({"const": "a"}, {"enum": ["a"]}, {"type": "STRING", "enum": ["a"], "format": "enum"}),
        (
            {"type": "boolean", "const": True},
            {"type": "boolean", "description": "Always true."},
            {"type": "BOOLEAN", "description": "Always true."},
        ),
        (
            {"type": "integer", "enum": [1, 2], "description": "how many"},
            {"type": "integer", "enum": [1, 2], "description": "how many"},
            {"type": "INTEGER", "description": "how many One of: 1, 2."},
        ),
        (
            {"type": "string", "format": "date-time", "title": "When"},
            {"type": "string", "format": "date-time", "title": "When"},
            {"type": "STRING", "description": "Format: date-time. When."},
        ),
        (
            {"type": "number", "format": "double"},
            {"type": "number", "format": "double"},
            {"type": "NUMBER", "format": "double"},
        ),
        (
            {"type": "string", "pattern": "^[a-z]+$", "examples": ["아름"], "default": "x", "x-mine": 1},
            {
                "type": "string",
                "description": 'Matches the regular expression ^[a-z]+$ For example: "아름". By default "x".',
            },
            {
                "type": "STRING",
                "description": 'Matches the regular expression ^[a-z]+$ For example: "아름". By default "x".',
            },
        ),
        (
            {"allOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"minimum": 3, "maximum": 5}]},
            {"type": "integer", "minimum": 3, "maximum": 5},
            {"type": "INTEGER", "description": "At least 3. At most 5."},
        ),
        (
            {"oneOf": [{"type": "null"}, {"type": "string"}], "description": "a name"},
            {"oneOf": [{"type": "null"}, {"type": "string"}], "description": "a name"},
            {"type": "STRING", "nullable": True, "description": "a name"},
        ),
    ],
)
def test_keywords_become_fields_or_sentences(inner: Any, json_schema: Any, openapi: Any) -> None:
    assert translated(in_object(inner), JSON_SCHEMA)["properties"]["a"] == json_schema
    assert translated(in_object(inner), OPENAPI)["properties"]["a"] == openapi


@pytest.mark.parametrize(
    "inner",
    [
        {"not": {"type": "string"}},
        {"if": {"type": "string"}, "then": {"minLength": 1}},
        {"patternProperties": {"^a": {"type": "string"}}},
        {"type": "array", "contains": {"type": "string"}},
        {"dependentRequired": {"a": ["b"]}},
        {"$ref": "https://elsewhere.example/schema"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#"},
        {"$ref": "#/properties/a"},
        {"allOf": [{"$ref": "#"}]},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"a_typo": 1},
        {"properties": ["a"]},
        False,
        7,
    ],
)
@pytest.mark.parametrize("dialect", BOTH, ids=lambda each: each.field)
def test_what_cannot_be_said_is_refused(dialect: Dialect, inner: Any) -> None:
    with pytest.raises(NotExpressible):
        translated(in_object(inner), dialect)


@pytest.mark.parametrize(
    "inner",
    [
        {},
        True,
        {"type": ["string", "integer"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object"},
        {"type": "array"},
        {"type": "null"},
        {"type": "object", "additionalProperties": {"type": "string"}, "properties": {"b": {"type": "string"}}},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}},
        {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["c"]},
    ],
)
def test_what_only_the_newer_sdk_can_say_is_refused_for_the_old_one(inner: Any) -> None:
    CONFIG["responseJsonSchema"](translated(in_object(inner), JSON_SCHEMA), "")
    with pytest.raises(NotExpressible):
        translated(in_object(inner), OPENAPI)


def test_a_tuple_that_takes_nothing_more_ends_there() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False}
    assert translated(in_object(pair), JSON_SCHEMA)["properties"]["a"] == {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "maxItems": 2,
    }


def test_lengths_of_lists_are_said_in_words_where_gemini_could_not_hold_them() -> None:
    short = {
        "type": "array",
        "maxItems": 8,
        "items": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string"}},
    }
    assert translated(in_object(short), JSON_SCHEMA)["properties"]["a"] == short
    long = {"type": "array", "minItems": 70, "maxItems": 70, "items": {"type": "string"}}
    said = {"type": "array", "items": {"type": "string"}, "description": "At least 70 items. At most 70 items."}
    assert translated(in_object(long), JSON_SCHEMA)["properties"]["a"] == said
    nested = {"type": "array", "maxItems": 20, "items": {"type": "array", "maxItems": 20, "items": {"type": "string"}}}
    written = translated(in_object(nested), JSON_SCHEMA)["properties"]["a"]
    assert (written["maxItems"], written["items"]["description"]) == (20, "At most 20 items.")
    many = {"type": "object", "properties": {name: {**long, "minItems": 0, "maxItems": 30} for name in "abc"}}
    assert ["maxItems" in each for each in translated(many, JSON_SCHEMA)["properties"].values()] == [True, True, False]


def test_references_that_multiply_are_refused() -> None:
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for depth in range(1, 14):
        defs[f"d{depth}"] = {"type": "object", "properties": {name: {"$ref": f"#/$defs/d{depth - 1}"} for name in "ab"}}
    with pytest.raises(NotExpressible):
        translated({"type": "object", "$defs": defs, "properties": {"a": {"$ref": "#/$defs/d13"}}}, JSON_SCHEMA)


@pytest.mark.parametrize("dialect", BOTH, ids=lambda each: each.field)
def test_the_report_of_the_portraits_is_taken(dialect: Dialect) -> None:
    written = translated(REPORT, dialect)
    CONFIG[dialect.field](written, "")
    answer = Answerer(as_given(written, dialect), READING, 1).answer()
    jsonschema_rs.validate(REPORT, answer)
