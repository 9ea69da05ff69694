"""What may be uploaded for which purpose: types by content, and sizes. Data, so that a purpose is a line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from madang.core.kernel.errors import PayloadTooLarge, Problem, ValidationFailed

MEGABYTE: Final = 1024 * 1024
PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
TEXTS: Final = frozenset({"text/plain", "text/csv", "text/markdown"})
PAPERS: Final = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    }
)
ARCHIVES: Final = frozenset({"application/zip"})
"""Kept as they are: nobody here unpacks them. SVG and HTML run scripts and are in none of these sets."""
MAX_PICTURE: Final = 10 * MEGABYTE
UNKNOWN_TYPES: Final = frozenset({"", "application/octet-stream"})
"""What a client says that does not know: then the content alone decides."""


@dataclass(frozen=True, slots=True)
class Policy:
    types: frozenset[str]
    max_bytes: int

    def limit_of(self, content_type: str) -> int:
        """In bytes. A picture is decoded to be believed, so it may not be as large as the rest."""
        return min(self.max_bytes, MAX_PICTURE) if content_type in PICTURES else self.max_bytes


POLICIES: Final[Mapping[str, Policy]] = {
    "picture": Policy(PICTURES, MAX_PICTURE),
    "avatar": Policy(PICTURES, 5 * MEGABYTE),
    "document": Policy(PAPERS | TEXTS, 20 * MEGABYTE),
    "attachment": Policy(PICTURES | PAPERS | TEXTS | ARCHIVES, 50 * MEGABYTE),
}


def policy_of(purpose: str) -> Policy:
    """Raises `ValidationFailed` at `purpose`."""
    policy = POLICIES.get(purpose)
    if policy is None:
        raise ValidationFailed(Problem("purpose", f"is none of {', '.join(POLICIES)}"))
    return policy


def normal_type(written: str) -> str:
    """`Text/Plain; charset=utf-8` → `text/plain`."""
    return written.partition(";")[0].strip().lower()


def checked_type(policy: Policy, written: str) -> str:
    """The announced type without parameters. Raises `ValidationFailed` at `contentType`."""
    content_type = normal_type(written)
    if content_type not in policy.types:
        raise ValidationFailed(Problem("contentType", f"is not taken for this purpose: {', '.join(sorted(policy.types))}"))
    return content_type


def too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the file is larger than {limit} bytes", code="FILE_TOO_LARGE", limit=limit)
