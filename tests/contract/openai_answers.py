"""OpenAI's answers as its description 2.3.0 words them, whole and as streams."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from madang.plugins.conformance.remote import Reply

PIECE = 12


@dataclass(frozen=True)
class Usage:
    """Tokens."""

    read: int
    written: int
    cached: int = 0


@dataclass(frozen=True)
class Line:
    """What the model says: a refusal or a text, why it ended (`stop`, `length`, …), and what it cost."""

    refused: str
    text: str
    reason: str
    usage: Usage


def response_document(model: str, line: Line) -> dict[str, Any]:
    """A `Response`."""
    part = (
        {"type": "refusal", "refusal": line.refused}
        if line.refused
        else {"type": "output_text", "text": line.text, "annotations": [], "logprobs": []}
    )
    status = "incomplete" if line.reason != "stop" else "completed"
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "error": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "incomplete_details": {"reason": {"length": "max_output_tokens"}.get(line.reason, line.reason)}
        if line.reason != "stop"
        else None,
        "model": f"{model}-2026-07-09",
        "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, message],
        "usage": {
            "input_tokens": line.usage.read,
            "input_tokens_details": {"cached_tokens": line.usage.cached, "cache_write_tokens": 0},
            "output_tokens": line.usage.written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": line.usage.read + line.usage.written,
        },
    }


def response_events(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same as a stream."""
    part = document["output"][-1]["content"][0]
    kind, whole = ("refusal", part["refusal"]) if part["type"] == "refusal" else ("output_text", part["text"])
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    started = {**document, "status": "in_progress", "output": [], "usage": None}
    told = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
        *({"type": f"response.{kind}.delta", **place, "delta": piece, "logprobs": []} for piece in _pieces(whole)),
        {"type": f"response.{kind}.done", **place, "text": whole, "logprobs": []},
        {"type": f"response.{document['status']}", "response": document},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(told)]


def completion_document(model: str, line: Line) -> dict[str, Any]:
    """A `chat.completion`."""
    message = {"role": "assistant", "content": None if line.refused else line.text, "refusal": line.refused or None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"{model}-2026-07-09",
        "choices": [{"index": 0, "message": message, "finish_reason": line.reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": line.usage.read,
            "completion_tokens": line.usage.written,
            "total_tokens": line.usage.read + line.usage.written,
            "prompt_tokens_details": {"cached_tokens": line.usage.cached, "audio_tokens": 0},
        },
    }


def completion_chunks(document: Mapping[str, Any], *, counted: bool) -> Iterator[dict[str, Any]]:
    """The same as a stream; with `counted` the last chunk has the usage and no choice."""
    shared = {**document, "object": "chat.completion.chunk", "usage": None}
    choice = document["choices"][0]
    field = "refusal" if choice["message"]["refusal"] else "content"
    deltas = [{"role": "assistant", "content": ""}, *({field: piece} for piece in _pieces(choice["message"][field]))]
    for delta in deltas:
        yield {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if counted:
        yield {**shared, "choices": [], "usage": document["usage"]}


def events(told: Sequence[Mapping[str, Any]], *, done: bool = False) -> Reply:
    """Server-sent events; those of the Responses API are named by their type."""
    named = [f"event: {event['type']}\n" if "type" in event else "" for event in told]
    lines = [f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(named, told, strict=True)]
    body = "".join([*lines, *(["data: [DONE]\n\n"] if done else [])]).encode()
    return Reply(200, body, {"content-type": "text/event-stream; charset=utf-8"})


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
