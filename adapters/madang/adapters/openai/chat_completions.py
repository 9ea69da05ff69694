"""OpenAI's Chat Completions, both ways: what servers such as Ollama and vLLM speak. Pure: no clock, no network.

Source: OpenAI's description of the API 2.3.0 (`CreateChatCompletionRequest`, `CreateChatCompletionResponse`,
`CreateChatCompletionStreamResponse`). OpenAI's models that reason take `max_completion_tokens` only; Ollama knows `max_tokens`
only, and so that is what another maker's model gets.
"""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.openai.capabilities import family_of
from madang.adapters.openai.dialect import (
    Dialect,
    check,
    contents,
    count_in,
    data_url,
    effort_of,
    merged,
    sampling,
    schema_format,
    unreadable,
)
from madang.adapters.openai.mapping import list_in, mapping_in, text_in
from madang.adapters.openai.responses import refusal
from madang.adapters.openai.settings import OpenAISettings
from madang.ports.text_model import FinishReason, Picture, TextRequest, TextResult, TokenUsage

FINISHES: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_POLICY,
}
"""`finish_reason`; any other, such as `tool_calls`, is `OTHER`."""


def payload_of(request: TextRequest, settings: OpenAISettings, operation: str) -> Mapping[str, Any]:
    """The body to post. Raises `Unsupported`, `Rejected`."""
    check(request, settings, operation)
    family = family_of(settings.model)
    payload: dict[str, Any] = {
        "model": settings.model,
        "messages": contents(request.messages, _text_part, _picture_part),
        "max_completion_tokens" if family else "max_tokens": request.max_output_tokens,
        **sampling(request, settings),
    }
    if family:
        payload["store"] = settings.store
    if request.schema is not None:
        payload["response_format"] = {"type": "json_schema", "json_schema": schema_format(request)}
    if effort := effort_of(settings):
        payload["reasoning_effort"] = effort
    return merged(payload, request.extra)


def result_of(completion: Mapping[str, Any], request_id: str | None, operation: str) -> TextResult:
    """The answer of the first choice. Raises `Rejected` for a refusal, and `OutcomeUnknown` for what is no answer."""
    choice = mapping_in(next(iter(list_in(completion.get("choices"))), None))
    message, finish = mapping_in(choice.get("message")), choice.get("finish_reason")
    if not message or not isinstance(finish, str):
        raise unreadable("the answer is not finished, or no answer", operation, request_id)
    text = message.get("content") or ""
    ended = FINISHES.get(finish, FinishReason.OTHER)
    if message.get("refusal") or (ended is FinishReason.CONTENT_POLICY and not text):
        raise refusal(operation, request_id)
    if not isinstance(text, str):
        raise unreadable("the answer is not a text", operation, request_id)
    return TextResult(text, text_in(completion.get("model")), ended, _usage(completion), request_id=request_id)


class CompletionReading:
    """The chunks of a streamed completion, put together; the last of them may hold the usage and no choice."""

    def __init__(self, request_id: str | None) -> None:
        self._request_id = request_id
        self._text: list[str] = []
        self._refusal = ""
        self._finish: str | None = None
        self._whole: dict[str, Any] = {}

    def feed(self, event: Mapping[str, Any]) -> str:
        self._whole |= {name: value for name, value in event.items() if name in ("model", "usage") and value}
        choice = mapping_in(next(iter(list_in(event.get("choices"))), None))
        delta = mapping_in(choice.get("delta"))
        self._text.append(text_in(delta.get("content")))
        self._refusal += text_in(delta.get("refusal"))
        self._finish = choice.get("finish_reason") or self._finish
        return self._text[-1]

    def result(self) -> TextResult:
        message = {"content": "".join(self._text), "refusal": self._refusal}
        choices = [{"message": message, "finish_reason": self._finish}]
        return result_of({**self._whole, "choices": choices}, self._request_id, "stream")


def _text_part(text: str) -> Mapping[str, Any]:
    return {"type": "text", "text": text}


def _picture_part(picture: Picture) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(picture)}}


def _usage(completion: Mapping[str, Any]) -> TokenUsage:
    usage = mapping_in(completion.get("usage"))
    cached = mapping_in(usage.get("prompt_tokens_details")).get("cached_tokens")
    return TokenUsage(count_in(usage.get("prompt_tokens")), count_in(usage.get("completion_tokens")), count_in(cached))


CHAT_COMPLETIONS: Final = Dialect(
    "/chat/completions",
    payload_of,
    {"stream": True, "stream_options": {"include_usage": True}},
    result_of,
    CompletionReading,
)
