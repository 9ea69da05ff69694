"""From the input's bytes to a finished portrait file: upscale, look, a small mark that says what it is."""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps, UnidentifiedImageError

from madang.adapters.sandbox.chance import share
from madang.adapters.sandbox.looks import apply_look, look_of
from madang.ports.errors import Rejected

SIZE: Final = (960, 1280)
MAX_SIDE: Final = 2048
MAX_PIXELS: Final = 50_000_000
MEDIA_TYPE: Final = "image/jpeg"
MARK: Final = "sandbox"
_IMAGE_DESCRIPTION: Final = 0x010E
_SOFTWARE: Final = 0x0131


def check_picture(data: bytes) -> None:
    """Raises `Rejected(reason="invalid_request")` for what cannot be a photograph."""
    try:
        with Image.open(io.BytesIO(data)) as photo:
            if photo.width * photo.height > MAX_PIXELS:
                raise ValueError("too many pixels")
            photo.verify()
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Rejected(
            "the picture cannot be read", reason="invalid_request", provider="sandbox", operation="image_model.start"
        ) from error


def develop(data: bytes | None, prompt: str, seed: int, size: tuple[int, int] | None, index: int = 0) -> bytes:
    """The finished JPEG: deterministic in all its arguments. Takes CPU time: call it in a thread."""
    wide, high = size or SIZE
    photo = _photo(data, prompt, seed, (wide, high)) if data else _backdrop(prompt, seed, (wide, high))
    finished = _marked(apply_look(photo, seed + index, prompt))
    exif = Image.Exif()
    exif[_SOFTWARE] = "Madang sandbox (a simulation, no model was asked)"
    exif[_IMAGE_DESCRIPTION] = f"look: {look_of(seed + index)[0]}; seed: {seed + index}"
    out = io.BytesIO()
    finished.save(out, "JPEG", quality=92, subsampling=0, exif=exif)
    return out.getvalue()


def output_size(width: int | None, height: int | None) -> tuple[int, int] | None:
    """What was asked for, within bounds; None for the usual size."""
    if not width:
        if not height:
            return None
        width = round(height * 3 / 4)
    high = height or round(width * 4 / 3)
    return (min(max(width, 64), MAX_SIDE), min(max(high, 64), MAX_SIDE))


def _photo(data: bytes, prompt: str, seed: int, size: tuple[int, int]) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    # A breath closer or further from seed to seed, as a photographer moves between two shots.
    closer = 0.02 + 0.03 * share("framing", seed, prompt)
    left, top = upright.width * closer, upright.height * closer
    framed = upright.crop((round(left), round(top * 0.6), round(upright.width - left), round(upright.height - top * 1.4)))
    fitted = ImageOps.fit(framed, size, Image.Resampling.LANCZOS, centering=(0.5, 0.3))
    return ImageOps.autocontrast(fitted, cutoff=0.2, preserve_tone=True).filter(ImageFilter.UnsharpMask(1.6, 60, 2))


def _backdrop(prompt: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """Without a photo: a studio backdrop in the prompt's own colours."""
    hues = [tuple(round(70 + 150 * share(prompt, seed, end, band)) for band in "rgb") for end in ("from", "to")]
    gradient = Image.linear_gradient("L").resize(size, Image.Resampling.BICUBIC)
    return ImageOps.colorize(gradient, hues[0], hues[1])


def _marked(photo: Image.Image) -> Image.Image:
    font = ImageFont.load_default(size=max(10, photo.height // 90))
    layer = Image.new("L", photo.size, 0)
    margin = photo.height // 60
    ImageDraw.Draw(layer).text((photo.width - margin, photo.height - margin), MARK, fill=120, font=font, anchor="rs")
    return Image.composite(Image.new("RGB", photo.size, "white"), photo, layer)
