"""A purge leaves nothing personal in any column of any table, and nobody who comes late puts it back."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from integration.postgres import samples
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.tables import metadata
from madang.core.billing.model import PaymentStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.errors import Gone
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.model import (
    AccessAttempts,
    Improvement,
    Photo,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    Survey,
)
from madang.core.portraits.repository import PortraitsUnitOfWork

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
CANARY = "canary"


async def test_after_a_purge_no_column_of_any_table_holds_anything_personal(units: Units, database: Database) -> None:
    portrait = await a_full_portrait(units)
    stranger = await a_full_portrait(units)
    assert len(await tables_with(database, CANARY)) >= 6
    async with units() as uow:
        removed = await uow.portraits.purge(stranger.id, now=samples.now())
        await uow.notifications.purge(stranger.subject)
    assert len(await tables_with(database, CANARY)) >= 6
    async with units() as uow:
        removed = await uow.portraits.purge(portrait.id, now=samples.now())
        assert await uow.notifications.purge(portrait.subject) == 1
    assert removed == {
        "portraits": 1,
        "portrait_pictures": 2,
        "portrait_access_attempts": 1,
        "portrait_surveys": 1,
        "idempotency_keys": 0,
        "actions": 1,
    }
    assert await tables_with(database, CANARY) == set()
    async with units() as uow:
        payment = await uow.payments.get(portrait.payment_id)
        purged = await uow.portraits.get(portrait.id)
    assert payment is not None
    assert payment.status is PaymentStatus.PAID
    assert purged is not None
    assert purged.purged_at is not None
    assert (purged.account, purged.phone, purged.photo, purged.report, purged.client_reference) == ("", None, None, None, None)


async def test_a_second_purge_finds_nothing_and_keeps_the_first_time(units: Units) -> None:
    portrait = await a_full_portrait(units)
    first = samples.now()
    async with units() as uow:
        await uow.portraits.purge(portrait.id, now=first)
        await uow.notifications.purge(portrait.subject)
    async with units() as uow:
        assert set((await uow.portraits.purge(portrait.id, now=first + timedelta(hours=1))).values()) == {0}
        assert await uow.notifications.purge(portrait.subject) == 0
        purged = await uow.portraits.get(portrait.id)
    assert purged is not None
    assert purged.purged_at == first


async def test_a_purge_that_fails_in_the_middle_has_taken_nothing(units: Units) -> None:
    portrait = await a_full_portrait(units)
    with pytest.raises(ZeroDivisionError):
        async with units() as uow:
            await uow.portraits.purge(portrait.id, now=samples.now())
            raise ZeroDivisionError
    async with units() as uow:
        assert await uow.portraits.get(portrait.id) == portrait


async def test_whoever_comes_after_the_purge_writes_nothing_back(units: Units, database: Database) -> None:
    portrait = await a_full_portrait(units)
    async with units() as uow:
        notification = samples.a_notification(subject=portrait.subject, recipient=b"canary", text=b"canary")
        await uow.notifications.add(notification)
        picture = (await uow.portraits.pictures(portrait.id))[0]
    async with units() as uow:
        await uow.portraits.purge(portrait.id, now=samples.now())
        await uow.notifications.purge(portrait.subject)
    late: list[Callable[[PortraitsUnitOfWork], Awaitable[object]]] = [
        lambda uow: uow.portraits.update(portrait),
        lambda uow: uow.portraits.update_picture(picture),
        lambda uow: uow.portraits.add_pictures([picture]),
        lambda uow: uow.portraits.save_attempts(AccessAttempts(portrait.id, b"canary")),
        lambda uow: uow.portraits.add_survey(Survey(portrait.id, 1, CANARY, samples.now())),
    ]
    for write in late:
        with pytest.raises(Gone):
            async with units() as uow:
                await write(uow)
    async with units() as uow:
        await uow.notifications.update(dataclasses.replace(notification, failure="late"))
    assert await tables_with(database, CANARY) == set()


async def test_late_writers_racing_the_purge_leave_nothing(units: Units, database: Database) -> None:
    portrait = await a_full_portrait(units)

    async def write(number: int) -> None:
        async with units() as uow:
            if number % 2:
                await uow.portraits.save_attempts(AccessAttempts(portrait.id, f"canary-{number}".encode()))
            else:
                await uow.portraits.update(portrait)

    async def purge() -> None:
        async with units() as uow:
            await uow.portraits.purge(portrait.id, now=samples.now())
            await uow.notifications.purge(portrait.subject)

    writers = [write(number) for number in range(20)]
    outcomes = await asyncio.gather(*writers[:10], purge(), *writers[10:], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), Gone}
    assert await tables_with(database, CANARY) == set()


async def test_the_purge_counts_others_work_and_cancels_what_waits(units: Units, database: Database) -> None:
    portrait = await a_full_portrait(units)
    async with units() as uow:
        for number, topic in enumerate(("portraits.expire", *["portraits.make_picture"] * 2, "portraits.expire")):
            uow.send(NewMessage(topic, key=f"test:{number}", subject=portrait.subject))
        uow.send(NewMessage("portraits.make_picture", subject="portrait:other"))
    rows = await database.fetch("SELECT id FROM messages WHERE subject = $1 ORDER BY key", portrait.subject)
    own, leased, over, same = [row["id"] for row in rows]
    async with database.connection() as connection:
        lease = "UPDATE messages SET state = 'leased', lease_until = now() + make_interval(secs => $2) WHERE id = $1"
        await connection.execute(lease, own, 60)
        await connection.execute(lease, leased, 60)
        await connection.execute(lease, over, -1)
        await connection.execute(lease, same, 60)
    async with units() as uow:
        assert await uow.work.leased(portrait.subject, except_for=own) == 1
        assert await uow.work.cancel_waiting(portrait.subject, except_for=own) == 0
        uow.send(NewMessage("portraits.expire", subject=portrait.subject))
    async with units() as uow:
        assert await uow.work.cancel_waiting(portrait.subject, except_for=own) == 1
    assert len(await database.fetch("SELECT id FROM messages")) == 5


async def a_full_portrait(units: Units) -> Portrait:
    """A job with the word in everything that is about the person."""
    portrait_id = new_id()
    prefix = f"portraits/{portrait_id}/{CANARY}"
    portrait = samples.a_portrait(
        id=portrait_id,
        status=PortraitStatus.COMPLETED,
        account=f"{CANARY}-account",
        client_reference=f"{CANARY}-{portrait_id}",
        phone=CANARY.encode(),
        phone_hash=CANARY.encode(),
        photo=Photo(samples.a_file(f"{prefix}-photo.jpg"), CANARY),
        report=Report(CANARY, (Improvement(CANARY, CANARY, ("SC001",)),), CANARY, CANARY),
    )
    files = [samples.a_file(f"{prefix}-{name}") for name in ("full", "webp", "thumbnail")]
    async with units() as uow:
        await uow.payments.add(samples.a_payment(id=portrait.payment_id, subject=portrait.subject, status=PaymentStatus.PAID))
        await uow.portraits.add(portrait)
        await uow.portraits.add_pictures(
            [PortraitPicture(portrait.id, index, index, PictureStatus.MADE, "sandbox", *files) for index in range(2)]
        )
        await uow.portraits.save_attempts(AccessAttempts(portrait.id, f"{CANARY}-address".encode(), 2))
        await uow.portraits.add_survey(Survey(portrait.id, 5, CANARY, samples.now()))
        await uow.notifications.add(
            samples.a_notification(subject=portrait.subject, recipient=CANARY.encode(), text=CANARY.encode())
        )
        await uow.actions.save(
            samples.an_action(
                subject=portrait.subject, state=ActionState.SUCCEEDED, result={"url": f"https://{CANARY}.example"}
            )
        )
    return portrait


async def tables_with(database: Database, word: str) -> set[str]:
    """Tables in which a text, bytea or jsonb column holds the word."""
    found = set()
    for table in metadata.sorted_tables:
        for column in table.columns:
            shown = f"encode({column.name}, 'escape')" if str(column.type) == "BLOB" else f"{column.name}::text"
            rows: list[Any] = await database.fetch(f"SELECT 1 FROM {table.name} WHERE strpos({shown}, $1) > 0 LIMIT 1", word)
            if rows:
                found.add(table.name)
    return found
