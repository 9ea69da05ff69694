"""Faces found by OpenCV, in the photograph of a real person: the conformance kit, then sizes, turns and hostile bytes."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from madang.adapters.opencv.decoding import NoPicture, Sight, sight_of
from madang.adapters.opencv.faces import OpencvFaceDetector, face_of
from madang.adapters.opencv.settings import OpencvSettings
from madang.plugins.conformance.faces import FacesConformance
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.faces import Face
from madang.ports.text_model import Picture

Build = Callable[..., OpencvFaceDetector]
FACE = (178, 63, 90, 113)
"""Where the face is in the demo's photograph: x, y, width, height."""


@pytest.fixture
async def build(context: ProviderContext) -> AsyncIterator[Build]:
    built: list[OpencvFaceDetector] = []

    def make(**settings: Any) -> OpencvFaceDetector:
        built.append(OpencvFaceDetector(OpencvSettings(**settings), context))
        return built[-1]

    yield make
    for detector in built:
        await detector.close()


@cache
def photograph() -> Image.Image:
    data = files("madang.entrypoints.demo_data").joinpath("astronaut.png").read_bytes()
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.fixture
def person() -> Image.Image:
    return photograph()


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> Picture:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return Picture(out.getvalue(), f"image/{kind.lower()}")


def is_there(face: Face, box: tuple[float, ...]) -> bool:
    """Within a tenth of the box's height."""
    told = (face.x, face.y, face.width, face.height)
    return all(abs(one - other) <= box[3] / 10 for one, other in zip(told, box, strict=True))


@cache
def counted() -> Mapping[int, Picture]:
    """Pictures by the number of people in them."""
    pair = Image.new("RGB", (1024, 512))
    pair.paste(photograph())
    pair.paste(ImageOps.mirror(photograph()), (512, 0))
    return {0: encoded(Image.linear_gradient("L").convert("RGB")), 1: encoded(photograph(), "PNG"), 2: encoded(pair)}


class TestOpencv(FacesConformance):
    plugin = "madang.plugins.builtin.opencv"
    name = "opencv"

    def remote(self) -> None:
        return None

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}

    def pictures(self) -> Mapping[int, Picture]:
        return counted()

    def size_of(self, picture: Picture) -> tuple[int, int]:
        with Image.open(io.BytesIO(picture.data)) as opened:
            return opened.size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_the_face_of_a_photograph_is_found_where_it_is(build: Build, person: Image.Image, kind: str) -> None:
    [face] = await build().detect(encoded(person, kind))
    assert is_there(face, FACE)
    assert 0.85 < face.confidence <= 1.0


@pytest.mark.parametrize("factor", [0.5, 3.0])
async def test_it_is_found_in_small_and_in_large_pictures(build: Build, person: Image.Image, factor: float) -> None:
    [face] = await build().detect(encoded(ImageOps.scale(person, factor)))
    assert is_there(face, tuple(side * factor for side in FACE))


async def test_two_people_are_two_faces_the_most_confident_first(build: Build, person: Image.Image) -> None:
    both = Image.new("RGB", (1024, 512))
    both.paste(person, (0, 0))
    both.paste(ImageOps.mirror(person).resize((256, 256)), (600, 100))
    first, second = await build().detect(encoded(both))
    assert first.confidence >= second.confidence
    assert sorted([first.x < 512, second.x < 512]) == [False, True]


async def test_a_landscape_has_no_face(build: Build) -> None:
    hills = Image.linear_gradient("L").resize((640, 480))
    assert await build().detect(encoded(Image.merge("RGB", (hills, hills.rotate(90, expand=False), hills)))) == []


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_photograph_is_looked_at_as_a_person_sees_it_and_told_of_as_it_is_stored(
    build: Build, person: Image.Image, orientation: int
) -> None:
    upright = person.crop((0, 0, 512, 400))
    turns = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    x, y, width, height = FACE
    lying, place = upright, Image.new("1", upright.size)
    place.paste(1, (x, y, x + width, y + height))
    for turn in turns.get(orientation, []):
        lying, place = lying.transpose(turn), place.transpose(turn)
    left, top, right, bottom = place.getbbox() or (0, 0, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    [face] = await build().detect(encoded(lying, exif=exif))
    assert is_there(face, (left, top, right - left, bottom - top))


def test_a_picture_is_small_and_in_the_detectors_order_of_colours() -> None:
    red = encoded(Image.new("RGB", (1300, 650), (255, 0, 0)), "PNG").data
    sight = sight_of(red, 1300 * 650)
    assert (sight.width, sight.height, sight.orientation, sight.pixels.shape) == (1300, 650, 1, (320, 640, 3))
    assert sight.pixels[0, 0].tolist() == [0, 0, 255]
    assert sight.pixels.flags.c_contiguous
    with pytest.raises(NoPicture, match="more than 844999 pixels"):
        sight_of(red, 1300 * 650 - 1)


def test_a_photo_has_a_hundred_scans_at_most() -> None:
    marker = b"\xff\xda"
    photo, drawing = (encoded(Image.new("RGB", (8, 8)), kind).data for kind in ("JPEG", "PNG"))
    longest = photo + marker * (100 - photo.count(marker))
    assert sight_of(longest, 64).width == sight_of(drawing + marker * 101, 64).width == 8
    with pytest.raises(NoPicture, match="more scans"):
        sight_of(longest + marker, 64)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, (20, 60)),
        (2, (180, 60)),
        (3, (180, 40)),
        (4, (20, 40)),
        (5, (60, 10)),
        (6, (60, 90)),
        (7, (140, 90)),
        (8, (140, 10)),
    ],
)
def test_a_point_of_the_small_picture_lies_in_the_stored_one(orientation: int, stored: tuple[float, float]) -> None:
    lies = orientation > 4
    pixels = np.zeros((100, 50, 3) if lies else (50, 100, 3), np.uint8)
    sight = Sight(pixels, 200, 100, orientation)
    assert sight.stored(*((5, 30) if lies else (10, 30))) == stored


