"""The hot read shows what the unit of work stored, in one statement."""

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from integration.postgres import samples
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.portraits.reader import PostgresPortraitReader
from madang.core.kernel.ids import new_id
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.repository import PortraitsUnitOfWork, PortraitView

Units = UnitOfWorkFactory[PortraitsUnitOfWork]


@settings(max_examples=25)
@given(data=st.data())
async def test_a_view_shows_the_job_its_pictures_checkout_and_receipt(
    units: Units, database: Database, data: st.DataObject
) -> None:
    payment = samples.a_payment(checkout_url=data.draw(samples.maybe_words))
    portrait = data.draw(samples.unpurged_portraits(new_id(), payment.id))
    pictures = [data.draw(samples.pictures(portrait.id, index)) for index in range(data.draw(st.integers(0, 3)))]
    receipt: Any = data.draw(st.none() | samples.receipts)
    async with units() as uow:
        await uow.payments.add(payment)
        await uow.portraits.add(portrait)
        await uow.portraits.add_pictures(pictures[::-1])
        if receipt is not None:
            receipt = dataclasses.replace(receipt, subject=portrait.subject)
            await uow.receipts.save(receipt)
    shown = await PostgresPortraitReader(database).view(portrait.id)
    assert shown == PortraitView(portrait, pictures, payment.checkout_url, receipt)


async def test_nobody_has_ordered_what_is_not_there(database: Database) -> None:
    assert await PostgresPortraitReader(database).view(new_id()) is None


async def test_one_statement_serves_a_view(units: Units, database: Database) -> None:
    portrait = samples.a_portrait()
    async with units() as uow:
        await uow.portraits.add(portrait)
        await uow.payments.add(samples.a_payment(id=portrait.payment_id))
    asked: list[str] = []
    connections = [await database.acquire() for _ in range(10)]
    for connection in connections:
        connection.add_query_logger(lambda query: asked.append(query.query))
    for connection in connections:
        await database.release(connection)
    await PostgresPortraitReader(database).view(portrait.id)
    assert len(asked) == 1
