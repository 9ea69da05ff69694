"""A streamed answer: another provider stands in until its first piece, and nobody afterwards."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from madang.core.generation.streamed_text import stream_from
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.text_model import PromptMessage, Role, TextChunk, TextModel, TextRequest

REQUEST = TextRequest([PromptMessage(Role.USER, "Tell.")], idempotency_key="story:1")


@dataclass
class Teller:
    """As much of `TextModel` as is asked here: pieces, or an error that breaks them off."""

    name: str
    pieces: list[str | Exception]
    begun: int = 0

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        self.begun += 1
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield TextChunk(piece)


async def told_by(*tellers: Teller) -> list[str]:
    models = [cast(TextModel, teller) for teller in tellers]
    return [piece.text async for piece in stream_from(models, REQUEST)]


ERRORS = [
    Unavailable("down"),
    RateLimited("slow down"),
    OutcomeUnknown("no answer"),
    Rejected("refused", reason="content_policy"),
    Misconfigured("old key"),
    Unsupported("no streaming"),
]


@pytest.mark.parametrize("error", ERRORS)
async def test_who_fails_before_the_first_piece_passes_the_request_on(error: PortError) -> None:
    assert await told_by(Teller("first", [error]), Teller("second", ["Once", " upon"])) == ["Once", " upon"]


async def test_an_answer_that_ends_before_it_begins_is_none() -> None:
    assert await told_by(Teller("first", []), Teller("second", ["Once"])) == ["Once"]
    with pytest.raises(OutcomeUnknown):
        await told_by(Teller("first", []))


@pytest.mark.parametrize("error", ERRORS)
async def test_after_the_first_piece_nobody_stands_in(error: PortError) -> None:
    second = Teller("second", ["Another", " story"])
    with pytest.raises(type(error)) as raised:
        await told_by(Teller("first", ["Once", error]), second)
    assert raised.value is error
    assert second.begun == 0


async def test_who_is_asked_first_answers_alone() -> None:
    second = Teller("second", ["Another"])
    assert await told_by(Teller("first", ["Once"]), second) == ["Once"]
    assert second.begun == 0


async def test_when_nobody_begins_the_last_error_is_raised() -> None:
    with pytest.raises(RateLimited, match="slow"):
        await told_by(Teller("first", [Unavailable("down")]), Teller("second", [RateLimited("slow down")]))
    with pytest.raises(Misconfigured):
        await told_by()
