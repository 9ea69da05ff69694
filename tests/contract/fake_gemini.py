"""The Gemini API on this machine: `generateContent` and `streamGenerateContent` of v1beta, with answers that fit the prompt.

It answers as the sandbox does, in the prompt's language and for any schema, so that whole products run on it. What a schema
says only in its descriptions it reads there, as a model does.
"""

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.fake_gemini_rules import BadRequest, checked_request
from madang.adapters.sandbox import prose
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.chance import dice, digest
from madang.adapters.sandbox.darkroom import MEDIA_TYPE, develop
from madang.adapters.sandbox.reading import read
from madang.adapters.sandbox.text_model import token_count
from madang.plugins.conformance.pictures import PNG
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.text_model import Picture, PromptMessage, Role

API_KEY = "test-key-not-secret"
MODEL = "gemini-3.8-flash"
IMAGE_MODEL = "gemini-3.1-flash-image"
PREFIX = "/v1beta/models/"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
FINISH_NUMBERS = {
    "STOP": 1, "MAX_TOKENS": 2, "SAFETY": 3, "RECITATION": 4, "OTHER": 5, "LANGUAGE": 6, "BLOCKLIST": 7,
    "PROHIBITED_CONTENT": 8, "SPII": 9, "MALFORMED_FUNCTION_CALL": 10, "IMAGE_SAFETY": 11,
}  # fmt: skip
BLOCK_NUMBERS = {"SAFETY": 1, "OTHER": 2, "BLOCKLIST": 3, "PROHIBITED_CONTENT": 4, "IMAGE_SAFETY": 5}
UNHEARD_OF = 77
SAID_IN_WORDS = {
    r"At least (\d+) characters\.": "minLength",
    r"At most (\d+) characters\.": "maxLength",
    r"At least (\d+) items\.": "minItems",
    r"At most (\d+) items\.": "maxItems",
    r"At least (-?[\d.]+)\.": "minimum",
    r"At most (-?[\d.]+)\.": "maximum",
    r"(No item twice)\.": "uniqueItems",
    r"One of: ([^.]+)\.": "enum",
}


@dataclass(frozen=True)
class Line:
    """What the model says, why it ends, and what was counted; `blocked` instead of all that. `parts` come before the text, and
    `token` is what the answer would go on with."""

    text: str = ""
    finish: str | None = "STOP"
    usage: Mapping[str, int] = field(default_factory=dict)
    blocked: str | None = None
    parts: Sequence[Mapping[str, Any]] = ()
    token: str | None = None


