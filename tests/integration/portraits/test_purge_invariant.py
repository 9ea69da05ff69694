"""Files that should be gone are found by looking into the storage, and deleted without touching anybody else's."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from integration.postgres import samples
from madang.adapters.local.settings import LocalSettings
from madang.adapters.local.storage import LocalStorage
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.ids import new_id
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.model import Portrait, PortraitStatus, storage_prefix_of, subject_of
from madang.core.portraits.purge_invariant import NoFilePastItsPurge
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.ports.context import ProviderContext
from madang.ports.errors import Unavailable
from madang.ports.secret import Secret
from madang.ports.storage import DeleteReport, ObjectPage, PutObject

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
MINUTE = timedelta(minutes=1)


class LaterClock:
    """The system's clock, so and so much later."""

    def __init__(self) -> None:
        self.later = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later


class SmallPages(LocalStorage):
    """Two objects a page; `stuck` are keys that cannot be deleted."""

    stuck: frozenset[str] = frozenset()

    async def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> ObjectPage:
        return await super().list(prefix, cursor=cursor, limit=2)

    async def delete_many(self, keys: Any) -> DeleteReport:
        report = await super().delete_many([key for key in keys if key not in self.stuck])
        return replace(report, failed={key: "stuck" for key in keys if key in self.stuck})

    async def keys(self) -> set[str]:
        found = await super().list("", limit=1000)
        return {each.key for each in found.objects}


@pytest.fixture
async def units(database_url: str) -> AsyncIterator[Units]:
    database = await Database.connect(database_url)
    yield unit_of_work_factory(database, Subscriptions(), lambda: "req-test", {})
    await database.close()


@pytest.fixture
def storage(tmp_path: Path) -> SmallPages:
    return SmallPages(
        LocalSettings(), ProviderContext("http://127.0.0.1:8000", tmp_path, Secret("test-key-not-secret"), "test")
    )


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@pytest.fixture
def invariant(units: Units, storage: SmallPages, clock: LaterClock) -> NoFilePastItsPurge:
    return NoFilePastItsPurge(units, lambda: storage, clock, grace=5 * MINUTE)


async def files_of(storage: SmallPages, portrait_id: UUID, *names: str) -> set[str]:
    keys = {storage_prefix_of(portrait_id) + name for name in names}
    for key in keys:
        await storage.put(PutObject(key, key.encode(), "image/jpeg"))
    return keys


async def a_job(units: Units, **changes: Any) -> Portrait:
    portrait = samples.a_portrait(status=PortraitStatus.COMPLETED, **changes)
    await store(units, portrait)
    return portrait


async def store(units: Units, portrait: Portrait) -> None:
    async with units() as uow:
        await uow.payments.add(samples.a_payment(id=portrait.payment_id))
        await uow.portraits.add(portrait)


async def a_purged_job(units: Units) -> Portrait:
    portrait = await a_job(units, expires_at=samples.now() - MINUTE)
    async with units() as uow:
        await uow.portraits.purge(portrait.id, now=samples.now())
    return portrait


async def test_files_of_jobs_whose_time_is_not_over_are_no_violation(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages
) -> None:
    await files_of(storage, (await a_job(units)).id, "photo.jpg", "0.png")
    await files_of(storage, (await a_job(units, expires_at=samples.now() - 4 * MINUTE)).id, "photo.jpg")
    assert await invariant.violations() == []
    assert invariant.explanation


async def test_what_a_purge_left_is_found_and_deleted_and_nothing_else(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages
) -> None:
    purged, alive = await a_purged_job(units), await a_job(units)
    await files_of(storage, purged.id, "photo.jpg", "0/full.png", "0/web.webp", "1/full.png", "late.jpg")
    kept = await files_of(storage, alive.id, "photo.jpg", "0/full.png", "0/web.webp")
    (violation,) = await invariant.violations()
    assert violation.subject == subject_of(purged.id)
    assert violation.detail == {"portrait_id": str(purged.id), "portrait": "purged", "files": 5}
    assert await invariant.mend(violation) == "deleted 5 files"
    assert await storage.keys() == kept
    assert await invariant.violations() == []


async def test_what_a_dead_process_left_of_a_write_is_found_and_deleted_too(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages, tmp_path: Path
) -> None:
    portrait = await a_purged_job(units)
    folder = tmp_path / "storage" / "objects" / "portraits" / str(portrait.id)
    folder.mkdir(parents=True)
    (folder / "photo.jpg@0123abc").write_bytes(b"half a photo")
    (violation,) = await invariant.violations()
    assert await invariant.mend(violation)
    assert await invariant.violations() == []
    assert not folder.exists()


