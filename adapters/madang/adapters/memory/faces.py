"""`FaceDetector` in memory: it finds as many faces as its settings say, in any picture that shows something."""

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.ports.faces import Face, FaceDetectorCapabilities
from madang.ports.text_model import Picture

FORMATS: Final = ("JPEG", "PNG", "WEBP")


class MemoryFaceDetector(MemoryProvider):
    """Fulfils `FaceDetector`. The boxes lie side by side; a picture of one colour shows nobody."""

    @property
    def capabilities(self) -> FaceDetectorCapabilities:
        return capabilities.FACES

    async def detect(self, picture: Picture) -> Sequence[Face]:
        width, height, shows = _looked_at(picture.data)
        count = min(self._settings.faces, width) if shows else 0
        return [
            Face(number * (width // count), 0, width // count, height, confidence=1 - number / 200) for number in range(count)
        ]


def _looked_at(data: bytes) -> tuple[int, int, bool]:
    """Width, height, and whether it has more than one colour. Raises `Rejected`."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > capabilities.FACES.max_pixels:
                raise rejected("the picture is too large", "invalid_picture", "detect")
            darkest, brightest = image.convert("L").getextrema()
            return image.width, image.height, darkest != brightest
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise rejected("this is no picture", "invalid_picture", "detect") from None
