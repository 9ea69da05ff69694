"""A worker that died in the middle of buying leaves no doubt behind when its job is over."""

from uuid import UUID

import pytest

from integration.portraits.shop import Shop
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.portraits.model import PortraitStatus


async def half_bought(shop: Shop, job: UUID, key: str, kind: str) -> None:
    """The action of a worker that died during its call."""
    now = shop.container.clock.now()
    async with shop.container.units() as uow:
        action = Action(new_id(), key, kind, "sandbox", f"portrait:{job}", ActionState.RUNNING, now, now, tries=1)
        await uow.actions.save(action)


async def state_of(shop: Shop, key: str) -> str:
    return str(await shop.value("SELECT state FROM actions WHERE key = $1", key))


@pytest.mark.parametrize("sold", [True, False])
async def test_a_purchase_in_doubt_is_looked_up_when_the_job_has_failed_meanwhile(shop: Shop, sold: bool) -> None:
    job = await shop.with_photo()
    await shop.leave_only_the_first_picture()
    if sold:
        await shop.work()
        await shop.execute("UPDATE portrait_pictures SET status = 'waiting' WHERE index = 0")
        await shop.execute("UPDATE messages SET state = 'waiting', due_at = now() WHERE payload ->> 'index' = '0'")
    await half_bought(shop, job, f"portrait:{job}:picture:0:sandbox:0", "image_model.start")
    bought = len(await shop.bought())
    await shop.execute("UPDATE portraits SET status = 'failed', failure = 'report_could_not_be_written'")
    await shop.work()
    assert await state_of(shop, f"portrait:{job}:picture:0:sandbox:0") == ("succeeded" if sold else "failed")
    assert len(await shop.bought()) == bought == int(sold)


async def test_what_is_still_in_doubt_at_the_end_is_nobodys_question_any_more(shop: Shop) -> None:
    job = await shop.finished()
    await half_bought(shop, job, "sms:left-in-the-middle", "sms.send")
    await half_bought(shop, new_id(), "sms:of-another-job", "sms.send")
    await shop.let_pass(hours=24)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert await state_of(shop, "sms:left-in-the-middle") == "failed"
    assert await state_of(shop, "sms:of-another-job") == "running"
