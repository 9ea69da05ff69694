"""`PhotoLab` and `PictureCheck` with Pillow."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO, Final, TypeVar

from PIL import Image, ImageFile

from madang.adapters.pillow import checking, colours, encoding
from madang.adapters.pillow.decoding import (
    JPEG,
    PNG,
    Damaged,
    TooManyPixels,
    decode_small,
    draft_size,
    kind_of,
    open_picture,
    orientation_of,
)
from madang.adapters.pillow.geometry import UPRIGHT, Box, Orientation, Size, checked_crop, stored_size
from madang.core.kernel.errors import PayloadTooLarge, Unprocessable
from madang.core.portraits.pictures import MAX_PHOTO_BYTES, MAX_PIXELS, MIN_SIDE, Crop, EncodedPicture, Renditions

T = TypeVar("T")

LARGE_PIXELS: Final = 16_000_000
"""Decoded, 64 MB."""
MAX_WEBP_SIDE: Final = 16_383

_PLAIN_INFO: Final = frozenset(
    {"jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe", "adobe_transform", "progressive", "progression"}
    | {"dpi", "gamma", "srgb", "interlace"}
)
"""What a file may say of itself and still be handed on as it was made."""


class PillowPhotoLab:
    """Works in a few threads of its own, so that any number of uploads at once keeps within the memory of `workers` pictures.

    Large pictures go one after the other in a thread apart: they hold up no small one, and what they used is given back. A
    cancelled request gives its thread back only when the work has really ended.
    """

    def __init__(self, *, workers: int = 2) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo-lab")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="photo-lab-large")

    async def prepare_photo(self, upload: bytes, crop: Crop | None) -> EncodedPicture:
        """As `PhotoLab.prepare_photo` says."""
        try:
            photo = await _in_thread(self._threads, _open_photo, upload)
            return await _in_thread(self._threads_for(photo), _stored, photo, crop)
        except TooManyPixels:
            raise PayloadTooLarge(
                f"the photo has more than {MAX_PIXELS:,} pixels", code="PHOTO_TOO_MANY_PIXELS", limit=MAX_PIXELS
            ) from None
        except Damaged:
            raise Unprocessable("the photo is truncated or damaged", code="PHOTO_UNREADABLE") from None

    async def renditions(self, picture: bytes) -> Renditions:
        """As `PhotoLab.renditions` says. A JPEG or PNG that needs no conversion stays byte for byte as it was made, marks of
        provenance (C2PA) included; one with personal metadata, another colour space or an orientation is written anew; a WebP
        becomes a JPEG."""
        try:
            made = await _in_thread(self._threads, _open_made, picture)
            return await _in_thread(self._threads_for(made), _in_three_forms, made, picture)
        except (Damaged, TooManyPixels):
            raise Unprocessable("the finished picture cannot be decoded", code="PICTURE_UNREADABLE") from None

    async def check_picture(self, picture: BinaryIO) -> None:
        """As `PictureCheck.check_picture` says."""
        try:
            opened = await _in_thread(self._threads, partial(checking.open_file, picture, max_pixels=MAX_PIXELS))
            await _in_thread(self._threads_for(opened), checking.decode, opened)
        except TooManyPixels:
            raise PayloadTooLarge(
                f"the picture has more than {MAX_PIXELS:,} pixels", code="FILE_TOO_MANY_PIXELS", limit=MAX_PIXELS
            ) from None
        except Damaged:
            raise Unprocessable("the picture is truncated or damaged", code="FILE_UNREADABLE") from None

    def close(self) -> None:
        """Let the threads end when their work is done."""
        for threads in (self._threads, self._large):
            threads.shutdown(wait=False, cancel_futures=True)

    def _threads_for(self, picture: Image.Image) -> Executor:
        return self._large if picture.width * picture.height > LARGE_PIXELS else self._threads


async def _in_thread(threads: Executor, work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


def _open_photo(upload: bytes) -> ImageFile.ImageFile:
    """The upload's header, checked against everything that can be told from it."""
    if len(upload) > MAX_PHOTO_BYTES:
        raise PayloadTooLarge(
            f"the photo is larger than {MAX_PHOTO_BYTES // 1024**2} MB", code="PHOTO_TOO_LARGE", limit=MAX_PHOTO_BYTES
        )
    kind = kind_of(upload)
    if kind not in (JPEG, PNG):
        raise Unprocessable("the photo must be a JPEG or a PNG, by content", code="PHOTO_TYPE_NOT_SUPPORTED")
    photo = open_picture(upload, kind, max_pixels=MAX_PIXELS)
    if min(photo.size) < MIN_SIDE:
        raise Unprocessable(
            f"the photo must be at least {MIN_SIDE}×{MIN_SIDE} pixels, not {photo.width}×{photo.height}",
            code="PHOTO_TOO_SMALL",
            minimum=MIN_SIDE,
        )
    return photo


