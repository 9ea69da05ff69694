"""Two that act on one job at the same moment, and connections that break between an effect and its record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.rivals import PAINTERS, painters
from integration.portraits.shop import BUYER, SANDBOX, Shop, photo
from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.failures import CommitOutcomeUnknown
from madang.core.billing.model import Payment
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure, Handler, Message, NewMessage
from madang.core.portraits.model import PRICE, PortraitStatus
from madang.core.portraits.ordering import OrderPortrait
from madang.ports.errors import PortError, Unavailable
from madang.ports.image_model import PictureRequest, Prediction
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

WAITING = "SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' ORDER BY query_start DESC LIMIT 1
"""
ONE = [SANDBOX]


@asynccontextmanager
async def rival(shop: Shop) -> AsyncIterator[Any]:
    """Another connection, in a transaction that nobody commits."""
    connection = await asyncpg.connect(shop.container.database.url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def payment_of(shop: Shop, job: UUID) -> Payment:
    async with shop.container.units() as uow:
        found = await uow.payments.get((await shop.view(job)).payment_id)
    assert found is not None
    return found


async def told(shop: Shop, job: UUID, status: RemotePaymentStatus, refunded: int = 0) -> None:
    """The payment as its provider has it now, taken down by whoever asked."""
    payment = await payment_of(shop, job)
    snapshot = PaymentSnapshot(payment.reference or "", status, PRICE, replace(PRICE, amount=refunded))
    async with shop.container.units() as uow:
        await shop.container.billing.settle(uow, payment.id, snapshot)


def handler_of(shop: Shop, topic: str) -> Handler[Any]:
    return next(handler for handler in shop.container.handlers if handler.topic.name == topic)


def message(topic: str, **payload: Any) -> Message:
    return Message(new_id(), topic, payload, attempt=1, failures=0, request_id="")


async def payment_changed(shop: Shop, job: UUID, uow: Any) -> None:
    handle = handler_of(shop, "portraits.payment_changed").handle
    assert handle is not None
    about = {"payment_id": str((await shop.view(job)).payment_id), "purpose": "portraits", "subject": f"portrait:{job}"}
    await handle(uow, message("portraits.payment_changed", **about))


async def test_two_tries_of_one_order_at_once_are_one_order_and_both_are_answered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first took so long that its key was free again."""
    both, open_checkout = asyncio.Barrier(2), shop.container.billing.open_checkout

    async def open_together(new: Any) -> Payment:
        await both.wait()
        return await open_checkout(new)

    monkeypatch.setattr(shop.container.billing, "open_checkout", open_together)
    command = OrderPortrait(new_id(), BUYER, "ko", client_reference="order-7")
    first, second = await asyncio.gather(shop.portraits.order(command), shop.portraits.order(command))
    assert first.portrait.id == second.portrait.id == command.id
    assert first.checkout == second.checkout
    assert await shop.value("SELECT count(*) FROM payments") == 1


async def test_news_of_a_payment_that_is_overtaken_by_its_refund_starts_nothing(shop: Shop) -> None:
    job = await shop.order()
    await told(shop, job, RemotePaymentStatus.PAID)

    async def old_news() -> None:
        async with shop.container.units() as uow:
            await payment_changed(shop, job, uow)

    async with shop.container.units() as newer:
        await newer.portraits.get(job, lock=True)
        older = asyncio.create_task(old_news())
        await shop.until(WAITING, 1)
        await told(shop, job, RemotePaymentStatus.REFUNDED, PRICE.amount)
        await payment_changed(shop, job, newer)
    await older
    assert await shop.status(job) is PortraitStatus.PENDING_PAYMENT


async def test_money_that_comes_between_the_end_and_the_purge_is_refunded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The purge cancels what waits for the job: also the news that it was paid."""
    job = await shop.order()
    await shop.let_pass(hours=24)

    def away(_: object) -> object:
        raise Unavailable("the disk is away", provider="local", operation="list")

    with monkeypatch.context() as patched:
        patched.setattr(type(shop.container.providers), "storage", away)
        await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    await shop.pay(job)
    await told(shop, job, RemotePaymentStatus.PAID)
    await shop.execute("UPDATE messages SET due_at = now() + interval '1 hour' WHERE topic = 'portraits.payment_changed'")
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.value("SELECT purged_at IS NOT NULL FROM portraits")
    await shop.let_pass(hours=1)
    await shop.work()
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]


