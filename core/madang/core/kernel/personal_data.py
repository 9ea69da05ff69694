"""What each context owes a person: everything about them as JSON, and to forget them.

A context that keeps rows about people fulfils `PersonalData` and names the tables that it answers for. The tables say by
themselves which of their columns are personal; a test fails when one of those tables is named by nobody.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

U_contra = TypeVar("U_contra", contravariant=True)


class PersonalData(Protocol[U_contra]):
    """`name` is the section in the export; `tables` are those with personal columns that this context answers for."""

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> frozenset[str]: ...

    async def export(self, uow: U_contra, user_id: UUID) -> Mapping[str, Any]:
        """Everything that is kept about this person, decrypted, as JSON values with camelCase names, and times as `datetime`.
        No secret is in it: no password hash, no token, no key."""
        ...

    async def forget_outside(self, user_id: UUID) -> None:
        """Remove what lies outside of the database: files, people at an identity provider. Called before `erase`, again after
        a crash, and again when it raised an error of the taxonomy; what is gone already counts as removed."""
        ...

    async def erase(self, uow: U_contra, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """Remove or empty every personal column of this person's rows, in the caller's commit. What the law keeps (payments)
        stays without the person. Answers rows by table. Doing it twice changes nothing."""
        ...
