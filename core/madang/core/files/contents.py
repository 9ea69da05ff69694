"""What a file is by its content: where its bytes wait while they are looked at, and what is asked of those who look."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Protocol

from madang.core.files.model import Refusal
from madang.core.files.policies import PICTURES, TEXTS, UNKNOWN_TYPES, Policy


class SpooledFile(Protocol):
    """Bytes on their way, kept on this machine's disk and never in memory; gone when its context is left, or the process."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Of what was written so far, lower-case hex."""
        ...

    @property
    def handle(self) -> BinaryIO:
        """For libraries that read files by themselves, in a thread. Everything written is in it; its position is anywhere."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Raises `PayloadTooLarge` (`FILE_TOO_LARGE`) beyond the limit, `Unavailable` when the spool is full."""
        ...

    async def settle(self) -> None:
        """Everything is written: from now on it is read."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """From the beginning."""
        ...


class Spool(Protocol):
    def open(self, *, limit: int) -> AbstractAsyncContextManager[SpooledFile]:
        """A new empty file that takes at most `limit` bytes."""
        ...


class ContentTypes(Protocol):
    async def detect(self, file: SpooledFile) -> str | None:
        """The media type by the bytes, whatever anybody says; `text/plain` for valid UTF-8 text; None for what is unknown."""
        ...


class PictureCheck(Protocol):
    async def check_picture(self, picture: BinaryIO) -> None:
        """Decode it, whole. Raises `Unprocessable` (`FILE_UNREADABLE`) for one that is damaged or truncated, `PayloadTooLarge`
        (`FILE_TOO_MANY_PIXELS`) before anything is decoded."""
        ...


def found_type(declared: str, detected: str | None) -> str | None:
    """Texts are alike by their bytes: which of them it is, only the sender knows, and none of them does anything."""
    return declared if detected == "text/plain" and declared in TEXTS else detected


def misfit_of(
    file: SpooledFile, found: str | None, policy: Policy, declared: str, expected_sha256: str | None
) -> Refusal | None:
    """What is wrong with the bytes, by what was announced and what the purpose allows; None when nothing is."""
    if found is None or found not in policy.types or (declared not in UNKNOWN_TYPES and found != declared):
        told = {"declared": declared or None, "found": found}
        return Refusal("FILE_TYPE_MISMATCH", f"the content is {found or 'of no known type'}, and that is not taken here", told)
    if file.size > policy.limit_of(found):
        limit = policy.limit_of(found)
        return Refusal("FILE_TOO_LARGE", f"the file is larger than {limit} bytes", {"limit": limit})
    if expected_sha256 is not None and file.sha256 != expected_sha256:
        told = {"expected": expected_sha256, "found": file.sha256}
        return Refusal("FILE_CHECKSUM_MISMATCH", "the SHA-256 of what arrived is another one", told)
    return None


def is_picture(content_type: str) -> bool:
    return content_type in PICTURES
