"""How faces are looked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OpencvSettings:
    """`min_confidence`, from 0 to 1, is what a face must reach to be told of. `max_pixels` bounds a picture, and `threads` how
    many are looked at together. `model_path` is another YuNet model (ONNX) than the one that comes with Madang."""

    min_confidence: float = 0.7
    max_pixels: int = 50_000_000
    threads: int = 2
    model_path: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.min_confidence < 1.0:
            raise ValueError("min_confidence lies between 0 and 1")
        if self.max_pixels < 1 or not 1 <= self.threads <= 64:
            raise ValueError("max_pixels is at least 1, and threads are from 1 to 64")
        if self.model_path is not None and not Path(self.model_path).is_file():
            raise ValueError("model_path names no file")
