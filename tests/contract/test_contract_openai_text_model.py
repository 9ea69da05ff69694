"""OpenAI's text models through the conformance kit, by both of OpenAI's APIs, and a server that speaks one of them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from contract.fake_openai import API_KEY, FakeOpenAI, refusal
from contract.openai_answers import Line, Usage
from madang.plugins.conformance.remote import Arrived, Reply
from madang.plugins.conformance.repairs import deviation
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.text_model import AskedOfModel, Spoken, TextModelConformance
from madang.ports.text_model import FinishReason, Picture, Role, TextModel

WORDS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.CONTENT_POLICY: "content_filter"}
REFUSALS = {
    "content_policy": refusal(400, "Invalid prompt", "invalid_prompt"),
    "invalid_request": refusal(400, "Invalid type for 'input'", "invalid_type", "input"),
    "context_length": refusal(400, "Your input exceeds the context window", "context_length_exceeded", "input"),
}


class OpenAISuite(TextModelConformance):
    plugin = "madang.plugins.builtin.openai"
    name = "openai"
    extra: ClassVar = {"safety_identifier": "abc123"}
    turns: ClassVar[str]

    def remote(self) -> FakeOpenAI:
        return FakeOpenAI()

    def say(self, remote: FakeOpenAI, spoken: Spoken) -> None:
        usage = Usage(spoken.usage.input_tokens, spoken.usage.output_tokens, spoken.usage.cached_input_tokens)
        remote.lines.append(Line("", spoken.text, WORDS.get(spoken.finish, "a_reason_to_come"), usage))

    def asked_of(self, request: Arrived) -> AskedOfModel:
        asked = request.json
        return AskedOfModel(
            conversation=[(Role(turn["role"]), text_in(turn["content"])) for turn in asked[self.turns]],
            pictures=[picture for turn in asked[self.turns] for picture in pictures_in(turn["content"])],
            schema=self.schema_in(asked),
            max_output_tokens=asked.get("max_output_tokens", asked.get("max_completion_tokens", asked.get("max_tokens"))),
            temperature=asked.get("temperature"),
            seed=asked.get("seed"),
            document=asked,
        )

    def refusal(self, reason: str) -> Reply:
        return REFUSALS[reason]

    def schema_in(self, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        raise NotImplementedError


class TestResponses(OpenAISuite):
    turns = "input"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": f"{url}/v1", "api_key": API_KEY}

    def schema_in(self, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return asked["text"]["format"]["schema"] if "text" in asked else None


class TestChatCompletions(OpenAISuite):
    turns = "messages"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": f"{url}/v1", "api_key": API_KEY, "api": "chat_completions"}

    def schema_in(self, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return asked["response_format"]["json_schema"]["schema"] if "response_format" in asked else None


class TestCompatibleServer(TestChatCompletions):
    """Such as Ollama: no key, a model of another maker."""

    def remote(self) -> FakeOpenAI:
        return FakeOpenAI(key=None, models=["qwen2.5-vl"])

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": f"{url}/v1", "api": "chat_completions", "model": "qwen2.5-vl", "vision": True}

    @deviation(reason="the plugin declares what OpenAI's own model can do; this one takes a temperature and a seed as well")
    def test_the_provider_is_what_its_plugin_declares(self, stage: Stage, provider: TextModel) -> None:
        able = provider.capabilities
        assert (able.temperature, able.seed, able.vision, able.json_schema, able.streaming) == (True,) * 5


def text_in(content: str | Sequence[Mapping[str, Any]]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content if "text" in part)


def pictures_in(content: str | Sequence[Mapping[str, Any]]) -> list[Picture]:
    parts = [] if isinstance(content, str) else [part["image_url"] for part in content if "image_url" in part]
    urls = [part if isinstance(part, str) else part["url"] for part in parts]
    return [Picture(base64.b64decode(url.partition(",")[2]), url[5:].partition(";")[0]) for url in urls]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the SDK would take from the environment, if it were let."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer somebody-elses\nX-Somebody: else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody-else")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
