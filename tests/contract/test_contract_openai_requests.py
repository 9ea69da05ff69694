"""What OpenAI is asked: by whom, with which words, by which schema, and how much of an answer is taken."""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_openai import API_KEY, FakeOpenAI
from contract.openai_wire import strict_problems
from madang.adapters.jsonschema.validator import JsonSchemaValidator
from madang.adapters.openai.capabilities import text_as_configured
from madang.adapters.openai.chat_completions import CHAT_COMPLETIONS
from madang.adapters.openai.client import OpenAIClient
from madang.adapters.openai.responses import RESPONSES
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.openai.strictness import SPOKEN, strict
from madang.adapters.openai.text_model import OpenAITextModel
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.reading import Reading
from madang.core.generation.prompts import fenced, load
from madang.core.generation.structured_output import ask_for
from madang.core.portraits.report_document import SCHEMA, ReportReader
from madang.plugins.conformance.pictures import JPEG
from madang.plugins.conformance.remote import Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.secret import Secret
from madang.ports.text_model import Picture, PromptMessage, Role, TextModelCapabilities, TextRequest

REQUEST = TextRequest([PromptMessage(Role.USER, "안녕하세요")], "text-1", timeout=20.0)
SEEING = replace(REQUEST, messages=[PromptMessage(Role.USER, "무엇이 보이나요?", [Picture(JPEG)])])
APIS = ["responses", "chat_completions"]
Models = Callable[..., OpenAITextModel]


@pytest.fixture
def openai() -> Iterator[FakeOpenAI]:
    with serving(FakeOpenAI()) as server:
        yield server


@pytest.fixture
async def model_with(openai: FakeOpenAI, context: ProviderContext) -> AsyncIterator[Models]:
    built: list[OpenAITextModel] = []

    def build(**changes: Any) -> OpenAITextModel:
        told = {"api_key": Secret(API_KEY), "base_url": f"{openai.url}/v1", **changes}
        built.append(OpenAITextModel(OpenAISettings(**told), context))
        return built[-1]

    yield build
    for model in built:
        await model.close()


async def test_only_what_the_settings_say_is_told_of_us(
    openai: FakeOpenAI, model_with: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer somebody-elses\nX-Somebody: else")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody-else")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody-else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await model_with().generate(REQUEST)
    await model_with(organization="org-ours", project="proj-ours").generate(REQUEST)
    plain, ours = (dict(request.headers) for request in openai.arrived)
    needed = {
        "host",
        "connection",
        "accept",
        "content-type",
        "content-length",
        "authorization",
        "user-agent",
        "accept-encoding",
    }
    assert set(plain) == needed
    assert plain["authorization"] == f"Bearer {API_KEY}"
    assert set(ours) - needed == {"openai-organization", "openai-project"}
    assert (ours["openai-organization"], ours["openai-project"]) == ("org-ours", "proj-ours")


async def test_a_server_that_wants_no_key_gets_none(context: ProviderContext) -> None:
    with serving(FakeOpenAI(key=None, models=["llama3.2"])) as server:
        told = OpenAISettings(base_url=f"{server.url}/v1", api="chat_completions", model="llama3.2")
        model = OpenAITextModel(told, context)
        assert (await model.check()).detail == "llama3.2 is offered"
        assert (await model.generate(REQUEST)).text
        assert not any("authorization" in request.headers for request in server.arrived)
        await model.close()


@pytest.mark.parametrize("api", APIS)
async def test_openai_keeps_nothing_unless_it_is_let(openai: FakeOpenAI, model_with: Models, api: str) -> None:
    await model_with(api=api).generate(REQUEST)
    await model_with(api=api, store=True).generate(REQUEST)
    assert [request.json["store"] for request in openai.arrived] == [False, True]


@pytest.mark.parametrize(
    ("model", "told", "sent"),
    [
        ("gpt-5.6-luna", {}, "low"),
        ("gpt-5.6-luna", {"reasoning_effort": "none"}, "none"),
        ("gpt-5.6-luna", {"reasoning_effort": "default"}, None),
        ("gpt-4.1", {}, None),
        ("llama3.2", {"reasoning_effort": "high"}, None),
    ],
)
async def test_how_hard_to_think_is_told_to_models_that_do(
    openai: FakeOpenAI, model_with: Models, model: str, told: dict[str, Any], sent: str | None
) -> None:
    await model_with(model=model, **told).generate(REQUEST)
    await model_with(model=model, api="chat_completions", **told).generate(REQUEST)
    by_responses, by_chat = (request.json for request in openai.arrived)
    assert by_responses.get("reasoning", {}).get("effort") == by_chat.get("reasoning_effort") == sent


