"""Bad photos through the whole service: each a clear error and no trace, and strange ones that are good end right."""

import struct
import zlib
from uuid import UUID

import pytest
from PIL import Image

from integration.portraits.shop import Shop, encoded, opened_picture, photo, scene
from madang.core.kernel.errors import DomainError, PayloadTooLarge, Unprocessable, ValidationFailed
from madang.core.portraits.model import PortraitStatus
from madang.core.portraits.pictures import MAX_PHOTO_BYTES, Crop

ROTATED = 6
"""EXIF: the camera was held on its side; the picture must be turned a quarter to the right."""


def bomb() -> bytes:
    """A PNG of a few kilobytes that claims 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def turned() -> bytes:
    """The ordinary scene as a camera held on its side stores it, and the note how to turn it."""
    picture = scene().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    exif[0x010F] = "canary camera"
    return encoded(picture, exif=exif, quality=95)


BAD: dict[str, tuple[bytes, Crop | None, type[DomainError], str]] = {
    "a GIF that is called .jpg": (encoded(scene(), "GIF"), None, Unprocessable, "PHOTO_TYPE_NOT_SUPPORTED"),
    "a WebP": (encoded(scene(), "WEBP"), None, Unprocessable, "PHOTO_TYPE_NOT_SUPPORTED"),
    "a text": (b"#!/bin/sh\necho this is no photo", None, Unprocessable, "PHOTO_TYPE_NOT_SUPPORTED"),
    "nothing": (b"", None, Unprocessable, "PHOTO_TYPE_NOT_SUPPORTED"),
    "eleven megabytes": (photo() + bytes(11 * 1024 * 1024), None, PayloadTooLarge, "PHOTO_TOO_LARGE"),
    "one byte too many": (photo() + bytes(MAX_PHOTO_BYTES + 1 - len(photo())), None, PayloadTooLarge, "PHOTO_TOO_LARGE"),
    "511 pixels wide": (encoded(scene(511, 800)), None, Unprocessable, "PHOTO_TOO_SMALL"),
    "511 pixels high": (encoded(scene(800, 511)), None, Unprocessable, "PHOTO_TOO_SMALL"),
    "truncated": (photo()[: len(photo()) // 2], None, Unprocessable, "PHOTO_UNREADABLE"),
    "only a head": (photo()[:64], None, Unprocessable, "PHOTO_UNREADABLE"),
    "a decompression bomb": (bomb(), None, PayloadTooLarge, "PHOTO_TOO_MANY_PIXELS"),
    "a crop outside": (photo(), Crop(400, 300, 384, 512), ValidationFailed, "VALIDATION_ERROR"),
    "a crop before the corner": (photo(), Crop(-1, 0, 384, 512), ValidationFailed, "VALIDATION_ERROR"),
    "a crop that is not 3:4": (photo(), Crop(0, 0, 500, 512), ValidationFailed, "VALIDATION_ERROR"),
    "a crop that is too small": (photo(), Crop(0, 0, 300, 400), ValidationFailed, "VALIDATION_ERROR"),
    "a crop of nothing": (photo(), Crop(0, 0, 0, 0), ValidationFailed, "VALIDATION_ERROR"),
}


@pytest.fixture
async def job(shop: Shop) -> UUID:
    return await shop.with_phone()


async def stored(shop: Shop, job: UUID, upload: bytes, crop: Crop | None = None) -> Image.Image:
    await shop.portraits.submit_photo(job, upload, crop)
    body = await (await shop.portraits.open_file(await shop.photo_key(job))).read()
    assert b"canary" not in body
    return opened_picture(body)


def differs(first: Image.Image, second: Image.Image) -> float:
    """The mean difference of the two pictures' channels, each from 0 to 255."""
    one, other = (picture.convert("RGB").resize((60, 80)).tobytes() for picture in (first, second))
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


async def test_every_bad_photo_gets_its_error_and_leaves_nothing_and_a_good_one_is_taken_afterwards(
    shop: Shop, job: UUID
) -> None:
    before = await shop.view(job)
    for name, (upload, crop, error, code) in BAD.items():
        with pytest.raises(error) as refused:
            await shop.portraits.submit_photo(job, upload, crop)
        assert (type(refused.value), refused.value.error_code) == (error, code), name
        assert await shop.objects(job) == [], name
        assert await shop.view(job) == before, name
    assert await shop.rows("SELECT 1 FROM messages WHERE topic = 'portraits.make_picture'") == []
    await shop.portraits.submit_photo(job, photo(), None)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED


async def test_a_bad_crop_is_told_where_it_is_bad(shop: Shop, job: UUID) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await shop.portraits.submit_photo(job, photo(), Crop(0, 0, 500, 512))
    assert all(problem.path.startswith("crop") for problem in refused.value.problems)
    assert refused.value.problems


async def test_a_photo_turned_by_its_camera_is_stored_upright_without_metadata(shop: Shop, job: UUID) -> None:
    upload = turned()
    assert b"canary" in upload
    kept = await stored(shop, job, upload)
    assert (kept.size, kept.format, dict(kept.getexif())) == ((600, 800), "JPEG", {})
    assert differs(kept, scene()) < 3 < differs(kept, scene().transpose(Image.Transpose.ROTATE_180))


async def test_the_crop_is_of_the_upright_photo(shop: Shop, job: UUID) -> None:
    crop = Crop(0, 288, 384, 512)
    kept = await stored(shop, job, turned(), crop)
    expected = scene().crop((crop.x, crop.y, crop.x + crop.width, crop.y + crop.height))
    assert kept.size == (384, 512)
    assert differs(kept, expected) < 3


async def test_a_cmyk_jpeg_is_stored_in_the_colours_that_it_shows(shop: Shop, job: UUID) -> None:
    printed = scene().convert("CMYK")
    kept = await stored(shop, job, encoded(printed, quality=95))
    assert (kept.mode, kept.format) == ("RGB", "JPEG")
    assert differs(kept, printed.convert("RGB")) < 6


async def test_a_photo_with_a_transparent_ground_is_stored_without_it(shop: Shop, job: UUID) -> None:
    picture = scene().convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 255))
    kept = await stored(shop, job, encoded(picture, "PNG"))
    assert kept.mode == "RGB"
    assert differs(kept, scene()) < 3


async def test_of_a_wide_photo_the_middle_is_kept_3_to_4(shop: Shop, job: UUID) -> None:
    kept = await stored(shop, job, encoded(scene(1600, 800), quality=95))
    assert kept.size == (600, 800)
    assert differs(kept, scene(1600, 800).crop((500, 0, 1100, 800))) < 3
