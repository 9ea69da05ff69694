"""Gemini's answers as ours. Pure: no clock, no network.

Source: the Gemini API's reference (`GenerateContentResponse`, `Candidate.FinishReason`, `PromptFeedback`, `UsageMetadata`) and
the enumerations of google-genai 3.4.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from madang.adapters.gemini.names import NAME
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.text_model import FinishReason, Picture, TextResult, TokenUsage

FINISHES: Final[Mapping[str, FinishReason]] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION", "ESCALATION", "MODEL_ARMOR",
        ),
        FinishReason.CONTENT_POLICY,
    ),
}  # fmt: skip
"""Any other is OTHER."""

_MAX_REASON: Final = 64
ACCOUNT_LIMITED: Final = "PUP_LIMITED_DISABLED"
"""The account itself is limited or disabled for what was asked before: for an operator to settle."""


STUMBLES: Final = (AttributeError, KeyError, TypeError)
"""What Google's SDK raises over an answer that is not as it should be."""


class Unreadable(ValueError):
    """The answer is not what the API answers."""


class Reading:
    """One answer, put together from the documents that it came in: one, or the pieces of a stream."""

    def __init__(self, model: str, operation: str) -> None:
        self._model = model
        self._operation = operation
        self._texts: list[str] = []
        self._pictures: list[Picture] = []
        self._usage: Mapping[str, Any] = {}
        self._request_id: str | None = None
        self.reason: str | None = None
        """Why it ended, in Gemini's word; None as long as it goes on."""

    @property
    def finish(self) -> FinishReason:
        return FINISHES.get(self.reason or "", FinishReason.OTHER)

    @property
    def pictures(self) -> Sequence[Picture]:
        return self._pictures

    @property
    def model(self) -> str:
        """The version that answered."""
        return self._model

    def read(self, document: object) -> str:
        """The text that this piece adds. Raises `Unreadable`, `Rejected` for a prompt that was blocked, `Misconfigured`."""
        if not isinstance(document, Mapping):
            raise Unreadable("no object")
        self._model = _text(document.get("modelVersion")) or self._model
        self._request_id = _text(document.get("responseId")) or self._request_id
        self._usage = _object(document.get("usageMetadata")) or self._usage
        candidate = next(iter(_objects(document.get("candidates"))), None)
        if candidate is None:
            self._look_for_a_block(document)
            return ""
        reason = candidate.get("finishReason")
        self.reason = self.reason if reason is None else str(reason)[:_MAX_REASON]
        if self.reason == ACCOUNT_LIMITED:
            message = "Google has limited or disabled the account for what was asked before"
            raise Misconfigured(message, provider=NAME, operation=self._operation, code=ACCOUNT_LIMITED)
        return self._read_parts(_object(candidate.get("content")))

    def result(self) -> TextResult:
        """The whole answer. Raises `Unreadable` when it never ended, `Rejected` when all of it was withheld."""
        if self.reason is None:
            raise Unreadable("the answer has no end")
        text = "".join(self._texts)
        if self.finish is FinishReason.CONTENT_POLICY and not text:
            raise self.withheld()
        return TextResult(text, self._model, self.finish, usage_of(self._usage), request_id=self._request_id)

    def withheld(self) -> Rejected:
        return _withheld("Gemini withholds its answer", self.reason, self._operation, self._request_id)

    def _read_parts(self, content: Mapping[str, Any]) -> str:
        """Thoughts are not the answer."""
        parts = [part for part in _objects(content.get("parts")) if part.get("thought") is not True]
        self._pictures += _pictures(parts)
        text = "".join(_text(part.get("text")) for part in parts)
        self._texts.append(text)
        return text

    def _look_for_a_block(self, document: Mapping[str, Any]) -> None:
        reason = _object(document.get("promptFeedback")).get("blockReason")
        if reason is not None:
            raise _withheld("Gemini blocks the prompt", str(reason)[:_MAX_REASON], self._operation, self._request_id)
        if not self._usage:
            raise Unreadable("neither an answer nor a reason for none")


def usage_of(document: Mapping[str, Any]) -> TokenUsage:
    """Thoughts are output, and billed as such. The old SDK does not name them: they are what the total has beyond the rest."""
    asked = _count(document, "promptTokenCount") + _count(document, "toolUsePromptTokenCount")
    written = _count(document, "candidatesTokenCount") + _count(document, "thoughtsTokenCount")
    beyond = _count(document, "totalTokenCount") - asked
    return TokenUsage(asked, max(written, beyond), _count(document, "cachedContentTokenCount"))


def _pictures(parts: Sequence[Mapping[str, Any]]) -> Iterator[Picture]:
    for part in parts:
        inline = _object(part.get("inlineData"))
        media_type = _text(inline.get("mimeType"))
        if media_type.startswith("image/"):
            try:
                yield Picture(base64.b64decode(_text(inline.get("data")), validate=True), media_type)
            except (binascii.Error, ValueError):
                raise Unreadable("a picture that is not base64") from None


def _withheld(message: str, code: str | None, operation: str, request_id: str | None) -> Rejected:
    return Rejected(message, reason="content_policy", provider=NAME, operation=operation, code=code, request_id=request_id)


def _count(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    return max(value, 0) if isinstance(value, int) else 0


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
