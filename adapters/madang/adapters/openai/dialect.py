"""What both of OpenAI's text APIs share: the shape of their mapping, and the parts of a request that they word alike. Pure."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from madang.adapters.openai.capabilities import family_of, text_as_configured
from madang.adapters.openai.mapping import NAME, rejected
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.openai.strictness import strict
from madang.ports.errors import OutcomeUnknown, Unsupported
from madang.ports.text_model import Picture, PromptMessage, Role, TextRequest, TextResult

MEDIA_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
MAX_SCHEMA_NAME: Final = 64


class Reading(Protocol):
    """A streamed answer as it comes in."""

    def feed(self, event: Mapping[str, Any]) -> str:
        """The text that an event adds. Raises what the event reports."""
        ...

    def result(self) -> TextResult:
        """The whole answer, once the stream has ended. Raises `Rejected`, and `OutcomeUnknown` for one that broke off."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two APIs: where it is asked, and the mapping both ways."""

    path: str
    payload_of: Callable[[TextRequest, OpenAISettings, str], Mapping[str, Any]]
    streamed: Mapping[str, Any]
    """What the payload holds besides when the answer is to be streamed."""
    result_of: Callable[[Mapping[str, Any], str | None, str], TextResult]
    reading: Callable[[str | None], Reading]


def check(request: TextRequest, settings: OpenAISettings, operation: str) -> None:
    """Raises `Unsupported` and `Rejected` for what the model surely cannot take."""
    able = text_as_configured(settings)
    pictures = [picture for message in request.messages for picture in message.pictures]
    if not request.messages:
        raise rejected("there is no message to answer", "invalid_request", operation)
    if pictures and not able.vision:
        raise Unsupported(f"{settings.model} sees no pictures", provider=NAME, operation=operation)
    if request.schema is not None and not able.json_schema:
        raise Unsupported(f"{settings.model} keeps to no schema", provider=NAME, operation=operation)
    if any(picture.media_type not in MEDIA_TYPES for picture in pictures):
        raise rejected("a picture is JPEG, PNG, WebP or GIF", "invalid_request", operation)
    if any(message.pictures and message.role is not Role.USER for message in request.messages):
        raise rejected("pictures belong to the user's messages", "invalid_request", operation)


def sampling(request: TextRequest, settings: OpenAISettings) -> Mapping[str, Any]:
    """The wishes that this model takes; the capabilities say which."""
    able = text_as_configured(settings)
    wishes = {
        "temperature": request.temperature if able.temperature else None,
        "seed": request.seed if able.seed else None,
    }
    return {name: value for name, value in wishes.items() if value is not None}


def effort_of(settings: OpenAISettings) -> str | None:
    """How hard to think, for models that do and where it is not left to them."""
    family = family_of(settings.model)
    told = settings.reasoning_effort
    return told if family and family.reasons and told != "default" else None


def schema_format(request: TextRequest) -> Mapping[str, Any]:
    """The answer's schema, strict where the schema can be said so; otherwise as it was given."""
    adapted = strict(request.schema or {})
    name = re.sub(r"[^A-Za-z0-9_-]", "_", request.schema_name)[:MAX_SCHEMA_NAME] or "answer"
    return {"name": name, "schema": adapted or dict(request.schema or {}), "strict": adapted is not None}


def data_url(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


def contents(
    messages: Sequence[PromptMessage],
    text_part: Callable[[str], Mapping[str, Any]],
    picture_part: Callable[[Picture], Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The conversation; a message without pictures is a mere text."""
    return [
        {
            "role": message.role.value,
            "content": [
                *([text_part(message.text)] if message.text else []),
                *(picture_part(picture) for picture in message.pictures),
            ]
            if message.pictures
            else message.text,
        }
        for message in messages
    ]


def merged(payload: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller adds wins; of objects that both have, by field."""
    both = dict(payload)
    for name, value in extra.items():
        former = both.get(name)
        both[name] = merged(former, value) if isinstance(former, Mapping) and isinstance(value, Mapping) else value
    return both


def count_in(value: object) -> int:
    """Tokens; 0 where they are not told."""
    return value if type(value) is int and value > 0 else 0


def unreadable(why: str, operation: str, request_id: str | None) -> OutcomeUnknown:
    """An answer that says 200 and no answer."""
    return OutcomeUnknown(why, provider=NAME, operation=operation, request_id=request_id)
