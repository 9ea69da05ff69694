"""OpenAI as its description says: both text APIs with streaming, and the Image API, over HTTP.

It refuses what OpenAI refuses, in OpenAI's words. It writes what the sandbox's author would: from the prompt's own words, in
its language, by the schema. A prompt with `[openai:refusal]` is refused by the model, with `[openai:moderation]` by the
service.
"""

import base64
import binascii
import functools
import io
import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from multipart import MultipartParser, parse_options_header
from PIL import Image

from contract.openai_answers import (
    Line,
    Usage,
    completion_chunks,
    completion_document,
    events,
    response_document,
    response_events,
)
from contract.openai_wire import CHAT, EDIT, GENERATION, RESPONSES, strict_problems
from madang.adapters.sandbox import prose
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.chance import dice
from madang.adapters.sandbox.darkroom import develop
from madang.adapters.sandbox.reading import read
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.text_model import Picture, PromptMessage, Role

API_KEY = "test-key-not-secret"
REASONING = ("gpt-5.6-luna", "gpt-5.4-mini", "gpt-6-luna")
PLAIN = ("gpt-4.1", "gpt-4o-mini")
OTHERS = ("llama3.2", "qwen2.5-vl")
DRAWING = ("gpt-image-2.5-flare", "gpt-image-2.5-sunburst", "gpt-image-2", "gpt-image-1.5")
RATES = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
}
FIXED_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
REFUSAL, MODERATION = "[openai:refusal]", "[openai:moderation]"


class Refused(Exception):
    """OpenAI's answer to a request that it does not take."""

    def __init__(self, status: int, message: str, code: str | None, param: str | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.reply = refusal(status, message, code, param, kind)


def refusal(
    status: int, message: str = "no", code: str | None = None, param: str | None = None, kind: str = "", **headers: str
) -> Reply:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": kind or "invalid_request_error", "param": param, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": error}, {"x-request-id": "req_refused", **named})


