"""Conformance of a text model."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Arrived, Fault, Reply
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Errors, Stage, outcome, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderKind
from madang.ports.text_model import (
    FinishReason,
    Picture,
    PromptMessage,
    Role,
    TextChunk,
    TextModel,
    TextRequest,
    TextResult,
    TokenUsage,
)

KOREAN: Final = "안녕하세요, 「마당」입니다 — 👩🏽‍🚀 “따옴표”\n둘째 줄 \\ 끝"
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "scores"],
    "properties": {
        "title": {"type": "string"},
        "scores": {"type": "array", "items": {"type": "integer"}},
    },
}
DOCUMENT: Final = {"title": "나의 리즈 시절 사진", "scores": [1, 2, 3]}
USAGE: Final = TokenUsage(input_tokens=1234, output_tokens=56, cached_input_tokens=78)
REQUEST: Final = TextRequest([PromptMessage(Role.USER, KOREAN)], "text-1", timeout=20.0)

TEXT_ERRORS: Final[Mapping[Fault, Errors]] = {
    Fault.UNAVAILABLE: (Unavailable,),
    Fault.RATE_LIMITED: (RateLimited,),
    Fault.WRONG_KEY: (Misconfigured,),
    Fault.HUNG_UP_BEFORE: (OutcomeUnknown, Unavailable),
    Fault.SERVER_ERROR: (Unavailable,),
    Fault.ANSWER_LOST: (OutcomeUnknown, Unavailable),
    Fault.CUT_OFF: (OutcomeUnknown, Unavailable),
    Fault.SILENT: (OutcomeUnknown,),
    Fault.SLOW: (OutcomeUnknown,),
    Fault.GARBAGE: (OutcomeUnknown, Unavailable),
}
"""Generating leaves nothing behind, so a lost answer may be asked for again; only a time-out is told apart."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the remote model says next. `OTHER` is a reason to end that nobody has heard of yet."""

    text: str = KOREAN
    finish: FinishReason = FinishReason.STOP
    usage: TokenUsage = USAGE