class FakeGemini(RemoteService):
    """`lines` are said next, before anything of its own. `thoughts` are the tokens that it thinks before each answer, `made`
    the pictures that it made, of this `size`; `small_pictures` are made at once, whatever was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[Line] = deque()
        self.thoughts = 0
        self.made: list[bytes] = []
        self.size: tuple[int, int] | None = None
        self.small_pictures = False
        self.answered = 0
        self._counting = threading.Lock()

    def answer(self, request: Arrived) -> Reply:
        try:
            return self._answer(request)
        except BadRequest as bad:
            return error(400, "INVALID_ARGUMENT", str(bad))

    def refusal(self, fault: Fault) -> Reply:
        if fault is Fault.RATE_LIMITED:
            return error(429, "RESOURCE_EXHAUSTED", "quota", {"@type": RETRY_INFO, "retryDelay": "7s"})
        if fault is Fault.WRONG_KEY:
            return wrong_key()
        if fault is Fault.SERVER_ERROR:
            return error(500, "INTERNAL", "An internal error has occurred.")
        return error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")

    def _answer(self, request: Arrived) -> Reply:
        granted = request.headers.get("x-goog-api-key") or request.query.get("key")
        if granted is None:
            return error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")
        if granted != API_KEY:
            return wrong_key()
        model, _, method = request.path.removeprefix(PREFIX).partition(":")
        if not request.path.startswith(PREFIX) or model not in (MODEL, IMAGE_MODEL):
            return error(404, "NOT_FOUND", f"models/{model} is not found for API version v1beta")
        if (request.method, method) == ("GET", ""):
            return reply(
                {"name": f"models/{model}", "inputTokenLimit": 1_048_576, "supportedGenerationMethods": ["generateContent"]}
            )
        if request.method != "POST" or method not in ("generateContent", "streamGenerateContent"):
            return error(404, "NOT_FOUND", "")
        line = self._said(model, _read(request))
        with self._counting:
            self.answered += 1
            number = self.answered
        documents = _documents(line, model, f"response-{number}", in_pieces=method.startswith("stream"))
        return _encoded(documents, request)

    def _said(self, model: str, asked: Mapping[str, Any]) -> Line:
        config = asked.get("generationConfig", {})
        if "IMAGE" in _modalities(config) and model != IMAGE_MODEL:
            raise BadRequest("Model does not support the requested response modalities: image")
        if self.lines:
            return self.lines.popleft()
        if model == IMAGE_MODEL:
            return Line(parts=[self._painted(asked)], usage=_usage(asked, 1290, 0))
        text = _written(asked)
        room = config.get("maxOutputTokens", 65_536) - self.thoughts
        if token_count(text) <= room:
            return Line(text, usage=_usage(asked, token_count(text), self.thoughts))
        cut = text.encode()[: max(room, 0) * 4].decode("utf-8", "ignore")
        return Line(cut, "MAX_TOKENS", _usage(asked, token_count(cut), self.thoughts))

    def _painted(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        made, kind = (PNG, "image/png") if self.small_pictures else (_developed(asked, self.size), MEDIA_TYPE)
        self.made.append(made)
        return {"inlineData": {"mimeType": kind, "data": base64.b64encode(made).decode()}}


def error(status: int, name: str, message: str = "", *details: Mapping[str, Any]) -> Reply:
    """A refusal in Google's shape. The message repeats what was asked, as Google's may."""
    described = {"code": status, "message": message or "buyer@example.com is refused", "status": name}
    return reply({"error": {**described, "details": list(details)} if details else described}, status)


def wrong_key() -> Reply:
    info = {"@type": ERROR_INFO, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info)


def reply(document: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json; charset=UTF-8"})


def _read(request: Arrived) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise BadRequest("Invalid JSON payload received.")
    deadline = request.headers.get("x-server-timeout", "600")
    if int(deadline) < 10:
        raise BadRequest(f"Manually set deadline {deadline}s is too short. Minimum allowed deadline is 10s.")
    try:
        document = request.json
    except ValueError:
        raise BadRequest("Invalid JSON payload received. Unexpected token.") from None
    return checked_request(document)


def _modalities(config: Mapping[str, Any]) -> Sequence[str]:
    return [{1: "TEXT", 2: "IMAGE"}.get(each, each) for each in config.get("responseModalities", ())]


def _messages(asked: Mapping[str, Any]) -> Iterator[PromptMessage]:
    system = {"role": "system", **asked.get("systemInstruction", {"parts": []})}
    roles = {"system": Role.SYSTEM, "user": Role.USER, "model": Role.ASSISTANT}
    for content in (system, *asked["contents"]):
        parts = content["parts"]
        pictures = [
            Picture(each["inlineData"]["data"], each["inlineData"]["mimeType"]) for each in parts if "inlineData" in each
        ]
        yield PromptMessage(roles[content.get("role", "user")], "\n".join(each.get("text", "") for each in parts), pictures)


def _written(asked: Mapping[str, Any]) -> str:
    config, messages = asked.get("generationConfig", {}), list(_messages(asked))
    seeds = (config.get("seed", 0), digest(*(message.text for message in messages)))
    schema = config.get("responseJsonSchema") or as_json_schema(config.get("responseSchema"))
    if schema is None:
        return prose.paragraph(read(messages), dice(*seeds))
    return json.dumps(Answerer(with_words_read(schema), read(messages), *seeds).answer(), ensure_ascii=False)


def _developed(asked: Mapping[str, Any], size: tuple[int, int] | None) -> bytes:
    [message, *_] = [each for each in _messages(asked) if each.role is Role.USER]
    photo = message.pictures[0].data if message.pictures else None
    return develop(photo, message.text, asked.get("generationConfig", {}).get("seed", 0), size)


def _usage(asked: Mapping[str, Any], written: int, thoughts: int) -> Mapping[str, int]:
    prompt = sum(token_count(message.text) + 258 * len(message.pictures) for message in _messages(asked))
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": written, "totalTokenCount": prompt + written + thoughts}
    return {**usage, "thoughtsTokenCount": thoughts} if thoughts else usage


def as_json_schema(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A message `Schema` as the JSON Schema that it stands for."""
    if schema is None:
        return None
    plain = {word: each for word, each in schema.items() if word not in ("nullable", "format", "propertyOrdering")}
    plain["type"] = str(plain.get("type", "STRING")).lower()
    if "items" in plain:
        plain["items"] = as_json_schema(plain["items"])
    if "properties" in plain:
        plain["properties"] = {name: as_json_schema(each) for name, each in plain["properties"].items()}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


