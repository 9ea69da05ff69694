"""Six photographer's looks, made with Pillow alone: each a chain of gentle steps on a portrait, no frames and no toy filters.

Seeds with different remainders by four take different looks, so three seeds in a row are three visibly different pictures; what
is left of the seed varies strength and light within the look.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from madang.adapters.sandbox.chance import dice

Look = Callable[[Image.Image, Random], Image.Image]
Curve = Sequence[tuple[int, int]]


def bright_studio(photo: Image.Image, chance: Random) -> Image.Image:
    """High key: soft skin, lifted shadows, a white glow that comes from behind the person."""
    soft = smooth_skin(photo, 0.62)
    lit = curve(soft, [(0, 10), (64, 84), (128, 158), (192, 217), (255, 253)])
    haze = Image.blend(lit.filter(ImageFilter.GaussianBlur(lit.width / 38)), Image.new("RGB", lit.size, (252, 250, 249)), 0.46)
    glowing = Image.composite(lit, haze, subject_mask(photo, 0.96))
    return tone(saturate(glowing, 0.93), (1.0, 1.0, 1.02), 0.3 + 0.3 * chance.random())


def warm_film(photo: Image.Image, chance: Random) -> Image.Image:
    """Late afternoon on film: amber light, faded blacks, fine grain, a soft vignette."""
    soft = smooth_skin(photo, 0.4)
    faded = curve(soft, [(0, 22), (56, 62), (128, 139), (200, 212), (255, 246)])
    amber = tone(saturate(faded, 0.86), (1.08, 0.985, 0.885), 0.9)
    lit = leak(amber, (255, 178, 96), (0.92 - 0.8 * chance.random(), 0.08), 0.26)
    return grain(vignette(lit, 0.42), 7, chance)


def classic_monochrome(photo: Image.Image, chance: Random) -> Image.Image:
    """Black and white as in the old studios: red-filter skin, deep background, silver tone."""
    red, green, blue = smooth_skin(photo, 0.45).split()
    grey = ImageChops.add(
        red.point(lambda v: v * 0.55), ImageChops.add(green.point(lambda v: v * 0.37), blue.point(lambda v: v * 0.08))
    )
    shaped = curve(grey, [(0, 6), (60, 50), (128, 136), (196, 214), (255, 250)])
    dim = shaped.point(lambda v: v * 0.52)
    staged = Image.composite(shaped, dim.filter(ImageFilter.GaussianBlur(photo.width / 110)), subject_mask(photo, 1.08))
    silver = ImageOps.colorize(staged, (14, 14, 17), (250, 248, 243), (129, 127, 125))
    return grain(vignette(silver, 0.3), 6, chance)


def cool_cinema(photo: Image.Image, chance: Random) -> Image.Image:
    """A still of a film: teal shadows, warm skin, a blurred and darker room behind."""
    soft = smooth_skin(photo, 0.35)
    shaped = curve(soft, [(0, 8), (64, 52), (128, 126), (192, 202), (255, 250)])
    split = split_tone(saturate(shaped, 0.82), (18, 62, 84), (255, 226, 196), 0.3)
    behind = ImageEnhance.Brightness(split.filter(ImageFilter.GaussianBlur(photo.width / 60))).enhance(0.66)
    staged = Image.composite(split, behind, subject_mask(photo, 1.02))
    return vignette(leak(staged, (120, 190, 230), (0.05 + 0.2 * chance.random(), 0.1), 0.16), 0.38)


def golden_dream(photo: Image.Image, chance: Random) -> Image.Image:
    """Soft focus: the picture glows over itself, peach and cream, the sun behind a shoulder."""
    soft = smooth_skin(photo, 0.65)
    glow = ImageChops.screen(
        soft, curve(soft.filter(ImageFilter.GaussianBlur(photo.width / 34)), [(0, 0), (128, 84), (255, 214)])
    )
    dreamy = curve(Image.blend(soft, glow, 0.62), [(0, 12), (128, 126), (255, 250)])
    peach = tone(saturate(dreamy, 0.96), (1.05, 0.99, 0.93), 0.9)
    return leak(peach, (255, 206, 150), (0.06 + 0.88 * chance.randint(0, 1), 0.16), 0.42)


def crisp_editorial(photo: Image.Image, chance: Random) -> Image.Image:
    """A magazine page: clear contrast, true colours, sharp eyes, a quiet backdrop of one colour."""
    soft = smooth_skin(photo, 0.5)
    shaped = curve(soft, [(0, 0), (48, 38), (128, 135), (208, 224), (255, 255)])
    colour = (206, 214, 220) if chance.random() < 0.5 else (222, 212, 206)
    plain = Image.blend(shaped.filter(ImageFilter.GaussianBlur(photo.width / 26)), Image.new("RGB", photo.size, colour), 0.6)
    staged = Image.composite(shaped, plain, subject_mask(photo, 1.0))
    return vignette(saturate(staged, 1.1).filter(ImageFilter.UnsharpMask(2.2, 55, 3)), 0.16)


LOOKS: Final[Sequence[Sequence[tuple[str, Look]]]] = (
    (("bright studio", bright_studio), ("crisp editorial", crisp_editorial)),
    (("warm film", warm_film),),
    (("classic monochrome", classic_monochrome), ("cool cinema", cool_cinema)),
    (("golden dream", golden_dream),),
)
"""The seed's remainder by four chooses the row, the rest of it the look in the row."""


