"""From a file on disk to the certainty that it is a picture: read piece by piece, decoded whole, kept nowhere."""

from typing import BinaryIO, Final

from PIL import Image, ImageFile

from madang.adapters.pillow.decoding import (
    JPEG,
    MAX_SCANS,
    PNG,
    PNG_END,
    SCAN_MARKER,
    Damaged,
    TooManyPixels,
    decode_small,
    kind_of,
    reading,
)

_CHUNK: Final = 256 * 1024
_HEAD: Final = 16


def open_file(file: BinaryIO, *, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header only. Raises `Damaged` and `TooManyPixels`."""
    file.seek(0)
    kind = kind_of(file.read(_HEAD))
    if kind is None:
        raise Damaged("neither JPEG, PNG nor WebP")
    if kind == JPEG and _occurrences(file, SCAN_MARKER, up_to=MAX_SCANS + 1) > MAX_SCANS:
        raise Damaged("more scans than a photo has")
    if kind == PNG and not _occurrences(file, PNG_END, up_to=1):
        raise Damaged("cut short")
    file.seek(0)
    with reading():
        picture = Image.open(file, formats=[kind])
    if picture.width * picture.height > max_pixels:
        raise TooManyPixels(f"{picture.width}×{picture.height} pixels")
    return picture


def decode(picture: ImageFile.ImageFile) -> None:
    """All of its data, as small as the format can. Raises `Damaged`."""
    with picture:
        decode_small(picture, (1, 1))


def _occurrences(file: BinaryIO, needle: bytes, *, up_to: int) -> int:
    """Also where one lies across two pieces."""
    file.seek(0)
    count, rest = 0, b""
    while count < up_to and (chunk := file.read(_CHUNK)):
        piece = rest + chunk
        count += piece.count(needle)
        rest = piece[-(len(needle) - 1) :]
    return count
