"""The purge, killed between any two of its steps, and writers that come too late."""

import asyncio
from collections.abc import Sequence

import pytest

from faults.boundaries import NOTES, STOP_AT, reached
from faults.deaths import Life, at_the_boundaries, die_and_live
from faults.evidence import Effects, effects, expect_nothing_open
from faults.lane import Lane, Order, Stack
from faults.traces import every_kind_of_trace, expect_no_trace
from madang.core.kernel.errors import PermissionDenied
from madang.core.portraits.model import PortraitStatus

LANES = 5


async def deliver(lane: Lane) -> Order:
    """A job with something personal in every table that can hold it."""
    order = await lane.order()
    async with lane.worker():
        await lane.buy(order)
        await lane.until_over(order, PortraitStatus.COMPLETED)
    with pytest.raises(PermissionDenied):
        await lane.container.portraits.check_phone(order.id, "010-9999-9999", "192.0.2.45")
    await lane.container.portraits.submit_survey(order.id, 5, "my words")
    assert await every_kind_of_trace(lane, order)
    return order


async def until_verified(lane: Lane, order: Order) -> None:
    """The second pass is due at once, and so is every further one."""
    await lane.until_status(order, PortraitStatus.EXPIRED)
    async with asyncio.timeout(150):
        while not await lane.ask(
            "SELECT count(*) FROM deletion_receipts WHERE subject = $1 AND verified_at IS NOT NULL", f"portrait:{order.id}"
        ):
            await lane.change("UPDATE messages SET due_at = now() WHERE topic = 'portraits.verify_purge' AND due_at > now()")
            await lane.hurry()
            await asyncio.sleep(0.04)
    await lane.until_over(order, PortraitStatus.EXPIRED)


async def purge_under_a_mortal_worker(lane: Lane, die_at: int | str) -> Life:
    order = await deliver(lane)
    await lane.let_expire(order)
    life = await die_and_live(lane, die_at, lambda: until_verified(lane, order))
    await expect_no_trace(lane, order)
    await expect_nothing_open(lane)
    assert await effects(lane, order) == Effects(charges=(9900,), predictions=3, messages=1)
    return life


async def test_a_purge_killed_at_any_step_leaves_nothing_of_the_person_and_one_receipt(stack: Stack) -> None:
    async with stack.lanes(LANES) as lanes:
        deaths = await at_the_boundaries(lanes, purge_under_a_mortal_worker)
    assert len(deaths) >= 10
    assert {f"portraits.{topic} finish committed" for topic in ("expire", "verify_purge")} <= set(deaths)
    assert "storage local.delete_many after" in deaths


LATE: Sequence[str] = (
    "image_model sandbox.start before",
    "image_model sandbox.download after",
    "storage local.put before",
    "storage local.put after",
)


async def wake_a_late_writer(lane: Lane, stop_at: str) -> None:
    """It stops at that place, knows nothing of the purge, and goes on when all is over."""
    order = await lane.order()
    async with lane.worker():
        await lane.pay(order)
        await lane.give_phone(order)
        await lane.until_over(order, PortraitStatus.PENDING_UPLOAD)
    notes = lane.deployment.folder / "late.txt"
    # One picture at a time: another one's transaction, stopped with the process, would hold the job's row against the purge.
    async with lane.worker(**{NOTES: str(notes), STOP_AT: stop_at, "MADANG_LONG_CONCURRENCY": "1"}) as late:
        await lane.send_photo(order)
        await late.stopped()
        assert reached(notes)[-1] == stop_at
        await lane.let_expire(order)
        async with lane.worker():
            await lane.until("SELECT purged_at IS NOT NULL FROM portraits WHERE id = $1", order.id)
            late.go_on()
            assert await late.stop() == 0
            await until_verified(lane, order)
    await expect_no_trace(lane, order)
    assert (await effects(lane, order)).refunds == (9900,)


async def test_a_writer_that_slept_through_the_purge_leaves_nothing_behind(stack: Stack) -> None:
    async with stack.lanes(len(LATE)) as lanes, asyncio.TaskGroup() as group:
        for lane, stop_at in zip(lanes, LATE, strict=True):
            group.create_task(wake_a_late_writer(lane, stop_at))
