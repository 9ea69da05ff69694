"""Uploads, good and bad, and what is stored of them; finished pictures and their renditions."""

import asyncio
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageOps
from PIL.Image import Transpose
from PIL.PngImagePlugin import PngInfo

from madang.adapters.pillow.geometry import checked_crop, stored_size
from madang.adapters.pillow.photo_lab import PillowPhotoLab
from madang.core.kernel.errors import DomainError, PayloadTooLarge, Unprocessable, ValidationFailed
from madang.core.portraits.pictures import Crop, EncodedPicture, PhotoLab

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 40), (30, 50, 190), (255, 255, 255)
CANARY = b"canary-37.5665-126.9780"
UNREADABLE = "PHOTO_UNREADABLE"

SHARED_LAB = PillowPhotoLab(workers=1)
unhurried = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def lab() -> Iterator[PhotoLab]:
    lab = PillowPhotoLab()
    yield lab
    lab.close()


def scene(width: int = 600, height: int = 800) -> Image.Image:
    """Red and green above, blue and white below: no two of the eight turns look alike."""
    picture = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), RED)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), BLUE)
    return picture


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    quality: dict[str, Any] = {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    picture.save(buffer, form, **(quality | options))
    return buffer.getvalue()


def decoded(picture: EncodedPicture) -> Image.Image:
    opened = Image.open(io.BytesIO(picture.data))
    opened.load()
    assert opened.size == (picture.width, picture.height)
    return opened


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    width, height = picture.size
    near, right, bottom = width // 8, width - width // 8, height - height // 8
    points = ((near, near), (right, near), (near, bottom), (right, bottom))
    return [colour(picture, point) for point in points]


def colour(picture: Image.Image, point: tuple[int, int]) -> tuple[int, ...]:
    value = picture.convert("RGB").getpixel(point)
    assert isinstance(value, tuple)
    return tuple(round(channel) for channel in value)


def close_to(found: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 6) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(found, expected, strict=True))


def assert_scene(picture: Image.Image, tolerance: int = 6) -> None:
    for found, expected in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True):
        assert close_to(found, expected, tolerance), (found, expected)


