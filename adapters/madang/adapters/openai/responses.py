"""OpenAI's Responses API, both ways. Pure: no clock, no network.

Source: OpenAI's description of the API 2.3.0 (`CreateResponse`, `Response`, `ResponseStreamEvent`). It has no `seed`.
"""

from collections.abc import Mapping
from typing import Any, Final

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
from madang.adapters.openai.mapping import NAME, error_of, list_in, mapping_in, text_in
from madang.adapters.openai.settings import OpenAISettings
from madang.ports.errors import Rejected
from madang.ports.text_model import FinishReason, Picture, TextRequest, TextResult, TokenUsage

LEAST_TOKENS: Final = 16
"""`max_output_tokens` cannot be less."""
FINISHES: Final[Mapping[str, FinishReason]] = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_POLICY,
}
"""`incomplete_details.reason`; the description names the first, its example the second."""


def payload_of(request: TextRequest, settings: OpenAISettings, operation: str) -> Mapping[str, Any]:
    """The body to post. Raises `Unsupported`, `Rejected`."""
    check(request, settings, operation)
    payload: dict[str, Any] = {
        "model": settings.model,
        "input": contents(request.messages, _text_part, _picture_part),
        "max_output_tokens": max(request.max_output_tokens, LEAST_TOKENS),
        "store": settings.store,
        **sampling(request, settings),
    }
    if request.schema is not None:
        payload["text"] = {"format": {"type": "json_schema", **schema_format(request)}}
    if effort := effort_of(settings):
        payload["reasoning"] = {"effort": effort}
    return merged(payload, request.extra)


def result_of(response: Mapping[str, Any], request_id: str | None, operation: str) -> TextResult:
    """The answer of a `Response`. Raises `Rejected` for a refusal, what a failed one says, and `OutcomeUnknown` for one that
    is no answer: a status that is not known is not a success."""
    status, output = response.get("status"), response.get("output")
    if status == "failed":
        raise error_of(0, {"x-request-id": request_id or ""}, {"error": response.get("error")}, operation)
    if status not in ("completed", "incomplete") or not isinstance(output, list):
        raise unreadable("the answer is not finished, or no answer", operation, request_id)
    parts = [mapping_in(part) for item in output for part in list_in(mapping_in(item).get("content"))]
    text = "".join(text_in(part.get("text")) for part in parts if part.get("type") == "output_text")
    finish = FinishReason.STOP
    if status == "incomplete":
        reason = str(mapping_in(response.get("incomplete_details")).get("reason"))
        finish = FINISHES.get(reason, FinishReason.OTHER)
    refused = any(part.get("type") == "refusal" for part in parts)
    if refused or (finish is FinishReason.CONTENT_POLICY and not text):
        raise refusal(operation, request_id)
    return TextResult(text, text_in(response.get("model")), finish, _usage(response), request_id=request_id)


def refusal(operation: str, request_id: str | None) -> Rejected:
    return Rejected(
        "the model refuses to answer",
        reason="content_policy",
        provider=NAME,
        operation=operation,
        code="refusal",
        request_id=request_id,
    )


class ResponseReading:
    """The events of a streamed `Response`; its last one holds the whole."""

    def __init__(self, request_id: str | None) -> None:
        self._request_id = request_id
        self._response: Mapping[str, Any] | None = None

    def feed(self, event: Mapping[str, Any]) -> str:
        kind = event.get("type")
        if kind == "error":
            raise error_of(0, {"x-request-id": self._request_id or ""}, event, "stream")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._response = mapping_in(event.get("response"))
        return text_in(event.get("delta")) if kind == "response.output_text.delta" else ""

    def result(self) -> TextResult:
        if self._response is None:
            raise unreadable("the answer broke off", "stream", self._request_id)
        return result_of(self._response, self._request_id, "stream")


def _text_part(text: str) -> Mapping[str, Any]:
    return {"type": "input_text", "text": text}


def _picture_part(picture: Picture) -> Mapping[str, Any]:
    return {"type": "input_image", "image_url": data_url(picture), "detail": "auto"}


def _usage(response: Mapping[str, Any]) -> TokenUsage:
    usage = mapping_in(response.get("usage"))
    cached = mapping_in(usage.get("input_tokens_details")).get("cached_tokens")
    return TokenUsage(count_in(usage.get("input_tokens")), count_in(usage.get("output_tokens")), count_in(cached))


RESPONSES: Final = Dialect("/responses", payload_of, {"stream": True}, result_of, ResponseReading)