class FakeOpenAI(RemoteService):
    """`key` is the one that it takes; None makes it a server that wants none, such as Ollama."""

    def __init__(self, key: str | None = API_KEY, models: Sequence[str] = (*REASONING, *PLAIN, *OTHERS, *DRAWING)) -> None:
        super().__init__()
        self.models = models
        self.written: list[str] = []
        """The texts that were answered."""
        self.drawn: list[list[bytes]] = []
        """The pictures of each paid call."""
        self.lines: deque[Line] = deque()
        """What is answered next, whatever was asked."""
        self.size = (192, 256)
        """Of a picture for which no size was asked."""
        self._key = key
        self._lock = threading.Lock()
        self._prompts: set[str] = set()
        self._asked = 0

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            self._asked += 1
            headers = {"x-request-id": f"req_{self._asked:06d}", "openai-processing-ms": "42", "openai-version": "2020-10-01"}
        try:
            self._admit(request)
            reply = self._route(request)
        except Refused as refused:
            reply = refused.reply
        return Reply(reply.status, reply.body, {**headers, **RATES, **reply.headers})

    def refusal(self, fault: Fault) -> Reply:
        if fault is Fault.WRONG_KEY:
            return refusal(401, "Incorrect API key provided: sk-…. buyer@example.com", "invalid_api_key")
        if fault is Fault.RATE_LIMITED:
            return refusal(429, "Rate limit reached for requests", "rate_limit_exceeded", kind="requests", retry_after="7")
        if fault is Fault.UNAVAILABLE:
            return refusal(503, "The model is overloaded", "server_is_overloaded", kind="service_unavailable_error")
        return refusal(500, "The server had an error while processing your request", None, kind="server_error")

    def _admit(self, request: Arrived) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and given != self._key:
            raise Refused(401, "Incorrect API key provided" if given else "You didn't provide an API key", "invalid_api_key")
        if self._key is None and given:
            raise Refused(401, "this server has no keys", None)
        if not request.path.startswith("/v1/"):
            raise Refused(404, f"Invalid URL ({request.method} {request.path})", None)
        if len("".join(f"{name}: {value}" for name, value in request.headers.items())) > 4096:
            raise Refused(431, "the headers are too large", None)

    def _route(self, request: Arrived) -> Reply:
        path = request.path.removeprefix("/v1")
        if (request.method, path) == ("GET", "/models"):
            return Reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        if (request.method, path) == ("POST", "/responses"):
            return self._respond(_json(request, RESPONSES))
        if (request.method, path) == ("POST", "/chat/completions"):
            return self._complete(_json(request, CHAT))
        if (request.method, path) == ("POST", "/images/generations"):
            return self._draw(_json(request, GENERATION), None)
        if (request.method, path) == ("POST", "/images/edits"):
            return self._draw(*_form(request))
        raise Refused(404, f"Invalid URL ({request.method} {request.path})", None)

    def _respond(self, asked: Mapping[str, Any]) -> Reply:
        self._check_model(asked, effort="reasoning")
        wanted = asked.get("text", {}).get("format")
        written = self._write(asked["input"], wanted, asked.get("max_output_tokens"))
        document = response_document(asked["model"], written)
        return events(response_events(document)) if asked.get("stream") else Reply(200, document)

    def _complete(self, asked: Mapping[str, Any]) -> Reply:
        self._check_model(asked, effort="reasoning_effort")
        if asked["model"] in REASONING and "max_tokens" in asked:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            )
            raise Refused(400, message, "unsupported_parameter", "max_tokens")
        wanted = asked.get("response_format", {}).get("json_schema")
        most = asked.get("max_completion_tokens", asked.get("max_tokens"))
        document = completion_document(asked["model"], self._write(asked["messages"], wanted, most))
        if not asked.get("stream"):
            return Reply(200, document)
        counted = asked.get("stream_options", {}).get("include_usage", False)
        return events([*completion_chunks(document, counted=counted)], done=True)

    def _draw(self, asked: Mapping[str, Any], picture: bytes | None) -> Reply:
        if asked["model"] not in DRAWING or asked["model"] not in self.models:
            raise Refused(400, f"Invalid value: '{asked['model']}'", "invalid_value", "model")
        if "response_format" in asked:
            raise Refused(400, "Unknown parameter: 'response_format'.", "unknown_parameter", "response_format")
        if MODERATION in asked["prompt"]:
            message = "Your request was rejected by the safety system. buyer@example.com"
            raise Refused(400, message, "moderation_blocked", kind="image_generation_user_error")
        size, kind = _size(asked) or self.size, asked.get("output_format", "png")
        made = [_drawn(picture, asked["prompt"], number, size, kind) for number in range(asked.get("n", 1))]
        with self._lock:
            self.drawn.append(made)
        usage = {"input_tokens": 50, "output_tokens": 100, "total_tokens": 150}
        details = {"input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}
        return Reply(
            200,
            {
                "created": 1_790_000_000,
                "data": [{"b64_json": base64.b64encode(each).decode()} for each in made],
                "output_format": kind,
                "usage": {**usage, **details},
            },
        )

    def _check_model(self, asked: Mapping[str, Any], effort: str) -> None:
        model = asked["model"]
        if model not in self.models or model in DRAWING:
            raise Refused(
                404, f"The model '{model}' does not exist or you do not have access to it.", "model_not_found", "model"
            )
        if model in REASONING and asked.get("temperature", 1) != 1:
            raise Refused(400, "Unsupported value: 'temperature'", "unsupported_value", "temperature")
        if model not in REASONING and effort in asked:
            raise Refused(400, f"Unsupported parameter: '{effort}'", "unsupported_parameter", effort)

    def _write(self, turns: Sequence[Any], wanted: Mapping[str, Any] | None, most: int | None) -> Line:
        messages = [_message(turn) for turn in turns]
        everything = "\n".join(message.text for message in messages)
        if MODERATION in everything:
            raise Refused(400, "Invalid prompt: your prompt was flagged. buyer@example.com", "invalid_prompt")
        _check_schema(wanted)
        if len(everything) > 4_000_000:
            raise Refused(400, "Your input exceeds the context window of this model.", "context_length_exceeded", "input")
        if REFUSAL in everything:
            return Line("I'm sorry, I can't help with that.", "", "stop", self._usage(everything, messages, 8))
        text = _text(messages, wanted)
        reason = "stop"
        if most is not None and _tokens(text) > most:
            text, reason = text.encode()[: most * 4].decode("utf-8", "ignore"), "length"
        with self._lock:
            self.written.append(text)
            if self.lines:
                return self.lines.popleft()
        return Line("", text, reason, self._usage(everything, messages, _tokens(text)))

    def _usage(self, everything: str, messages: Sequence[PromptMessage], written: int) -> Usage:
        """A prompt that was seen before is half in the cache."""
        read_ = _tokens(everything) + 765 * sum(len(message.pictures) for message in messages)
        with self._lock:
            cached = read_ // 2 if everything in self._prompts else 0
            self._prompts.add(everything)
        return Usage(read_, written, cached)


def _json(request: Arrived, rules: Any) -> Mapping[str, Any]:
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise Refused(415, "Unsupported content type", "unsupported_content_type")
    try:
        asked = request.json
    except ValueError:
        raise Refused(400, "We could not parse the JSON body of your request.", None) from None
    _check(asked, rules)
    return dict(asked)


def _check(asked: Any, rules: Any) -> None:
    error = next(rules.iter_errors(asked), None)
    if error is None:
        return
    place = ".".join(map(str, error.instance_path))
    codes = {"required": "missing_required_parameter", "additionalProperties": "unknown_parameter", "type": "invalid_type"}
    raise Refused(400, f"Invalid: {error.message}"[:300], codes.get(str(error.schema_path[-1]), "invalid_value"), place or None)


def _form(request: Arrived) -> tuple[Mapping[str, Any], bytes]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise Refused(415, "Unsupported content type", "unsupported_content_type")
    fields: dict[str, Any] = {}
    picture = b""
    for part in MultipartParser(io.BytesIO(request.body), options["boundary"], content_length=len(request.body), strict=True):
        if part.name != "image":
            fields[part.name] = int(part.value) if part.name in ("n", "output_compression") else part.value
            continue
        if part.content_type not in ("image/png", "image/jpeg", "image/webp") or not part.filename:
            raise Refused(
                400, f"Invalid file 'image': unsupported mimetype ('{part.content_type}').", "unsupported_file_mimetype"
            )
        picture = part.raw
    if not picture:
        raise Refused(400, "Missing required parameter: 'image'.", "missing_required_parameter", "image")
    _check(fields, EDIT)
    return fields, _opened(picture)


def _opened(data: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError):
        raise Refused(400, "The image is not in a supported format.", "invalid_image_format") from None
    return data


def _size(asked: Mapping[str, Any]) -> tuple[int, int] | None:
    size = asked.get("size", "auto")
    if size == "auto":
        return None
    wide, high = map(int, size.split("x"))
    free = not asked["model"].startswith("gpt-image-1")
    if not free and size not in FIXED_SIZES:
        raise Refused(400, f"Invalid value: '{size}'.", "invalid_value", "size")
    if free and (
        wide % 16 or high % 16 or not 1 / 3 <= wide / high <= 3 or max(wide, high) > 3840 or wide * high > 3840 * 2160
    ):
        raise Refused(400, f"Invalid size '{size}'.", "invalid_value", "size")
    return (wide, high)


@functools.lru_cache(maxsize=64)
def _drawn(picture: bytes | None, prompt: str, number: int, size: tuple[int, int], kind: str) -> bytes:
    jpeg = develop(picture, prompt, number, size, number)
    if kind == "jpeg":
        return jpeg
    out = io.BytesIO()
    with Image.open(io.BytesIO(jpeg)) as drawn:
        drawn.save(out, kind.upper())
    return out.getvalue()


def _message(turn: Mapping[str, Any]) -> PromptMessage:
    """A turn of either API as the sandbox's author reads it."""
    role = Role.SYSTEM if turn["role"] == "developer" else Role(turn["role"])
    if isinstance(turn["content"], str):
        return PromptMessage(role, turn["content"])
    text = "\n".join(part["text"] for part in turn["content"] if "text" in part)
    return PromptMessage(role, text, [_picture(part["image_url"]) for part in turn["content"] if "image_url" in part])


def _picture(address: str | Mapping[str, str]) -> Picture:
    url = address if isinstance(address, str) else address["url"]
    kind, comma, encoded = url.removeprefix("data:").partition(";base64,")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise Refused(400, "Invalid base64 image_url.", "invalid_base64_image") from None
    if not comma or kind not in ("image/jpeg", "image/png", "image/webp", "image/gif"):
        raise Refused(400, "Invalid image data", "invalid_image_url")
    return Picture(_opened(data), kind)


def _check_schema(wanted: Mapping[str, Any] | None) -> None:
    if wanted is None:
        return
    problem = next(strict_problems(wanted["schema"]), None) if wanted.get("strict") else None
    if problem:
        raise Refused(400, f"Invalid schema for response_format: {problem}", "invalid_json_schema", "text.format.schema")


def _text(messages: Sequence[PromptMessage], wanted: Mapping[str, Any] | None) -> str:
    reading = read(messages)
    if wanted is None:
        return prose.paragraph(reading, dice(0, *(message.text for message in messages)))
    return json.dumps(Answerer(wanted["schema"], reading, 0).answer(), ensure_ascii=False)


def _tokens(text: str) -> int:
    return (len(text.encode()) + 3) // 4