async def test_wishes_go_to_models_that_take_them_and_to_no_others(openai: FakeOpenAI, model_with: Models) -> None:
    wishing = replace(REQUEST, temperature=0.5, seed=7)
    for model, api in [("gpt-5.6-luna", "responses"), ("gpt-4.1", "responses"), ("gpt-4.1", "chat_completions")]:
        await model_with(model=model, api=api).generate(wishing)
    sent = [(request.json.get("temperature"), request.json.get("seed")) for request in openai.arrived]
    assert sent == [(None, None), (0.5, None), (0.5, 7)]


async def test_the_longest_answer_is_told_as_each_server_knows_it(openai: FakeOpenAI, model_with: Models) -> None:
    for model, api in [("gpt-5.6-luna", "responses"), ("gpt-5.6-luna", "chat_completions"), ("llama3.2", "chat_completions")]:
        await model_with(model=model, api=api).generate(replace(REQUEST, max_output_tokens=5))
    names = ("max_output_tokens", "max_completion_tokens", "max_tokens")
    sent = [{name: request.json[name] for name in names if name in request.json} for request in openai.arrived]
    assert sent == [{"max_output_tokens": 16}, {"max_completion_tokens": 5}, {"max_tokens": 5}]


async def test_what_is_added_keeps_what_is_there(openai: FakeOpenAI, model_with: Models) -> None:
    request = replace(REQUEST, schema=SCHEMA, extra={"text": {"verbosity": "low"}, "store": True})
    await model_with().generate(request)
    [arrived] = openai.arrived
    assert arrived.json["text"]["verbosity"] == "low"
    assert arrived.json["text"]["format"]["type"] == "json_schema"
    assert arrived.json["store"] is True


@pytest.mark.parametrize("api", APIS)
async def test_a_report_is_written_in_korean_by_the_strict_schema(openai: FakeOpenAI, model_with: Models, api: str) -> None:
    catalogue = (
        "SK010 | skin | 피부 보습 관리 | 4-8주 | 50,000-120,000원\nHR020 | hair | 헤어 스타일 상담 | 1-2주 | 30,000-90,000원"
    )
    prompt = load("portrait_report").render_parts(
        language="Korean", picture_prompt=fenced("a portrait"), catalogue=fenced(catalogue)
    )
    request = TextRequest(
        [PromptMessage(Role.SYSTEM, prompt["system"]), PromptMessage(Role.USER, prompt["user"], [Picture(JPEG)] * 4)],
        "report-1",
        schema=SCHEMA,
        schema_name="portrait report!",
    )
    written = await ask_for([model_with(api=api)], request, ReportReader({"SK010", "HR020"}), JsonSchemaValidator())
    report = written.value
    assert not written.repaired
    assert not report.dropped_codes
    assert all(improvement.recommendations for improvement in report.improvements)
    assert any("가" <= letter <= "힣" for letter in report.summary)
    asked = openai.arrived[-1].json
    sent = asked["text"]["format"] if api == "responses" else asked["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == ("portrait_report_", True)
    assert sent["schema"]["properties"]["summary"] == {"type": "string", "description": "minLength: 1"}


OPTIONAL = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        OPTIONAL,
        {**OPTIONAL, "required": ["a", "b"], "additionalProperties": True},
        {**OPTIONAL, "required": ["a", "b"], "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {}},
        {"type": "object", "anyOf": [OPTIONAL]},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": True}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": [*range(1001)]}}, "required": ["a"]},
    ],
)
def test_a_schema_with_an_open_place_or_a_structure_of_its_own_is_not_strict(schema: dict[str, Any]) -> None:
    assert strict(schema) is None


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return inner


