"""Text by Gemini through `google-genai`."""

from dataclasses import replace

import pytest

from contract.fake_gemini import FakeGemini, Line, error
from contract.gemini_kit import GeminiText
from contract.gemini_refusals import ROWS
from contract.gemini_ways import ASKED, GeminiWays, collected, endless
from madang.adapters.gemini import errors
from madang.adapters.gemini.mapping import ACCOUNT_LIMITED
from madang.adapters.gemini.settings import GENAI
from madang.adapters.gemini.text_model import GeminiTextModel
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited
from madang.ports.text_model import FinishReason


class TestGeminiText(GeminiText):
    sdk = GENAI


class TestWaysOfGemini(GeminiWays):
    sdk = GENAI
    takes_alternatives = True
    pieces = b"", b'data: {"candidates": [{"content": {"parts": [{"text": "half"}]}}]}\r\n\r\n'

    async def test_the_seed_is_a_number_of_32_bits(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        for seed, sent in ((0, 0), (2**31 - 1, 2**31 - 1), (2**31, 0), (-1, 2**31 - 1)):
            await model.generate(replace(ASKED, seed=seed))
            assert gemini.arrived[-1].json["generationConfig"]["seed"] == sent

    async def test_the_answer_has_the_id_and_the_version_that_google_gives_it(self, model: GeminiTextModel) -> None:
        result = await model.generate(ASKED)
        assert (result.request_id, result.model) == ("response-1", "gemini-3.8-flash")
        assert result.cost is None

    async def test_thoughts_that_are_shown_are_no_part_of_the_answer(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        thinking = Line("네.", parts=[{"text": "먼저 생각해 보자.", "thought": True}])
        gemini.lines += [thinking, thinking]
        shown = replace(ASKED, extra={"generationConfig": {"thinkingConfig": {"includeThoughts": True}}})
        assert (await model.generate(shown)).text == "네."
        assert "".join(chunk.text for chunk in await collected(model, shown)) == "네."

    async def test_a_stream_that_is_refused_in_the_middle_ends_with_that_refusal(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        half = b'data: {"candidates": [{"content": {"parts": [{"text": "half"}]}}]}\r\n\r\n'
        refused = error(429, "RESOURCE_EXHAUSTED")
        gemini.next.append(replace(refused, status=200, body=half + b"data: " + refused.body + b"\r\n\r\n"))
        chunks = model.stream(ASKED)
        assert (await anext(chunks)).text == "half"
        with pytest.raises(RateLimited):
            await anext(chunks)

    async def test_a_stream_without_end_is_given_up(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.next.append(endless())
        with pytest.raises(OutcomeUnknown, match="TooLong"):
            await collected(model, ASKED)

    async def test_an_answer_in_several_hops_is_cut_off_rather_than_asked_for_behind_the_callers_back(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        half = Line("half of it", "CONTINUATION", token="dG8gYmUgY29udGludWVk")
        gemini.lines += [half, half]
        assert (await model.generate(ASKED)).finish is FinishReason.LENGTH
        chunks = await collected(model, ASKED)
        assert chunks[-1].result is not None
        assert chunks[-1].result.finish is FinishReason.LENGTH
        assert len(gemini.arrived) == 2

    async def test_an_account_that_google_has_limited_is_for_an_operator(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        gemini.lines.append(Line("", ACCOUNT_LIMITED))
        with pytest.raises(Misconfigured) as limited:
            await model.generate(ASKED)
        assert limited.value.code == ACCOUNT_LIMITED

    async def test_an_unheard_reason_ends_a_stream_as_another_one(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.lines.append(Line("half of it", "TIRED_OF_TALKING"))
        with pytest.warns(UserWarning, match="TIRED_OF_TALKING is not a valid FinishReason"):
            chunks = await collected(model, ASKED)
        assert chunks[-1].result is not None
        assert chunks[-1].result.finish is FinishReason.OTHER


def test_every_status_of_google_has_its_row() -> None:
    told = {row.code for row in ROWS}
    assert set(errors.STATUSES) <= told
