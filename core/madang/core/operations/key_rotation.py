"""Rotation of the master key: what an older key sealed is sealed anew, row by row, while everything goes on.

No row is locked for longer than it takes to write it, and none is written unless it still holds what was read, so a rotation
may be ended anywhere, run twice at once, and run again: it goes on with what is left.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from madang.core.kernel.caller import Caller
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 200
_ROUNDS: Final = 5
"""Whoever read a row before us may write it back as it was, and a row in somebody's hands is passed over: looked at again."""
_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class SealedField:
    """`hash_column` holds the keyed hash of the same value, under `hash_purpose`."""

    column: str
    purpose: str
    hash_column: str | None = None
    hash_purpose: str = ""

    @property
    def columns(self) -> Sequence[str]:
        return (self.column,) if self.hash_column is None else (self.column, self.hash_column)


@dataclass(frozen=True, slots=True)
class SealedTable:
    name: str
    fields: Sequence[SealedField]

    @property
    def columns(self) -> Sequence[str]:
        return [column for field_ in self.fields for column in field_.columns]


@dataclass(frozen=True, slots=True)
class SealedRow:
    """`key` are the values of the primary key, `values` those of the sealed and hashed columns."""

    key: tuple[Any, ...]
    values: Mapping[str, bytes | None] = field(repr=False)


class SealedRows(Protocol):
    """Of storage: every table with sealed columns. `head` is what is sealed under the current key begins with."""

    @property
    def tables(self) -> Sequence[SealedTable]: ...

    async def counts(self, table: SealedTable, *, head_length: int) -> Mapping[bytes, int]:
        """How many sealed values begin with which head."""
        ...

    async def older(self, table: SealedTable, *, head: bytes, after: tuple[Any, ...] | None, limit: int) -> Sequence[SealedRow]:
        """Rows with a value under another head, in the order of their keys."""
        ...

    async def replace(self, table: SealedTable, rows: Sequence[tuple[SealedRow, Mapping[str, bytes | None]]]) -> int:
        """Write each row that still holds its values and is in nobody's hands; how many."""
        ...


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many values are sealed under a master key, by table. One that is not `known` is in no setting: what it sealed
    cannot be read."""

    key_id: str
    current: bool
    known: bool
    values: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.values.values())


@dataclass(frozen=True, slots=True)
class RotationOutcome:
    """`sealed_anew` are rows by table; `left` are values that are still under another key, by table; `unreadable` rows could
    not be opened."""

    sealed_anew: Mapping[str, int]
    left: Mapping[str, int]
    unreadable: Mapping[str, int]

    @property
    def complete(self) -> bool:
        return not self.left


Progress = Callable[[str, int], None]
"""`progress(table, rows)`: so many more rows of that table were looked at."""


class KeyRotation:
    """`key_ids` are those of the settings in hex, the current one first."""

    def __init__(
        self,
        rows: SealedRows,
        cipher: PersonalDataCipher,
        key_ids: Sequence[str],
        units: UnitOfWorkFactory[AuditedUnitOfWork],
        trail: AuditTrail,
    ) -> None:
        self._rows = rows
        self._cipher = cipher
        self._key_ids = key_ids
        self._units = units
        self._trail = trail

    async def uses(self) -> Sequence[KeyUse]:
        """The current key first, then the older ones of the settings, then those that the settings lack."""
        found: dict[str, dict[str, int]] = {key_id: {} for key_id in self._key_ids}
        for table in self._rows.tables:
            for head, values in (await self._rows.counts(table, head_length=len(self._cipher.head))).items():
                found.setdefault(self._cipher.key_id_of(head), {})[table.name] = values
        return [KeyUse(key_id, key_id == self._key_ids[0], key_id in self._key_ids, values) for key_id, values in found.items()]

    async def rotate(self, caller: Caller, progress: Progress = lambda table, rows: None) -> RotationOutcome:
        """Seal under the current key whatever is not, until nothing is left or a few rounds were not enough."""
        await self._record(caller, state="begun")
        anew: dict[str, int] = {}
        unreadable: dict[str, int] = {}
        for round_ in range(_ROUNDS):
            unreadable = {}
            for table in self._rows.tables:
                done, unread = await self._rotate_table(table, progress)
                anew[table.name] = anew.get(table.name, 0) + done
                unreadable[table.name] = unread
            left = await self._left()
            if sum(left.values()) <= sum(unreadable.values()):
                break
            await asyncio.sleep(_PAUSE * round_)
        outcome = RotationOutcome(_some(anew), left, _some(unreadable))
        await self._record(caller, state="ended", rows=dict(outcome.sealed_anew), left=dict(outcome.left))
        return outcome

    async def _rotate_table(self, table: SealedTable, progress: Progress) -> tuple[int, int]:
        """Rows that were written, and rows that cannot be opened."""
        done = unread = 0
        after: tuple[Any, ...] | None = None
        while True:
            rows = await self._rows.older(table, head=self._cipher.head, after=after, limit=_AT_ONCE)
            anew = [(row, values) for row in rows if (values := self._anew(table, row)) is not None]
            unread += len(rows) - len(anew)
            done += await self._rows.replace(table, anew) if anew else 0
            progress(table.name, len(rows))
            if len(rows) < _AT_ONCE:
                return done, unread
            after = rows[-1].key

    def _anew(self, table: SealedTable, row: SealedRow) -> Mapping[str, bytes | None] | None:
        """None for a row that cannot be opened: its key is in no setting, or somebody has changed it."""
        values: dict[str, bytes | None] = {}
        for sealed in table.fields:
            text = row.values[sealed.column]
            try:
                values |= self._field_anew(sealed, text, row)
            except Exception as error:  # noqa: BLE001 - one row that cannot be opened must not end the rotation of all others
                logger.warning("a value of %s.%s cannot be opened: %s", table.name, sealed.column, type(error).__name__)
                return None
        return values

    def _field_anew(self, sealed: SealedField, text: bytes | None, row: SealedRow) -> Mapping[str, bytes | None]:
        hashed = {} if sealed.hash_column is None else {sealed.hash_column: row.values[sealed.hash_column]}
        if text is None or self._cipher.is_current(text):
            return {sealed.column: text, **hashed}
        anew: dict[str, bytes | None] = {sealed.column: self._cipher.resealed(text, purpose=sealed.purpose), **hashed}
        if sealed.hash_column is not None and row.values[sealed.hash_column] is not None:
            value = self._cipher.decrypt(text, purpose=sealed.purpose)
            anew[sealed.hash_column] = self._hash_anew(value, row.values[sealed.hash_column], sealed.hash_purpose)
        return anew

    def _hash_anew(self, value: str, hashed: bytes | None, purpose: str) -> bytes:
        """Of the value as written or in lower case, whichever the stored hash is of. Raises `LookupError` for neither."""
        for form in (value, value.lower()):
            if hashed in self._cipher.keyed_hashes(form, purpose=purpose):
                return self._cipher.keyed_hash(form, purpose=purpose)
        raise LookupError("the stored hash is not of this value")

    async def _left(self) -> Mapping[str, int]:
        left: dict[str, int] = {}
        for use in await self.uses():
            if not use.current:
                for table, values in use.values.items():
                    left[table] = left.get(table, 0) + values
        return left

    async def _record(self, caller: Caller, **details: Any) -> None:
        async with self._units() as uow:
            await self._trail.record(uow, caller, AuditAction.KEYS_ROTATED, f"key:{self._key_ids[0]}", **details)


def _some(counts: Mapping[str, int]) -> Mapping[str, int]:
    return {table: rows for table, rows in counts.items() if rows}