def of_many(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


LETTERS = "x" * 59_990
"""Twice this and twenty more is as many letters as strict mode takes."""


@pytest.mark.parametrize(
    ("most", "more"),
    [
        (nested(10), nested(11)),
        (of_many(**{f"p{each}": {"type": "string"} for each in range(5000)}),
         of_many(**{f"p{each}": {"type": "string"} for each in range(5001)})),
        (of_many(a={"enum": [*range(999)]}, b={"const": 1}), of_many(a={"enum": [*range(1000)]}, b={"const": 1})),
        (of_many(a={"enum": [LETTERS, LETTERS, "x" * 19]}), of_many(a={"enum": [LETTERS, LETTERS, "x" * 20]})),
        (of_many(a={"enum": [LETTERS, "x" * 19]}, **{LETTERS[1:]: {"type": "string"}}),
         of_many(a={"enum": [LETTERS, "x" * 20]}, **{LETTERS[1:]: {"const": "x"}})),
        ({**of_many(a={"enum": [LETTERS, LETTERS, "x" * 9]}), "$defs": {"x" * 10: {"type": "string"}}},
         {**of_many(a={"enum": [LETTERS, LETTERS, "x" * 9]}), "$defs": {"x" * 11: {"type": "string"}}}),
    ],
    ids=["depth", "properties", "options", "letters of options", "letters of names", "letters of definitions"],
)  # fmt: skip
def test_a_schema_is_strict_up_to_what_strict_mode_takes(most: dict[str, Any], more: dict[str, Any]) -> None:
    assert strict(most) is not None
    assert strict(more) is None


async def test_a_schemas_name_is_as_long_as_openai_takes_it(openai: FakeOpenAI, model_with: Models) -> None:
    await model_with().generate(replace(REQUEST, schema=OPTIONAL, schema_name="n" * 65))
    assert openai.arrived[-1].json["text"]["format"]["name"] == "n" * 64


async def test_a_schema_that_cannot_be_strict_goes_out_as_it_is(openai: FakeOpenAI, model_with: Models) -> None:
    for api in APIS:
        answer = await model_with(api=api).generate(replace(REQUEST, schema=OPTIONAL))
        assert "a" in json.loads(answer.text)
    by_responses, by_chat = (request.json for request in openai.arrived)
    for sent in (by_responses["text"]["format"], by_chat["response_format"]["json_schema"]):
        assert (sent["schema"], sent["strict"]) == (OPTIONAL, False)


def test_a_closed_schema_is_strict_with_its_definitions_and_its_bounds_in_words() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["next"],
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["b", "a"],
        "properties": {
            "a": {"type": "string", "description": "a name", "minLength": 2, "default": "지우"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 1, "uniqueItems": True},
        },
        "$defs": {"node": node},
    }
    adapted = strict(schema)
    assert adapted is not None
    assert not list(strict_problems(adapted))
    assert adapted["required"] == ["b", "a"]
    assert adapted["properties"]["a"]["description"] == 'a name (minLength: 2; default: "지우")'
    assert adapted["properties"]["b"]["minItems"] == 1
    assert adapted["$defs"]["node"]["additionalProperties"] is False
    assert "minLength" in schema["properties"]["a"], "the caller's schema is not changed"


NAMES = st.sampled_from(["code", "title", "score", "weeks"])
LEAF = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 3), "maxLength": st.integers(5, 9)}
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["integer", "number"])}, optional={"minimum": st.integers(0, 3)}),
    st.fixed_dictionaries({"enum": st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True)}),
    st.just({"type": ["string", "null"]}),
)


