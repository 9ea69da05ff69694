"""From bytes of unknown origin to the small, upright picture that a detector looks at."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base as ExifTag

LONGEST_SIDE: Final = 640
"""YuNet was trained on faces of 10 to 300 pixels: a larger picture finds less, and takes longer."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_ON_ITS_SIDE: Final = (5, 6, 7, 8)
_FROM_THE_RIGHT: Final = (2, 3, 7, 8)
_FROM_THE_BOTTOM: Final = (3, 4, 6, 7)
"""EXIF orientations: where the first column, and where the first row, of the upright picture is stored."""
_SCAN_MARKER: Final = b"\xff\xda"
_MAX_SCANS: Final = 100
"""A progressive JPEG has about ten; a small file with thousands would keep a processor busy for minutes."""


class NoPicture(Exception):
    """These bytes are no picture that is looked at, and why."""


@dataclass(frozen=True, slots=True)
class Sight:
    """`pixels` as OpenCV wants them (rows of blue, green, red), upright; `width` and `height` are the whole picture's as it is
    stored, which lies as `orientation` (EXIF) says."""

    pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
    width: int
    height: int
    orientation: int

    def stored(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of `pixels` is in the picture as it is stored."""
        lies = self.orientation in _ON_ITS_SIDE
        across, down = (self.height, self.width) if lies else (self.width, self.height)
        x, y = x * across / self.pixels.shape[1], y * down / self.pixels.shape[0]
        x, y = (y, x) if lies else (x, y)
        right, bottom = self.orientation in _FROM_THE_RIGHT, self.orientation in _FROM_THE_BOTTOM
        return self.width - x if right else x, self.height - y if bottom else y


def sight_of(data: bytes, max_pixels: int) -> Sight:
    """Turned upright by its EXIF, as a person sees it: faces are found in no other way. Raises `NoPicture`."""
    try:
        return _decoded(data, max_pixels)
    except (NoPicture, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - codecs raise anything on hostile bytes
        raise NoPicture(f"it cannot be read: {type(error).__name__}") from None


def _decoded(data: bytes, max_pixels: int) -> Sight:
    if data.count(_SCAN_MARKER) > _MAX_SCANS and data.startswith(b"\xff\xd8"):
        raise NoPicture("it has more scans than a photo has")
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise NoPicture(f"it has more than {max_pixels} pixels")
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        orientation = opened.getexif().get(ExifTag.Orientation, 1)
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    return Sight(np.ascontiguousarray(np.asarray(upright)[:, :, ::-1]), width, height, orientation)
