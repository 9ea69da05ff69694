"""`madang prepare`: what `madang up` does to a database before anything runs on it."""

import asyncio
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import connected_settings, on_deployment

if TYPE_CHECKING:
    from madang.entrypoints.container import Container

_NOTE = "prepared.json"


@click.command()
def prepare() -> None:
    """Migrate, and fill an empty knowledge base with the starting catalogue."""
    settings = connected_settings()
    url, note = str(settings.database_url), Path(settings.data_dir) / _NOTE
    if _is_prepared(url, note):
        return
    from madang.adapters.postgres import migrations

    migrations.upgrade(url)
    if seeded := on_deployment(_seed):
        click.echo(f"knowledge base: {seeded} care entries from the starting catalogue")
    note.write_text(json.dumps({"migrations": _migrations_here(), "revision": migrations.latest()}), encoding="utf-8")


def _is_prepared(url: str, note: Path) -> bool:
    """Whether the newest of these very migrations is the one that the database is at: told without loading what migrates."""
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted.get("migrations") == _migrations_here() and noted.get("revision") == asyncio.run(_revision(url)))


def _migrations_here() -> str:
    """A digest over the migrations of this code."""
    spec = find_spec("madang.adapters.postgres.migrations")
    folder = Path(spec.origin).parent / "versions" if spec and spec.origin else Path()
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


async def _revision(url: str) -> str | None:
    import asyncpg

    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return revision


async def _seed(container: "Container") -> int:
    """Only an empty knowledge base is filled: what an operator removed must not come back."""
    from madang.core.kernel.paging import PageRequest
    from madang.core.portraits.catalogue import starting_catalogue

    if (await container.knowledge_base.page(PageRequest(page=1, limit=1), None)).total:
        return 0
    entries = starting_catalogue()
    async with container.units() as unit:
        for entry in entries:
            await unit.knowledge_base.add(entry)
    return len(entries)
