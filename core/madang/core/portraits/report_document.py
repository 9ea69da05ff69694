"""The report as the text model is asked for it: its JSON Schema, and the reading of what came back (seed 003, 4.4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from madang.core.generation.structured_output import InvalidOutput
from madang.core.portraits.model import Improvement, Report

MAX_IMPROVEMENTS: Final = 8
MAX_TEXT: Final = 4000

_TEXT: Final = {"type": "string", "minLength": 1}
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "improvements", "timeline", "estimated_cost"],
    "properties": {
        "summary": _TEXT,
        "improvements": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_IMPROVEMENTS,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["area", "description", "recommendations"],
                "properties": {
                    "area": _TEXT,
                    "description": _TEXT,
                    "recommendations": {"type": "array", "items": _TEXT},
                },
            },
        },
        "timeline": _TEXT,
        "estimated_cost": _TEXT,
    },
}


@dataclass(frozen=True, slots=True)
class ReportReader:
    """Reads an answer that is valid by the schema. Codes that are not in `known_codes` were invented: they are dropped, and
    listed in the report."""

    known_codes: Collection[str]

    def __call__(self, decoded: Any) -> Report:
        """Raises `InvalidOutput` for what the schema cannot say: a text of blanks, or one that is too long to be shown."""
        document: Mapping[str, Any] = decoded
        read = [self._improvement(entry, f"improvements[{index}]") for index, entry in enumerate(document["improvements"])]
        return Report(
            summary=_text(document["summary"], "summary"),
            improvements=tuple(improvement for improvement, _ in read),
            timeline=_text(document["timeline"], "timeline"),
            estimated_cost=_text(document["estimated_cost"], "estimated_cost"),
            dropped_codes=tuple(code for _, dropped in read for code in dropped),
        )

    def _improvement(self, document: Mapping[str, Any], path: str) -> tuple[Improvement, list[str]]:
        codes = [_text(code, f"{path}.recommendations[{index}]") for index, code in enumerate(document["recommendations"])]
        known = dict.fromkeys(code for code in codes if code in self.known_codes)
        dropped = [code[:64] for code in codes if code not in self.known_codes]
        area, description = _text(document["area"], f"{path}.area"), _text(document["description"], f"{path}.description")
        return Improvement(area, description, tuple(known)), dropped


def _text(value: str, path: str) -> str:
    if not value.strip():
        raise InvalidOutput(f"{path}: must be a text that is not empty")
    if len(value) > MAX_TEXT:
        raise InvalidOutput(f"{path}: must have at most {MAX_TEXT} characters")
    return value.strip()
