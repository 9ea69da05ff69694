"""The text model: keeps to any schema, writes in the prompt's language and words, and picks from what was offered."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.adapters.sandbox.prose import particle
from madang.adapters.sandbox.text_model import SandboxTextModel
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.text_model import FinishReason, Picture, PromptMessage, Role, TextRequest, TextResult

Build = Callable[..., Any]

REPORT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "improvements", "timeline", "estimated_cost"],
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 600},
        "improvements": {
            "type": "array",
            "minItems": 2,
            "maxItems": 5,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["area", "description", "recommendations"],
                "properties": {
                    "area": {"type": "string"},
                    "description": {"type": "string"},
                    "recommendations": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 3,
                        "uniqueItems": True,
                        "items": {"type": "string"},
                    },
                },
            },
        },
        "timeline": {"type": "string"},
        "estimated_cost": {"type": "string"},
    },
}
KOREAN = """사진을 보고 관리 리포트를 작성해 주세요. 아래 목록의 코드만 추천하세요.
- SC003 | 피부 | 피부톤 균일화 관리 | 4-8주
- P007 | 피부 | 광채 보습 루틴 | 2-4주
- SC005 | 얼굴 윤곽 | 턱선 마사지 | 8-12주
- SC007 | 얼굴 윤곽 | 브이라인 관리 | 8-12주
"""
ENGLISH = """Look at the photos and write the care report. Recommend codes of this list only.
- SC003 | skin | even skin tone | 4-8 weeks
- P007 | skin | glow routine | 2-4 weeks
- SC005 | contour | jaw massage | 8-12 weeks
"""
HANGUL = re.compile(r"[가-힣]")


def asked(text: str, schema: Any = None, *pictures: bytes, **more: Any) -> TextRequest:
    message = PromptMessage(Role.USER, text, [Picture(picture) for picture in pictures])
    return TextRequest([message], "key-1", schema=schema, **more)


def document(result: TextResult) -> Any:
    return json.loads(result.text)


async def test_the_report_validates_and_recommends_what_the_prompt_offers(sandbox: Build, portrait: bytes) -> None:
    answer = await sandbox(SandboxTextModel).generate(asked(KOREAN, REPORT, portrait, portrait))
    assert "피부" in answer.text, "as people write it, not as escapes"
    report = document(answer)
    jsonschema_rs.validate(REPORT, report)
    assert [each["area"] for each in report["improvements"]][:2] == ["피부", "얼굴 윤곽"]
    assert set(report["improvements"][0]["recommendations"]) <= {"SC003", "P007"}
    assert set(report["improvements"][1]["recommendations"]) <= {"SC005", "SC007"}
    assert re.fullmatch(r"\d+-\d+주 예상", report["timeline"])
    assert re.fullmatch(r"[\d,]+ - [\d,]+원", report["estimated_cost"])


async def test_cost_and_time_add_up_what_is_recommended(sandbox: Build) -> None:
    offers = {f"SC00{n}": (n, 2 * n, 10_000 * n, 30_000 * n) for n in range(1, 9)}
    lines = "\n".join(
        f"{code} | skin | {'gentle ' * n}care | {a}-{b} weeks | {c:,}-{d:,} KRW"
        for n, (code, (a, b, c, d)) in enumerate(offers.items())
    )
    for key in range(5):
        request = asked(f"Write the care report. Recommend codes of this list only.\n{lines}", REPORT, seed=key)
        report = document(await sandbox(SandboxTextModel).generate(request))
        named = {code for each in report["improvements"] for code in each["recommendations"]}
        weeks = [offers[code][:2] for code in named]
        costs = [offers[code][2:] for code in named]
        assert report["timeline"] == f"{max(low for low, _ in weeks)}-{max(high for _, high in weeks)} weeks expected"
        assert report["estimated_cost"] == f"{sum(low for low, _ in costs):,} - {sum(high for _, high in costs):,} KRW"


@pytest.mark.parametrize(
    ("prompt", "korean"),
    [
        (KOREAN, True),
        (ENGLISH, False),
        (KOREAN + "\nLanguage: English", False),
        (ENGLISH + "\n언어: 한국어", True),
        (ENGLISH + "\nAnswer in Korean.", True),
        (KOREAN + "\n영어로 답하세요.", False),
        ("Output language: ko\n" + ENGLISH, True),
    ],
)
async def test_the_answer_is_in_the_prompts_language(sandbox: Build, prompt: str, korean: bool) -> None:
    model = sandbox(SandboxTextModel)
    report = document(await model.generate(asked(prompt, REPORT)))
    assert bool(HANGUL.search(report["timeline"])) is korean
    free = (await model.generate(asked(prompt))).text
    assert bool(HANGUL.search(free)) is korean or not korean


async def test_a_free_answer_uses_the_prompts_words(sandbox: Build) -> None:
    text = (await sandbox(SandboxTextModel).generate(asked("Write a post about espresso machines in Seoul."))).text
    assert "espresso" in text or "machines" in text or "seoul" in text.lower()


async def test_the_picture_changes_the_answer(sandbox: Build, portrait: bytes) -> None:
    model = sandbox(SandboxTextModel)
    seen = document(await model.generate(asked(KOREAN, REPORT, portrait)))["summary"]
    assert seen != document(await model.generate(asked(KOREAN, REPORT)))["summary"]
    assert re.search(r"밝기는 \d+%", seen)
    with pytest.raises(Rejected) as unreadable:
        await model.generate(asked(KOREAN, REPORT, b"no picture"))
    assert unreadable.value.reason == "invalid_request"


async def test_the_same_prompt_and_seed_give_the_same_answer_and_another_seed_another(sandbox: Build) -> None:
    model = sandbox(SandboxTextModel)
    first = await model.generate(asked(KOREAN, REPORT, seed=1))
    assert (await model.generate(asked(KOREAN, REPORT, seed=1))).text == first.text
    others = {(await model.generate(asked(KOREAN, REPORT, seed=seed))).text for seed in range(2, 8)}
    assert others - {first.text}


async def test_usage_and_cost_are_told(sandbox: Build, portrait: bytes) -> None:
    result = await sandbox(SandboxTextModel).generate(asked(KOREAN, REPORT, portrait))
    assert result.usage.input_tokens > 765
    assert result.usage.output_tokens > 20
    assert result.cost is not None
    assert result.cost.micros > 0
    assert (result.model, result.finish) == ("sandbox-author-1", FinishReason.STOP)


async def test_an_answer_that_is_cut_off_says_so(sandbox: Build) -> None:
    result = await sandbox(SandboxTextModel).generate(asked(KOREAN, REPORT, max_output_tokens=10))
    assert result.finish is FinishReason.LENGTH
    assert result.usage.output_tokens <= 10


async def test_garbage_is_broken_wrong_or_invented(sandbox: Build) -> None:
    kinds = ("garbage", "garbage=schema", "garbage=invented")
    model = sandbox(SandboxTextModel, faults=", ".join(f"text_model.generate:{kind}" for kind in kinds))
    with pytest.raises(json.JSONDecodeError):
        document(await model.generate(asked(KOREAN, REPORT)))
    assert not jsonschema_rs.is_valid(REPORT, document(await model.generate(asked(KOREAN, REPORT))))
    invented = document(await model.generate(asked(KOREAN, REPORT)))
    jsonschema_rs.validate(REPORT, invented)
    assert "ZZ999" in {code for each in invented["improvements"] for code in each["recommendations"]}


async def test_refusals_and_time_outs_follow_the_taxonomy(sandbox: Build) -> None:
    model = sandbox(SandboxTextModel, faults="text_model.generate:slow=60")
    with pytest.raises(OutcomeUnknown):
        await model.generate(asked("hello", timeout=0.01))
    for prompt, reason in (("[sandbox:content_policy]", "content_policy"), ("x" * 600_000, "context_length")):
        with pytest.raises(Rejected) as refused:
            await model.generate(asked(prompt))
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"format": "date-time"}},
        },
        {
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/node"}},
            "required": ["tree"],
            "$defs": {
                "node": {
                    "type": "object",
                    "required": ["name", "children"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 12},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    },
                }
            },
        },
        {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["card", "nav", None]}, "n": {"const": 3}}},
        {
            "type": "object",
            "required": ["a", "b"],
            "properties": {
                "a": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
                "b": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
            },
        },
        {
            "type": "object",
            "allOf": [
                {"required": ["x"], "properties": {"x": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}},
                {"required": ["y"], "properties": {"y": {"type": ["null", "string"], "minLength": 300}}},
            ],
        },
        {
            "type": "object",
            "required": ["color", "slug"],
            "additionalProperties": False,
            "properties": {
                "color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                "slug": {"pattern": "^[a-z]+(-[a-z]+)*$", "maxLength": 20},
            },
        },
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2, "maxProperties": 3},
        {
            "type": "object",
            "required": ["point"],
            "properties": {
                "point": {
                    "type": "array",
                    "minItems": 2,
                    "items": False,
                    "prefixItems": [{"type": "number"}, {"type": "string"}],
                }
            },
        },
        {
            "type": "object",
            "required": ["w"],
            "properties": {"w": {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60}},
        },
    ],
)
async def test_what_products_ask_for_validates(sandbox: Build, schema: dict[str, Any]) -> None:
    for prompt in (KOREAN, ENGLISH):
        answer = document(await sandbox(SandboxTextModel).generate(asked(prompt, schema)))
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(answer)


def bounded(low: int, high: int, name: str) -> Any:
    return st.tuples(st.integers(low, high), st.integers(0, 5)).map(
        lambda ends: {f"min{name}": ends[0], f"max{name}": sum(ends)}
    )


STRINGS = st.one_of(
    bounded(0, 30, "Length").map(lambda ends: {"type": "string", **ends}),
    st.sampled_from(["date", "date-time", "email", "uri", "uuid", "ipv4"]).map(lambda name: {"type": "string", "format": name}),
    st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True).map(lambda options: {"enum": options}),
)
NUMBERS = st.tuples(st.sampled_from(["integer", "number"]), st.integers(-50, 50), st.integers(0, 20)).map(
    lambda parts: {"type": parts[0], "minimum": parts[1], "maximum": parts[1] + parts[2]}
)
SCALARS = st.one_of(STRINGS, NUMBERS, st.just({"type": "boolean"}), st.just({"type": "null"}))
NAMES = st.sampled_from(["title", "summary", "score", "items", "description", "tags", "recommendations", "price", "x"])


def compound(inner: Any) -> Any:
    return st.one_of(
        st.tuples(inner, bounded(0, 4, "Items")).map(lambda parts: {"type": "array", "items": parts[0], **parts[1]}),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        st.dictionaries(NAMES, inner, max_size=4).map(
            lambda fields: {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
        ),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    fields=st.dictionaries(NAMES, st.recursive(SCALARS, compound, max_leaves=6), max_size=5),
    prompt=st.sampled_from([KOREAN, ENGLISH]),
)
async def test_any_simple_schema_is_kept_to(sandbox: Build, fields: dict[str, Any], prompt: str) -> None:
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    answer = document(await sandbox(SandboxTextModel).generate(asked(prompt, schema)))
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(answer)


@pytest.mark.parametrize(
    ("word", "kind", "form"),
    [
        ("피부", "은", "는"),
        ("얼굴", "은", "은"),
        ("윤곽", "과", "과"),
        ("머리", "과", "와"),
        ("서울", "으로", "로"),
        ("집", "으로", "으로"),
    ],
)
def test_korean_particles_follow_the_last_sound(word: str, kind: str, form: str) -> None:
    assert particle(word, kind) == form
