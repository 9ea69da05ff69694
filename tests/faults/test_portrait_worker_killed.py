"""The worker of a portrait job, killed between any two of its steps."""

import asyncio

from faults.deaths import Life, at_the_boundaries, die_and_live
from faults.evidence import expect_delivered, expect_nothing_open
from faults.lane import Lane, Stack
from madang.core.portraits.model import PortraitStatus

LANES = 5


async def buy_under_a_mortal_worker(lane: Lane, die_at: int | str) -> Life:
    order = await lane.order()
    buyer = asyncio.ensure_future(lane.buy(order))
    life = await die_and_live(lane, die_at, lambda: lane.until_over(order, PortraitStatus.COMPLETED))
    await buyer
    await expect_delivered(lane, order)
    await expect_nothing_open(lane)
    return life


async def test_a_worker_killed_at_any_step_leaves_three_pictures_one_charge_and_one_sms(stack: Stack) -> None:
    async with stack.lanes(LANES) as lanes:
        deaths = await at_the_boundaries(lanes, buy_under_a_mortal_worker)
    assert len(deaths) >= 30
    for name in ("image_model sandbox.start", "storage local.put", "text_model sandbox.generate", "sms sandbox.send"):
        assert {f"{name} before", f"{name} after"} <= set(deaths)