def png_claiming(width: int, height: int) -> bytes:
    """A small and well-formed PNG of plain black that unpacks to as many pixels as it claims."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(b"\0" * min((width // 8 + 2) * height, 1_000_000), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def code_of(lab: PhotoLab, upload: bytes, crop: Crop | None = None) -> str:
    with pytest.raises(DomainError) as refused:
        await lab.prepare_photo(upload, crop)
    return refused.value.error_code


# What is stored of a good photo


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_a_good_photo_becomes_an_upright_srgb_jpeg(lab: PhotoLab, form: str) -> None:
    stored = await lab.prepare_photo(encoded(scene(), form), None)
    picture = decoded(stored)
    assert (stored.content_type, picture.format, picture.mode, picture.size) == ("image/jpeg", "JPEG", "RGB", (600, 800))
    assert_scene(picture)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_a_photo_turned_by_exif_ends_upright_with_the_right_pixels(lab: PhotoLab, form: str, orientation: int) -> None:
    undo = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_90,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_270,
    }
    lying = scene().transpose(undo[orientation]) if orientation > 1 else scene()
    exif = Image.Exif()
    exif[0x0112] = orientation
    upload = encoded(lying, form, exif=exif)
    assert_scene(ImageOps.exif_transpose(Image.open(io.BytesIO(upload))))
    picture = decoded(await lab.prepare_photo(upload, None))
    assert picture.size == (600, 800)
    assert_scene(picture)
    cut = decoded(await lab.prepare_photo(upload, Crop(0, 0, 384, 512)))
    assert close_to(colour(cut, (100, 100)), RED)
    assert close_to(colour(cut, (370, 100)), GREEN)
    assert close_to(colour(cut, (100, 500)), BLUE)
    assert close_to(colour(cut, (370, 500)), WHITE)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
async def test_an_orientation_that_does_not_exist_is_ignored(lab: PhotoLab, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_scene(decoded(await lab.prepare_photo(encoded(scene(), exif=exif), None)))


@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_exif_that_cannot_be_read_costs_only_the_turning(lab: PhotoLab) -> None:
    upload = encoded(scene(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert_scene(decoded(await lab.prepare_photo(upload, None)))


async def test_nothing_of_the_metadata_is_left(lab: PhotoLab) -> None:
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    exif.get_ifd(0x8825)[1] = CANARY.decode()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    text = PngInfo()
    text.add_text("Comment", CANARY.decode())
    text.add_itxt("Author", CANARY.decode())
    uploads = [encoded(scene(), exif=exif, comment=CANARY, xmp=xmp), encoded(scene(), "PNG", exif=exif, pnginfo=text)]
    for upload in uploads:
        assert CANARY in upload
        stored = await lab.prepare_photo(upload + CANARY, None)
        assert CANARY not in stored.data
        assert not decoded(stored).getexif()
        assert decoded(stored).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("size", [(512, 512), (512, 4000), (4000, 512), (3000, 4000), (6000, 8000), (513, 700)])
async def test_without_a_crop_the_largest_3_to_4_in_the_middle_is_taken(lab: PhotoLab, size: tuple[int, int]) -> None:
    stored = await lab.prepare_photo(encoded(Image.new("L", size, 128)), None)
    assert abs(stored.width * 4 - stored.height * 3) <= 4
    assert stored.height <= 2048
    assert stored.width <= size[0]
    assert stored.height == 2048 or stored.width == size[0] or stored.height == size[1]


async def test_a_large_photo_is_scaled_down_and_keeps_its_place(lab: PhotoLab) -> None:
    upload = encoded(scene(6000, 8000), quality=60)
    picture = decoded(await lab.prepare_photo(upload, None))
    assert picture.size == (1536, 2048)
    assert_scene(picture)
    around_the_middle = decoded(await lab.prepare_photo(upload, Crop(1500, 2000, 3000, 4000)))
    assert around_the_middle.size == (1536, 2048)
    assert_scene(around_the_middle)
    assert close_to(colour(around_the_middle, (762, 1018)), RED, 12)
    assert close_to(colour(around_the_middle, (774, 1030)), WHITE, 12)


async def test_the_crop_is_taken_where_it_says(lab: PhotoLab) -> None:
    picture = decoded(await lab.prepare_photo(encoded(scene(1200, 1600), "PNG"), Crop(600, 0, 384, 512)))
    assert picture.size == (384, 512)
    assert {close_to(corner, GREEN) for corner in corners(picture)} == {True}


# Colour


async def test_a_cmyk_photo_looks_as_it_should(lab: PhotoLab) -> None:
    stored = decoded(await lab.prepare_photo(encoded(scene().convert("CMYK")), None))
    assert stored.mode == "RGB"
    assert_scene(stored, tolerance=12)


async def test_a_grey_photo_with_16_bits_keeps_its_greys(lab: PhotoLab) -> None:
    deep = Image.new("I;16", (600, 800), 128 * 257)
    deep.paste(255 * 257, (0, 0, 300, 400))
    stored = decoded(await lab.prepare_photo(encoded(deep, "PNG"), None))
    assert close_to(colour(stored, (100, 100)), WHITE, 2)
    assert close_to(colour(stored, (500, 700)), (128, 128, 128), 2)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
async def test_what_is_transparent_becomes_white(lab: PhotoLab, mode: str) -> None:
    picture = Image.new("RGBA", (600, 800), (0, 0, 0, 0))
    picture.paste((90, 90, 90, 255), (0, 0, 300, 800))
    fewer = picture.quantize(16, Image.Quantize.FASTOCTREE) if mode == "P" else picture.convert(mode)
    upload = encoded(fewer, "PNG")
    stored = decoded(await lab.prepare_photo(upload, None))
    assert close_to(colour(stored, (500, 400)), WHITE)
    assert close_to(colour(stored, (100, 400)), (90, 90, 90))


async def test_a_colour_that_a_png_declares_transparent_becomes_white(lab: PhotoLab) -> None:
    stored = decoded(await lab.prepare_photo(encoded(scene(), "PNG", transparency=GREEN), None))
    assert close_to(corners(stored)[1], WHITE)
    assert close_to(corners(stored)[0], RED)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
async def test_pictures_of_few_colours_are_taken(lab: PhotoLab, mode: str) -> None:
    upload = encoded(scene().convert(mode), "PNG")
    stored = decoded(await lab.prepare_photo(upload, None))
    assert stored.mode == "RGB"
    assert close_to(corners(stored)[3], WHITE)


async def test_an_embedded_profile_is_applied_and_not_kept(lab: PhotoLab) -> None:
    """L*a*b* has no place in a JPEG, so the profile under test is a plain one of sRGB whose red and blue are swapped."""
    swapped = swapped_profile()
    upload = encoded(scene(), icc_profile=swapped)
    stored = await lab.prepare_photo(upload, None)
    picture = decoded(stored)
    assert "icc_profile" not in picture.info
    assert close_to(corners(picture)[0], RED[::-1], 12)
    assert close_to(corners(picture)[2], BLUE[::-1], 12)


async def test_a_transparent_picture_with_a_profile_gets_both_right(lab: PhotoLab) -> None:
    picture = Image.new("RGBA", (600, 800), (*RED, 255))
    picture.paste((0, 0, 0, 0), (300, 0, 600, 800))
    stored = decoded(await lab.prepare_photo(encoded(picture, "PNG", icc_profile=swapped_profile()), None))
    assert close_to(colour(stored, (100, 400)), RED[::-1], 12)
    assert close_to(colour(stored, (500, 400)), WHITE)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("profile", [b"not a profile", None], ids=["broken", "of another colour space"])
async def test_a_profile_that_cannot_apply_is_ignored(lab: PhotoLab, mode: str, profile: bytes | None) -> None:
    if profile is None:
        profile = swapped_profile() if mode != "RGB" else ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    stored = decoded(await lab.prepare_photo(encoded(scene().convert(mode), icc_profile=profile), None))
    assert close_to(corners(stored)[3], WHITE, 3)
    assert "icc_profile" not in stored.info


def swapped_profile() -> bytes:
    """sRGB with the tags of the red and the blue primary exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = bytes(profile[132 : 132 + 12 * int.from_bytes(profile[128:132], "big")])
    exchanged = table.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")
    profile[132 : 132 + len(table)] = exchanged
    return bytes(profile)


