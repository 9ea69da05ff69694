"""Use cases of a file's owner.

The row comes first, then the object, then the row again: a process that dies in between leaves a pending row, which the sweep
ends, and what it stored goes with it. Objects are only ever deleted by messages, so that no deletion is forgotten.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from madang.core.files import events
from madang.core.files.arrivals import Arrivals, error_of
from madang.core.files.cleaning import tidying_of
from madang.core.files.contents import SpooledFile
from madang.core.files.model import LINK_LIFETIME, NAME_PURPOSE, UPLOAD_LIFETIME, File, FileStatus, Refusal
from madang.core.files.names import fitting, harmless
from madang.core.files.policies import UNKNOWN_TYPES, checked_type, normal_type, policy_of, too_large
from madang.core.files.repository import FilesUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, Gone, NotFound, PermissionDenied
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.errors import PortError, Rejected
from madang.ports.storage import PresignedRequest, PresignGet, PresignPut


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one owner may keep, in bytes, and how many uploads may be announced and not completed."""

    quota: int
    pending: int


@dataclass(frozen=True, slots=True)
class AnnounceUpload:
    """`id` stays the same for every try of one idempotency key. `sha256` is lower-case hex."""

    id: UUID
    filename: str = field(repr=False)
    purpose: str
    content_type: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StoreFile:
    """As `AnnounceUpload`, for bytes that are here already."""

    id: UUID
    filename: str = field(repr=False)
    purpose: str
    content_type: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class AnnouncedUpload:
    file: File
    request: PresignedRequest = field(repr=False)


