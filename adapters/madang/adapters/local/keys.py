"""Object keys and where they are on disk.

A key `a/b` is the folder `a` with files that begin with `b@`. An at-sign in a key is escaped, so a folder and a file never
claim the same name, and the keys `a` and `a/b` live side by side as they do in any object storage.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from madang.ports.errors import Rejected

MAX_BYTES: Final = 1024
PART_LENGTH: Final = 60
"""Longer parts of a key are split over several folders: file systems take 255 bytes a name, and a letter may need four."""
CONTINUED: Final = "@+"
_ESCAPED: Final = re.compile(r'[%@\\:*?"<>|\x00-\x1f\x7f]')
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of characters, which no encoding can carry."""


def check_key(key: str, operation: str) -> None:
    """Raises `Rejected(reason="invalid_key")` for what is empty, absolute, too long, or would climb out of its folder."""
    size = len(key.encode(errors="replace"))
    parts = key.split("/")
    if size > MAX_BYTES or any(part in ("", ".", "..") for part in parts) or _FORBIDDEN.search(key):
        raise Rejected(
            "a key is slash-separated, relative, without . or .. or control characters, at most 1024 bytes",
            reason="invalid_key",
            provider="local",
            operation=operation,
        )


def stem_of(root: Path, key: str) -> Path:
    """What the names of the key's files begin with, without the at-sign."""
    return root.joinpath(*(piece for part in key.split("/") for piece in _pieces(part)))


def folder_of(root: Path, prefix: str) -> Path:
    """The deepest folder that holds every key with this prefix; no key has a prefix that climbs."""
    above, _, _ = prefix.rpartition("/")
    return root if ".." in above.split("/") else stem_of(root, above)


def key_of(root: Path, file: Path) -> str:
    """The key that a file below the root belongs to."""
    stem, _, _ = file.name.partition("@")
    pieces = [*file.relative_to(root).parts[:-1], stem]
    joined = "/".join(pieces).replace(CONTINUED + "/", "")
    return unquote(joined)


def _pieces(part: str) -> list[str]:
    escaped = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", part)
    cut = [escaped[start : start + PART_LENGTH] for start in range(0, len(escaped), PART_LENGTH)]
    return [piece + CONTINUED for piece in cut[:-1]] + cut[-1:]
