"""One thing that the doctor looked at."""

from dataclasses import dataclass, field
from enum import StrEnum


class Health(StrEnum):
    """`YELLOW` works, and still deserves a look; `RED` does not work."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail` says how it is, `advice` what to do where it is not green, `subjects` which things it is about."""

    what: str
    health: Health
    detail: str
    advice: str = ""
    subjects: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "health": self.health.value,
            "detail": self.detail,
            "advice": self.advice or None,
            "subjects": list(self.subjects),
        }


def green(what: str, detail: str) -> Finding:
    return Finding(what, Health.GREEN, detail)


def yellow(what: str, detail: str, advice: str = "") -> Finding:
    return Finding(what, Health.YELLOW, detail, advice)


def red(what: str, detail: str, advice: str, *subjects: str) -> Finding:
    return Finding(what, Health.RED, detail, advice, subjects)
