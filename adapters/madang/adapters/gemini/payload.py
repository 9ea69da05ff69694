"""Our requests as the Gemini API's JSON. Pure: no clock, no network.

Source: the Gemini API's reference of `generateContent` (v1beta). Gemini counts thoughts as output, so a limit that is meant for
the answer alone would be spent before the answer begins: `thinking_tokens` is added to it.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from madang.adapters.gemini.capabilities import IMAGE
from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.schema import Dialect, translated
from madang.ports.errors import Rejected
from madang.ports.image_model import PictureRequest
from madang.ports.text_model import Picture, PromptMessage, Role, TextRequest

ROLES: Final = {Role.USER: "user", Role.ASSISTANT: "model"}
MEDIA_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"})
RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9")
SIZES: Final = {1024: None, 2048: "2K", 4096: "4K"}
"""Longest edge in pixels, and what it is called; the smallest is every model's own and needs no name."""
STEEPEST: Final = 3.0
_SEEDS: Final = 2**31
"""A seed is a signed number of 32 bits."""


def text_payload(request: TextRequest, thinking_tokens: int, dialect: Dialect, operation: str) -> dict[str, Any]:
    """The body to post. Raises `Rejected` for what Gemini would refuse, `NotExpressible` for a schema."""
    _check([message.text for message in request.messages], request.schema, request.extra, request.temperature, operation)
    system = [message for message in request.messages if message.role is Role.SYSTEM]
    contents = _contents([message for message in request.messages if message.role is not Role.SYSTEM], operation)
    if not contents:
        raise rejected("there is no message to answer", operation)
    if any(message.pictures for message in system):
        raise rejected("a picture belongs to a message of the user", operation)
    payload: dict[str, Any] = {"contents": contents, "generationConfig": _generation(request, thinking_tokens, dialect)}
    if told := [{"text": message.text} for message in system if message.text]:
        payload["systemInstruction"] = {"parts": told}
    return with_extra(payload, request.extra)


def picture_payload(request: PictureRequest) -> dict[str, Any]:
    """The body that asks for one picture. Raises `Rejected`."""
    _check([request.prompt], None, request.extra, None, "start")
    if not request.prompt:
        raise rejected("there is no prompt", "start")
    if not 1 <= request.count <= IMAGE.max_count:
        raise rejected("Gemini makes one picture at a time", "start")
    message = PromptMessage(Role.USER, request.prompt, [request.picture] if request.picture else [])
    config: dict[str, Any] = {"responseModalities": ["IMAGE"], "seed": request.seed % _SEEDS}
    if request.width is not None or request.height is not None:
        config["imageConfig"] = _image_config(request.width, request.height)
    return with_extra({"contents": _contents([message], "start"), "generationConfig": config}, request.extra)


def with_extra(payload: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` as it is, over what we say; objects such as `generationConfig` are joined."""
    both = dict(payload)
    for name, value in extra.items():
        former = both.get(name)
        both[name] = with_extra(former, value) if isinstance(former, dict) and isinstance(value, Mapping) else value
    return both


def rejected(message: str, operation: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason="invalid_request", provider=NAME, operation=operation)


def _check(texts: Sequence[str], schema: object, extra: object, temperature: float | None, operation: str) -> None:
    """Raises `Rejected` for what JSON or UTF-8 cannot carry: half a character, not-a-number, an object of Python's own."""
    try:
        json.dumps([texts, schema, extra, temperature], ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise rejected("JSON cannot carry a value", operation) from None


def _generation(request: TextRequest, thinking_tokens: int, dialect: Dialect) -> dict[str, Any]:
    config: dict[str, Any] = {"maxOutputTokens": request.max_output_tokens + thinking_tokens}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.seed is not None and dialect.has_seed:
        config["seed"] = request.seed % _SEEDS
    if request.schema is not None:
        config["responseMimeType"] = "application/json"
        config[dialect.field] = translated(request.schema, dialect)
    return config


def _contents(messages: Sequence[PromptMessage], operation: str) -> list[dict[str, Any]]:
    """Turns; what one side says twice in a row is one turn, because Gemini wants them to alternate. What is empty says
    nothing, and Gemini refuses it."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        parts = [_picture(each, operation) for each in message.pictures]
        parts += [{"text": message.text}] if message.text else []
        role = ROLES[message.role]
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def _picture(picture: Picture, operation: str) -> dict[str, Any]:
    if picture.media_type not in MEDIA_TYPES:
        raise rejected("a picture is of no type that Gemini reads", operation)
    return {"inlineData": {"mimeType": picture.media_type, "data": base64.b64encode(picture.data).decode()}}


def _image_config(width: int | None, height: int | None) -> dict[str, str]:
    """Gemini makes pictures of some shapes and three sizes: the nearest shape, at least the asked size."""
    if width is None or height is None or min(width, height) < 1:
        raise rejected("a size is a width and a height, each of at least one pixel", "start")
    shape = width / height
    if not 1 / STEEPEST <= shape <= STEEPEST or max(width, height) > max(SIZES):
        raise rejected("a picture is at most 4096 pixels long, and three times as long as it is wide", "start")
    nearest = min(RATIOS, key=lambda each: abs(math.log(_ratio(each) / shape)))
    size = SIZES[min(each for each in SIZES if each >= max(width, height))]
    return {"aspectRatio": nearest, "imageSize": size} if size else {"aspectRatio": nearest}


def _ratio(name: str) -> float:
    width, height = name.split(":")
    return int(width) / int(height)