async def test_a_photo_that_is_sent_again_outlives_the_first_try_of_it(shop: Shop) -> None:
    """The first try fails, and cleans up, while the second waits for its turn."""
    job = await shop.with_phone()
    async with rival(shop) as other:
        await other.execute("SELECT 1 FROM portraits FOR UPDATE")
        again = asyncio.create_task(shop.portraits.submit_photo(job, photo(), None))
        await shop.until(WAITING, 1)
        first = asyncio.create_task(shop.portraits.submit_photo(job, photo(), None))
        await shop.until(WAITING, 2)
        await other.execute(CUT)
        await asyncio.wait({first}, timeout=1)
    with pytest.raises(PortError):
        await first
    assert (await again).status is PortraitStatus.PROCESSING
    assert await shop.objects(job) == [await shop.photo_key(job)]


SLOW_COMMIT = """
CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON portraits DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow_commit()
"""


async def test_a_photo_whose_commit_is_in_doubt_stays_until_the_commit_is_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network breaks during the commit, and the database goes on with it."""
    job = await shop.with_phone()
    await shop.execute(SLOW_COMMIT)
    opened: list[Connection] = []
    begin = Database.begin

    async def begin_and_tell(database: Database) -> Connection:
        opened.append(await begin(database))
        return opened[-1]

    monkeypatch.setattr(Database, "begin", begin_and_tell)
    async with rival(shop) as other:
        await other.execute("SELECT pg_advisory_xact_lock(7)")
        submitting = asyncio.create_task(shop.portraits.submit_photo(job, photo(), None))
        await shop.until(WAITING, 1)
        opened[-1].terminate()
        await asyncio.wait({submitting}, timeout=1)
    with pytest.raises(CommitOutcomeUnknown):
        await submitting
    await shop.until("SELECT status = 'processing' FROM portraits")
    assert await shop.objects(job) == [await shop.photo_key(job)]


async def test_a_purchase_that_our_database_lost_is_not_made_again_elsewhere(open_shop: OpenShop) -> None:
    routes = {"image_model": list(PAINTERS), "text_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes) as studio, rival(studio) as other:
        await studio.with_photo()
        await studio.leave_only_the_first_picture()
        first, second = painters(studio)
        sell = first.start

        async def sell_while_the_row_is_held(request: PictureRequest) -> Prediction:
            await other.execute("SELECT 1 FROM actions FOR UPDATE")
            return await sell(request)

        first.start = sell_while_the_row_is_held  # type: ignore[method-assign]
        async with studio.worker():
            await studio.until(WAITING, 1)
            await other.execute(CUT)
            await studio.until("SELECT count(*) = 1 FROM messages WHERE last_failure IS NOT NULL")
        assert (len(first.sold), second.sold) == (1, [])


async def test_two_repairs_of_one_job_at_once_send_its_work_once(shop: Shop) -> None:
    await shop.with_photo()
    await shop.execute("DELETE FROM messages WHERE topic = 'portraits.make_picture'")
    await shop.let_pass(minutes=2)
    invariant = next(each for each in shop.container.invariants if each.name == "every-portrait-in-progress-has-work")
    [violation] = await invariant.violations()
    async with shop.container.units() as uow:
        await uow.portraits.get(UUID(violation.detail["portrait_id"]), lock=True)
        repairs = [asyncio.create_task(invariant.mend(violation)) for _ in range(2)]
        await shop.until(WAITING, 2)
    said = await asyncio.gather(*repairs)
    assert "it has gone on by itself" in said
    assert await shop.value("SELECT count(*) FROM messages WHERE topic = 'portraits.make_picture'") == 3


async def test_a_picture_that_another_message_made_is_not_given_up(shop: Shop) -> None:
    job = await shop.with_photo()
    await shop.leave_only_the_first_picture()
    await shop.work()
    give_up = handler_of(shop, "portraits.make_picture").give_up
    assert give_up is not None
    async with shop.container.units() as uow:
        late = message("portraits.make_picture", portrait_id=str(job), index=0)
        await give_up(uow, late, Failure("unavailable", "too late"))
    assert await shop.status(job) is PortraitStatus.PROCESSING
    await shop.let_pass(hours=1)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert await shop.refunds() == []


async def test_two_purges_of_one_job_at_once_do_not_wait_for_one_another(shop: Shop) -> None:
    """As after a repair while the first is at work."""
    job = await shop.finished()
    async with shop.container.units() as uow:
        for _ in range(3):
            uow.send(NewMessage("portraits.expire", {"portrait_id": str(job)}, subject=f"portrait:{job}"))
    await shop.let_pass(hours=24)
    await shop.work()
    assert await shop.objects(job) == []
    assert await shop.value("SELECT count(*) FROM deletion_receipts") == 1
    waiting = "SELECT count(*) FROM messages WHERE topic = 'portraits.verify_purge' AND state = 'waiting'"
    assert await shop.value(waiting) == 1
