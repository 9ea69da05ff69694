"""Every mode and profile that a photo may come in, made plain sRGB."""

import io
from typing import Final

from PIL import Image, ImageCms

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SPACES: Final = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_WHITE: Final = (255, 255, 255)


def is_continuous(picture: Image.Image) -> bool:
    """Whether it can be resampled as it is."""
    return picture.mode in _SPACES and not picture.has_transparency_data


def continuous(picture: Image.Image) -> Image.Image:
    """In a mode that can be resampled: palettes, bitmaps and 16-bit greys become `L`, `RGB` or `RGBA`; the rest stays."""
    if is_continuous(picture) or picture.mode == "RGBA":
        return picture
    if picture.mode.startswith("I"):
        return _eight_bit_grey(picture)
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode == "1" else "RGB")


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode `RGB`: the embedded profile applied, transparency on white, no metadata left behind."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    opaque = picture.convert("RGB") if alpha else picture
    plain = _converted(opaque, profile) or opaque.convert("RGB")
    if alpha:
        plain = Image.composite(plain, Image.new("RGB", plain.size, _WHITE), alpha)
    plain.info = {}
    return plain


def _eight_bit_grey(picture: Image.Image) -> Image.Image:
    return picture.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _converted(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """None when there is no profile, when it is broken, or when it describes another colour space than the picture's."""
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[picture.mode]:
            return None
        return ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
