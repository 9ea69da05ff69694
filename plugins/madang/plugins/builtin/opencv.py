"""Faces found by OpenCV, on this machine."""

from collections.abc import Callable

from madang.adapters.opencv import capabilities
from madang.adapters.opencv.settings import OpencvSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.faces import FaceDetector
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _faces(settings: OpencvSettings, context: ProviderContext) -> FaceDetector:
    from madang.adapters.opencv.faces import OpencvFaceDetector

    return OpencvFaceDetector(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.FACES,
            "opencv",
            OpencvSettings,
            capabilities.FACES,
            _faces,
            "Faces found on this machine by OpenCV's YuNet model; no photo leaves it",
            extra="opencv",
            requires=("cv2", "numpy", "PIL"),
        )
    )
