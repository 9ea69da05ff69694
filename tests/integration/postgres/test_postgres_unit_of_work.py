"""State and messages commit together or not at all, the last checks come last, and the relay hears of it."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from integration.postgres import samples
from integration.postgres.conftest import TOPICS
from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.errors import LeaseLost, ValidationFailed
from madang.core.kernel.events import Event, Subscriptions
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.ports.errors import Unavailable
from madang.ports.money import Money

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
LOOK_UP = "billing.look_up"


def a_unit(database: Database, *last_checks: Any) -> PostgresUnitOfWork:
    return PostgresUnitOfWork(
        database, topics=TOPICS, subscriptions=Subscriptions(), request_id="req-test", before_commit=last_checks
    )


async def messages(database: Database) -> list[dict[str, Any]]:
    return [dict(row) for row in await database.fetch("SELECT * FROM messages ORDER BY created_at, id")]


async def test_a_message_is_written_with_its_lane_subject_request_and_due_time(units: Units, database: Database) -> None:
    later = samples.now() + timedelta(hours=1)
    async with units() as uow:
        uow.send(NewMessage(LOOK_UP, {"payment_id": "p-1", "words": "한글"}, key="k-1", subject="payment:p-1"))
        uow.send(NewMessage("portraits.make_picture", {"index": 0}, due_at=later))
        assert await messages(database) == []
    first, second = sorted(await messages(database), key=lambda row: row["topic"])
    assert (first["lane"], first["payload"], first["key"]) == ("short", {"payment_id": "p-1", "words": "한글"}, "k-1")
    assert (first["subject"], first["request_id"], first["state"], first["attempts"]) == (
        "payment:p-1",
        "req-test",
        "waiting",
        0,
    )
    assert first["due_at"] <= samples.now()
    assert (second["lane"], second["due_at"], second["key"]) == ("long", later, None)


async def test_an_exception_rolls_state_and_messages_back(units: Units, database: Database) -> None:
    payment = samples.a_payment()
    with pytest.raises(ZeroDivisionError):
        async with units() as uow:
            await uow.payments.add(payment)
            uow.send(NewMessage(LOOK_UP))
            raise ZeroDivisionError
    async with units() as uow:
        assert await uow.payments.get(payment.id) is None
    assert await messages(database) == []


async def test_a_cancelled_unit_rolls_back_and_gives_its_connection_back(database: Database, units: Units) -> None:
    payment = samples.a_payment()
    inside = asyncio.Event()

    async def hang() -> None:
        async with units() as uow:
            await uow.payments.add(payment)
            inside.set()
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hang())]
    await inside.wait()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    async with units() as uow:
        assert await uow.payments.get(payment.id) is None
    assert database.pool.get_idle_size() == database.pool.get_size()


async def test_a_key_that_is_taken_drops_the_message_and_nothing_else(units: Units, database: Database) -> None:
    async with units() as uow:
        uow.send(NewMessage(LOOK_UP, {"n": 1}, key="k-1"))
        uow.send(NewMessage(LOOK_UP, {"n": 2}, key="k-1"))
    async with units() as uow:
        uow.send(NewMessage(LOOK_UP, {"n": 3}, key="k-1"))
        uow.send(NewMessage(LOOK_UP, {"n": 4}, key="k-2"))
    kept = {row["key"] for row in await messages(database)}
    assert kept == {"k-1", "k-2"}
    assert len(await messages(database)) == 2


async def test_units_that_send_the_same_keys_in_any_order_do_not_deadlock(units: Units, database: Database) -> None:
    async def send(order: int) -> None:
        async with units() as uow:
            for key in (["a", "b", "c"], ["c", "b", "a"])[order % 2]:
                uow.send(NewMessage(LOOK_UP, key=key))

    await asyncio.gather(*(send(order) for order in range(60)))
    assert len(await messages(database)) == 3


async def test_a_topic_that_nobody_handles_is_refused_where_it_is_sent(units: Units) -> None:
    async with units() as uow:
        with pytest.raises(LookupError, match=r"portraits\.make_pictur'"):
            uow.send(NewMessage("portraits.make_pictur"))


async def test_a_payload_that_is_no_json_is_refused_where_it_is_sent(units: Units) -> None:
    async with units() as uow:
        with pytest.raises(TypeError):
            uow.send(NewMessage(LOOK_UP, {"what": object()}))


async def test_an_event_becomes_a_message_for_each_topic_that_listens(
    units: Units, subscriptions: Subscriptions, database: Database
) -> None:
    subscriptions.subscribe("billing.payment_changed", "portraits.payment_changed")
    subscriptions.subscribe("billing.payment_changed", LOOK_UP)
    async with units() as uow:
        uow.announce(Event("billing.payment_changed", "portrait:1", {"status": "paid"}))
        uow.announce(Event("nobody.listens", "portrait:1"))
    written = await messages(database)
    assert {row["topic"] for row in written} == {"portraits.payment_changed", LOOK_UP}
    assert all(row["payload"] == {"status": "paid"} and row["subject"] == "portrait:1" for row in written)


async def test_one_commit_notifies_once_and_only_when_it_brought_work(units: Units, database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with database.connection() as listener:

        def hear(_connection: object, _pid: int, channel: str, payload: object) -> None:
            heard.put_nowait(f"{channel}:{payload}")

        await listener.add_listener("madang_messages", hear)
        async with units() as uow:
            uow.send(NewMessage(LOOK_UP, key="k-1"))
            uow.send(NewMessage(LOOK_UP, due_at=samples.now() + timedelta(days=1)))
        assert await heard.get() == "madang_messages:"
        async with units() as uow:
            uow.send(NewMessage(LOOK_UP, key="k-1"))
        async with units() as uow:
            await uow.payments.add(samples.a_payment())
        await listener.execute("SELECT 1")
        assert heard.empty()
        await listener.remove_listener("madang_messages", hear)


async def test_the_last_checks_see_everything_and_can_refuse_it(database: Database) -> None:
    seen: list[int] = []
    payment = samples.a_payment()

    async def count(connection: Connection) -> None:
        seen.append(await connection.fetchval("SELECT count(*) FROM messages"))

    async def refuse(connection: Connection) -> None:
        raise LeaseLost("passed to another worker")

    with pytest.raises(LeaseLost):
        async with a_unit(database, count, refuse) as uow:
            await uow.payments.add(payment)
            uow.send(NewMessage(LOOK_UP))
    assert seen == [1]
    assert await messages(database) == []
    async with a_unit(database, count) as uow:
        assert await uow.payments.get(payment.id) is None


async def test_a_swallowed_database_error_does_not_pass_for_a_commit(database: Database) -> None:
    with pytest.raises(RuntimeError, match="nothing was committed"):
        async with a_unit(database) as uow:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await uow.connection.execute("SELECT 1/0")


@pytest.mark.parametrize(
    "changes",
    [{"client_reference": "nul \x00 inside"}, {"client_reference": secrets.token_hex(20_000)}, {"amount": Money(2**70, "KRW")}],
)
async def test_a_value_that_no_row_can_hold_is_the_senders_mistake(units: Units, changes: dict[str, Any]) -> None:
    portrait = samples.a_portrait(**changes)
    with pytest.raises(ValidationFailed):
        async with units() as uow:
            await uow.payments.add(samples.a_payment(id=portrait.payment_id))
            await uow.portraits.add(portrait)


async def test_a_portrait_without_its_payment_is_refused_at_the_commit(units: Units) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with units() as uow:
            await uow.portraits.add(samples.a_portrait())


async def test_a_deadlock_is_reported_as_surely_not_done(units: Units) -> None:
    one, other = samples.a_payment(), samples.a_payment()
    async with units() as uow:
        await uow.payments.add(one)
        await uow.payments.add(other)
    both = asyncio.Barrier(2)

    async def lock(first: Any, second: Any) -> None:
        async with units() as uow:
            await uow.payments.get(first.id, lock=True)
            await both.wait()
            await uow.payments.get(second.id, lock=True)

    outcomes = await asyncio.gather(lock(one, other), lock(other, one), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Unavailable]


async def test_a_unit_is_opened_once_and_not_used_outside(database: Database) -> None:
    unit = a_unit(database)
    with pytest.raises(RuntimeError):
        unit.payments  # noqa: B018 – the access itself is refused
    async with unit:
        pass
    with pytest.raises(RuntimeError):
        async with unit:
            pass


async def test_a_unit_that_stood_still_for_too_long_lets_go_of_its_rows_and_was_surely_not_done(
    units: Units, database: Database
) -> None:
    """The deployment's limit, and what it does, with a shorter one."""
    assert (await database.fetchrow("SHOW idle_in_transaction_session_timeout")) == ("30s",)
    payment = samples.a_payment()
    portrait = samples.a_portrait(payment_id=payment.id)
    async with units() as uow:
        await uow.payments.add(payment)
        await uow.portraits.add(portrait)
    with pytest.raises(Unavailable):
        async with a_unit(database) as uow:
            await uow.connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await uow.portraits.get(portrait.id, lock=True)
            uow.send(NewMessage(LOOK_UP, {"payment_id": "p-1"}))
            await asyncio.sleep(0.3)
            async with units() as other:
                assert await other.portraits.get(portrait.id, lock=True) is not None
    assert await messages(database) == []
