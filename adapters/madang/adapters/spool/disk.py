"""`Spool` on disk: files without a name, which are gone with the process that opened them, however it ends."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

from madang.core.files.policies import too_large
from madang.ports.errors import Unavailable

CHUNK: Final = 256 * 1024


class DiskSpool:
    """Takes at most `capacity` bytes at once, of all uploads of this process: a full disk would stop more than uploads."""

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._held = 0

    @asynccontextmanager
    async def open(self, *, limit: int) -> AsyncIterator["DiskFile"]:
        handle = await asyncio.to_thread(self._create)
        file = DiskFile(self, handle, limit)
        try:
            yield file
        finally:
            self._held -= file.size
            # A thread that still reads, when its caller was cut off, must not find another file under this number.
            await asyncio.shield(asyncio.to_thread(handle.close))

    def take(self, size: int) -> None:
        """Raises `Unavailable` when so much does not fit any more."""
        if self._held + size > self._capacity:
            raise Unavailable("too many uploads at once: try again in a moment", provider="spool", operation="write")
        self._held += size

    def _create(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return tempfile.TemporaryFile(dir=self._folder)


class DiskFile:
    """Fulfils `SpooledFile`. Written and read by one task at a time."""

    def __init__(self, spool: DiskSpool, handle: BinaryIO, limit: int) -> None:
        self._spool = spool
        self._handle = handle
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self.size = 0

    @property
    def handle(self) -> BinaryIO:
        return self._handle

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def write(self, chunk: bytes) -> None:
        if self.size + len(chunk) > self._limit:
            raise too_large(self._limit)
        self._spool.take(len(chunk))
        self.size += len(chunk)
        self._buffer += chunk
        if len(self._buffer) >= CHUNK:
            await self._flush()

    async def settle(self) -> None:
        await self._flush()
        await asyncio.to_thread(self._handle.flush)

    async def chunks(self) -> AsyncIterator[bytes]:
        await asyncio.to_thread(self._handle.seek, 0)
        while chunk := await asyncio.to_thread(self._handle.read, CHUNK):
            yield chunk

    async def _flush(self) -> None:
        written, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._append, written)

    def _append(self, chunk: bytearray) -> None:
        self._handle.write(chunk)
        self._hash.update(chunk)
