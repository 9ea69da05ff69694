"""What may be said about the in-memory providers: nothing is required."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MemorySettings:
    """`faces` is how many faces the detector finds in every picture that shows anything at all."""

    faces: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.faces <= 100:
            raise ValueError("faces is from 0 to 100")
