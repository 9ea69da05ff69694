"""Whether anything of a person is left after the purge."""

from uuid import UUID

from faults.evidence import stored
from faults.lane import Lane, Order
from madang.core.operations.deletion import digest_of
from madang.core.portraits.model import PortraitStatus, subject_of

_EMPTIED = {
    "portraits": "id = $1 AND (account <> '' OR num_nonnulls(client_reference, phone, phone_hash, photo, report) > 0)",
    "portrait_pictures": "portrait_id = $1",
    "portrait_access_attempts": "portrait_id = $1",
    "portrait_surveys": "portrait_id = $1",
    "notifications": "subject = 'portrait:' || $1::uuid AND num_nonnulls(recipient, text) > 0",
    "actions": "subject = 'portrait:' || $1::uuid AND result IS NOT NULL",
}


async def personal_rows(lane: Lane, portrait_id: UUID) -> dict[str, int]:
    """Rows that hold something personal of the job, by table; tables without any are left out."""
    counts = {
        table: await lane.ask(f"SELECT count(*) FROM {table} WHERE {condition}", portrait_id)
        for table, condition in _EMPTIED.items()
    }
    return {table: count for table, count in counts.items() if count}


async def every_kind_of_trace(lane: Lane, order: Order) -> bool:
    """Whether there is something to purge in each of the tables."""
    return set(await personal_rows(lane, order.id)) == set(_EMPTIED)


async def expect_no_trace(lane: Lane, order: Order) -> None:
    view = await lane.container.portraits.view(order.id)
    assert view.portrait.status is PortraitStatus.EXPIRED
    assert view.portrait.purged_at is not None
    assert await stored(lane, order) == {}
    folder = lane.container.settings.data_dir / "storage"
    assert [path for path in folder.rglob("*") if str(order.id) in str(path)] == []
    assert await personal_rows(lane, order.id) == {}
    assert await _rows_that_name_the_person(lane, order) == []
    await expect_a_receipt(lane, order)


async def _rows_that_name_the_person(lane: Lane, order: Order) -> list[str]:
    """Tables in which a row, written out, holds the number or the reference."""
    tables = await lane.ask("SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'")
    words = [f"%{word}%" for word in (order.e164, order.phone, order.phone.replace("-", ""), order.reference)]
    found = [f"SELECT EXISTS (SELECT 1 FROM {table} AS t WHERE t::text LIKE ANY($1::text[]))" for table in tables]
    return [table for table, question in zip(tables, found, strict=True) if await lane.ask(question, words)]


async def expect_a_receipt(lane: Lane, order: Order) -> None:
    async with lane.container.units() as uow:
        receipt = await uow.receipts.by_subject(subject_of(order.id))
    assert receipt is not None
    assert receipt.verified_at is not None
    assert receipt.digest == digest_of(receipt)
    assert await lane.ask("SELECT count(*) FROM deletion_receipts WHERE subject = $1", subject_of(order.id)) == 1
