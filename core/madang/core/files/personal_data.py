"""What files owe a person."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.files.cleaning import Cleaning, forgetting_of
from madang.core.files.model import LINK_LIFETIME, NAME_PURPOSE, File
from madang.core.files.names import fitting
from madang.core.files.repository import FilesUnitOfWork
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.ports.storage import PresignGet


class FilesPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "files"
    tables: Final = frozenset({"files"})

    def __init__(self, cleaning: Cleaning, cipher: PersonalDataCipher, providers: Providers) -> None:
        self._cleaning = cleaning
        self._cipher = cipher
        self._providers = providers

    async def export(self, uow: FilesUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        """Each with an address to read it that is good for an hour."""
        return {"files": [await self._described(file) for file in await uow.files.of_owner(user_id)]}

    async def forget_outside(self, user_id: UUID) -> None:
        """Raises `Unavailable` when something stays."""
        await self._cleaning.forget_owner(user_id)

    async def erase(self, uow: FilesUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """A message looks at the storage once more, when the last address that was given away is over."""
        rows = await uow.files.erase(user_id)
        uow.send(forgetting_of(user_id, now))
        return {"files": rows}

    async def _described(self, file: File) -> Mapping[str, Any]:
        name = None if file.name is None else fitting(self._cipher.decrypt(file.name, purpose=NAME_PURPOSE), file.content_type)
        return {
            "id": str(file.id),
            "filename": name,
            "purpose": file.purpose,
            "status": file.status.value,
            "contentType": file.content_type or file.declared_type,
            "size": file.size,
            "sha256": file.sha256,
            "createdAt": file.created_at,
            "completedAt": file.completed_at,
            "link": await self._link(file, name),
        }

    async def _link(self, file: File, name: str | None) -> str | None:
        if file.object_key is None:
            return None
        asked = PresignGet(file.object_key, LINK_LIFETIME, filename=name, content_type=file.content_type)
        return (await self._providers.storage().presign_get(asked)).url
