"""Use cases of the care catalogue's editors."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import AlreadyExists, NotFound, Problem
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.core.portraits.catalogue import read_catalogue
from madang.core.portraits.model import CareEntry
from madang.core.portraits.repository import KnowledgeBaseRepository, PortraitsUnitOfWork

SUBJECT: Final = "knowledge-base"


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """How many entries were new and how many were replaced; `problems` name the lines that were left out."""

    created: int
    updated: int
    problems: Sequence[Problem]


class KnowledgeBaseService:
    def __init__(self, units: UnitOfWorkFactory[PortraitsUnitOfWork], audit_trail: AuditTrail) -> None:
        self._units = units
        self._audit_trail = audit_trail

    async def page(self, request: PageRequest, category: str | None = None) -> Page[CareEntry]:
        """By code; of one category where it is named."""
        async with self._units() as uow:
            return await uow.knowledge_base.page(request, category=category)

    async def get(self, code: str) -> CareEntry:
        """Raises `NotFound` (`CARE_ENTRY_NOT_FOUND`)."""
        async with self._units() as uow:
            return await _existing(uow.knowledge_base, code)

    async def create(self, caller: Caller, entry: CareEntry) -> CareEntry:
        """Raises `AlreadyExists` (`CARE_CODE_TAKEN`), also when another request is adding the same code right now."""
        async with self._units() as uow:
            if not await uow.knowledge_base.add(entry):
                raise AlreadyExists("there is a care entry with this code", code="CARE_CODE_TAKEN", id=entry.code)
            await self._record(uow, caller, _subject(entry.code), change="added")
        return entry

    async def replace(self, caller: Caller, code: str, entry: CareEntry) -> CareEntry:
        """All fields but the code, which stays. Raises `NotFound` (`CARE_ENTRY_NOT_FOUND`)."""
        replaced = dataclasses.replace(entry, code=code)
        async with self._units() as uow:
            await _existing(uow.knowledge_base, code)
            await uow.knowledge_base.save(replaced)
            await self._record(uow, caller, _subject(code), change="replaced")
        return replaced

    async def delete(self, caller: Caller, code: str) -> None:
        """Raises `NotFound` (`CARE_ENTRY_NOT_FOUND`)."""
        async with self._units() as uow:
            if not await uow.knowledge_base.delete(code):
                raise _not_found()
            await self._record(uow, caller, _subject(code), change="deleted")

    async def import_csv(self, caller: Caller, text: str) -> ImportOutcome:
        """Add and replace the good entries of a file in one commit; what is wrong with the other lines is answered.

        Entries that the file does not name stay. Written in the order of their codes, so that two imports at once wait for
        each other and do not deadlock.
        """
        entries, problems = read_catalogue(text)
        async with self._units() as uow:
            created = 0
            for entry in sorted(entries, key=lambda entry: entry.code):
                created += await _put(uow.knowledge_base, entry)
            await self._record(
                uow, caller, SUBJECT, change="imported", created=created, replaced=len(entries) - created, left=len(problems)
            )
        return ImportOutcome(created, len(entries) - created, problems)

    async def _record(self, uow: PortraitsUnitOfWork, caller: Caller, subject: str, **details: Any) -> None:
        await self._audit_trail.record(uow, caller, AuditAction.KNOWLEDGE_BASE_CHANGED, subject, **details)


def _subject(code: str) -> str:
    return f"{SUBJECT}:{code}"


async def _put(repository: KnowledgeBaseRepository, entry: CareEntry) -> bool:
    """True when the entry is new."""
    if await repository.add(entry):
        return True
    await repository.save(entry)
    return False


async def _existing(repository: KnowledgeBaseRepository, code: str) -> CareEntry:
    entry = await repository.get(code)
    if entry is None:
        raise _not_found()
    return entry


def _not_found() -> NotFound:
    return NotFound("there is no such care entry", code="CARE_ENTRY_NOT_FOUND")
