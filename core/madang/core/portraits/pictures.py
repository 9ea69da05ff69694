"""What portraits ask of a picture library, as a Protocol: the core itself knows no codec."""

from dataclasses import dataclass, field
from typing import Final, Protocol

MAX_PHOTO_BYTES: Final = 10 * 1024 * 1024
MIN_SIDE: Final = 512
MAX_PIXELS: Final = 50_000_000
"""A picture that claims more pixels is refused before it is decoded."""
ASPECT: Final = (3, 4)
MAX_STORED_SIDE: Final = 2048


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle in pixels of the upright photo, the origin at the top left; its sides are 3:4 within a pixel."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Renditions:
    """A result in its three forms: full size (PNG or JPEG as made), WebP of the same size, and a JPEG thumbnail 360
    pixels wide."""

    full: EncodedPicture
    webp: EncodedPicture
    thumbnail: EncodedPicture


class PhotoLab(Protocol):
    """Works in a thread, so that the event loop goes on."""

    async def prepare_photo(self, upload: bytes, crop: Crop | None) -> EncodedPicture:
        """Check the upload and make of it what is stored: a JPEG, upright, cropped 3:4, sRGB, without metadata, ≤ 2048
        pixels high.

        Without a crop, the largest 3:4 rectangle in the middle. Raises
        `PayloadTooLarge` (`PHOTO_TOO_LARGE`: over 10 MB; `PHOTO_TOO_MANY_PIXELS`),
        `Unprocessable` (`PHOTO_TYPE_NOT_SUPPORTED` not JPEG or PNG by content; `PHOTO_UNREADABLE` truncated or damaged;
        `PHOTO_TOO_SMALL` under 512×512) and `ValidationFailed` for a crop outside the photo, smaller than 384×512 or not 3:4.
        """
        ...

    async def renditions(self, picture: bytes) -> Renditions:
        """The three forms of a finished picture. Raises `Unprocessable` when it cannot be decoded."""
        ...
