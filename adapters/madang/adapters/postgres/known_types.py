"""Connections that ask the server about PostgreSQL's own types once a process."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    _Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

_FIRST_OF_A_DATABASE: Final = 10_000
"""Ids below are written down in PostgreSQL's sources, the same in every database ("OID Assignment" in its manual)."""

_known: Final[dict[frozenset[int], Sequence[Any]]] = {}


@dataclass(frozen=True, slots=True)
class _NothingAsked:
    """In place of the statement that asked: with a name, it did not take the place of the unnamed statement."""

    name: str = "known"


class KnowingConnection(_Connection):
    """asyncpg looks an array's type up with a recursive query, on each connection: several times what most statements cost.

    The method is asyncpg's own matter; in a release without it, a connection would ask again.
    """

    __slots__ = ()

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> tuple[Sequence[Any], Any]:
        asked = frozenset(typeoids)
        if asked in _known:
            return _known[asked], _NothingAsked()
        types, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        if max(asked) < _FIRST_OF_A_DATABASE:
            _known[asked] = types
        return types, statement
