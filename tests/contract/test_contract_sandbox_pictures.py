"""The sandbox's pictures stay as they are: who shows a demonstration tomorrow shows the portraits of today.

The digests are of pixels, not of files; `PICTURES` is written anew after a look
was changed on purpose, from what the failing test shows.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from PIL import Image, ImageDraw

from madang.adapters.sandbox import darkroom
from madang.adapters.sandbox.looks import apply_look, look_of
from madang.ports.errors import Rejected

SIZE: Final = (96, 128)
SKIN: Final = (222, 178, 150)


def every_tone(x: int, y: int) -> Image.Image:
    """All levels of all channels, and a face with eyes and a mouth around this point."""
    gradient = Image.linear_gradient("L")
    bands = (gradient.rotate(90).resize(SIZE), gradient.resize(SIZE), Image.radial_gradient("L").resize(SIZE))
    photo = Image.merge("RGB", bands)
    draw = ImageDraw.Draw(photo)
    draw.ellipse([x - 18, y - 22, x + 18, y + 22], fill=SKIN)
    for eye in (x - 9, x + 5):
        draw.ellipse([eye, y - 6, eye + 4, y - 3], fill=(40, 30, 30))
    draw.line([x - 5, y + 10, x + 5, y + 11], fill=(204, 120, 110))
    return photo


def before_a_wall(x: int, y: int) -> Image.Image:
    photo = Image.new("RGB", SIZE, (60, 90, 150))
    ImageDraw.Draw(photo).ellipse([x - 10, y - 12, x + 10, y + 12], fill=SKIN)
    return photo


PHOTOS: Final[Mapping[str, Callable[[], Image.Image]]] = {
    "middle": lambda: every_tone(50, 44),
    "top left": lambda: every_tone(20, 18),
    "bottom right": lambda: every_tone(84, 76),
    "nobody": lambda: Image.linear_gradient("L").resize(SIZE).convert("RGB"),
    "small, top left": lambda: before_a_wall(12, 24),
    "small, bottom right": lambda: before_a_wall(84, 76),
    "small, top": lambda: before_a_wall(40, 22),
    "wide": lambda: every_tone(50, 44).resize((384, 288)),
}
PICTURES: Final = {
    ("middle", 0): ("bright studio", "99e7eca32057"),
    ("middle", 1): ("warm film", "1fa47692820a"),
    ("middle", 2): ("classic monochrome", "038f07723429"),
    ("middle", 3): ("golden dream", "9b0093960f4f"),
    ("middle", 4): ("crisp editorial", "e4f2ef761167"),
    ("middle", 6): ("cool cinema", "5810422247b6"),
    ("middle", 7): ("golden dream", "1834da4da64a"),
    ("middle", 8): ("bright studio", "99e7eca32057"),
    ("middle", 12): ("crisp editorial", "0d47d51ef6e5"),
    ("top left", 0): ("bright studio", "4286e7c5c005"),
    ("bottom right", 6): ("cool cinema", "6d220f23505f"),
    ("nobody", 3): ("golden dream", "236599d5244d"),
    ("nobody", 4): ("crisp editorial", "0cf70a5511ad"),
    ("small, top left", 0): ("bright studio", "c904c77328c0"),
    ("small, bottom right", 0): ("bright studio", "cc2a90a9fbd7"),
    ("small, top", 2): ("classic monochrome", "e63d032743ce"),
    ("wide", 1): ("warm film", "45b2e11a52d3"),
    ("wide", 6): ("cool cinema", "1f75100ad256"),
}


def digest(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()[:12]


@pytest.mark.parametrize(("photo", "seed"), PICTURES)
def test_a_photo_is_developed_in_its_seeds_look_as_ever(photo: str, seed: int) -> None:
    picture = apply_look(PHOTOS[photo](), seed, "a prompt")
    assert (look_of(seed)[0], digest(picture)) == PICTURES[photo, seed]


def file_of(photo: Image.Image, orientation: int = 1) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(out, "PNG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "seed", "index", "size", "wanted"),
    [
        (file_of(every_tone(50, 44)), 1, 0, (96, 128), "8c531d3fe486"),
        (file_of(every_tone(50, 44)), 0, 1, (96, 128), "7e42f06fef5e"),
        (file_of(every_tone(50, 44).rotate(90, expand=True), 6), 1, 0, (96, 128), "8c531d3fe486"),
        (file_of(every_tone(20, 18).resize((200, 900))), 3, 0, (900, 1200), "98fd71f03203"),
        (None, 2, 0, (96, 128), "5fff96c53cc1"),
        (None, 3, 4, (480, 640), "17e56ad90cac"),
    ],
)
def test_a_file_is_framed_and_marked_as_ever(
    data: bytes | None, seed: int, index: int, size: tuple[int, int], wanted: str
) -> None:
    with Image.open(io.BytesIO(darkroom.develop(data, "a prompt", seed, size, index))) as picture:
        assert (picture.format, picture.size) == ("JPEG", size)
        assert dict(picture.getexif()) == {
            0x010E: f"look: {look_of(seed + index)[0]}; seed: {seed + index}",
            0x0131: "Madang sandbox (a simulation, no model was asked)",
        }
        assert digest(picture) == wanted


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ((None, None), None),
        ((0, 0), None),
        ((300, 400), (300, 400)),
        ((300, None), (300, 400)),
        ((None, 400), (300, 400)),
        ((1000, 65), (1000, 65)),
        ((10, 20), (64, 64)),
        ((64, 65), (64, 65)),
        ((9000, 8000), (2048, 2048)),
    ],
)
def test_a_size_is_made_whole_and_kept_within_bounds(
    wanted: tuple[int | None, int | None], size: tuple[int, int] | None
) -> None:
    assert darkroom.output_size(*wanted) == size


@pytest.mark.parametrize("data", [b"", b"GIF89a no photo", file_of(every_tone(50, 44))[:-40]])
def test_what_cannot_be_a_photo_is_not_developed(data: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        darkroom.check_picture(data)
    assert refused.value.reason == "invalid_request"
    assert refused.value.operation == "image_model.start"


def test_a_photo_of_more_than_fifty_million_pixels_is_not_developed() -> None:
    darkroom.check_picture(file_of(Image.new("1", (10_000, 5_000))))
    with pytest.raises(Rejected):
        darkroom.check_picture(file_of(Image.new("1", (10_000, 5_001))))