@pytest.mark.parametrize(
    ("row", "face"),
    [
        ((10, 5, 20, 15, 0.75), Face(20, 10, 40, 30, 0.75)),
        ((-4, -3, 200, 100, 1.5), Face(0, 0, 200, 100, 1.0)),
        ((90, 40, 20, 20, -0.5), Face(180, 80, 20, 20, 0.0)),
    ],
)
def test_a_face_ends_where_the_picture_does(row: tuple[float, ...], face: Face) -> None:
    assert face_of(row, Sight(np.zeros((50, 100, 3), np.uint8), 200, 100, 1)) == face


async def test_what_it_is_less_sure_of_is_told_only_if_that_was_asked_for(build: Build, person: Image.Image) -> None:
    picture = encoded(person)
    [face] = await build(min_confidence=0.5).detect(picture)
    assert await build(min_confidence=min(0.99, face.confidence + 0.01)).detect(picture) == []


JPEG_OF_MANY_SCANS = b"\xff\xd8\xff" + b"\xff\xda" * 101


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"GIF89a" + bytes(20),
        JPEG_OF_MANY_SCANS,
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
async def test_what_is_no_picture_is_refused(build: Build, data: bytes) -> None:
    with pytest.raises(Rejected) as raised:
        await build().detect(Picture(data))
    assert (raised.value.reason, raised.value.provider, raised.value.operation) == ("invalid_picture", "opencv", "detect")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
async def test_a_picture_of_another_kind_is_refused(build: Build, person: Image.Image, kind: str) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        await build().detect(encoded(person, kind))


async def test_what_waits_when_it_is_closed_is_not_looked_at(build: Build, person: Image.Image) -> None:
    detector, picture = build(threads=1), encoded(person)
    looks = [asyncio.ensure_future(detector.detect(picture)) for _ in range(64)]
    await asyncio.sleep(0)
    await detector.close()
    assert isinstance((await asyncio.gather(*looks, return_exceptions=True))[-1], asyncio.CancelledError)


def test_the_library_tells_of_errors_alone(build: Build) -> None:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO)
    build()
    assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_ERROR


async def test_half_a_picture_is_refused(build: Build, person: Image.Image) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = encoded(person, kind).data
        with pytest.raises(Rejected):
            await build().detect(Picture(whole[: len(whole) // 2]))


async def test_a_picture_of_too_many_pixels_is_refused_before_one_is_decoded(build: Build) -> None:
    bomb = encoded(Image.new("1", (9000, 6000)), "PNG")
    assert len(bomb.data) < 10_000
    with pytest.raises(Rejected, match="more than 50000000 pixels"):
        await build().detect(bomb)
    detector = build(max_pixels=99)
    assert detector.capabilities.max_pixels == 99
    with pytest.raises(Rejected):
        await detector.detect(encoded(Image.new("RGB", (10, 10)), "PNG"))


async def test_many_looks_at_once_do_not_disturb_one_another(build: Build, person: Image.Image) -> None:
    detector, nobody = build(threads=3), encoded(Image.new("RGB", (200, 300)))
    seen = await asyncio.gather(*(detector.detect(encoded(person) if turn % 2 else nobody) for turn in range(12)))
    assert [len(faces) for faces in seen] == [0, 1] * 6


async def test_a_check_loads_the_model_and_another_model_must_be_one(build: Build, tmp_path: Path) -> None:
    assert (await build().check()).reachable
    other = tmp_path / "model.onnx"
    other.write_bytes(b"no model")
    with pytest.raises(Misconfigured, match="model_path") as useless:
        await build(model_path=str(other)).check()
    assert useless.value.operation == "load"


@pytest.mark.parametrize(
    "wrong",
    [{"min_confidence": 0.0}, {"min_confidence": 1.0}, {"max_pixels": 0}, {"threads": 0}, {"model_path": "/nowhere/a.onnx"}],
)
def test_a_setting_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OpencvSettings(**wrong)
