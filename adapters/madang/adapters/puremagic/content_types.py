"""`ContentTypes` with puremagic for the signatures, and a look inside where a signature does not say enough.

Office documents are zips; which of them a zip is, its list of entries says. Texts have no signature: they are what is valid
UTF-8, whole, without control characters.
"""

import asyncio
import codecs
import re
import struct
import zipfile
from typing import BinaryIO, Final

from madang.core.files.contents import SpooledFile

HEAD: Final = 16 * 1024
_CHUNK: Final = 256 * 1024
_ZIP: Final = "application/zip"
_TEXT: Final = "text/plain"
_KNOWN: Final = ("image/png", "image/webp", "image/gif", "image/jpeg", "application/pdf", "image/svg+xml", "text/html")
"""What is told apart by its signature, the surest first."""
_OFFICE: Final = {
    "word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/workbook.xml": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/presentation.xml": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_MACROS: Final = "application/vnd.ms-office.vbaproject"
_ZIP_BEGINS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_END: Final = struct.Struct("<4s4H2LH")
"""End of central directory record (APPNOTE 4.3.16)."""
_LOCATOR: Final = 20
"""Bytes of the Zip64 locator, just before it (APPNOTE 4.3.15)."""
_MAX_COMMENT: Final = 0xFFFF
_MAX_DIRECTORY: Final = 1024 * 1024
"""Bytes of a zip's list of entries that are read: no office document has twenty thousand parts."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class PuremagicContentTypes:
    """Works in a thread; reads the file's head, a zip's end, and a text from end to end, never more than a piece at a time."""

    async def detect(self, file: SpooledFile) -> str | None:
        return await asyncio.to_thread(_type_of, file.handle)


def _type_of(file: BinaryIO) -> str | None:
    file.seek(0)
    head = file.read(HEAD)
    if head.startswith(_ZIP_BEGINS):
        return _zip_type(file)
    signed = _signed_type(head)
    if signed is not None:
        return signed
    return _TEXT if _is_text(file) else None


def _signed_type(head: bytes) -> str | None:
    # It reads its signatures when it is imported: a process that looks at no file does without them.
    import puremagic

    try:
        candidates = {match.mime_type for match in puremagic.magic_string(head)}
    except (puremagic.PureError, ValueError):
        return None
    return next((known for known in _KNOWN if known in candidates), None)


def _zip_type(file: BinaryIO) -> str | None:
    """None for one whose end is missing: it is cut short."""
    size = _directory_size(file)
    if size is None:
        return None
    if size > _MAX_DIRECTORY:
        return _ZIP
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError):
        return None
    if "[Content_Types].xml" not in names:
        return _ZIP
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        return _MACROS
    return next((kind for part, kind in _OFFICE.items() if part in names), _ZIP)


def _directory_size(file: BinaryIO) -> int | None:
    """Bytes of the list of entries, as the record at the file's end says; a Zip64 archive says it elsewhere, and is as large as
    it likes."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _END.size - _MAX_COMMENT))
    tail = file.read(_END.size + _MAX_COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return None
    if tail[max(0, at - _LOCATOR) :].startswith(b"PK\x06\x07"):
        return _MAX_DIRECTORY + 1
    size: int = _END.unpack_from(tail, at)[5]
    return size


def _is_text(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            if _CONTROL.search(decoder.decode(chunk)):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
