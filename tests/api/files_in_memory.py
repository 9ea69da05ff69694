"""A user's files without database and storage: what arrives is taken for what it says it is."""

import tempfile
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from madang.adapters.spool.disk import DiskSpool
from madang.core.files.contents import SpooledFile
from madang.core.files.model import File, FileStatus
from madang.core.files.names import harmless
from madang.core.files.policies import UNKNOWN_TYPES, checked_type, policy_of, too_large
from madang.core.files.service import AnnouncedUpload, AnnounceUpload, StoreFile
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import Page, PageRequest
from madang.ports.storage import PresignedRequest


class InMemoryFiles:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.files: dict[UUID, File] = {}
        self.names: dict[UUID, str] = {}
        self._spool = DiskSpool(Path(tempfile.gettempdir()), 10**9)

    async def announce_upload(self, caller: Caller, command: AnnounceUpload) -> AnnouncedUpload:
        content_type = checked_type(policy_of(command.purpose), command.content_type)
        if command.size > policy_of(command.purpose).limit_of(content_type):
            raise too_large(policy_of(command.purpose).limit_of(content_type))
        file = self._add(caller, command, content_type, command.size)
        return AnnouncedUpload(file, PresignedRequest("PUT", "https://storage.test.invalid/put", file.expires_at))

    async def complete(self, caller: Caller, file_id: UUID) -> File:
        file = await self.get(caller, file_id)
        if file.status is FileStatus.PENDING:
            self._make_available(file)
        return self.files[file_id]

    def receiving(self, purpose: str) -> AbstractAsyncContextManager[SpooledFile]:
        return self._spool.open(limit=policy_of(purpose).max_bytes)

    async def store(self, caller: Caller, command: StoreFile, spooled: SpooledFile) -> File:
        declared = "image/png" if command.content_type in UNKNOWN_TYPES else command.content_type
        file = self._add(caller, command, checked_type(policy_of(command.purpose), declared), spooled.size)
        return self._make_available(file)

    async def get(self, caller: Caller, file_id: UUID) -> File:
        file = self.files.get(file_id)
        if file is None or file.owner_id != caller.user_id:
            raise NotFound("none", code="FILE_NOT_FOUND")
        return file

    async def page(self, caller: Caller, request: PageRequest, **wanted: Any) -> Page[File]:
        found = [file for file in self.files.values() if file.owner_id == caller.user_id]
        return Page(found[request.offset : request.offset + request.limit], len(found), request.page, request.limit)

    async def link(self, caller: Caller, file_id: UUID) -> PresignedRequest:
        await self.get(caller, file_id)
        return PresignedRequest("GET", "https://storage.test.invalid/get", self.clock.now() + timedelta(hours=1))

    async def delete(self, caller: Caller, file_id: UUID) -> File:
        return (await self.get(caller, file_id)).to(FileStatus.DELETED, self.clock.now())

    def name_of(self, file: File) -> str:
        return self.names.get(file.id, "")

    def _add(self, caller: Caller, command: AnnounceUpload | StoreFile, declared: str, size: int) -> File:
        now = self.clock.now()
        expires_at = now + timedelta(minutes=15)
        file = File(
            command.id, caller.person, command.purpose, FileStatus.PENDING, None, declared, size, True, now, now, expires_at
        )
        self.names[file.id] = harmless(command.filename)
        return self.files.setdefault(file.id, file)

    def _make_available(self, file: File) -> File:
        now = self.clock.now()
        kept = file.to(FileStatus.AVAILABLE, now, content_type=file.declared_type, sha256="0" * 64, completed_at=now)
        self.files[file.id] = replace(kept, object_key=file.new_object_key())
        return self.files[file.id]
