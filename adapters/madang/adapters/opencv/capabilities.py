"""What the detector looks at."""

from typing import Final

from madang.adapters.opencv.settings import OpencvSettings
from madang.ports.faces import FaceDetectorCapabilities

FACES: Final = FaceDetectorCapabilities(max_pixels=50_000_000)


def as_configured(settings: OpencvSettings) -> FaceDetectorCapabilities:
    return FaceDetectorCapabilities(max_pixels=settings.max_pixels)
