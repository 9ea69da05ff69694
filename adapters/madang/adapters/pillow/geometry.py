"""Where things are in a photo: its EXIF orientation, the crop, and how much smaller it may be decoded."""

from dataclasses import dataclass
from typing import Final

from PIL.Image import Transpose

from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.portraits.pictures import ASPECT, MAX_STORED_SIDE, MIN_SIDE, Crop

MIN_CROP: Final = (MIN_SIDE * ASPECT[0] // ASPECT[1], MIN_SIDE)

Size = tuple[int, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the pixels lie in the file, and what turns them upright: axes swapped or not, then mirrored along the file's axes."""

    swapped: bool
    mirrored_x: bool
    mirrored_y: bool
    transpose: Transpose | None

    def upright(self, raw: Size) -> Size:
        return (raw[1], raw[0]) if self.swapped else raw

    def to_raw(self, box: Box, raw: Size) -> Box:
        """A box in upright pixels, as a box in the pixels of the file."""
        left, top, right, bottom = (box[1], box[0], box[3], box[2]) if self.swapped else box
        if self.mirrored_x:
            left, right = raw[0] - right, raw[0] - left
        if self.mirrored_y:
            top, bottom = raw[1] - bottom, raw[1] - top
        return left, top, right, bottom


UPRIGHT: Final = Orientation(False, False, False, None)
ORIENTATIONS: Final = {
    1: UPRIGHT,
    2: Orientation(False, True, False, Transpose.FLIP_LEFT_RIGHT),
    3: Orientation(False, True, True, Transpose.ROTATE_180),
    4: Orientation(False, False, True, Transpose.FLIP_TOP_BOTTOM),
    5: Orientation(True, False, False, Transpose.TRANSPOSE),
    6: Orientation(True, False, True, Transpose.ROTATE_270),
    7: Orientation(True, True, True, Transpose.TRANSVERSE),
    8: Orientation(True, True, False, Transpose.ROTATE_90),
}
"""By the value of the EXIF tag Orientation (Exif 2.32, 4.6.4 A)."""


def checked_crop(crop: Crop | None, photo: Size) -> Crop:
    """The crop, or the largest 3:4 rectangle in the middle. Raises `ValidationFailed` with everything that is wrong with it."""
    if crop is None:
        return _middle(photo)
    problems = [*_outside(crop, photo), *_too_small(crop), *_not_in_aspect(crop)]
    if problems:
        raise ValidationFailed(*problems)
    return crop


def stored_size(crop: Crop) -> Size:
    """The crop's own size, or scaled down to `MAX_STORED_SIDE` high. Never scaled up."""
    if crop.height <= MAX_STORED_SIDE:
        return crop.width, crop.height
    return round(crop.width * MAX_STORED_SIDE / crop.height), MAX_STORED_SIDE


def _middle(photo: Size) -> Crop:
    width, height = photo
    if width * ASPECT[1] >= height * ASPECT[0]:
        crop_width, crop_height = round(height * ASPECT[0] / ASPECT[1]), height
    else:
        crop_width, crop_height = width, round(width * ASPECT[1] / ASPECT[0])
    return Crop((width - crop_width) // 2, (height - crop_height) // 2, crop_width, crop_height)


def _outside(crop: Crop, photo: Size) -> list[Problem]:
    problems = [Problem(f"crop.{name}", "must not be negative") for name in ("x", "y") if getattr(crop, name) < 0]
    if crop.x + crop.width > photo[0]:
        problems.append(Problem("crop.width", f"reaches beyond the photo, which is {photo[0]} pixels wide"))
    if crop.y + crop.height > photo[1]:
        problems.append(Problem("crop.height", f"reaches beyond the photo, which is {photo[1]} pixels high"))
    return problems


def _too_small(crop: Crop) -> list[Problem]:
    sides = (("width", crop.width, MIN_CROP[0]), ("height", crop.height, MIN_CROP[1]))
    return [Problem(f"crop.{name}", f"must be at least {least} pixels") for name, side, least in sides if side < least]


def _not_in_aspect(crop: Crop) -> list[Problem]:
    """One pixel of width is the tolerance: cropping tools round."""
    off = abs(crop.width * ASPECT[1] - crop.height * ASPECT[0])
    return [Problem("crop", "must be 3:4 (width to height)")] if off > ASPECT[1] else []
