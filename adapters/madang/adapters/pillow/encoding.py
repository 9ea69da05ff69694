"""From pixels to files: how good each form is, and that nothing but pixels goes in."""

import io
from typing import Any, Final

from PIL import Image

from madang.core.portraits.pictures import EncodedPicture

THUMBNAIL_WIDTH: Final = 360
STORED_QUALITY: Final = 92
FULL_QUALITY: Final = 95
WEBP_QUALITY: Final = 85
THUMBNAIL_QUALITY: Final = 85
REDUCING_GAP: Final = 3.0
"""Pillow averages blocks while the picture is three times too large, then resamples: much faster, not visibly worse."""

FULL_COLOUR: Final = 0
"""4:4:4, since lips and eyes suffer first from halved colour."""


def jpeg(picture: Image.Image, quality: int) -> EncodedPicture:
    return _encoded(picture, "JPEG", "image/jpeg", quality=quality, subsampling=FULL_COLOUR)


def png(picture: Image.Image) -> EncodedPicture:
    return _encoded(picture, "PNG", "image/png", compress_level=4)


def webp(picture: Image.Image) -> EncodedPicture:
    return _encoded(picture, "WEBP", "image/webp", quality=WEBP_QUALITY, method=4)


def thumbnail(picture: Image.Image) -> EncodedPicture:
    """360 pixels wide; a picture that is narrower stays as it is."""
    width = min(THUMBNAIL_WIDTH, picture.width)
    size = width, max(1, round(picture.height * width / picture.width))
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return _encoded(small, "JPEG", "image/jpeg", quality=THUMBNAIL_QUALITY, optimize=True)


def _encoded(picture: Image.Image, form: str, content_type: str, **options: Any) -> EncodedPicture:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return EncodedPicture(buffer.getvalue(), content_type, picture.width, picture.height)