@dataclass(frozen=True, slots=True)
class AskedOfModel:
    """What a request asked of the remote model, read from the provider's own protocol. None or empty: it did not say."""

    conversation: Sequence[tuple[Role, str]]
    pictures: Sequence[Picture] = ()
    schema: Mapping[str, Any] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole body, to look for what `extra` passes through."""


class TextModelConformance(ProviderConformance):
    """With a remote side, give `say`, `asked_of` and `refusal`, which speak the provider's own protocol, and `extra`."""

    kind = ProviderKind.TEXT_MODEL
    operation = "generate"
    errors = TEXT_ERRORS
    extra: ClassVar[Mapping[str, Any]] = {}
    """Something that the provider takes and the port does not name, as it must arrive: `{"top_p": 0.5}`."""
    refusals: ClassVar[Sequence[str]] = ("content_policy", "invalid_request", "context_length")
    """The reasons that `refusal` has an answer for."""

    async def act(self, provider: TextModel, key: str, timeout: float = 20.0) -> TextResult:
        return await provider.generate(replace(REQUEST, idempotency_key=key, timeout=timeout))

    def say(self, remote: Any, spoken: Spoken) -> None:
        """The remote model answers the next request like this, streamed where a stream is asked for."""
        raise NotImplementedError("override say(): it tells your stand-in what to answer next")

    def asked_of(self, request: Arrived) -> AskedOfModel:
        """Read a request for an answer that reached the stand-in."""
        raise NotImplementedError("override asked_of(): it reads a request to your stand-in")

    def refusal(self, reason: str) -> Reply:
        """The provider's own answer for a request that it refuses for this reason."""
        raise NotImplementedError("override refusal(): your provider's own error for a reason, or shorten refusals")

    @must("Answer the model's text, its name, why it ended and the tokens that the provider counted.")
    async def test_an_answer_says_all_that_the_model_said(self, stage: Stage, provider: TextModel) -> None:
        if stage.service is not None:
            self.say(stage.service, Spoken())
        result = await provider.generate(REQUEST)
        assert result.model
        assert result.finish is FinishReason.STOP
        assert result.text.strip()
        assert min(result.usage.input_tokens, result.usage.output_tokens) > 0
        assert result.cost is None or result.cost.micros >= 0
        if stage.service is not None:
            assert (result.text, result.usage) == (KOREAN, USAGE)

    @must("Send every message with its role and in its order, as UTF-8 that nobody escapes twice, and the limit of tokens.")
    async def test_the_conversation_reaches_the_model_as_it_is(self, stage: Stage, provider: TextModel) -> None:
        conversation = [(Role.SYSTEM, "Antworte ‹kurz›."), (Role.USER, KOREAN), (Role.ASSISTANT, "네."), (Role.USER, "계속 🙂")]
        messages = [PromptMessage(role, text) for role, text in conversation]
        asked = await self._asked(stage, provider, replace(REQUEST, messages=messages, max_output_tokens=777))
        assert list(asked.conversation) == conversation
        assert asked.max_output_tokens == 777
        assert not asked.pictures
        assert asked.schema is None

    @must("Send temperature and seed where the capabilities say so, also those of 0, and send neither where nobody asked.")
    async def test_wishes_reach_the_model_where_it_takes_them(self, stage: Stage, provider: TextModel) -> None:
        able = provider.capabilities
        unasked = await self._asked(stage, provider, REQUEST)
        assert (unasked.temperature, unasked.seed) == (None, None)
        if able.temperature:
            assert (await self._asked(stage, provider, replace(REQUEST, temperature=0.0))).temperature == 0.0
        if able.seed:
            assert (await self._asked(stage, provider, replace(REQUEST, seed=0))).seed == 0

    @must("Send the schema in the provider's own way, or declare json_schema=False and raise Unsupported.")
    async def test_an_answer_for_a_schema_is_json(self, stage: Stage, provider: TextModel) -> None:
        request = replace(REQUEST, schema=SCHEMA, schema_name="photo_report")
        if not provider.capabilities.json_schema:
            await raised(self.name, "generate", provider.generate(request), (Unsupported,))
            return
        if stage.service is not None:
            self.say(stage.service, Spoken(json.dumps(DOCUMENT, ensure_ascii=False)))
        document = json.loads((await provider.generate(request)).text)
        assert set(SCHEMA["required"]) <= set(document)
        if stage.service is not None:
            assert document == DOCUMENT
            schema = self.asked_of(stage.service.acting[-1]).schema
            assert schema is not None
            assert set(schema["properties"]) == set(SCHEMA["properties"])
            assert list(schema["required"]) == SCHEMA["required"]

    @must("Send each picture's bytes and type with its message, or declare vision=False and raise Unsupported.")
    async def test_pictures_reach_the_model_in_their_order(self, stage: Stage, provider: TextModel) -> None:
        pictures = [Picture(JPEG), Picture(PNG, "image/png")]
        request = replace(REQUEST, messages=[PromptMessage(Role.USER, "무엇이 보이나요?", pictures)])
        if not provider.capabilities.vision:
            await raised(self.name, "generate", provider.generate(request), (Unsupported,))
        elif stage.service is None:
            assert (await provider.generate(request)).text
        else:
            asked = await self._asked(stage, provider, request)
            assert list(asked.pictures) == pictures
            assert list(asked.conversation) == [(Role.USER, "무엇이 보이나요?")]

    @must("Map the provider's word for an answer that was cut off to LENGTH, and a word that you do not know to OTHER.")
    @pytest.mark.parametrize("finish", [FinishReason.LENGTH, FinishReason.OTHER])
    async def test_an_answer_that_did_not_end_by_itself_says_so(
        self, stage: Stage, provider: TextModel, finish: FinishReason
    ) -> None:
        self.say(self._remote(stage), Spoken("half of it", finish))
        result = await provider.generate(REQUEST)
        assert (result.finish, result.text) == (finish, "half of it")

    @must('An answer that was withheld is FinishReason.CONTENT_POLICY or Rejected(reason="content_policy"), never STOP.')
    async def test_an_answer_that_was_withheld_says_so(self, stage: Stage, provider: TextModel) -> None:
        self.say(self._remote(stage), Spoken("", FinishReason.CONTENT_POLICY))
        withheld = await outcome(provider.generate(REQUEST))
        if isinstance(withheld, TextResult):
            assert withheld.finish is FinishReason.CONTENT_POLICY
        else:
            assert getattr(withheld, "reason", repr(withheld)) == "content_policy"

    @must("Map the provider's refusals to Rejected with the port's neutral reasons, and repeat nothing of the prompt.")
    async def test_a_refused_request_is_rejected_with_its_reason(self, stage: Stage, provider: TextModel) -> None:
        remote = self._remote(stage)
        for reason in self.refusals:
            remote.next.append(self.refusal(reason))
            error = await raised(self.name, "generate", provider.generate(REQUEST), (Rejected,))
            assert getattr(error, "reason", "") == reason
            assert KOREAN not in str(error)

    @must('A request without a message is Rejected(reason="invalid_request"): refuse it yourself, or map the refusal.')
    async def test_nothing_to_answer_is_refused(self, provider: TextModel) -> None:
        error = await raised(self.name, "generate", provider.generate(replace(REQUEST, messages=[])), (Rejected,))
        assert getattr(error, "reason", "") == "invalid_request"

    @must("Merge TextRequest.extra into what is sent, and say in the suite's `extra` what the provider takes.")
    async def test_what_the_port_does_not_name_is_passed_through(self, stage: Stage, provider: TextModel) -> None:
        asked = await self._asked(stage, provider, replace(REQUEST, extra=self.extra))
        assert self.extra
        assert holds(asked.document, self.extra)

    @must("Yield every piece of text as it comes, and in the last chunk the whole result with its usage.")
    async def test_a_stream_ends_with_the_whole_result(self, stage: Stage, provider: TextModel) -> None:
        if not provider.capabilities.streaming:
            await raised(self.name, "stream", collected(provider.stream(REQUEST)), (Unsupported,))
            return
        if stage.service is not None:
            self.say(stage.service, Spoken())
        chunks = await collected(provider.stream(REQUEST))
        result = chunks[-1].result
        assert result is not None
        assert [chunk.result for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert "".join(chunk.text for chunk in chunks) == result.text
        assert result.finish is FinishReason.STOP
        assert len(chunks) > 1
        if stage.service is not None:
            assert (result.text, result.usage) == (KOREAN, USAGE)

    @must("A stream tells why it ended as an answer in one piece does.")
    @pytest.mark.parametrize("finish", [FinishReason.LENGTH, FinishReason.OTHER])
    async def test_a_stream_that_did_not_end_by_itself_says_so(
        self, stage: Stage, provider: TextModel, finish: FinishReason
    ) -> None:
        self.say(self._streaming(stage, provider), Spoken("half of it", finish))
        result = (await collected(provider.stream(REQUEST)))[-1].result
        assert result is not None
        assert (result.finish, result.text) == (finish, "half of it")

    @must("A stream whose connection ends early raises OutcomeUnknown or Unavailable, and never yields a result.")
    async def test_a_broken_stream_is_no_answer(self, stage: Stage, provider: TextModel) -> None:
        remote = self._streaming(stage, provider)
        self.say(remote, Spoken(KOREAN * 20))
        remote.plan(Fault.CUT_OFF)
        chunks: list[TextChunk] = []
        await raised(self.name, "stream", collected(provider.stream(REQUEST), chunks), self.errors[Fault.CUT_OFF])
        assert all(chunk.result is None for chunk in chunks)

    @must("A stream fails as generate() does, with the operation 'stream', and within the request's timeout.")
    @pytest.mark.parametrize("fault", [fault for fault in TEXT_ERRORS if fault is not Fault.GARBAGE])
    async def test_each_failure_of_a_stream_has_its_error(self, stage: Stage, provider: TextModel, fault: Fault) -> None:
        self._needs(fault)
        self._streaming(stage, provider).plan(fault)
        await self.met(stage, fault, "stream", lambda limit: collected(provider.stream(replace(REQUEST, timeout=limit))))

    @must("Close the connection of a call that is cancelled, and let CancelledError through.")
    async def test_a_cancelled_call_gives_its_connection_back(self, stage: Stage, provider: TextModel) -> None:
        remote = self._remote(stage)
        remote.plan(Fault.SILENT)
        call = asyncio.create_task(provider.generate(REQUEST))
        assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.acting) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)

    def _remote(self, stage: Stage) -> Any:
        if stage.service is None:
            pytest.skip("there is no model outside")
        return stage.service

    def _streaming(self, stage: Stage, provider: TextModel) -> Any:
        if not provider.capabilities.streaming:
            pytest.skip("it does not claim to stream")
        return self._remote(stage)

    async def _asked(self, stage: Stage, provider: TextModel, request: TextRequest) -> AskedOfModel:
        """What arrives when this request is answered."""
        remote = self._remote(stage)
        self.say(remote, Spoken())
        await provider.generate(request)
        return self.asked_of(remote.acting[-1])


async def collected(stream: AsyncIterator[TextChunk], into: list[TextChunk] | None = None) -> list[TextChunk]:
    """Every chunk; what came before a failure is left in `into`."""
    chunks = [] if into is None else into
    async for chunk in stream:
        chunks.append(chunk)
    return chunks


def holds(document: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether everything in `wanted` is somewhere in a document, by name and value."""
    return all(
        holds(document, value) if isinstance(value, Mapping) else _has(document, name, value) for name, value in wanted.items()
    )


def _has(document: Any, name: str, value: Any) -> bool:
    if isinstance(document, Mapping):
        return (name in document and document[name] == value) or any(_has(each, name, value) for each in document.values())
    return isinstance(document, list) and any(_has(each, name, value) for each in document)
