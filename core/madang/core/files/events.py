"""What files announce to their owner."""

from typing import Final

from madang.core.files.model import File
from madang.core.kernel.events import Event

COMPLETED: Final = "files.completed"
REJECTED: Final = "files.rejected"
DELETED: Final = "files.deleted"


def completed(file: File) -> Event:
    return _checked(COMPLETED, file)


def rejected(file: File) -> Event:
    return _checked(REJECTED, file)


def deleted(file: File) -> Event:
    return Event(DELETED, file.subject, {"fileId": str(file.id), "status": file.status.value}, owner=file.owner_id)


def _checked(name: str, file: File) -> Event:
    payload = {
        "fileId": str(file.id),
        "status": file.status.value,
        "purpose": file.purpose,
        "contentType": file.content_type,
        "size": file.size,
    }
    return Event(name, file.subject, payload, owner=file.owner_id)