class FileService:
    def __init__(
        self,
        units: UnitOfWorkFactory[FilesUnitOfWork],
        providers: Providers,
        arrivals: Arrivals,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
        allowance: Allowance,
    ) -> None:
        self._units = units
        self._providers = providers
        self._arrivals = arrivals
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock
        self._allowance = allowance

    async def announce_upload(self, caller: Caller, command: AnnounceUpload) -> AnnouncedUpload:
        """Raises `ValidationFailed`, `PayloadTooLarge` (`FILE_TOO_LARGE`), `Conflict` (`FILE_QUOTA_EXCEEDED`,
        `TOO_MANY_UPLOADS`, `PRESIGNING_NOT_POSSIBLE`), `Gone` (`UPLOAD_EXPIRED`)."""
        policy = policy_of(command.purpose)
        content_type = checked_type(policy, command.content_type)
        if command.size > policy.limit_of(content_type):
            raise too_large(policy.limit_of(content_type))
        self._require_presigning()
        file = self._new(caller, command, content_type, command.size, presigned=True)
        async with self._units() as uow:
            file = await self._reserve(uow, file)
        if file.status is not FileStatus.PENDING:
            raise _already(file)
        return AnnouncedUpload(file, await self._presigned(file))

    async def complete(self, caller: Caller, file_id: UUID) -> File:
        """Check what arrived, and keep it. Any number of times, and many at once: one of them counts, all answer the same.

        Raises `NotFound` (`FILE_NOT_FOUND`), `Conflict` (`UPLOAD_NOT_ARRIVED`), `Gone` (`UPLOAD_EXPIRED`). For what is not as
        announced: `Unprocessable` (`FILE_SIZE_MISMATCH`, `FILE_TYPE_MISMATCH`, `FILE_CHECKSUM_MISMATCH`, `FILE_UNREADABLE`) or
        `PayloadTooLarge` (`FILE_TOO_MANY_PIXELS`).
        """
        file = await self.get(caller, file_id)
        if file.status is FileStatus.PENDING:
            file = await self._check(caller, file)
        return _concluded(file)

    def receiving(self, purpose: str) -> AbstractAsyncContextManager[SpooledFile]:
        """A place for the bytes to `store`, as many as the purpose allows. Raises `ValidationFailed` at `purpose`."""
        return self._arrivals.spool.open(limit=policy_of(purpose).max_bytes)

    async def store(self, caller: Caller, command: StoreFile, spooled: SpooledFile) -> File:
        """Keep what came through us. What is refused leaves no trace. Raises as `announce_upload` and `complete` do."""
        declared = normal_type(command.content_type)
        if declared not in UNKNOWN_TYPES:
            declared = checked_type(policy_of(command.purpose), declared)
        found = await self._arrivals.examine(
            spooled, purpose=command.purpose, declared=declared, expected_sha256=command.sha256
        )
        if isinstance(found, Refusal):
            raise error_of(found)
        file = self._new(caller, command, declared or found, spooled.size, presigned=False)
        async with self._units() as uow:
            file = await self._reserve(uow, file)
        if file.status is FileStatus.PENDING:
            file = await self._keep(caller, file, spooled, found)
        return _concluded(file)

    async def get(self, caller: Caller, file_id: UUID) -> File:
        """Raises `NotFound` (`FILE_NOT_FOUND`), also for another's and for a deleted one."""
        async with self._units() as uow:
            file = await uow.files.get(file_id)
        return _own(file, caller)

    async def page(
        self, caller: Caller, request: PageRequest, *, purpose: str | None = None, status: FileStatus | None = None
    ) -> Page[File]:
        async with self._units() as uow:
            return await uow.files.page(_owner(caller), request, purpose=purpose, status=status)

    async def link(self, caller: Caller, file_id: UUID) -> PresignedRequest:
        """An address to read the file, always as a download: nothing of it runs in our name. Raises `Conflict`
        (`FILE_NOT_AVAILABLE`)."""
        file = await self.get(caller, file_id)
        if file.object_key is None:
            raise Conflict("the file is not available", code="FILE_NOT_AVAILABLE", state=file.status.value)
        return await self._providers.storage().presign_get(
            PresignGet(file.object_key, LINK_LIFETIME, filename=self.name_of(file), content_type=file.content_type)
        )

    async def delete(self, caller: Caller, file_id: UUID) -> File:
        """Any number of times. The objects follow by a message of the same commit."""
        async with self._units() as uow:
            found = await uow.files.get(file_id, lock=True)
            if found is not None and found.status is FileStatus.DELETED and found.owner_id == caller.user_id:
                return found
            file = _own(found, caller).to(FileStatus.DELETED, self._clock.now(), name=None, object_key=None)
            await uow.files.update(file)
            self._tidy(uow, file)
            uow.announce(events.deleted(file))
            await self._audit_trail.record(uow, caller, AuditAction.FILE_DELETED, file.subject, purpose=file.purpose)
        return file

    def name_of(self, file: File) -> str:
        """For display and for saving, with an extension of what the file is."""
        name = "" if file.name is None else self._cipher.decrypt(file.name, purpose=NAME_PURPOSE)
        return fitting(name, file.content_type)

    def _new(self, caller: Caller, command: AnnounceUpload | StoreFile, declared: str, size: int, *, presigned: bool) -> File:
        now = self._clock.now()
        return File(
            id=command.id,
            owner_id=_owner(caller),
            purpose=command.purpose,
            status=FileStatus.PENDING,
            name=self._cipher.encrypt(harmless(command.filename), purpose=NAME_PURPOSE),
            declared_type=declared,
            size=size,
            presigned=presigned,
            created_at=now,
            updated_at=now,
            expires_at=now + UPLOAD_LIFETIME,
            expected_sha256=command.sha256,
        )

    async def _reserve(self, uow: FilesUnitOfWork, file: File) -> File:
        """The row of an earlier try with this id, or a new one, if there is room for it."""
        used = await uow.files.usage(file.owner_id)
        earlier = await uow.files.get(file.id)
        if earlier is not None:
            return earlier
        if used.bytes + file.size > self._allowance.quota:
            raise Conflict(
                "there is no room for this file: delete others first",
                code="FILE_QUOTA_EXCEEDED",
                limit=self._allowance.quota,
                used=used.bytes,
            )
        if used.pending >= self._allowance.pending:
            raise Conflict(
                "too many uploads are announced and not completed", code="TOO_MANY_UPLOADS", limit=self._allowance.pending
            )
        await uow.files.add(file)
        return file

    def _require_presigning(self) -> None:
        can = self._providers.storage().capabilities
        if not (can.presigned_put or can.presigned_post):
            raise Conflict("this storage takes no direct uploads: send the file to POST /files", code="PRESIGNING_NOT_POSSIBLE")

    async def _presigned(self, file: File) -> PresignedRequest:
        """Good as long as the row says, also when a repeated call asks again."""
        left = file.expires_at - self._clock.now()
        if left.total_seconds() <= 0:
            raise _already(file)
        storage = self._providers.storage()
        wanted = PresignPut(file.incoming_key, left, file.declared_type, file.size)
        if storage.capabilities.presigned_put:
            return await storage.presign_put(wanted)
        return await storage.presign_post(wanted)

    async def _check(self, caller: Caller, file: File) -> File:
        async with self._arrivals.spool.open(limit=file.size) as spooled:
            try:
                found: str | Refusal | None = await self._arrivals.collect(file, spooled)
            except Rejected as error:
                if error.reason != "not_found":
                    raise
                return await self._not_arrived(caller, file)
            found = found or await self._arrivals.examine(
                spooled, purpose=file.purpose, declared=file.declared_type, expected_sha256=file.expected_sha256
            )
            if isinstance(found, Refusal):
                return await self._reject(file, found)
            return await self._keep(caller, file, spooled, found)

    async def _not_arrived(self, caller: Caller, file: File) -> File:
        """Nothing is there; perhaps because another call has completed the file meanwhile."""
        now = await self.get(caller, file.id)
        if now.status is FileStatus.PENDING:
            raise Conflict("nothing has arrived yet: upload first, then complete", code="UPLOAD_NOT_ARRIVED")
        return now

    async def _reject(self, file: File, refusal: Refusal) -> File:
        async with self._units() as uow:
            current = await uow.files.get(file.id, lock=True)
            if current is None or current.status is not FileStatus.PENDING:
                return current or file
            rejected = current.to(FileStatus.REJECTED, self._clock.now(), refusal=refusal)
            await uow.files.update(rejected)
            self._tidy(uow, rejected)
            uow.announce(events.rejected(rejected))
        return rejected

    async def _keep(self, caller: Caller, file: File, spooled: SpooledFile, content_type: str) -> File:
        try:
            key = await self._arrivals.keep(spooled, file, content_type)
        except PortError:
            if not file.presigned:
                await self._withdraw(file)
            raise
        now = self._clock.now()
        async with self._units() as uow:
            current = await uow.files.get(file.id, lock=True)
            if current is None or current.status is not FileStatus.PENDING:
                uow.send(tidying_of(file))
                return current or file
            kept = _kept(current, key, spooled, content_type, now)
            await uow.files.update(kept)
            if kept.presigned:
                self._tidy(uow, kept)
            uow.announce(events.completed(kept))
            await self._audit_trail.record(uow, caller, AuditAction.FILE_UPLOADED, kept.subject, purpose=kept.purpose)
        return kept

    async def _withdraw(self, file: File) -> None:
        """Nothing is left of what could not be stored, and what may have been stored goes."""
        async with self._units() as uow:
            await uow.files.remove(file.id)
            uow.send(tidying_of(file))

    def _tidy(self, uow: FilesUnitOfWork, file: File) -> None:
        """Now, and once more when the presigned address is over: until then it can still be written to."""
        uow.send(tidying_of(file))
        if file.presigned:
            uow.send(tidying_of(file, late=True))


