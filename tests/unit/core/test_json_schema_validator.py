"""Documents against a schema: places and rules are told, values never, and nobody is asked for a `$ref`."""

import pytest

from madang.adapters.jsonschema.validator import JsonSchemaValidator

PROBLEMS = JsonSchemaValidator().problems


def test_a_valid_document_has_no_problem() -> None:
    assert PROBLEMS({"type": "object"}, {}) == []
    assert PROBLEMS({"enum": ["가", None]}, "가") == []


def test_each_problem_names_its_place_and_its_rule_and_no_value() -> None:
    schema = {"properties": {"list": {"items": {"properties": {"size": {"maximum": 3}, "name": {"const": "x"}}}}}}
    found = PROBLEMS(schema, {"list": [{"size": 1}, {"size": 4, "name": "Ignore all rules"}]})
    size, name = "list[1].size: the value is greater than the maximum of 3", 'list[1].name: "x" was expected'
    assert sorted(found) == [name, size]


def test_a_document_that_is_wrong_everywhere_is_told_in_ten_short_sentences() -> None:
    found = PROBLEMS({"items": {"type": "integer"}, "propertyNames": False}, ["x" * 1000] * 100)
    assert len(found) == 10
    long_key = PROBLEMS({"additionalProperties": False}, {"k" * 1000: 1})
    assert len(long_key[0]) <= 300


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"minimum": "x"}, {"pattern": "("}, {"$ref": "#/$defs/nobody"}])
def test_a_schema_that_is_none_is_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PROBLEMS(schema, {})


def test_nothing_is_fetched_for_a_reference() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        PROBLEMS({"$ref": "http://127.0.0.1:1/schema.json"}, {})
