"""From bytes of unknown origin to an opened picture: what is checked before a single pixel is decoded."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, ImageFile
from PIL.ExifTags import Base as ExifTag

from madang.adapters.pillow.geometry import ORIENTATIONS, UPRIGHT, Orientation, Size
from madang.core.kernel.errors import DomainError

JPEG: Final = "JPEG"
PNG: Final = "PNG"
WEBP: Final = "WEBP"

MAX_SCANS: Final = 100
"""A progressive JPEG has about ten; a small file with thousands would keep a processor busy for minutes."""

SCAN_MARKER: Final = b"\xff\xda"
PNG_END: Final = b"IEND\xaeB`\x82"


class Damaged(Exception):
    """The codec cannot make a picture of these bytes."""


class TooManyPixels(Exception):
    """The header claims more pixels than allowed."""


def kind_of(data: bytes) -> str | None:
    """`JPEG`, `PNG` or `WEBP` by the first bytes, whatever the file's name says; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    return None


def open_picture(data: bytes, kind: str, *, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header only. Raises `Damaged` and `TooManyPixels`."""
    if kind == JPEG and data.count(SCAN_MARKER) > MAX_SCANS:
        raise Damaged("more scans than a photo has")
    if kind == PNG and PNG_END not in data:
        raise Damaged("cut short")
    with reading():
        picture = Image.open(io.BytesIO(data), formats=[kind])
    if picture.width * picture.height > max_pixels:
        raise TooManyPixels(f"{picture.width}×{picture.height} pixels")
    return picture


def decode_small(picture: ImageFile.ImageFile, wanted: Size) -> float:
    """Decode, at a half, a quarter or an eighth where the format can and the result is still `wanted` or larger.

    Answers the factor by which the picture became smaller. Raises `Damaged`.
    """
    full_width = picture.width
    with reading():
        drafted = picture.draft(None, wanted)
        picture.load()
    return drafted[1][2] / full_width if drafted else 1.0


def orientation_of(picture: Image.Image) -> Orientation:
    """By EXIF or XMP; a picture whose metadata cannot be read lies as it lies.

    A PNG may have its EXIF behind the pixels, so it is decoded first. Raises `Damaged`.
    """
    if picture.format == PNG:
        with reading():
            picture.load()
    try:
        return ORIENTATIONS.get(picture.getexif().get(ExifTag.Orientation, 1), UPRIGHT)
    except Exception:  # noqa: BLE001 - the parser raises anything on hostile bytes, and only the turning is lost
        return UPRIGHT


def draft_size(picture: Size, part: float, kept: int) -> Size:
    """How small the whole picture may be decoded when `part` pixels of it become `kept`."""
    ratio = max(1.0, part / kept)
    return math.ceil(picture[0] / ratio), math.ceil(picture[1] / ratio)


@contextmanager
def reading() -> Iterator[None]:
    """Whatever a codec raises on hostile bytes means that they are no good picture; only our own errors pass."""
    try:
        yield
    except (DomainError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from None
    except Exception as error:  # noqa: BLE001 - codecs raise anything on hostile bytes
        raise Damaged(f"{type(error).__name__}: {error}") from None
