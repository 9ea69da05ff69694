"""The kit's suite for a text model in Gemini's protocol, for both of Google's SDKs. No test is collected here."""

from collections.abc import Mapping
from typing import Any, ClassVar

from contract.fake_gemini import API_KEY, FakeGemini, Line, error
from contract.fake_gemini_rules import checked_request
from madang.plugins.conformance.remote import Arrived, Reply
from madang.plugins.conformance.text_model import AskedOfModel, Spoken, TextModelConformance
from madang.ports.text_model import FinishReason, Picture, Role

FINISHES = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_POLICY: "SAFETY",
    FinishReason.OTHER: "LANGUAGE",
}
ROLES = {"user": Role.USER, "model": Role.ASSISTANT}


class GeminiText(TextModelConformance):
    """The kit's suite."""

    plugin = "madang.plugins.builtin.gemini"
    name = "gemini"
    sdk: ClassVar[str]
    extra: ClassVar = {"generationConfig": {"topP": 0.5}}

    def remote(self) -> FakeGemini:
        return FakeGemini()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "api_key": API_KEY, "sdk": self.sdk, "thinking_tokens": 0}

    def say(self, remote: FakeGemini, spoken: Spoken) -> None:
        thoughts = min(6, spoken.usage.output_tokens)
        usage = {
            "promptTokenCount": spoken.usage.input_tokens,
            "candidatesTokenCount": spoken.usage.output_tokens - thoughts,
            "thoughtsTokenCount": thoughts,
            "cachedContentTokenCount": spoken.usage.cached_input_tokens,
            "totalTokenCount": spoken.usage.input_tokens + spoken.usage.output_tokens,
        }
        remote.lines.append(Line(spoken.text, FINISHES[spoken.finish], usage))

    def asked_of(self, request: Arrived) -> AskedOfModel:
        read = checked_request(request.json)
        config = read.get("generationConfig", {})
        conversation = [(Role.SYSTEM, part["text"]) for part in read.get("systemInstruction", {}).get("parts", ())]
        pictures = []
        for content in read["contents"]:
            text = "".join(part.get("text", "") for part in content["parts"])
            conversation.append((ROLES[content["role"]], text))
            inline = [part["inlineData"] for part in content["parts"] if "inlineData" in part]
            pictures += [Picture(each["data"], each["mimeType"]) for each in inline]
        return AskedOfModel(
            conversation,
            pictures,
            config.get("responseJsonSchema") or config.get("responseSchema"),
            config.get("maxOutputTokens"),
            config.get("temperature"),
            config.get("seed"),
            request.json,
        )

    def refusal(self, reason: str) -> Reply:
        if reason == "content_policy":
            return Reply(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        if reason == "context_length":
            return error(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens allowed 1048576.")
        return error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified")
