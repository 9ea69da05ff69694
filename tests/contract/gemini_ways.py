"""What both of Google's SDKs must do alike in Gemini's own ways.

No test is collected here: the SDKs have a file each, so that one process of the tests pays for the import of the old one.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import jsonschema_rs
import pytest

from contract.fake_gemini import API_KEY, MODEL, FakeGemini, Line
from contract.fake_gemini_rules import checked_request
from contract.gemini_refusals import ROWS, Row
from madang.adapters.gemini.settings import GeminiSettings
from madang.adapters.gemini.text_model import GeminiTextModel
from madang.core.portraits.report_document import SCHEMA as REPORT
from madang.plugins.conformance.pictures import PNG
from madang.plugins.conformance.remote import Reply, closed_port, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.secret import Secret
from madang.ports.text_model import FinishReason, Picture, PromptMessage, Role, TextChunk, TextRequest, TokenUsage

KOREAN = PromptMessage(Role.USER, "사진을 보고 관리 리포트를 작성해 주세요.")
ASKED = TextRequest([KOREAN], "text-1", timeout=20.0)


class GeminiWays:
    """What is Gemini's own."""

    sdk: ClassVar[str]
    takes_alternatives: ClassVar[bool]

    @pytest.fixture
    def gemini(self) -> Iterator[FakeGemini]:
        with serving(FakeGemini()) as service:
            yield service

    @pytest.fixture
    async def model(self, gemini: FakeGemini, tmp_path: Path) -> AsyncIterator[GeminiTextModel]:
        provider = self.build(tmp_path, base_url=gemini.url)
        yield provider
        await provider.close()

    def build(self, folder: Path, **settings: Any) -> GeminiTextModel:
        given = {"api_key": Secret(API_KEY), "sdk": self.sdk, **settings}
        context = ProviderContext("http://127.0.0.1:8000", folder, Secret("test-key-not-secret"), "test")
        return GeminiTextModel(GeminiSettings(**given), context)

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
    async def test_every_refusal_of_google_is_one_of_the_taxonomy(
        self, gemini: FakeGemini, model: GeminiTextModel, row: Row
    ) -> None:
        gemini.next.append(row.reply)
        with pytest.raises(row.error) as raised:
            await model.generate(ASKED)
        row.judge(raised.value, "generate")
        assert len(gemini.arrived) == 1, "nothing is tried twice"

    @pytest.mark.parametrize("row", ROWS[::4], ids=lambda row: row.name)
    async def test_a_stream_is_refused_like_an_answer(self, gemini: FakeGemini, model: GeminiTextModel, row: Row) -> None:
        gemini.next.append(row.in_a_stream)
        with pytest.raises(row.error) as raised:
            await collected(model, ASKED)
        row.judge(raised.value, "stream")
        assert len(gemini.arrived) == 1, "nothing is tried twice"

    async def test_the_key_goes_into_a_header_and_never_into_an_address(
        self, gemini: FakeGemini, model: GeminiTextModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await model.check()
        await model.generate(ASKED)
        await collected(model, ASKED)
        assert [request.headers["x-goog-api-key"] for request in gemini.arrived] == [API_KEY] * 3
        assert not [request.target for request in gemini.arrived if API_KEY in request.target]
        assert not [request for request in gemini.arrived if "authorization" in request.headers]

    async def test_the_environment_of_the_process_changes_nothing(
        self, gemini: FakeGemini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away = f"http://127.0.0.1:{closed_port()}"
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "GOOGLE_GEMINI_BASE_URL"):
            monkeypatch.setenv(name, away)
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_CLOUD_UNIVERSE_DOMAIN", "GOOGLE_GENAI_API_VERSION"):
            monkeypatch.setenv(name, "of-somebody-else")
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        monkeypatch.setenv("GOOGLE_GENAI_CLIENT_MODE", "replay")
        monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
        provider = self.build(tmp_path, base_url=gemini.url)
        assert (await provider.generate(ASKED)).text
        assert gemini.arrived[0].path == f"/v1beta/models/{MODEL}:generateContent"
        assert gemini.arrived[0].headers["x-goog-api-key"] == API_KEY
        await provider.close()

    async def test_the_proxy_of_the_settings_carries_every_call(self, gemini: FakeGemini, tmp_path: Path) -> None:
        nowhere = f"http://127.0.0.1:{closed_port()}"
        provider = self.build(tmp_path, base_url=nowhere, proxy=Secret(gemini.url))
        assert (await provider.generate(ASKED)).text
        assert gemini.arrived[0].target.startswith(f"{nowhere}/v1beta/models/")
        await provider.close()

    async def test_a_path_of_the_base_url_is_kept(self, gemini: FakeGemini, tmp_path: Path) -> None:
        provider = self.build(tmp_path, base_url=f"{gemini.url}/mirror/")
        with pytest.raises(Misconfigured):
            await provider.generate(ASKED)
        assert gemini.arrived[0].path == f"/mirror/v1beta/models/{MODEL}:generateContent"
        await provider.close()

    @pytest.mark.parametrize("timeout", [0.5, 9.0, 10.5, 120.0])
    async def test_google_is_told_how_long_somebody_waits_but_never_less_than_it_takes(
        self, gemini: FakeGemini, model: GeminiTextModel, timeout: float
    ) -> None:
        await model.generate(replace(ASKED, timeout=max(timeout, 5.0)))
        expected = {0.5: "10", 9.0: "10", 10.5: "11", 120.0: "120"}[timeout]
        assert gemini.arrived[0].headers["x-server-timeout"] == expected
        await model.check()
        assert gemini.arrived[1].headers["x-server-timeout"] == "10"

    async def test_thoughts_have_room_of_their_own_and_count_as_output(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        gemini.thoughts = 900
        result = await model.generate(replace(ASKED, max_output_tokens=200))
        assert gemini.arrived[0].json["generationConfig"]["maxOutputTokens"] == 200 + 8192
        assert result.finish is FinishReason.STOP
        assert result.usage.output_tokens > 900

    async def test_without_that_room_thoughts_eat_the_answer(self, gemini: FakeGemini, tmp_path: Path) -> None:
        gemini.thoughts = 900
        provider = self.build(tmp_path, base_url=gemini.url, thinking_tokens=0)
        result = await provider.generate(replace(ASKED, max_output_tokens=200))
        assert (result.text, result.finish) == ("", FinishReason.LENGTH)
        await provider.close()

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            ({}, TokenUsage()),
            ({"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}, TokenUsage(7, 5)),
            (
                {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 30, "totalTokenCount": 42},
                TokenUsage(7, 35),
            ),
            ({"promptTokenCount": 7, "cachedContentTokenCount": 4, "totalTokenCount": 7}, TokenUsage(7, 0, 4)),
        ],
    )
    async def test_tokens_are_counted_as_google_bills_them(
        self, gemini: FakeGemini, model: GeminiTextModel, usage: dict[str, int], expected: TokenUsage
    ) -> None:
        gemini.lines += [Line("네.", usage=usage), Line("네.", usage=usage)]
        assert (await model.generate(ASKED)).usage == expected
        assert (await streamed(model, ASKED)).usage == expected

    @pytest.mark.parametrize(
        ("finish", "expected"),
        [
            ("STOP", FinishReason.STOP),
            ("MAX_TOKENS", FinishReason.LENGTH),
            *(
                (word, FinishReason.CONTENT_POLICY)
                for word in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")
            ),
            *((word, FinishReason.OTHER) for word in ("OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL")),
        ],
    )
    async def test_why_an_answer_ended_is_said(
        self, gemini: FakeGemini, model: GeminiTextModel, finish: str, expected: FinishReason
    ) -> None:
        gemini.lines += [Line("half of it", finish), Line("half of it", finish)]
        result = await model.generate(ASKED)
        assert (result.text, result.finish) == ("half of it", expected)
        assert (await streamed(model, ASKED)).finish is expected

    async def test_a_reason_that_nobody_has_heard_of_is_another_one(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.lines.append(Line("half of it", "TIRED_OF_TALKING"))
        assert (await model.generate(ASKED)).finish is FinishReason.OTHER

    @pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
    async def test_a_blocked_prompt_is_rejected(self, gemini: FakeGemini, model: GeminiTextModel, reason: str) -> None:
        gemini.lines += [Line(blocked=reason), Line(blocked=reason)]
        for call in (model.generate(ASKED), collected(model, ASKED)):
            with pytest.raises(Rejected) as blocked:
                await call
            assert (blocked.value.reason, blocked.value.code) == ("content_policy", reason)

    async def test_an_answer_that_was_withheld_as_a_whole_is_rejected(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.lines += [Line("", "SAFETY"), Line("", "SAFETY")]
        for call in (model.generate(ASKED), collected(model, ASKED)):
            with pytest.raises(Rejected) as withheld:
                await call
            assert (withheld.value.reason, withheld.value.code) == ("content_policy", "SAFETY")

    @pytest.mark.parametrize(
        "body", ["", "{}", "[]", "null", '"text"', '{"candidates": [{"content": {"parts": [{"text": "네"}]}}]}']
    )
    async def test_what_cannot_be_read_leaves_the_outcome_unknown(
        self, gemini: FakeGemini, model: GeminiTextModel, body: str
    ) -> None:
        kind = {"content-type": "application/json; charset=UTF-8"}
        gemini.next += [Reply(200, body, kind), Reply(200, body, kind)]
        for call in (model.generate(ASKED), collected(model, ASKED)):
            with pytest.raises(OutcomeUnknown):
                await call

    async def test_an_answer_without_end_is_given_up(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.next.append(endless())
        with pytest.raises(OutcomeUnknown, match="TooLong"):
            await model.generate(ASKED)

    async def test_a_redirect_is_not_followed_with_our_key(self, gemini: FakeGemini, model: GeminiTextModel) -> None:
        gemini.next += [Reply(307, b"", {"location": f"{gemini.url}/elsewhere"})] * 3
        for call in (model.check(), model.generate(ASKED), collected(model, ASKED)):
            with pytest.raises(Misconfigured):
                await call
        assert not [request for request in gemini.arrived if "elsewhere" in request.target]

    async def test_the_report_is_written_for_its_schema_in_the_prompts_language(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        result = await model.generate(replace(ASKED, schema=REPORT))
        report = json.loads(result.text)
        jsonschema_rs.validate(REPORT, report)
        assert any("가" <= letter <= "힣" for letter in report["summary"])
        assert gemini.arrived[0].json["generationConfig"]["responseMimeType"] == "application/json"

    async def test_alternatives_are_taken_or_refused_and_never_dropped(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        choice = {"type": "object", "properties": {"size": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}
        if self.takes_alternatives:
            assert (await model.generate(replace(ASKED, schema=choice))).text
            return
        for operation, call in (
            ("generate", model.generate(replace(ASKED, schema=choice))),
            ("stream", collected(model, replace(ASKED, schema=choice))),
        ):
            with pytest.raises(Unsupported) as refused:
                await call
            assert refused.value.operation == operation
        assert not gemini.arrived

    async def test_turns_alternate_and_pictures_come_before_their_words(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        messages = [
            PromptMessage(Role.USER, "first", [Picture(PNG, "image/png")]),
            PromptMessage(Role.USER, "second"),
            PromptMessage(Role.ASSISTANT, ""),
            PromptMessage(Role.SYSTEM, "be kind"),
            PromptMessage(Role.SYSTEM, "be brief"),
        ]
        await model.generate(replace(ASKED, messages=messages))
        read = checked_request(gemini.arrived[0].json)
        [turn] = read["contents"]
        assert turn["role"] == "user"
        assert turn["parts"] == [{"inlineData": {"mimeType": "image/png", "data": PNG}}, {"text": "first"}, {"text": "second"}]
        assert read["systemInstruction"]["parts"] == [{"text": "be kind"}, {"text": "be brief"}]

    @pytest.mark.parametrize(
        "messages",
        [
            [PromptMessage(Role.SYSTEM, "be kind")],
            [PromptMessage(Role.USER, "")],
            [PromptMessage(Role.USER, "look", [Picture(b"GIF89a", "image/gif")])],
            [PromptMessage(Role.SYSTEM, "look", [Picture(PNG, "image/png")]), KOREAN],
        ],
    )
    async def test_a_bad_request_is_rejected_before_it_leaves(
        self, gemini: FakeGemini, model: GeminiTextModel, messages: list[PromptMessage]
    ) -> None:
        with pytest.raises(Rejected) as rejected:
            await model.generate(replace(ASKED, messages=messages))
        assert rejected.value.reason == "invalid_request"
        assert not gemini.arrived

    @pytest.mark.parametrize(
        "change",
        [
            {"messages": [PromptMessage(Role.USER, "half a character: \ud800")]},
            {"temperature": float("nan")},
            {"extra": {"generationConfig": {"topP": float("inf")}}},
            {"extra": {"labels": {"a set"}}},
        ],
    )
    async def test_what_no_json_can_carry_is_rejected_before_it_leaves(
        self, gemini: FakeGemini, model: GeminiTextModel, change: dict[str, Any]
    ) -> None:
        for operation, call in (
            ("generate", model.generate(replace(ASKED, **change))),
            ("stream", collected(model, replace(ASKED, **change))),
        ):
            with pytest.raises(Rejected) as rejected:
                await call
            assert (rejected.value.reason, rejected.value.operation) == ("invalid_request", operation)
        assert not gemini.arrived

    async def test_a_stream_that_is_left_in_the_middle_closes_its_connection(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        hung_up = threading.Event()
        gemini.next.append(self.talkative(hung_up))
        stream = model.stream(ASKED)
        assert (await anext(stream)).text == "half"
        await stream.aclose()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(hung_up.wait, 60)

    async def test_a_stream_that_turns_to_garbage_closes_its_connection(
        self, gemini: FakeGemini, model: GeminiTextModel
    ) -> None:
        hung_up = threading.Event()
        gemini.next.append(self.talkative(hung_up, first=self.pieces[1].replace(b'"candidates"', b'"nothing"')))
        with pytest.raises(OutcomeUnknown):
            await collected(model, ASKED)
        assert await asyncio.to_thread(hung_up.wait, 60)

    pieces: ClassVar[tuple[bytes, bytes]]
    """How a streamed answer begins, and one of its pieces."""

    def talkative(self, hung_up: threading.Event, first: bytes = b"") -> Reply:
        """A streamed answer that has no end; it tells when nobody listens any more."""

        def talk() -> Iterator[bytes]:
            try:
                yield self.pieces[0] + first
                while True:
                    yield self.pieces[1]
                    time.sleep(0.01)
            finally:
                hung_up.set()

        return Reply(200, talk(), {"content-type": "application/json; charset=UTF-8"})

    async def test_check_says_which_model_is_there(self, model: GeminiTextModel, tmp_path: Path, gemini: FakeGemini) -> None:
        assert MODEL in (await model.check()).detail
        unknown = self.build(tmp_path, base_url=gemini.url, model="gemini-0.1-abacus")
        with pytest.raises(Misconfigured) as refused:
            await unknown.check()
        assert refused.value.code == "NOT_FOUND"
        await unknown.close()

    async def test_a_host_that_never_takes_the_connection_was_surely_not_asked(self, tmp_path: Path) -> None:
        with socket.socket() as busy, ExitStack() as waiting:
            busy.bind(("127.0.0.1", 0))
            busy.listen(0)
            for _ in range(4):  # nobody is let in: from here on the kernel leaves who knocks without an answer
                knocking = waiting.enter_context(socket.socket())
                knocking.setblocking(False)
                knocking.connect_ex(busy.getsockname())
            provider = self.build(tmp_path, base_url=f"http://127.0.0.1:{busy.getsockname()[1]}")
            with pytest.raises(Unavailable, match="ConnectTimeout"):
                await provider.generate(replace(ASKED, timeout=0.4))
            await provider.close()

    async def test_an_address_that_is_away_is_unavailable_at_once(self, tmp_path: Path) -> None:
        provider = self.build(tmp_path, base_url=f"http://127.0.0.1:{closed_port()}")
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable):
                await collected(provider, ASKED)
        await provider.close()


def endless() -> Reply:
    piece = b" " * 1024**2
    return Reply(200, iter(lambda: piece, b""), {"content-type": "application/json; charset=UTF-8"})


async def collected(model: GeminiTextModel, request: TextRequest) -> list[TextChunk]:
    return [chunk async for chunk in model.stream(request)]


async def streamed(model: GeminiTextModel, request: TextRequest) -> Any:
    return (await collected(model, request))[-1].result