def _kept(file: File, key: str, spooled: SpooledFile, content_type: str, now: datetime) -> File:
    return file.to(
        FileStatus.AVAILABLE, now, object_key=key, content_type=content_type, sha256=spooled.sha256, completed_at=now
    )


def _owner(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise PermissionDenied("files belong to users: sign in as one", permission="files:write")
    return caller.user_id


def _own(file: File | None, caller: Caller) -> File:
    if file is None or file.owner_id != caller.user_id or file.status is FileStatus.DELETED:
        raise NotFound("there is no such file", code="FILE_NOT_FOUND")
    return file


def _concluded(file: File) -> File:
    """The file, when it is available."""
    if file.status is FileStatus.REJECTED and file.refusal is not None:
        raise error_of(file.refusal)
    if file.status is FileStatus.EXPIRED:
        raise _expired()
    if file.status is not FileStatus.AVAILABLE:
        raise NotFound("there is no such file", code="FILE_NOT_FOUND")
    return file


def _already(file: File) -> Conflict | Gone:
    """Why an address for this upload cannot be given again."""
    if file.status in (FileStatus.PENDING, FileStatus.EXPIRED):
        return _expired()
    return Conflict("this upload is over", code="FILE_NOT_AVAILABLE", state=file.status.value)


def _expired() -> Gone:
    return Gone("the upload's time is over: announce it again", code="UPLOAD_EXPIRED")
