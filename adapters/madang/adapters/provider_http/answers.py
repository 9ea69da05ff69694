"""What a provider answers, and the JSON in it. No library is needed to read it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Names in `headers` are found in any case. `document` is the JSON of the body, None where there is none to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    document: Any

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object of the body, empty where it is none."""
        return self.document if isinstance(self.document, dict) else {}


def document_in(body: bytes, parse_float: Callable[[str], Any] = float) -> Any:
    """The JSON of a body; None where there is none."""
    try:
        return json.loads(body, parse_float=parse_float)
    except (ValueError, RecursionError):
        return None


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body, empty where there is none."""
    document = document_in(body)
    return document if isinstance(document, dict) else {}