async def test_files_of_an_overdue_purge_are_named_and_left_to_the_purge(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages
) -> None:
    overdue = await a_job(units, expires_at=samples.now() - 6 * MINUTE)
    kept = await files_of(storage, overdue.id, "photo.jpg")
    (violation,) = await invariant.violations()
    assert (violation.subject, violation.detail["portrait"]) == (subject_of(overdue.id), "expired")
    assert await invariant.mend(violation) == "left to the overdue purge"
    assert await storage.keys() == kept


async def test_files_of_nobody_are_deleted_once_no_upload_can_be_in_front_of_its_commit(
    invariant: NoFilePastItsPurge, storage: SmallPages, clock: LaterClock
) -> None:
    nobody = new_id()
    keys = await files_of(storage, nobody, "photo.jpg", "other.jpg")
    clock.later = 9 * MINUTE
    assert await invariant.violations() == []
    clock.later = 11 * MINUTE
    (violation,) = await invariant.violations()
    assert (violation.subject, violation.detail["portrait"]) == (subject_of(nobody), "unknown")
    clock.later = timedelta(0)
    assert await invariant.mend(violation) == "it has gone on by itself"
    assert await storage.keys() == keys
    clock.later = 11 * MINUTE
    assert await invariant.mend(violation) == "deleted 2 files"
    assert await storage.keys() == set()


async def test_half_a_write_of_nobody_ages_like_any_file(invariant: NoFilePastItsPurge, tmp_path: Path) -> None:
    file = tmp_path / "storage" / "objects" / "portraits" / str(new_id()) / "photo.jpg@0123abc"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half a photo")
    assert await invariant.violations() == []
    eleven_minutes_ago = (samples.now() - 11 * MINUTE).timestamp()
    os.utime(file, (eleven_minutes_ago, eleven_minutes_ago))
    (violation,) = await invariant.violations()
    assert await invariant.mend(violation) == "deleted 1 files"


async def test_a_job_that_was_committed_after_the_look_keeps_its_files(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages, clock: LaterClock
) -> None:
    portrait = samples.a_portrait()
    kept = await files_of(storage, portrait.id, "photo.jpg")
    clock.later = 11 * MINUTE
    (violation,) = await invariant.violations()
    await store(units, portrait)
    assert await invariant.mend(violation) == "it has gone on by itself"
    assert await storage.keys() == kept


@pytest.mark.parametrize("name", ["notes/a.txt", "{id}", "{ID}/a.jpg", "{hex}/a.jpg", "{id}-2/a.jpg"])
async def test_what_is_named_after_no_job_is_for_a_person_to_look_at(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages, clock: LaterClock, name: str
) -> None:
    """Also what only resembles a purged job's own folder."""
    purged = (await a_purged_job(units)).id
    named = name.format(id=purged, ID=str(purged).upper(), hex=purged.hex)
    await storage.put(PutObject(f"portraits/{named}", b"a", "text/plain"))
    elsewhere = PutObject(f"bots/{purged}/a.txt", b"a", "text/plain")
    await storage.put(elsewhere)
    clock.later = 11 * MINUTE
    (violation,) = await invariant.violations()
    assert violation.subject.startswith("files:portraits/")
    assert await invariant.mend(violation) == ""
    assert await storage.keys() == {f"portraits/{named}", elsewhere.key}


async def test_files_that_cannot_be_deleted_are_told_and_found_again(
    invariant: NoFilePastItsPurge, units: Units, storage: SmallPages
) -> None:
    portrait = await a_purged_job(units)
    keys = await files_of(storage, portrait.id, "photo.jpg", "0.png")
    storage.stuck = frozenset(sorted(keys)[:1])
    (violation,) = await invariant.violations()
    with pytest.raises(Unavailable):
        await invariant.mend(violation)
    (again,) = await invariant.violations()
    assert (again.subject, again.detail["files"]) == (violation.subject, 1)


async def test_no_more_violations_than_asked_for(invariant: NoFilePastItsPurge, units: Units, storage: SmallPages) -> None:
    for _ in range(5):
        await files_of(storage, (await a_purged_job(units)).id, "photo.jpg")
    assert len(await invariant.violations(limit=3)) == 3
    assert len(await invariant.violations()) == 5
