"""A database of each test's own, and the units of work on it."""

from collections.abc import AsyncIterator

import pytest

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Lane, Topic
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.repository import PortraitsUnitOfWork

TOPICS = {
    name: Topic(name, lane)
    for name, lane in {
        "billing.handle_notice": Lane.SHORT,
        "billing.look_up": Lane.SHORT,
        "portraits.payment_changed": Lane.SHORT,
        "portraits.make_picture": Lane.LONG,
        "portraits.write_report": Lane.LONG,
        "portraits.expire": Lane.SHORT,
    }.items()
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=10)
    yield database
    await database.close()


@pytest.fixture
def subscriptions() -> Subscriptions:
    return Subscriptions()


@pytest.fixture
def units(database: Database, subscriptions: Subscriptions) -> UnitOfWorkFactory[PortraitsUnitOfWork]:
    return unit_of_work_factory(database, subscriptions, lambda: "req-test", TOPICS)