def look_of(seed: int) -> tuple[str, Look]:
    """The look's name and its chain: seeds that differ in their remainder by four have different looks."""
    row = LOOKS[seed % len(LOOKS)]
    return row[seed // len(LOOKS) % len(row)]


def apply_look(photo: Image.Image, seed: int, *variation: object) -> Image.Image:
    """The photo, already of its final size, in the look of this seed."""
    _, look = look_of(seed)
    return look(photo, dice(seed, *variation))


def smooth_skin(photo: Image.Image, strength: float) -> Image.Image:
    """Even out skin where there is skin, and leave eyes, hair and cloth sharp."""
    radius = max(1.0, photo.width / 170)
    half = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.BOX)
    even = (
        half.filter(ImageFilter.MedianFilter(3))
        .filter(ImageFilter.GaussianBlur(radius / 2))
        .resize(photo.size, Image.Resampling.BICUBIC)
    )
    detail = ImageChops.difference(photo.convert("L"), even.convert("L")).point(lambda v: 255 - max(0, v - 14) * 14)
    mask = ImageChops.multiply(skin_mask(photo), detail.filter(ImageFilter.GaussianBlur(radius / 2)))
    return Image.composite(even, photo, mask.point(lambda v: v * strength))


def skin_mask(photo: Image.Image) -> Image.Image:
    """Where the colours are those of skin (of any shade: its hue in YCbCr hardly changes), with soft edges."""
    _, blue, red = photo.convert("YCbCr").split()
    in_blue = blue.point(lambda v: 255 if 80 <= v <= 125 else 0)
    in_red = red.point(lambda v: 255 if 134 <= v <= 168 else 0)
    return ImageChops.multiply(in_blue, in_red).filter(ImageFilter.GaussianBlur(photo.width / 120))


