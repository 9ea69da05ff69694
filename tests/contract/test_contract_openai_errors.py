"""Every error of OpenAI is one of the taxonomy, also where it comes inside an answer or in the middle of a stream."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_openai import API_KEY, MODERATION, REFUSAL, FakeOpenAI, refusal
from contract.openai_answers import Line, Usage, completion_document, events, response_document
from madang.adapters.openai import mapping
from madang.adapters.openai.chat_completions import CHAT_COMPLETIONS
from madang.adapters.openai.dialect import Dialect
from madang.adapters.openai.mapping import error_of
from madang.adapters.openai.responses import RESPONSES
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.openai.text_model import OpenAITextModel
from madang.plugins.conformance.remote import Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.secret import Secret
from madang.ports.text_model import FinishReason, PromptMessage, Role, TextRequest, TextResult, TokenUsage

REQUEST = TextRequest([PromptMessage(Role.USER, "안녕하세요")], "text-1", timeout=20.0)
LINE = Line("", "hello", "stop", Usage(3, 2))
APIS = ["responses", "chat_completions"]

ROWS: list[tuple[int, str | None, str, type[PortError], type[PortError], str | None]] = [
    # status, error.code, error.type, of a text, of pictures, reason
    (400, "invalid_type", "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (400, "unsupported_value", "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (400, None, "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (400, "invalid_image", "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (400, "context_length_exceeded", "invalid_request_error", Rejected, Rejected, "context_length"),
    (400, "string_above_max_length", "invalid_request_error", Rejected, Rejected, "context_length"),
    (400, "content_policy_violation", "invalid_request_error", Rejected, Rejected, "content_policy"),
    (400, "moderation_blocked", "image_generation_user_error", Rejected, Rejected, "content_policy"),
    (400, "content_filter", "invalid_request_error", Rejected, Rejected, "content_policy"),
    (400, "invalid_prompt", "invalid_request_error", Rejected, Rejected, "content_policy"),
    (400, "bio_policy", "invalid_request_error", Rejected, Rejected, "content_policy"),
    (400, "image_content_policy_violation", "invalid_request_error", Rejected, Rejected, "content_policy"),
    (400, "image_too_large", "invalid_request_error", Rejected, Rejected, "too_large"),
    (400, "image_file_too_large", "invalid_request_error", Rejected, Rejected, "too_large"),
    (413, None, "", Rejected, Rejected, "too_large"),
    (415, "unsupported_content_type", "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (422, None, "invalid_request_error", Rejected, Rejected, "invalid_request"),
    (401, "invalid_api_key", "invalid_request_error", Misconfigured, Misconfigured, None),
    (401, None, "", Misconfigured, Misconfigured, None),
    (403, "unsupported_country_region_territory", "request_forbidden", Misconfigured, Misconfigured, None),
    (403, None, "", Misconfigured, Misconfigured, None),
    (404, "model_not_found", "invalid_request_error", Misconfigured, Misconfigured, None),
    (404, None, "", Misconfigured, Misconfigured, None),
    (405, None, "", Misconfigured, Misconfigured, None),
    (302, None, "", Misconfigured, Misconfigured, None),
    (399, None, "", Misconfigured, Misconfigured, None),
    (400, None, "", Rejected, Rejected, "invalid_request"),
    (402, None, "", Rejected, Rejected, "invalid_request"),
    (406, None, "", Rejected, Rejected, "invalid_request"),
    (499, None, "", Rejected, Rejected, "invalid_request"),
    (599, None, "", Unavailable, OutcomeUnknown, None),
    (0, None, "", Unavailable, Unavailable, None),
    (1, None, "", Misconfigured, Misconfigured, None),
    (400, "billing_hard_limit_reached", "invalid_request_error", Misconfigured, Misconfigured, None),
    (429, "insufficient_quota", "insufficient_quota", Misconfigured, Misconfigured, None),
    (429, "credit_balance_exhausted", "insufficient_quota", Misconfigured, Misconfigured, None),
    (429, "organization_spend_limit_exceeded", "insufficient_quota", Misconfigured, Misconfigured, None),
    (429, "project_spend_limit_exceeded", "insufficient_quota", Misconfigured, Misconfigured, None),
    (429, "organization_usage_limit_exceeded", "insufficient_quota", Misconfigured, Misconfigured, None),
    (429, "billing_not_active", "", Misconfigured, Misconfigured, None),
    (429, "rate_limit_exceeded", "requests", RateLimited, RateLimited, None),
    (429, "rate_limit_exceeded", "tokens", RateLimited, RateLimited, None),
    (429, "slow_down", "rate_limit_error", RateLimited, RateLimited, None),
    (503, "slow_down", "rate_limit_error", RateLimited, RateLimited, None),
    (429, None, "", RateLimited, RateLimited, None),
    (503, "server_is_overloaded", "service_unavailable_error", Unavailable, Unavailable, None),
    (503, None, "", Unavailable, OutcomeUnknown, None),
    (409, None, "", Unavailable, Unavailable, None),
    (408, None, "", Unavailable, OutcomeUnknown, None),
    (500, None, "server_error", Unavailable, OutcomeUnknown, None),
    (502, None, "", Unavailable, OutcomeUnknown, None),
    (504, None, "", Unavailable, OutcomeUnknown, None),
    (0, "server_error", "", Unavailable, OutcomeUnknown, None),
    (0, "vector_store_timeout", "", Unavailable, OutcomeUnknown, None),
    (0, "rate_limit_exceeded", "", RateLimited, RateLimited, None),
    (0, "data_residency_mismatch", "", Misconfigured, Misconfigured, None),
    (0, "something_new", "", Unavailable, Unavailable, None),
    *((0, code, "", Rejected, Rejected, "invalid_request") for code in sorted(mapping.UNUSABLE)),
]


@pytest.mark.parametrize(("status", "code", "kind", "of_text", "of_pictures", "reason"), ROWS)
def test_every_error_of_openai_is_one_of_the_taxonomy(
    status: int, code: str | None, kind: str, of_text: type, of_pictures: type, reason: str | None
) -> None:
    told = {"error": {"message": "buyer@example.com said 안녕", "type": kind, "param": "input[0].content", "code": code}}
    for operation, expected in (("generate", of_text), ("stream", of_text), ("start", of_pictures)):
        error = error_of(status, {"x-request-id": "req_1", "retry-after": "7"}, told, operation)
        assert type(error) is expected
        assert (error.provider, error.operation, error.request_id) == ("openai", operation, "req_1")
        assert error.code == (code or kind or str(status))
        assert getattr(error, "reason", None) == reason
        assert getattr(error, "retry_after", 7.0) == 7.0
        assert "example.com" not in f"{error} {error.context()}"


def test_a_field_that_is_wrong_is_named() -> None:
    for told, message in (({"param": "input[0]"}, "OpenAI refuses the request: input[0]"), ({}, "OpenAI refuses the request")):
        assert error_of(400, {}, {"error": told}, "generate").message == message


def test_every_word_of_the_table_has_its_row() -> None:
    told = {word for _, code, kind, *_ in ROWS for word in (code, kind)}
    tables = [
        mapping.NOTHING_TO_SPEND, mapping.NOT_ALLOWED, mapping.TOO_MANY_WORDS, mapping.TOO_LARGE, mapping.TOO_FAST,
        mapping.NOT_SERVED, mapping.FAILED, mapping.WRONG_KEYS, mapping.UNUSABLE,
    ]  # fmt: skip
    assert set().union(*tables) <= told


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert mapping.retry_after_in(headers) == seconds


@pytest.fixture
def openai() -> Iterator[FakeOpenAI]:
    with serving(FakeOpenAI()) as server:
        yield server


@pytest.fixture(params=APIS)
async def model(request: pytest.FixtureRequest, openai: FakeOpenAI, context: ProviderContext) -> AsyncIterator[OpenAITextModel]:
    provider = OpenAITextModel(OpenAISettings(Secret(API_KEY), api=request.param, base_url=f"{openai.url}/v1"), context)
    yield provider
    await provider.close()


async def streamed(model: OpenAITextModel, request: TextRequest) -> TextResult:
    chunks = [chunk async for chunk in model.stream(request)]
    result = chunks[-1].result
    assert result is not None
    return result


@pytest.mark.parametrize(("word", "code"), [(REFUSAL, "refusal"), (MODERATION, "invalid_prompt")])
async def test_a_refusal_is_the_models_or_the_services_and_rejected_either_way(
    model: OpenAITextModel, word: str, code: str
) -> None:
    request = replace(REQUEST, messages=[PromptMessage(Role.USER, word)])
    for asked in (model.generate(request), streamed(model, request)):
        with pytest.raises(Rejected) as refused:
            await asked
        assert (refused.value.reason, refused.value.code) == ("content_policy", code)
        assert str(refused.value.request_id).startswith("req_")
        assert "can't help" not in str(refused.value)


async def test_what_was_written_before_it_was_withheld_is_told_with_the_reason(
    openai: FakeOpenAI, model: OpenAITextModel
) -> None:
    openai.lines += [replace(LINE, text="half", reason="content_filter")] * 2
    for result in (await model.generate(REQUEST), await streamed(model, REQUEST)):
        assert (result.text, result.finish) == ("half", FinishReason.CONTENT_POLICY)


FAILED = {**response_document("gpt-5.6-luna", LINE), "status": "failed", "output": []}
BROKEN: list[tuple[str, Reply, type[PortError]]] = [
    ("responses", Reply(200, {**FAILED, "error": {"code": "server_error", "message": "m"}}), Unavailable),
    ("responses", Reply(200, {**FAILED, "error": {"code": "rate_limit_exceeded", "message": "m"}}), RateLimited),
    ("responses", Reply(200, {**FAILED, "error": {"code": "bio_policy", "message": "m"}}), Rejected),
    ("responses", Reply(200, {**FAILED, "error": None}), Unavailable),
    ("responses", Reply(200, {**FAILED, "status": "queued"}), OutcomeUnknown),
    ("responses", Reply(200, {**FAILED, "status": "in_progress"}), OutcomeUnknown),
    ("responses", Reply(200, {**FAILED, "status": "cancelled"}), OutcomeUnknown),
    ("responses", Reply(200, {**FAILED, "status": "something_new"}), OutcomeUnknown),
    ("responses", Reply(200, {**FAILED, "status": "completed", "output": None}), OutcomeUnknown),
    ("responses", Reply(200, []), OutcomeUnknown),
    ("chat_completions", Reply(200, {"choices": []}), OutcomeUnknown),
    ("chat_completions", Reply(200, {"choices": [{"message": {"content": "x"}, "finish_reason": None}]}), OutcomeUnknown),
    ("chat_completions", Reply(200, {"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]}), OutcomeUnknown),
    ("chat_completions", Reply(200, {"error": {"message": "m"}}), OutcomeUnknown),
]


@pytest.mark.parametrize(("api", "reply", "error"), BROKEN)
async def test_an_answer_that_is_none_is_told_by_the_taxonomy(
    openai: FakeOpenAI, context: ProviderContext, api: str, reply: Reply, error: type[PortError]
) -> None:
    model = OpenAITextModel(OpenAISettings(Secret(API_KEY), api=api, base_url=f"{openai.url}/v1"), context)
    openai.next.append(replace(reply, headers={**reply.headers, "x-request-id": "req_77"}))
    with pytest.raises(error) as raised:
        await model.generate(REQUEST)
    assert (type(raised.value), raised.value.operation, raised.value.request_id) == (error, "generate", "req_77")
    openai.next.append(Reply(200, {"data": "no list"}, {"x-request-id": "req_78"}))
    with pytest.raises(Unavailable, match="no list of models") as unlisted:
        await model.check()
    assert (unlisted.value.operation, unlisted.value.request_id) == ("check", "req_78")
    await model.close()


REFUSED = {**FAILED, "error": {"code": "invalid_prompt", "message": "m"}}
DELTA = {"type": "response.output_text.delta", "delta": "hel"}
CHUNK = {"choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": None}]}
INTERRUPTED: list[tuple[str, Reply, type[PortError]]] = [
    ("responses", events([DELTA, {"type": "error", "code": "server_error", "message": "m", "param": None}]), Unavailable),
    ("responses", events([DELTA, {"type": "error", "code": "rate_limit_exceeded", "message": "m"}]), RateLimited),
    ("responses", events([DELTA, {"type": "response.failed", "response": REFUSED}]), Rejected),
    ("responses", events([DELTA]), OutcomeUnknown),
    ("responses", events([DELTA, {"type": "response.completed", "response": "x"}]), OutcomeUnknown),
    ("chat_completions", events([CHUNK, {"error": {"code": "insufficient_quota", "message": "m"}}]), Misconfigured),
    ("chat_completions", events([CHUNK, {"error": {"type": "server_error", "message": "m"}}]), Unavailable),
    ("chat_completions", events([CHUNK], done=True), OutcomeUnknown),
    ("chat_completions", Reply(200, b"data: {half\n\n", {"content-type": "text/event-stream"}), OutcomeUnknown),
    ("chat_completions", Reply(200, b"data: [1]\n\n", {"content-type": "text/event-stream"}), OutcomeUnknown),
]  # fmt: skip


@pytest.mark.parametrize(("api", "reply", "error"), INTERRUPTED)
async def test_a_stream_that_ends_badly_is_told_by_the_taxonomy(
    openai: FakeOpenAI, context: ProviderContext, api: str, reply: Reply, error: type[PortError]
) -> None:
    model = OpenAITextModel(OpenAISettings(Secret(API_KEY), api=api, base_url=f"{openai.url}/v1"), context)
    openai.next.append(replace(reply, headers={**reply.headers, "x-request-id": "req_77"}))
    with pytest.raises(error) as raised:
        await streamed(model, REQUEST)
    assert (type(raised.value), raised.value.operation, raised.value.request_id) == (error, "stream", "req_77")
    await model.close()


FIELDS = [
    "status",
    "output",
    "content",
    "type",
    "text",
    "model",
    "usage",
    "input_tokens",
    "choices",
    "message",
    "finish_reason",
    "delta",
    "error",
    "code",
    "response",
    "incomplete_details",
    "reason",
    "refusal",
    "prompt_tokens_details",
]
ANYTHING = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "stop", "completed", "incomplete", "failed", "message", "output_text"]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inside, max_size=4),
    max_leaves=6,
)
TOP = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["completed", "incomplete", "failed", "x"]), "output": ANYTHING, "choices": ANYTHING,
        "error": ANYTHING, "usage": ANYTHING, "incomplete_details": ANYTHING,
    },
)  # fmt: skip


@settings(max_examples=60)
@given(answer=TOP)
def test_whatever_is_answered_is_a_result_or_an_error_of_the_taxonomy(answer: dict[str, Any]) -> None:
    for dialect in (RESPONSES, CHAT_COMPLETIONS):
        reading = dialect.reading("req_1")
        assert isinstance(
            read_or_raised(lambda r=reading: r.feed({**answer, "type": "response.completed", "response": answer})), str
        )
        for read in (reading.result, lambda d=dialect: d.result_of(answer, "req_1", "generate")):
            assert isinstance(read_or_raised(read), TextResult | PortError)


def read_or_raised(read: Callable[[], object]) -> object:
    try:
        return read()
    except PortError as error:
        return error


@pytest.mark.parametrize("dialect", [RESPONSES, CHAT_COMPLETIONS], ids=APIS)
@given(text=st.text(max_size=50), cut=st.integers(0, 50))
@settings(max_examples=25)
def test_a_stream_read_in_any_pieces_is_the_whole_text(dialect: Dialect, text: str, cut: int) -> None:
    line = replace(LINE, text=text, usage=Usage(3, 2, 1))
    pieces = [text[:cut], text[cut:]]
    reading = dialect.reading(None)
    if dialect is RESPONSES:
        told: list[dict[str, Any]] = [{"type": "response.output_text.delta", "delta": piece} for piece in pieces]
        told.append({"type": "response.completed", "response": response_document("m", line)})
    else:
        told = [{"choices": [{"delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
        told.append({"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]})
        told.append({"choices": [], "usage": completion_document("m", line)["usage"]})
    assert "".join(reading.feed(json.loads(json.dumps(event))) for event in told) == text
    result = reading.result()
    assert (result.text, result.finish, result.usage) == (text, FinishReason.STOP, TokenUsage(3, 2, 1))
    assert result.model == ("m" if dialect is CHAT_COMPLETIONS else "m-2026-07-09")


def test_the_fake_words_its_errors_as_openai_does() -> None:
    assert refusal(400, "m", "c", "p").body == {
        "error": {"message": "m", "type": "invalid_request_error", "param": "p", "code": "c"}
    }
