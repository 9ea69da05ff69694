"""OpenAI's Image API, both ways. Pure: no clock, no network.

Source: OpenAI's description of the API 2.3.0 (`CreateImageRequest`, `CreateImageEditRequest`, `ImagesResponse`) and the SDK
3.54 for the sizes of the newer models. A picture comes with the answer, in base64; there is no seed. Not verified: the least
number of pixels that a model makes.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from madang.adapters.openai.capabilities import IMAGE, draws_with_gpt
from madang.adapters.openai.dialect import merged
from madang.adapters.openai.mapping import list_in, mapping_in, rejected
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.provider_http.answers import object_in
from madang.ports.image_model import PictureRequest
from madang.ports.text_model import Picture

GENERATIONS: Final = "/images/generations"
EDITS: Final = "/images/edits"
ENDINGS: Final[Mapping[str, str]] = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
MAX_PICTURE_BYTES: Final = 50 * 1000**2
MAX_PROMPT: Final = 32_000
FIXED_SIZES: Final = ((1024, 1024), (1536, 1024), (1024, 1536))
FIXED: Final = re.compile(r"(.*/)?(gpt-image-1|chatgpt-image).*")
"""Models that make these sizes only; later ones make any in steps of 16 up to 3840 × 2160."""
STEP: Final = 16
LONGEST_SIDE: Final = 3840
MOST_PIXELS: Final = 3840 * 2160
STEEPEST: Final = 3.0


def path_of(request: PictureRequest) -> str:
    return EDITS if request.picture else GENERATIONS


def payload_of(request: PictureRequest, settings: OpenAISettings) -> Mapping[str, Any]:
    """The fields to post, without the picture. Raises `Rejected`."""
    _check(request)
    size = size_of(request, settings.image_model)
    payload: dict[str, Any] = {"model": settings.image_model, "prompt": request.prompt, "n": request.count}
    if draws_with_gpt(settings.image_model):
        payload |= {"size": size or "auto", "output_format": settings.image_format}
    else:
        payload |= {"response_format": "b64_json"} | ({"size": size} if size else {})
    if settings.image_quality:
        payload["quality"] = settings.image_quality
    return merged(payload, request.extra)


def files_of(request: PictureRequest) -> Mapping[str, Any] | None:
    """The picture to edit, as a part of the form."""
    if request.picture is None:
        return None
    kind = request.picture.media_type
    return {"image": (f"picture.{ENDINGS[kind]}", request.picture.data, kind)}


def size_of(request: PictureRequest, model: str) -> str | None:
    """`WIDTHxHEIGHT`, the nearest to what was asked that the model makes; None where nothing was asked. Raises `Rejected` for
    half a size and for one that is longer than three times its width."""
    wide, high = request.width, request.height
    if wide is None or high is None:
        if wide is high:
            return None
        raise rejected("a size is a width and a height", "invalid_request", "start")
    if min(wide, high) <= 0:
        raise rejected("a side has at least one pixel", "invalid_request", "start")
    shape = wide / high
    if not 1 / STEEPEST <= shape <= STEEPEST:
        raise rejected("a picture is at most three times as long as it is wide", "invalid_request", "start")
    if FIXED.fullmatch(model):
        wide, high = min(FIXED_SIZES, key=lambda each: abs(each[0] / each[1] - shape))
    elif draws_with_gpt(model):
        wide, high = _in_steps(wide, high)
    return f"{wide}x{high}"


def pictures_in(body: bytes) -> Sequence[Picture]:
    """The pictures of an answer. Raises `ValueError` for one without any."""
    pictures = [_picture(mapping_in(each).get("b64_json")) for each in list_in(object_in(body).get("data"))]
    if not pictures:
        raise ValueError("there is no picture")
    return pictures


def _picture(encoded: object) -> Picture:
    if not isinstance(encoded, str):
        raise ValueError("a picture is not in the answer")
    data = base64.b64decode(encoded, validate=True)
    return Picture(data, _media_type(data))


def _media_type(data: bytes) -> str:
    """By its first bytes, for the answer need not say it. Raises `ValueError`."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError("it is not a picture")


def _check(request: PictureRequest) -> None:
    picture = request.picture
    if not request.prompt.strip() or len(request.prompt) > MAX_PROMPT:
        raise rejected(f"a prompt is 1 to {MAX_PROMPT} characters", "invalid_request", "start")
    if not 1 <= request.count <= IMAGE.max_count:
        raise rejected(f"a call makes 1 to {IMAGE.max_count} pictures", "invalid_request", "start")
    if picture is not None and picture.media_type not in ENDINGS:
        raise rejected("a picture is JPEG, PNG or WebP", "invalid_request", "start")
    if picture is not None and not 0 < len(picture.data) < MAX_PICTURE_BYTES:
        raise rejected("a picture has 1 byte to 50 MB", "too_large", "start")


def _in_steps(wide: int, high: int) -> tuple[int, int]:
    """The nearest size with both sides in steps, of two the larger; in the same shape and smaller where it is too large."""
    shrink = min(1.0, LONGEST_SIDE / max(wide, high), (MOST_PIXELS / (wide * high)) ** 0.5)
    aim = (wide * shrink, high * shrink)
    widths, heights = ([max(1, int(side / STEP) + more) * STEP for more in (0, 1)] for side in aim)
    made = [size for size in product(widths, heights) if _is_made(size)]
    return min(made, key=lambda size: (abs(size[0] - aim[0]) + abs(size[1] - aim[1]), -size[0] * size[1]))


def _is_made(size: tuple[int, int]) -> bool:
    wide, high = size
    return max(size) <= LONGEST_SIDE and wide * high <= MOST_PIXELS and 1 / STEEPEST <= wide / high <= STEEPEST
