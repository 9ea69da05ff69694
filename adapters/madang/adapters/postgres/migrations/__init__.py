"""The schema's history and what runs it: upgrade, downgrade, where we are. No alembic.ini.

The functions are for callers without an event loop (the command line, a test's set-up); inside one, call them by
`asyncio.to_thread`. A new migration is a file `versions/vNNNN_what.py`; a test compares where they lead with `tables`.

A PostgreSQL advisory lock makes two processes that migrate at once take turns; the second finds
nothing to do.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from madang.adapters.postgres.database import normalised, patiently

T = TypeVar("T")

HEAD: Final = "head"
BASE: Final = "base"
_LOCK: Final = 0x6D6164616E67
"""The advisory lock's number: "madang" in ASCII."""
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One migration that was just applied (or taken back), the `number`-th of `total`."""

    revision: str
    summary: str
    number: int
    total: int


Progress = Callable[[MigrationStep], None]


def upgrade(
    url: str, revision: str = HEAD, *, progress: Progress | None = None, patience: float = 30.0
) -> Sequence[MigrationStep]:
    """Bring the database to `revision` and answer what was applied, nothing when it is there already.

    Waits up to `patience` seconds for a server that is starting. All steps commit together or not at all. Raises
    `Unavailable` and `Misconfigured` as `Database.connect` does.
    """
    return _run(url, lambda connection: _migrate(connection, revision, progress, up=True), patience)


def downgrade(url: str, revision: str, *, progress: Progress | None = None, patience: float = 30.0) -> Sequence[MigrationStep]:
    """Take the database back to `revision` (`"base"` for an empty one): what later migrations added is gone, with its data."""
    return _run(url, lambda connection: _migrate(connection, revision, progress, up=False), patience)


def current(url: str, *, patience: float = 30.0) -> str | None:
    """The revision that the database is at, None for one that was never migrated."""
    return _run(url, lambda connection: MigrationContext.configure(connection).get_current_revision(), patience)


def latest() -> str:
    """The revision that this code needs."""
    head = _scripts().get_current_head()
    if head is None:
        raise LookupError("there are no migrations")
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER), version_locations=[str(_FOLDER / "versions")])


def _migrate(connection: Connection, revision: str, progress: Progress | None, *, up: bool) -> Sequence[MigrationStep]:
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK})
    connection.commit()
    scripts = _scripts()
    applied: list[MigrationStep] = []

    def steps(heads: Any, context: MigrationContext) -> Any:
        found = scripts._upgrade_revs(revision, heads) if up else scripts._downgrade_revs(revision, heads)
        total.append(len(found))
        return found

    def note(**applied_now: Any) -> None:
        revision_id = applied_now["step"].up_revision_id
        applied.append(MigrationStep(revision_id, scripts.get_revisions(revision_id)[0].doc, len(applied) + 1, total[0]))
        if progress is not None:
            progress(applied[-1])

    total: list[int] = []
    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, on_version_apply=cast(Any, note))
        with environment.begin_transaction():
            environment.run_migrations()
    connection.commit()
    return applied


def _run(url: str, work: Callable[[Connection], T], patience: float) -> T:
    return asyncio.run(_on_a_connection(normalised(url), work, patience))


async def _on_a_connection(address: str, work: Callable[[Connection], T], patience: float) -> T:
    async def connect() -> Any:
        return await patiently(lambda: asyncpg.connect(address, timeout=10), patience)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
