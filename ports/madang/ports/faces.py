"""Port: count and place the faces in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from madang.ports.provider import Provider
from madang.ports.text_model import Picture


@dataclass(frozen=True, slots=True)
class Face:
    """A face's box in pixels of the picture, the origin at the top left; `confidence` from 0 to 1."""

    x: int
    y: int
    width: int
    height: int
    confidence: float


@dataclass(frozen=True, slots=True)
class FaceDetectorCapabilities:
    """`max_pixels`: a larger picture is refused with `Rejected(reason="invalid_picture")`."""

    max_pixels: int = 50_000_000


class FaceDetector(Provider, Protocol):
    """Finds faces, tells nobody apart. Looking twice at the same picture has no effect outside."""

    @property
    def capabilities(self) -> FaceDetectorCapabilities: ...

    async def detect(self, picture: Picture) -> Sequence[Face]:
        """Every face found, the most confident first; empty when there is none. Raises `Rejected(reason="invalid_picture")`."""
        ...
