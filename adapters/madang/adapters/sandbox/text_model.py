"""A text model that asks no model: it writes from the prompt's own words, in its language, and keeps to the schema."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from typing import Final

from madang.adapters.sandbox import capabilities, prose
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.chance import dice, digest
from madang.adapters.sandbox.gate import NAME, Passage
from madang.adapters.sandbox.provider import FORBIDDEN, SandboxProvider
from madang.adapters.sandbox.reading import Offer, Reading, read
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.money import Cost
from madang.ports.text_model import (
    FinishReason,
    PromptMessage,
    TextChunk,
    TextModelCapabilities,
    TextRequest,
    TextResult,
    TokenUsage,
)

MODEL: Final = "sandbox-author-1"
PICTURE_TOKENS: Final = 765
INPUT_MICROS: Final = 2.5
OUTPUT_MICROS: Final = 10.0
"""Millionths of a dollar a token, as a mid-size model costs."""
INVENTED: Final = Offer("ZZ999", "", "")


class SandboxTextModel(SandboxProvider):
    """Fulfils `TextModel`.

    The fault `text_model.generate:garbage` answers half of a document; `garbage=schema` a whole one of another shape;
    `garbage=invented` a right one that recommends a code which the prompt never offered (`ZZ999`).
    """

    @property
    def capabilities(self) -> TextModelCapabilities:
        return capabilities.TEXT_MODEL

    async def generate(self, request: TextRequest) -> TextResult:
        _check(request)
        passage = await self._gate.enter("text_model.generate", request.idempotency_key)
        if passage.latency > request.timeout:
            await asyncio.sleep(request.timeout)
            raise _lost(passage, "no answer in time")
        if passage.latency:
            await asyncio.sleep(passage.latency)
        if passage.fault and passage.fault.kind == "answer_lost":
            raise _lost(passage, "the connection broke before the answer")
        return await asyncio.to_thread(_write, request, passage)

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        result = await self.generate(request)
        pieces = [result.text[start : start + 24] for start in range(0, len(result.text), 24)] or [""]
        for piece in pieces[:-1]:
            yield TextChunk(piece)
            await asyncio.sleep(0)
        yield TextChunk(pieces[-1], result)


def token_count(text: str) -> int:
    """About as many as a model would count: four bytes of UTF-8 each."""
    return (len(text.encode()) + 3) // 4


def _write(request: TextRequest, passage: Passage) -> TextResult:
    reading = read(request.messages)
    garbage = passage.fault.value or "half" if passage.fault and passage.is_garbled else ""
    if garbage == "invented":
        reading = dataclasses.replace(reading, offers=_with_invented(reading))
    text = _text(request, reading, passage.knobs.seed)
    if garbage == "half":
        text = text[: len(text) // 2]
    elif garbage == "schema":
        text = '{"unexpected": true}'
    return _result(request, passage, text)


def _text(request: TextRequest, reading: Reading, world_seed: int) -> str:
    seeds = (request.seed if request.seed is not None else world_seed, digest(*(message.text for message in request.messages)))
    if request.schema is None:
        return prose.paragraph(reading, dice(*seeds))
    return json.dumps(Answerer(request.schema, reading, *seeds).answer(), ensure_ascii=False)


def _result(request: TextRequest, passage: Passage, text: str) -> TextResult:
    finish = FinishReason.STOP
    if token_count(text) > request.max_output_tokens:
        text = text.encode()[: request.max_output_tokens * 4].decode("utf-8", "ignore")
        finish = FinishReason.LENGTH
    usage = TokenUsage(input_tokens(request.messages), token_count(text))
    micros = round(usage.input_tokens * INPUT_MICROS + usage.output_tokens * OUTPUT_MICROS)
    return TextResult(text, MODEL, finish, usage, Cost(micros), passage.request_id)


def input_tokens(messages: Sequence[PromptMessage]) -> int:
    return sum(token_count(message.text) + PICTURE_TOKENS * len(message.pictures) for message in messages)


def _with_invented(reading: Reading) -> Sequence[Offer]:
    themes: Sequence[str] = reading.themes() or ("",)
    return [*(dataclasses.replace(INVENTED, theme=theme) for theme in themes), *reading.offers]


def _check(request: TextRequest) -> None:
    refused = FORBIDDEN.search("\n".join(message.text for message in request.messages))
    if refused:
        raise _rejected("the prompt asked to be refused", refused[1])
    if not request.messages:
        raise _rejected("there is no message to answer", "invalid_request")
    if input_tokens(request.messages) > capabilities.TEXT_MODEL.max_input_tokens:
        raise _rejected("the prompt is too long", "context_length")


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="text_model.generate")


def _lost(passage: Passage, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(why, provider=NAME, operation=passage.operation, request_id=passage.request_id)
