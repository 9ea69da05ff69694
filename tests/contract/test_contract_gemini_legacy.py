"""Text by Gemini through `google-generativeai`: in one file, so that one process of the tests imports it. Warnings are errors
here, also those of the import."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from contract.fake_gemini import FakeGemini
from contract.gemini_kit import GeminiText
from contract.gemini_ways import ASKED, GeminiWays
from madang.adapters.gemini import legacy_speaker
from madang.adapters.gemini.legacy_session import Call, Response
from madang.adapters.gemini.settings import LEGACY
from madang.adapters.gemini.text_model import GeminiTextModel
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import deviation
from madang.plugins.conformance.stage import Stage
from madang.ports.errors import Unavailable, Unsupported
from madang.ports.text_model import TextModel


class TestLegacyText(GeminiText):
    sdk = LEGACY

    @deviation(reason="its messages have no field for a seed, and the plugin declares what the newer SDK can do")
    def test_the_provider_is_what_its_plugin_declares(self, stage: Stage, provider: TextModel) -> None:
        declared = stage.declaration().capabilities
        assert provider.name == self.name
        assert provider.capabilities == replace(declared, seed=False)  # type: ignore[type-var]


class TestWaysOfLegacy(GeminiWays):
    sdk = LEGACY
    takes_alternatives = False
    pieces = b"[", b'{"candidates": [{"content": {"parts": [{"text": "half"}]}}]},\n'

    async def test_a_seed_is_not_sent_and_the_capabilities_say_so(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        await model.generate(replace(ASKED, seed=3))
        assert "seed" not in gemini.arrived[0].json["generationConfig"]
        assert not model.capabilities.seed

    async def test_what_its_messages_cannot_carry_is_unsupported(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}}
        with pytest.raises(Unsupported) as refused:
            await model.generate(replace(ASKED, extra=thinking))
        assert refused.value.operation == "generate"
        assert not gemini.arrived

    @pytest.mark.parametrize(("status", "taken_for"), [(200, 200), (299, 299), (300, 400), (307, 400), (401, 401)])
    async def test_a_redirect_is_no_success(self, status: int, taken_for: int) -> None:
        async with httpx.AsyncClient() as http:
            answer = httpx.Response(status, request=httpx.Request("GET", "http://127.0.0.1"))
            response = Response(Call(http, "test-key-not-secret", 1.0, []), answer)
        assert (response.status_code, response.http_status) == (taken_for, status)

    async def test_a_call_that_was_given_up_asks_nobody(self, gemini: FakeGemini) -> None:
        async with httpx.AsyncClient() as http:
            call = Call(http, "test-key-not-secret", 1.0, [])
            assert not call.has_begun
            call.give_up()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.to_thread(call.get, gemini.url, headers={}, params=None)
        assert not gemini.arrived

    async def test_a_call_that_never_gets_a_thread_was_surely_not_made(
        self, gemini: FakeGemini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(legacy_speaker, "THREADS", 1)
        provider = self.build(tmp_path, base_url=gemini.url)
        gemini.plan(Fault.SILENT)
        waiting = asyncio.create_task(provider.generate(ASKED))
        assert await asyncio.to_thread(gemini.wait_until, lambda: len(gemini.arrived) == 1)
        with pytest.raises(Unavailable):
            await provider.generate(replace(ASKED, timeout=0.1))
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await provider.generate(ASKED)).text
        await provider.close()