def face_centre(photo: Image.Image) -> tuple[float, float]:
    """Roughly where the face is, as shares of width and height: the middle of the skin that is where portraits have faces."""
    wide, high = 24, 32
    skin = (
        skin_mask(photo.resize((wide * 4, high * 4), Image.Resampling.BOX)).resize((wide, high), Image.Resampling.BOX).tobytes()
    )
    total = across = down = 1e-9
    for index, value in enumerate(skin):
        x, y = (index % wide + 0.5) / wide, (index // wide + 0.5) / high
        weight = value * max(0.0, 1 - ((x - 0.5) / 0.42) ** 2) * max(0.0, 1 - ((y - 0.34) / 0.32) ** 2)
        total, across, down = total + weight, across + weight * x, down + weight * y
    if total < 255:
        return 0.5, 0.34
    return min(max(across / total, 0.32), 0.68), min(max(down / total, 0.22), 0.5)


def subject_mask(photo: Image.Image, reach: float) -> Image.Image:
    """White where a portrait has its person: an egg for the head and a wide one for the shoulders, with a long soft edge."""
    size = photo.size
    small = (size[0] // 8, size[1] // 8)
    mask = Image.new("L", small)
    draw = ImageDraw.Draw(mask)
    face_x, face_y = face_centre(photo)
    head = (face_x, face_y - 0.02, 0.27 * reach, 0.27 * reach)
    shoulders = (face_x / 2 + 0.25, face_y + 0.56, 0.46 * reach, 0.44 * reach)
    for x, y, across, down in (head, shoulders):
        draw.ellipse([(x - across) * small[0], (y - down) * small[1], (x + across) * small[0], (y + down) * small[1]], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(small[0] / 11)).resize(size, Image.Resampling.BICUBIC)


def curve(photo: Image.Image, points: Curve) -> Image.Image:
    """A tone curve through the points, straight between them, for every channel."""
    table = [_between(points, value) for value in range(256)]
    return photo.point(table * len(photo.getbands()))


def _between(points: Curve, value: int) -> int:
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= value <= x1:
            t = (value - x0) / (x1 - x0)
            return round(y0 + (y1 - y0) * t)
    return value


def tone(photo: Image.Image, gains: tuple[float, float, float], strength: float) -> Image.Image:
    """Multiply the channels: the colour of the light."""
    tinted = Image.merge("RGB", [band.point(lambda v, g=gain: v * g) for band, gain in zip(photo.split(), gains, strict=True)])
    return Image.blend(photo, tinted, strength)


def split_tone(photo: Image.Image, shadow: tuple[int, int, int], light: tuple[int, int, int], strength: float) -> Image.Image:
    """One colour into the shadows, another into the lights."""
    toned = ImageOps.colorize(photo.convert("L"), shadow, light)
    return Image.blend(photo, ImageChops.overlay(photo, toned), strength)


def saturate(photo: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Color(photo).enhance(factor)


def leak(photo: Image.Image, colour: tuple[int, int, int], at: tuple[float, float], strength: float) -> Image.Image:
    """A soft light from one side, screened over the picture."""
    small = (photo.width // 8, photo.height // 8)
    mask = Image.new("L", small)
    x, y, radius = at[0] * small[0], at[1] * small[1], small[0] * 0.42
    ImageDraw.Draw(mask).ellipse([x - radius, y - radius, x + radius, y + radius], fill=round(255 * strength))
    mask = mask.filter(ImageFilter.GaussianBlur(small[0] / 4)).resize(photo.size, Image.Resampling.BICUBIC)
    return Image.composite(ImageChops.screen(photo, Image.new("RGB", photo.size, colour)), photo, mask)


def vignette(photo: Image.Image, strength: float) -> Image.Image:
    """Darker towards the corners, evenly and softly."""
    fall = Image.radial_gradient("L").resize(photo.size, Image.Resampling.BICUBIC)
    shade = fall.point(lambda v: 255 - strength * 255 * max(0.0, (v - 90) / 165) ** 1.6)
    return ImageChops.multiply(photo, Image.merge("RGB", (shade, shade, shade)))


def grain(photo: Image.Image, strength: int, chance: Random) -> Image.Image:
    """Fine film grain; its pattern comes from the dice, so the same seed gives the same file."""
    side = 256
    tile = Image.frombytes("L", (side, side), chance.randbytes(side * side))
    sheet = Image.new("L", photo.size)
    for top in range(0, photo.height, side):
        for left in range(0, photo.width, side):
            sheet.paste(tile.rotate(90 * ((top + left) // side)), (left, top))
    noise = sheet.filter(ImageFilter.GaussianBlur(0.7)).point(lambda v: 128 + (v - 128) * strength / 42)
    return ImageChops.overlay(photo, Image.merge("RGB", (noise, noise, noise)))