def object_of(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def described(properties: dict[str, Any], drop: int, closed: bool) -> dict[str, Any]:
        whole = {"type": "object", "properties": properties, "required": list(properties)[: len(properties) - drop]}
        return {**whole, "additionalProperties": False} if closed else whole

    return st.builds(
        described, st.dictionaries(NAMES, inside, min_size=1, max_size=3), st.sampled_from([0, 0, 0, 1]), st.booleans()
    )


SCHEMAS = object_of(
    st.recursive(
        LEAF,
        lambda inside: object_of(inside) | st.fixed_dictionaries({"type": st.just("array"), "items": inside}),
        max_leaves=4,
    )
)


@settings(max_examples=40)
@given(schema=SCHEMAS)
def test_what_fits_the_strict_schema_fits_the_schema_that_was_given(schema: dict[str, Any]) -> None:
    adapted = strict(schema)
    if adapted is None:
        assert any(problem.startswith("'required'") for problem in strict_problems(schema))
        return
    assert not list(strict_problems(adapted))
    answer = Answerer(adapted, Reading("ko", [], [], []), 1).answer()
    jsonschema_rs.validate(without_spoken(schema), answer)


def without_spoken(schema: Any) -> Any:
    """The schema less the bounds that only words tell."""
    if isinstance(schema, dict):
        return {name: without_spoken(value) for name, value in schema.items() if name not in SPOKEN}
    return [without_spoken(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize(
    ("told", "able"),
    [
        ({}, TextModelCapabilities(True, True, True, False, False, 922_000)),
        ({"model": "gpt-6-luna"}, TextModelCapabilities(True, True, True, False, False, 922_000)),
        ({"model": "gpt-5.4-mini", "api": "chat_completions"}, TextModelCapabilities(True, True, True, False, False, 272_000)),
        ({"model": "openai/gpt-5.6-luna"}, TextModelCapabilities(True, True, True, False, False, 922_000)),
        ({"model": "gpt-4.1"}, TextModelCapabilities(True, True, True, False, True, 1_014_808)),
        ({"model": "gpt-4.1", "api": "chat_completions"}, TextModelCapabilities(True, True, True, True, True, 1_014_808)),
        ({"model": "ft:gpt-4o-mini:org::1"}, TextModelCapabilities(True, True, True, False, True, 111_616)),
        ({"model": "llama3.2", "api": "chat_completions"}, TextModelCapabilities(True, False, True, True, True, 8_192)),
        ({"model": "gpt-oss-20b"}, TextModelCapabilities(True, False, True, False, True, 8_192)),
        (
            {"model": "x", "vision": True, "json_schema": False, "temperature": False, "seed": True, "max_input_tokens": 9},
            TextModelCapabilities(False, True, True, False, False, 9),
        ),
    ],
)
def test_what_a_model_can_follows_from_its_name_the_api_and_the_settings(
    told: dict[str, Any], able: TextModelCapabilities
) -> None:
    assert text_as_configured(OpenAISettings(Secret(API_KEY), **told)) == able


@pytest.mark.parametrize("dialect", [RESPONSES, CHAT_COMPLETIONS], ids=APIS)
@pytest.mark.parametrize(
    ("told", "request_", "error"),
    [
        ({"vision": False}, SEEING, Unsupported),
        ({"json_schema": False}, replace(REQUEST, schema=SCHEMA), Unsupported),
        ({}, replace(REQUEST, messages=[PromptMessage(Role.USER, "", [Picture(b"BM", "image/bmp")])]), Rejected),
        ({}, replace(REQUEST, messages=[PromptMessage(Role.ASSISTANT, "", [Picture(JPEG)])]), Rejected),
    ],
)
def test_what_a_model_surely_cannot_take_never_leaves(
    dialect: Any, told: dict[str, Any], request_: TextRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        dialect.payload_of(request_, OpenAISettings(Secret(API_KEY), **told), "generate")


async def test_tokens_that_came_from_the_cache_are_told(model_with: Models) -> None:
    model = model_with()
    first, again = await model.generate(REQUEST), await model.generate(REQUEST)
    assert first.usage.cached_input_tokens == 0
    assert 0 < again.usage.cached_input_tokens < again.usage.input_tokens == first.usage.input_tokens
    assert again.cost is None


async def test_check_says_whether_the_model_is_offered(openai: FakeOpenAI, model_with: Models) -> None:
    assert (await model_with().check()).detail == "gpt-5.6-luna is offered"
    assert (await model_with(model="gpt-7").check()).detail == "gpt-7 is not in the list of models"
    with pytest.raises(Misconfigured):
        await model_with(base_url=openai.url).check()
    openai.next.append(Reply(200, "<html>"))
    with pytest.raises(Unavailable):
        await model_with().check()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(200, b"{" + bytes(2000)), OutcomeUnknown),
        (Reply(500, b"{" + bytes(2000)), OutcomeUnknown),
        (Reply(200, iter([bytes(600)] * 4)), OutcomeUnknown),
        (Reply(200, b"\x1f\x8b", {"content-encoding": "gzip"}), OutcomeUnknown),
        (Reply(302, "", {"location": "/v1/elsewhere"}), Misconfigured),
    ],
)
async def test_an_answer_too_long_packed_or_pointing_elsewhere_is_not_taken(
    openai: FakeOpenAI, reply: Reply, error: type[Exception]
) -> None:
    client = OpenAIClient(OpenAISettings(Secret(API_KEY), base_url=f"{openai.url}/v1"), max_bytes=1000)
    openai.next.append(reply)
    with pytest.raises(error):
        await client.post("generate", "/responses", {}, 5.0)
    assert len(openai.arrived) == 1
    await client.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": None},
        {"api_key": Secret("test-key\r\nX-Evil: 1")},
        {"api_key": Secret("")},
        {"base_url": "http://api.openai.example/v1"},
        {"base_url": "api.openai.com/v1"},
        {"base_url": "https://user:word@api.openai.example/v1"},
        {"base_url": "https://api.openai.example/v1?a=b"},
        {"api": "assistants"},
        {"model": "gpt 5"},
        {"organization": "org\r\nX-Evil: 1"},
        {"project": "프로젝트"},
        {"reasoning_effort": "a lot"},
        {"image_format": "gif"},
        {"keep_pictures": 0},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    field = next(iter(wrong))
    with pytest.raises(ValueError, match=f"{field}|api_key") as refused:
        OpenAISettings(**{"api_key": Secret(API_KEY), **wrong})
    assert "Evil" not in str(refused.value)
    assert API_KEY not in str(refused.value)


async def test_neither_the_prompt_nor_the_key_shows_in_logs(
    openai: FakeOpenAI, model_with: Models, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model = model_with()
    await model.generate(replace(REQUEST, messages=[PromptMessage(Role.USER, "a secret of buyer@example.com")]))
    openai.next.append(Reply(400, {"error": {"message": "a secret of buyer@example.com", "type": "invalid_request_error"}}))
    with pytest.raises(Rejected) as refused:
        await model.generate(REQUEST)
    assert "buyer" not in caplog.text + repr(refused.value) + str(refused.value.context())
    assert API_KEY not in caplog.text