def _stored(photo: ImageFile.ImageFile, crop: Crop | None) -> EncodedPicture:
    with photo:
        part = _cropped(photo, crop)
    return encoding.jpeg(part, encoding.STORED_QUALITY)


def _cropped(photo: ImageFile.ImageFile, crop: Crop | None) -> Image.Image:
    """The part of the photo that is stored: upright, at its size, in plain sRGB."""
    orientation = orientation_of(photo)
    raw = photo.size
    chosen = checked_crop(crop, orientation.upright(raw))
    size = stored_size(chosen)
    box = orientation.to_raw((chosen.x, chosen.y, chosen.x + chosen.width, chosen.y + chosen.height), raw)
    factor = decode_small(photo, draft_size(raw, chosen.height, size[1]))
    part = _resampled(photo, _scaled(box, factor), orientation.upright(size))
    return _finished(part, photo.info.get("icc_profile"), orientation)


def _open_made(data: bytes) -> ImageFile.ImageFile:
    kind = kind_of(data)
    if kind is None:
        raise Damaged("neither JPEG, PNG nor WebP")
    made = open_picture(data, kind, max_pixels=MAX_PIXELS)
    if max(made.size) > MAX_WEBP_SIDE:
        raise TooManyPixels(f"no WebP is more than {MAX_WEBP_SIDE} pixels wide or high")
    return made


def _in_three_forms(made: ImageFile.ImageFile, data: bytes) -> Renditions:
    with made:
        decode_small(made, made.size)
        orientation = orientation_of(made)
        plain = _finished(colours.continuous(made), made.info.get("icc_profile"), orientation)
        full = _full(data, made, orientation, plain)
    return Renditions(full=full, webp=encoding.webp(plain), thumbnail=encoding.thumbnail(plain))


def _scaled(box: Box, factor: float) -> Box:
    left, top, right, bottom = box
    return left * factor, top * factor, right * factor, bottom * factor


def _resampled(photo: Image.Image, box: Box, size: Size) -> Image.Image:
    """The part in the box at the size wanted. What cannot be resampled as it is gets cut out first: converting needs memory."""
    left, top, right, bottom = (round(edge) for edge in box)
    if not colours.is_continuous(photo) or (right - left, bottom - top) == size:
        photo = colours.continuous(photo.crop((left, top, right, bottom)))
        box = (0, 0, *photo.size)
    if photo.size == size:
        return photo
    return photo.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=encoding.REDUCING_GAP)


def _finished(picture: Image.Image, profile: bytes | None, orientation: Orientation) -> Image.Image:
    plain = colours.to_srgb(picture, profile)
    return plain if orientation.transpose is None else plain.transpose(orientation.transpose)


def _full(data: bytes, made: ImageFile.ImageFile, orientation: Orientation, plain: Image.Image) -> EncodedPicture:
    untouched = made.mode == "RGB" and orientation is UPRIGHT and made.info.keys() <= _PLAIN_INFO
    if untouched and kind_of(data) in (JPEG, PNG):
        return EncodedPicture(data, f"image/{str(kind_of(data)).lower()}", made.width, made.height)
    if kind_of(data) == PNG:
        return encoding.png(plain)
    return encoding.jpeg(plain, encoding.FULL_QUALITY)
