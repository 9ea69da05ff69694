"""A provider that does what it is asked and never says so; a job that can only fail; a job that nobody finished."""

import pytest

from faults.deaths import Life, at_the_boundaries, die_and_live
from faults.evidence import (
    Effects,
    effects,
    expect_delivered,
    expect_no_doubt,
    expect_nothing_open,
    texts,
)
from faults.lane import Lane, Order, Stack
from madang.core.portraits import sms_texts
from madang.core.portraits.model import PortraitStatus

LANES = 5
REFUNDED = (9900,)
_EVERY_PREDICTION_FAILS = """
CREATE TRIGGER failing AFTER INSERT ON predictions BEGIN UPDATE predictions SET status = 'failed' WHERE id = NEW.id; END
"""


@pytest.mark.parametrize("operation", ["image_model.start", "sms.send"])
async def test_what_was_done_without_an_answer_is_not_done_again(stack: Stack, operation: str) -> None:
    async with stack.lane() as lane, lane.worker():
        order = await lane.order()
        await lane.set_knobs(faults=f"{operation}:answer_lost@*")
        await lane.buy(order)
        await lane.until_over(order, PortraitStatus.COMPLETED)
        await expect_delivered(lane, order)
        await expect_nothing_open(lane)


async def test_a_refund_without_an_answer_is_not_sent_again(stack: Stack) -> None:
    async with stack.lane() as lane, lane.worker():
        await lane.set_knobs(faults="payment.refund:answer_lost@*, image_model.start:rejected@*")
        order = await lane.order()
        await lane.buy(order)
        await lane.until_over(order, PortraitStatus.FAILED)
        assert await lane.remote("SELECT DISTINCT fault FROM calls WHERE operation = 'payment.refund'") == [("answer_lost",)]
        await expect_failed_and_refunded(lane, order, predictions=0)
        await expect_no_doubt(lane)


async def test_a_job_whose_predictions_all_fail_for_good_is_refunded_and_none_is_bought_again(stack: Stack) -> None:
    async with stack.lane() as lane, lane.worker():
        await lane.world.run(lambda world: world.execute(_EVERY_PREDICTION_FAILS))
        order = await lane.order()
        await lane.buy(order)
        await lane.until_over(order, PortraitStatus.FAILED)
        bought = await lane.remote("SELECT key FROM predictions")
        assert len({key.split(":")[3] for (key,) in bought}) == len(bought) > 0
        await expect_failed_and_refunded(lane, order, predictions=len(bought))


async def test_a_job_whose_pictures_are_never_begun_is_refunded_after_four_tries(stack: Stack) -> None:
    async with stack.lane() as lane, lane.worker():
        await lane.set_knobs(faults="image_model.start:unavailable@*")
        order = await lane.order()
        await lane.buy(order)
        await lane.until("SELECT status = 'failed' FROM portraits WHERE id = $1", order.id, hurried=True)
        await lane.until_over(order, PortraitStatus.FAILED)
        tries = await lane.remote("SELECT count(*) FROM calls WHERE operation = 'image_model.start' GROUP BY key")
        assert max(count for (count,) in tries) == 4
        await expect_failed_and_refunded(lane, order, predictions=0)


async def fail_under_a_mortal_worker(lane: Lane, die_at: int | str) -> Life:
    order = await lane.order()
    async with lane.worker():
        await lane.pay(order)
        await lane.give_phone(order)
        await lane.until_over(order, PortraitStatus.PENDING_UPLOAD)
    await lane.send_photo(order)
    life = await die_and_live(lane, die_at, lambda: lane.until_over(order, PortraitStatus.FAILED))
    await expect_failed_and_refunded(lane, order, predictions=0)
    await expect_no_doubt(lane)
    return life


async def test_a_worker_killed_in_each_kind_of_place_of_a_failure_refunds_once_and_says_so_once(stack: Stack) -> None:
    async with stack.lanes(LANES) as lanes:
        for lane in lanes:
            await lane.set_knobs(faults="image_model.start:rejected@*")
        deaths = await at_the_boundaries(lanes, fail_under_a_mortal_worker)
    assert len(deaths) >= 15
    assert {"portraits.make_picture bury committed", "payment sandbox.refund after", "sms sandbox.send after"} <= set(deaths)


async def expire_under_a_mortal_worker(lane: Lane, die_at: int | str) -> Life:
    order = await lane.order()
    async with lane.worker():
        await lane.pay(order)
        await lane.give_phone(order)
        await lane.until_over(order, PortraitStatus.PENDING_UPLOAD)
    await lane.let_expire(order)
    life = await die_and_live(lane, die_at, lambda: lane.until_over(order, PortraitStatus.EXPIRED))
    assert await effects(lane, order) == Effects(charges=(9900,), predictions=0, messages=0, refunds=REFUNDED)
    await expect_nothing_open(lane)
    return life


async def test_a_paid_job_that_nobody_finished_is_refunded_once_at_its_end(stack: Stack) -> None:
    async with stack.lanes(LANES) as lanes:
        deaths = await at_the_boundaries(lanes, expire_under_a_mortal_worker)
    assert len(deaths) >= 15
    assert {"portraits.expire step committed", "payment sandbox.refund after", "portraits.expire finish committed"} <= set(
        deaths
    )


async def test_money_that_arrives_after_the_end_goes_back_once(stack: Stack) -> None:
    async with stack.lane() as lane, lane.worker():
        order = await lane.order()
        await lane.let_expire(order)
        await lane.until_over(order, PortraitStatus.EXPIRED)
        await lane.pay(order)
        await lane.until("SELECT EXISTS (SELECT 1 FROM refunds)")
        await lane.until_over(order, PortraitStatus.EXPIRED)
        assert await effects(lane, order) == Effects(charges=(9900,), predictions=0, messages=0, refunds=REFUNDED)
        await expect_nothing_open(lane)


async def expect_failed_and_refunded(lane: Lane, order: Order, *, predictions: int) -> None:
    assert (await lane.container.portraits.view(order.id)).portrait.status is PortraitStatus.FAILED
    assert await effects(lane, order) == Effects((9900,), predictions, messages=1, refunds=REFUNDED)
    assert await texts(lane, order) == [sms_texts.failed("ko")]
    assert await lane.ask("SELECT array_agg(status) FROM payments WHERE subject = $1", f"portrait:{order.id}") == ["refunded"]
