"""Names of files: for display and for saving, never a path. Whatever a client writes becomes harmless."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

MAX_LENGTH: Final = 120
NAMELESS: Final = "file"
_SEPARATORS: Final = re.compile(r"[/\\]")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*%;]')
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control and format characters (those that turn the reading direction too), surrogates, private ones, line separators."""
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
"""Names that Windows takes for devices."""
EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "text/plain": ("txt", "text", "log"),
    "text/csv": ("csv",),
    "text/markdown": ("md", "markdown"),
    "application/pdf": ("pdf",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("xlsx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("pptx",),
    "application/zip": ("zip",),
}
"""The first one is what a name gets that has another."""


def harmless(written: str) -> str:
    """The last part of a path, normalised (NFC), without what a file system, a terminal, a header or an eye may stumble over;
    at most 120 characters, the extension kept."""
    name = unicodedata.normalize("NFC", written)
    name = _SEPARATORS.split(name)[-1]
    name = "".join(letter for letter in name if unicodedata.category(letter) not in _INVISIBLE)
    name = " ".join(_FORBIDDEN.sub("_", name).split()).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name) or NAMELESS


def fitting(name: str, content_type: str | None) -> str:
    """With an extension of what the file is: `photo.html` that is a PNG is saved as `photo.html.png`."""
    known = EXTENSIONS.get(content_type or "")
    if known is None or _extension(name).lower() in known:
        return name
    return f"{name}.{known[0]}"


def _shortened(name: str) -> str:
    if len(name) <= MAX_LENGTH:
        return name
    extension = _extension(name)
    end = f".{extension}" if 0 < len(extension) <= 10 else ""
    return name[: MAX_LENGTH - len(end)].rstrip(" .") + end


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return extension if dot and stem else ""