def with_words_read(schema: Any) -> Any:
    """The schema with what its descriptions say in words."""
    if isinstance(schema, list):
        return [with_words_read(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    read_ = {word: with_words_read(each) for word, each in schema.items()}
    described = schema.get("description")
    for pattern, word in SAID_IN_WORDS.items() if isinstance(described, str) else ():
        if found := re.search(pattern, described):
            read_.setdefault(word, _meant(word, found[1]))
    return read_


def _meant(word: str, said: str) -> Any:
    if word == "uniqueItems":
        return True
    return json.loads(f"[{said}]") if word == "enum" else json.loads(said)


def _documents(line: Line, model: str, identity: str, *, in_pieces: bool) -> list[dict[str, Any]]:
    common = {"modelVersion": model, "responseId": identity, "usageMetadata": dict(line.usage)}
    if line.blocked:
        return [{"promptFeedback": {"blockReason": line.blocked}, **common}]
    size = max(1, len(line.text) // 3) if in_pieces else max(1, len(line.text))
    texts = [line.text[start : start + size] for start in range(0, len(line.text), size)]
    said = [*line.parts, *({"text": text} for text in texts)]
    groups = [[part] for part in said] if in_pieces else [said]
    documents = [
        {"candidates": [{"content": {"parts": parts, "role": "model"} if parts else {}, "index": 0}], **common}
        for parts in groups or [[]]
    ]
    if line.finish is not None:
        documents[-1]["candidates"][0]["finishReason"] = line.finish
    if line.token is not None:
        documents[-1]["candidates"][0]["continuationToken"] = line.token
    return documents


def _encoded(documents: list[dict[str, Any]], request: Arrived) -> Reply:
    if "enum-encoding=int" in request.query.get("$alt", ""):
        documents = [_with_numbers(each) for each in documents]
    if not request.path.endswith(":streamGenerateContent"):
        return reply(documents[0])
    if request.query.get("alt") == "sse":
        events = "".join(f"data: {json.dumps(each, ensure_ascii=False)}\r\n\r\n" for each in documents)
        return Reply(200, events, {"content-type": "text/event-stream"})
    listed = "[" + "\n,\r\n".join(json.dumps(each, indent=2, ensure_ascii=False) for each in documents) + "\n]\n"
    return Reply(200, listed, {"content-type": "application/json; charset=UTF-8"})


def _with_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """As asked with `$alt=json;enum-encoding=int`."""
    feedback = document.get("promptFeedback", {})
    if "blockReason" in feedback:
        document = {**document, "promptFeedback": {"blockReason": BLOCK_NUMBERS.get(feedback["blockReason"], UNHEARD_OF)}}
    candidates = [
        {**each, **({"finishReason": FINISH_NUMBERS.get(each["finishReason"], UNHEARD_OF)} if "finishReason" in each else {})}
        for each in document.get("candidates", ())
    ]
    return {**document, "candidates": candidates} if candidates else document
