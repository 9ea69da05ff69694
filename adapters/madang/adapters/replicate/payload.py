"""What is asked, as the inputs of a model. Pure: no clock, no network."""

import base64
from collections.abc import Mapping
from math import gcd
from typing import Any, Final
from urllib.parse import urlsplit

from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.errors import Rejected, Unsupported
from madang.ports.image_model import PictureRequest
from madang.ports.text_model import Picture

NAME: Final = "replicate"
MAX_DATA_URI_BYTES: Final = 256 * 1024
"""A larger file is to be uploaded, says the description of `input`."""
MAX_FILE_BYTES: Final = 100 * 1024**2
"""Of an uploaded file: the description of `POST /files`, 413."""


def inputs_of(request: PictureRequest, settings: ReplicateSettings) -> dict[str, Any]:
    """All inputs but the photo. Raises `Rejected` and `Unsupported` for what cannot be asked of this model."""
    if not request.prompt.strip():
        raise _rejected("the prompt is empty", "invalid_request")
    inputs = settings.constant_inputs()
    inputs[settings.prompt_input] = request.prompt
    if settings.seed_input:
        inputs[settings.seed_input] = request.seed
    if settings.format_input:
        inputs[settings.format_input] = settings.output_format
    inputs |= _size(request, settings) | _count(request, settings)
    return inputs | dict(request.extra)


def with_photo(inputs: Mapping[str, Any], place: str | None, settings: ReplicateSettings) -> dict[str, Any]:
    """`place` is an address or a data URI."""
    if place is None:
        return dict(inputs)
    return {settings.picture_input: [place] if settings.picture_is_list else place, **inputs}


def check_photo(photo: Picture | None, settings: ReplicateSettings) -> None:
    """Raises `Unsupported` for a model that takes none, `Rejected` for one that Replicate would not take."""
    if photo is None:
        return
    if not settings.picture_input:
        raise Unsupported("plugins.replicate.picture_input names no input for a photo", provider=NAME, operation="start")
    if len(photo.data) > MAX_FILE_BYTES:
        raise _rejected("the photo has more than 100 MB", "too_large")
    if not photo.data:
        raise _rejected("the photo is empty", "invalid_request")


def data_uri(photo: Picture) -> str:
    return f"data:{photo.media_type};base64,{base64.b64encode(photo.data).decode()}"


def webhook_of(request: PictureRequest, settings: ReplicateSettings) -> dict[str, Any]:
    """The address for the announcement, and that only the end is announced. Raises `Unsupported` without a secret, `Rejected`
    for an address without https."""
    if request.webhook_url is None:
        return {}
    if settings.webhook_secret is None:
        raise Unsupported("needs plugins.replicate.webhook_secret", provider=NAME, operation="start")
    if urlsplit(request.webhook_url).scheme != "https":
        raise _rejected("Replicate announces to https only", "invalid_request")
    return {"webhook": request.webhook_url, "webhook_events_filter": ["completed"]}


def _size(request: PictureRequest, settings: ReplicateSettings) -> dict[str, Any]:
    width, height = request.width, request.height
    if width is None and height is None:
        return {}
    if any(side is not None and side < 1 for side in (width, height)):
        raise _rejected("the size is not positive", "invalid_request")
    if settings.width_input:
        named = {settings.width_input: width, settings.height_input: height}
        return {name: value for name, value in named.items() if value is not None}
    if width is None or height is None or not settings.aspect_input:
        raise Unsupported("this model takes no such size", provider=NAME, operation="start")
    common = gcd(width, height)
    aspect = f"{width // common}:{height // common}"
    if aspect not in settings.aspects:
        raise Unsupported("no aspect of plugins.replicate.aspects has this shape", provider=NAME, operation="start")
    return {settings.aspect_input: aspect}


def _count(request: PictureRequest, settings: ReplicateSettings) -> dict[str, Any]:
    if not 1 <= request.count <= settings.max_count:
        raise _rejected("so many pictures cannot be made at once", "invalid_request")
    return {settings.count_input: request.count} if settings.count_input else {}


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="start")
