"""What a model may answer for a report, and what it may not: any JSON at all is either read or refused with a place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.jsonschema.validator import JsonSchemaValidator
from madang.core.generation.structured_output import InvalidOutput
from madang.core.portraits.model import Report
from madang.core.portraits.report_document import MAX_IMPROVEMENTS, MAX_TEXT, SCHEMA, ReportReader

KNOWN = frozenset({"SC001", "SC003", "P007"})


def read(value: object) -> Report:
    """As `ask_for` reads an answer: by its schema first."""
    if problems := JsonSchemaValidator().problems(SCHEMA, value):
        raise InvalidOutput("; ".join(problems))
    return ReportReader(KNOWN)(value)


CODES = st.sampled_from([*sorted(KNOWN), "ZZ999", "sc003", " SC003 ", "SC003;DROP"])
TEXTS = st.text(min_size=1, max_size=40).filter(str.strip)
IMPROVEMENTS = st.fixed_dictionaries({"area": TEXTS, "description": TEXTS, "recommendations": st.lists(CODES, max_size=6)})
REPORTS = st.fixed_dictionaries(
    {
        "summary": TEXTS,
        "improvements": st.lists(IMPROVEMENTS, min_size=1, max_size=MAX_IMPROVEMENTS),
        "timeline": TEXTS,
        "estimated_cost": TEXTS,
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def a_report(**changes: Any) -> dict[str, Any]:
    improvement = {"area": "skin", "description": "calmer", "recommendations": ["SC003"]}
    whole = {"summary": "well", "improvements": [improvement], "timeline": "8 weeks", "estimated_cost": "300,000 won"}
    return whole | changes


def read_or_refused(value: object) -> Report | None:
    try:
        return read(value)
    except InvalidOutput:
        return None


def kept(report: Report) -> list[str]:
    return [code for improvement in report.improvements for code in improvement.recommendations]


@given(REPORTS)
def test_of_a_valid_report_every_kept_code_is_known_and_every_other_is_listed_as_dropped(document: dict[str, Any]) -> None:
    report = read(document)
    assert set(kept(report)) <= KNOWN
    for improvement, asked in zip(report.improvements, document["improvements"], strict=True):
        codes = [code.strip() for code in asked["recommendations"]]
        assert list(improvement.recommendations) == list(dict.fromkeys(code for code in codes if code in KNOWN))
    wanted = [code.strip() for asked in document["improvements"] for code in asked["recommendations"]]
    assert list(report.dropped_codes) == [code for code in wanted if code not in KNOWN]
    assert report.summary == document["summary"].strip()


@given(JSON)
def test_any_json_is_read_or_refused_and_raises_nothing_else(value: object) -> None:
    read_or_refused(value)


@given(REPORTS, st.data())
def test_a_report_that_is_wrong_in_one_place_is_read_or_refused_and_raises_nothing_else(
    document: dict[str, Any], data: st.DataObject
) -> None:
    document = json.loads(json.dumps(document))
    place: Any = data.draw(st.sampled_from([document, *document["improvements"]]))
    key = data.draw(st.sampled_from([*place, "unknown"]))
    place[key] = data.draw(JSON)
    report = read_or_refused(document)
    assert report is None or set(kept(report)) <= KNOWN


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([], "the document"),
        (None, "the document"),
        ({}, "required property"),
        (a_report(extra=1), "'extra' was unexpected"),
        (a_report(summary=""), "summary"),
        (a_report(summary="x" * (MAX_TEXT + 1)), "summary"),
        (a_report(timeline=8), "timeline"),
        (a_report(improvements={}), "improvements"),
        (a_report(improvements=[]), "improvements"),
        (a_report(improvements=a_report()["improvements"] * (MAX_IMPROVEMENTS + 1)), "improvements"),
        (a_report(improvements=["skin"]), "improvements[0]"),
        (a_report(improvements=[{"area": "skin", "description": "d", "recommendations": "SC003"}]), "recommendations"),
        (a_report(improvements=[{"area": "skin", "description": "d", "recommendations": [3]}]), "recommendations[0]"),
    ],
)
def test_a_wrong_report_is_refused_with_its_place(document: object, where: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        read(document)
    assert where in str(refused.value)


def test_an_invented_code_is_kept_short_whatever_the_model_wrote() -> None:
    improvement = {"area": "skin", "description": "d", "recommendations": ["X" * 4000]}
    assert [len(code) for code in read(a_report(improvements=[improvement])).dropped_codes] == [64]


def test_the_schema_that_the_model_gets_is_json_and_asks_for_what_is_read() -> None:
    schema = json.loads(json.dumps(SCHEMA))
    assert set(schema["required"]) == set(a_report())
    assert set(schema["properties"]["improvements"]["items"]["required"]) == {"area", "description", "recommendations"}
