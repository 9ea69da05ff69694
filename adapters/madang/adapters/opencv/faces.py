"""`FaceDetector` through OpenCV's YuNet, in threads of its own: a photo never leaves the machine.

OpenCV 5 ships no detector's data (the Haar cascades of its fourth version are gone), so the model comes with Madang.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any, Final

import cv2

from madang.adapters.opencv.capabilities import as_configured
from madang.adapters.opencv.decoding import LONGEST_SIDE, NoPicture, Sight, sight_of
from madang.adapters.opencv.settings import OpencvSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.faces import Face, FaceDetectorCapabilities
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import Picture

NAME: Final = "opencv"
MODEL: Final = "face_detection_yunet_2023mar.onnx"
_OVERLAP: Final = 0.3
_MOST_BOXES: Final = 5000


class OpencvFaceDetector:
    """Fulfils `FaceDetector`. A confidence is the model's own score. A photo is looked at upright, as its EXIF says; boxes are
    in its pixels as they are stored."""

    def __init__(self, settings: OpencvSettings, context: ProviderContext) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._model = settings.model_path or str(files("madang.adapters.opencv").joinpath("yunet", MODEL))
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix=NAME)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> FaceDetectorCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether the model can be loaded. Raises `Misconfigured` if not."""
        started = time.perf_counter()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._detector)
        return ProviderHealth(True, f"the model is loaded, OpenCV {cv2.__version__}", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def detect(self, picture: Picture) -> Sequence[Face]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look, picture.data)

    def _look(self, data: bytes) -> Sequence[Face]:
        try:
            sight = sight_of(data, self._settings.max_pixels)
        except NoPicture as why:
            raise Rejected(
                f"the picture is not looked at: {why}", reason="invalid_picture", provider=NAME, operation="detect"
            ) from None
        detector = self._detector()
        height, width = sight.pixels.shape[:2]
        detector.setInputSize((width, height))
        _, rows = detector.detect(sight.pixels)
        faces = [face_of(row, sight) for row in rows] if rows is not None else []
        return sorted(faces, key=lambda face: face.confidence, reverse=True)

    def _detector(self) -> Any:
        """Each thread has its own: a detector keeps the picture that it looks at."""
        found = getattr(self._own, "detector", None)
        if found is None:
            found = self._own.detector = self._load()
        return found

    def _load(self) -> Any:
        try:
            return cv2.FaceDetectorYN.create(
                self._model, "", (LONGEST_SIDE, LONGEST_SIDE), self._settings.min_confidence, _OVERLAP, _MOST_BOXES
            )
        except cv2.error:
            raise Misconfigured("plugins.opencv.model_path is no YuNet model", provider=NAME, operation="load") from None


def face_of(row: Sequence[float], sight: Sight) -> Face:
    """A row is x, y, width, height, five points of the face and the score, in pixels of the small picture."""
    corners = sight.stored(row[0], row[1]), sight.stored(row[0] + row[2], row[1] + row[3])
    left, right = sorted(round(min(max(x, 0.0), sight.width)) for x, _ in corners)
    top, bottom = sorted(round(min(max(y, 0.0), sight.height)) for _, y in corners)
    return Face(left, top, right - left, bottom - top, min(1.0, max(0.0, float(row[-1]))))