async def test_of_an_animation_the_first_picture_is_taken(lab: PhotoLab) -> None:
    upload = encoded(scene(), "PNG", save_all=True, append_images=[Image.new("RGB", (600, 800), BLUE)])
    assert_scene(decoded(await lab.prepare_photo(upload, None)))


@pytest.mark.parametrize("orientation", [1, 6])
async def test_of_a_phones_multi_picture_file_the_first_picture_is_taken(lab: PhotoLab, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    first = scene().transpose(Transpose.ROTATE_90) if orientation == 6 else scene()
    upload = encoded(first, "MPO", save_all=True, append_images=[Image.new("RGB", (300, 400), BLUE)], exif=exif, quality=95)
    picture = decoded(await lab.prepare_photo(upload, None))
    assert picture.size == (600, 800)
    assert_scene(picture, tolerance=12)


async def test_a_large_multi_picture_file_is_scaled_down_like_any_other(lab: PhotoLab) -> None:
    upload = encoded(scene(6000, 8000), "MPO", save_all=True, append_images=[Image.new("RGB", (300, 400), BLUE)], quality=60)
    picture = decoded(await lab.prepare_photo(upload, None))
    assert picture.size == (1536, 2048)
    assert_scene(picture, tolerance=12)


# Bad photos


@pytest.mark.parametrize("form", ["GIF", "BMP", "WEBP", "TIFF", "PDF"])
async def test_other_types_are_refused_whatever_the_file_is_called(lab: PhotoLab, form: str) -> None:
    assert await code_of(lab, encoded(scene(), form)) == "PHOTO_TYPE_NOT_SUPPORTED"


@pytest.mark.parametrize("upload", [b"", b"\xff", b"hello", b"<svg onload='alert(1)'/>", b"\0" * 1000])
async def test_what_is_no_picture_is_refused(lab: PhotoLab, upload: bytes) -> None:
    assert await code_of(lab, upload) == "PHOTO_TYPE_NOT_SUPPORTED"


async def test_eleven_megabytes_are_too_large(lab: PhotoLab) -> None:
    upload = encoded(scene())
    with pytest.raises(PayloadTooLarge) as refused:
        await lab.prepare_photo(upload + b"\0" * (11 * 1024**2 - len(upload)), None)
    assert refused.value.error_code == "PHOTO_TOO_LARGE"


async def test_exactly_ten_megabytes_are_taken(lab: PhotoLab) -> None:
    upload = encoded(scene())
    assert_scene(decoded(await lab.prepare_photo(upload + b"\0" * (10 * 1024**2 - len(upload)), None)))


@pytest.mark.parametrize("size", [(511, 800), (800, 511), (1, 1)])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_a_side_under_512_pixels_is_too_small(lab: PhotoLab, size: tuple[int, int], form: str) -> None:
    assert await code_of(lab, encoded(Image.new("RGB", size), form)) == "PHOTO_TOO_SMALL"


@pytest.mark.parametrize("size", [(7072, 7072), (50_001, 1000), (12_000, 12_000), (60_000, 60_000), (2_000_000, 600)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
async def test_a_bomb_is_refused_by_what_its_header_claims(lab: PhotoLab, size: tuple[int, int]) -> None:
    assert await code_of(lab, png_claiming(*size)) == "PHOTO_TOO_MANY_PIXELS"


async def test_a_jpeg_with_thousands_of_scans_is_refused(lab: PhotoLab) -> None:
    whole = encoded(scene(), progressive=True)
    scan = whole.index(b"\xff\xda")
    assert await code_of(lab, whole[:-2] + whole[scan : scan + 12] * 1000 + b"\xff\xd9") == UNREADABLE


async def test_a_png_whose_text_unpacks_to_a_flood_is_refused(lab: PhotoLab) -> None:
    text = PngInfo()
    text.add_text("Comment", "x" * 70_000_000, zip=True)
    assert await code_of(lab, encoded(scene(), "PNG", pnginfo=text)) == UNREADABLE


WHOLE = {
    "jpeg": encoded(scene(), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "progressive jpeg": encoded(scene(), progressive=True),
    "png": encoded(scene(), "PNG"),
}


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE.keys())
@unhurried
@given(data=st.data())
def test_a_photo_cut_short_anywhere_is_refused(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(8, len(whole) - 1))
    assert asyncio.run(code_of(SHARED_LAB, whole[:cut])) == UNREADABLE


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE.keys())
@unhurried
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_a_photo_with_changed_bytes_is_stored_or_refused_and_nothing_else_happens(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        stored = asyncio.run(SHARED_LAB.prepare_photo(bytes(damaged), None))
    except (Unprocessable, PayloadTooLarge):
        return
    assert decoded(stored).mode == "RGB"


async def test_the_lab_goes_on_after_a_bad_photo(lab: PhotoLab) -> None:
    for _ in range(5):
        assert await code_of(lab, WHOLE["png"][:500]) == UNREADABLE
    assert_scene(decoded(await lab.prepare_photo(WHOLE["png"], None)))


async def test_many_uploads_at_once_all_end(lab: PhotoLab) -> None:
    stored = await asyncio.gather(*(lab.prepare_photo(WHOLE["jpeg"], None) for _ in range(20)))
    assert len({picture.data for picture in stored}) == 1


# Crops


@pytest.mark.parametrize(
    ("crop", "paths"),
    [
        (Crop(-1, 0, 600, 800), ["crop.x"]),
        (Crop(0, -1, 600, 800), ["crop.y"]),
        (Crop(1, 0, 600, 800), ["crop.width"]),
        (Crop(0, 1, 600, 800), ["crop.height"]),
        (Crop(0, 0, 383, 511), ["crop.width", "crop.height"]),
        (Crop(0, 0, 0, 0), ["crop.width", "crop.height"]),
        (Crop(0, 0, -600, -800), ["crop.width", "crop.height"]),
        (Crop(0, 0, 600, 600), ["crop"]),
        (Crop(0, 0, 598, 800), ["crop"]),
        (Crop(10**9, 10**9, 600, 800), ["crop.width", "crop.height"]),
    ],
)
async def test_a_bad_crop_is_refused_where_it_is_wrong(lab: PhotoLab, crop: Crop, paths: list[str]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await lab.prepare_photo(encoded(scene()), crop)
    assert [problem.path for problem in refused.value.problems] == paths


@pytest.mark.parametrize("crop", [Crop(0, 0, 600, 800), Crop(0, 0, 599, 800), Crop(0, 1, 599, 799), Crop(216, 288, 384, 512)])
async def test_a_crop_that_is_3_to_4_within_a_pixel_is_taken(lab: PhotoLab, crop: Crop) -> None:
    stored = await lab.prepare_photo(encoded(scene()), crop)
    assert (stored.width, stored.height) == (crop.width, crop.height)


@given(st.integers(512, 60_000), st.integers(512, 60_000))
def test_the_crop_in_the_middle_is_itself_a_valid_crop(width: int, height: int) -> None:
    crop = checked_crop(None, (width, height))
    assert checked_crop(crop, (width, height)) == crop
    stored = stored_size(crop)
    assert stored[1] <= 2048
    assert abs(stored[0] * 4 - stored[1] * 3) <= 4


@unhurried
@given(data=st.data(), orientation=st.integers(1, 8))
def test_any_good_crop_of_any_turned_photo_has_the_size_it_asks_for(data: st.DataObject, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = (900, 700) if orientation < 5 else (700, 900)
    height = data.draw(st.integers(512, min(upright[1], upright[0] * 4 // 3)))
    width = height * 3 // 4
    x, y = data.draw(st.integers(0, upright[0] - width)), data.draw(st.integers(0, upright[1] - height))
    upload = encoded(Image.new("RGB", (900, 700), GREEN), exif=exif)
    stored = asyncio.run(SHARED_LAB.prepare_photo(upload, Crop(x, y, width, height)))
    assert (stored.width, stored.height) == (width, height)
    assert close_to(corners(decoded(stored))[0], GREEN)


# Renditions


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_a_finished_picture_stays_byte_for_byte_and_gets_two_smaller_forms(lab: PhotoLab, form: str) -> None:
    made = encoded(scene(768, 1024), form)
    forms = await lab.renditions(made)
    assert (forms.full.data, forms.full.content_type) == (made, f"image/{form.lower()}")
    assert (forms.full.width, forms.full.height) == (768, 1024)
    webp, thumbnail = decoded(forms.webp), decoded(forms.thumbnail)
    assert (webp.format, webp.size, forms.webp.content_type) == ("WEBP", (768, 1024), "image/webp")
    assert (thumbnail.format, thumbnail.size, forms.thumbnail.content_type) == ("JPEG", (360, 480), "image/jpeg")
    for picture in (webp, thumbnail):
        assert_scene(picture, tolerance=14)


async def test_a_finished_webp_becomes_a_jpeg(lab: PhotoLab) -> None:
    forms = await lab.renditions(encoded(scene(), "WEBP", lossless=True))
    assert forms.full.content_type == "image/jpeg"
    assert_scene(decoded(forms.full))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_personal_metadata_of_a_finished_picture_goes_into_no_form(lab: PhotoLab, form: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    exif[0x0112] = 6
    lying = scene().transpose(Transpose.ROTATE_90)
    forms = await lab.renditions(encoded(lying, form, exif=exif, icc_profile=swapped_profile()))
    for picture in (forms.full, forms.webp, forms.thumbnail):
        assert CANARY not in picture.data
        assert decoded(picture).height > decoded(picture).width
        assert close_to(corners(decoded(picture))[0], RED[::-1], 20)


async def test_a_transparent_finished_picture_is_put_on_white(lab: PhotoLab) -> None:
    forms = await lab.renditions(encoded(Image.new("RGBA", (600, 800), (0, 0, 0, 0)), "PNG"))
    for picture in (forms.full, forms.webp, forms.thumbnail):
        assert close_to(colour(decoded(picture), (50, 50)), WHITE)


async def test_a_narrow_finished_picture_is_not_blown_up(lab: PhotoLab) -> None:
    forms = await lab.renditions(encoded(scene(120, 160)))
    assert (forms.thumbnail.width, forms.thumbnail.height) == (120, 160)


@pytest.mark.parametrize(
    "made",
    [b"", b"not a picture", WHOLE["jpeg"][:3000], WHOLE["png"][:900], png_claiming(60_000, 60_000), png_claiming(20_000, 2)],
    ids=["empty", "text", "cut JPEG", "cut PNG", "bomb", "wider than any WebP"],
)
async def test_a_finished_picture_that_cannot_be_decoded_is_refused(lab: PhotoLab, made: bytes) -> None:
    with pytest.raises(Unprocessable) as refused:
        await lab.renditions(made)
    assert refused.value.error_code == "PICTURE_UNREADABLE"
