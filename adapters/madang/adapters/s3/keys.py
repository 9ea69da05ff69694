"""What a key may be: the same as with every other storage, so that objects can move from one to another."""

import re
from typing import Final

from madang.ports.errors import Rejected

MAX_BYTES: Final = 1024
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of characters, which no encoding can carry."""
_NOT_IN_XML: Final = re.compile(r"[\ufffe\uffff]")


def check_key(key: str, name: str, operation: str) -> None:
    """Raises `Rejected(reason="invalid_key")` for what is empty, absolute, too long, or has `.` or `..` parts."""
    size = len(key.encode(errors="replace"))
    if size > MAX_BYTES or any(part in ("", ".", "..") for part in key.split("/")) or _FORBIDDEN.search(key):
        raise Rejected(
            "a key is slash-separated, relative, without . or .. or control characters, at most 1024 bytes",
            reason="invalid_key",
            provider=name,
            operation=operation,
        )


def fits_in_xml(key: str) -> bool:
    """Deletions of many name their keys in XML, which has no way to write two of Unicode's characters."""
    return _NOT_IN_XML.search(key) is None
