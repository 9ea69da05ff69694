"""A file of a user: announced, checked once it has arrived, theirs until it is deleted (seed 000, presigned upload)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from madang.core.kernel.errors import Conflict
from madang.core.kernel.ids import new_id

NAME_PURPOSE: Final = "files.name"
FOLDER: Final = "files/"
UPLOAD_LIFETIME: Final = timedelta(minutes=15)
"""How long a presigned upload address is good."""
UPLOAD_GRACE: Final = timedelta(hours=1)
"""How long after that an upload may still be completed: what was begun in time may end later."""
LINK_LIFETIME: Final = timedelta(hours=1)
_INCOMING: Final = "incoming"


class FileStatus(StrEnum):
    """`PENDING` until its bytes were checked. `REJECTED`: they were not what was announced. `EXPIRED`: they never came."""

    PENDING = "pending"
    AVAILABLE = "available"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DELETED = "deleted"


TRANSITIONS: Final[Mapping[FileStatus, frozenset[FileStatus]]] = {
    FileStatus.PENDING: frozenset(
        {FileStatus.AVAILABLE, FileStatus.REJECTED, FileStatus.EXPIRED, FileStatus.DELETED},
    ),
    FileStatus.AVAILABLE: frozenset({FileStatus.DELETED}),
    FileStatus.REJECTED: frozenset({FileStatus.DELETED}),
    FileStatus.EXPIRED: frozenset({FileStatus.DELETED}),
    FileStatus.DELETED: frozenset(),
}
OVER: Final = frozenset({FileStatus.REJECTED, FileStatus.EXPIRED, FileStatus.DELETED})
"""States without any object in the storage."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why what arrived was refused; `params` are shown and hold nothing personal."""

    code: str
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """`name` is encrypted and for display only; `size` is in bytes. `declared_type` is the client's word, `content_type` what
    the bytes are. `presigned`: the client was given an address of the storage itself. `object_key` names the one object that
    was checked; `purged_at` is when the storage was seen empty of a file that is over."""

    id: UUID
    owner_id: UUID
    purpose: str
    status: FileStatus
    name: bytes | None = field(repr=False)
    declared_type: str
    size: int
    presigned: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    expected_sha256: str | None = None
    content_type: str | None = None
    sha256: str | None = None
    object_key: str | None = None
    refusal: Refusal | None = None
    completed_at: datetime | None = None
    purged_at: datetime | None = None

    def to(self, status: FileStatus, now: datetime, **changes: Any) -> "File":
        """Raises `Conflict` for a step that the table of transitions does not have."""
        if status not in TRANSITIONS[self.status]:
            raise Conflict(
                f"a file that is {self.status} does not become {status}",
                code="FILE_NOT_AVAILABLE",
                state=self.status.value,
            )
        return replace(self, status=status, updated_at=now, **changes)

    @property
    def subject(self) -> str:
        return subject_of(self.id)

    @property
    def incoming_key(self) -> str:
        """Where the presigned address writes. Nobody reads from there but the check."""
        return folder_of(self.owner_id, self.id) + _INCOMING

    def new_object_key(self) -> str:
        """Of one try to store what was checked; no other try, and no address given away, ever writes there."""
        return folder_of(self.owner_id, self.id) + new_id().hex


def subject_of(file_id: UUID) -> str:
    return f"file:{file_id}"


def owner_folder(owner_id: UUID) -> str:
    return f"{FOLDER}{owner_id}/"


def folder_of(owner_id: UUID, file_id: UUID) -> str:
    """The prefix of all objects of one file: ids only, never a name."""
    return f"{owner_folder(owner_id)}{file_id}/"


def ids_in(key: str) -> tuple[UUID, UUID] | None:
    """The owner's and the file's id; None for a key that no file of ours has."""
    parts = key.removeprefix(FOLDER).split("/")
    try:
        owner_id, file_id = UUID(parts[0]), UUID(parts[1])
    except (ValueError, IndexError):
        return None
    return (owner_id, file_id) if key.startswith(folder_of(owner_id, file_id)) else None


def is_wanted(key: str, file: File | None) -> bool:
    """Whether an object under a file's folder is one that the file still needs. One that is pending may need any of them."""
    if file is None or file.status in OVER:
        return False
    return file.status is FileStatus.PENDING or key == file.object_key
