"""What nobody waits for any more is cancelled at the image model, so that it costs nothing more: never twice, never lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.rivals import Painter, painters
from integration.portraits.shop import SANDBOX, Shop
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.portraits import picture_making
from madang.core.portraits.model import PictureStatus, PortraitStatus
from madang.ports.errors import Misconfigured, Rejected, Unavailable
from madang.ports.image_model import PictureRequest, Prediction, PredictionStatus

ONE = [SANDBOX]
GOES_ON = Prediction("", PredictionStatus.RUNNING)
REFUSED = Rejected("no", reason="content_policy", provider="first_painter", operation="start")
DEAD = "SELECT count(*) FROM messages WHERE state = 'dead' AND topic <> 'portraits.make_picture'"


def routes(*painters: str) -> dict[str, list[str]]:
    return {"image_model": [*painters], "text_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_making, "PATIENCE", 0.05)
    monkeypatch.setattr(picture_making, "GRACE", 0.5)


@pytest.fixture
async def studio(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes("first_painter")) as shop:
        yield shop


async def begin(shop: Shop) -> Painter:
    await shop.with_photo()
    await shop.leave_only_the_first_picture()
    return painters(shop)[0]


async def retry(shop: Shop) -> None:
    await shop.let_pass(seconds=5)
    await shop.work()


async def is_made(shop: Shop) -> bool:
    return bool(await shop.value("SELECT status = 'made' FROM portrait_pictures WHERE index = 0"))


async def test_a_prediction_that_takes_too_long_is_cancelled_before_another_is_bought(studio: Shop) -> None:
    painter = await begin(studio)
    painter.ends.append(GOES_ON)
    await studio.work()
    assert painter.statuses == [PredictionStatus.CANCELLED]
    assert not await is_made(studio)
    await retry(studio)
    assert await is_made(studio)
    assert len(painter.cancelled) == 1
    assert len({request.idempotency_key for request in painter.sold}) == len(painter.sold) == 2


async def test_one_that_ends_well_while_it_is_being_cancelled_is_taken(studio: Shop) -> None:
    painter = await begin(studio)
    painter.ends.append(GOES_ON)
    painter.habits.stopped = PredictionStatus.SUCCEEDED
    await studio.work()
    assert await is_made(studio)
    assert len(painter.sold) == 1


@pytest.mark.parametrize("trouble", ["it cannot be told", "it does not stop", "it cannot be cancelled at all"])
async def test_one_that_may_still_run_is_waited_for_and_no_other_is_bought(
    studio: Shop, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    painter = await begin(studio)
    painter.ends.append(GOES_ON)
    if trouble == "it cannot be told":
        painter.deaf.append(Unavailable("down", provider="first_painter", operation="cancel"))
    elif trouble == "it does not stop":
        monkeypatch.setattr(picture_making, "GRACE", 0.05)
        painter.habits.stopped = PredictionStatus.RUNNING
    else:
        painter.habits.cancels = False
    await studio.work()
    assert painter.statuses == [PredictionStatus.RUNNING]
    assert len(painter.cancelled) == (0 if "at all" in trouble else 1)
    painter.finish("first_painter-1")
    await retry(studio)
    assert await is_made(studio)
    assert len(painter.sold) == 1


async def test_when_a_job_fails_everything_that_runs_for_it_is_stopped(studio: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_making, "PATIENCE", 60.0)
    job = await studio.with_photo()
    await studio.execute("UPDATE messages SET due_at = now() + interval '1 hour' WHERE payload ->> 'index' = '0'")
    painter = painters(studio)[0]
    painter.ends += [GOES_ON, GOES_ON]
    async with studio.worker() as runner:
        await studio.until("SELECT count(*) = 2 FROM actions WHERE kind = 'image_model.start' AND state = 'succeeded'")
        painter.errors.append(REFUSED)
        await studio.execute("UPDATE messages SET due_at = now() WHERE payload ->> 'index' = '0'")
        runner.wake()
        await studio.until("SELECT status = 'failed' FROM portraits")
        await studio.until("SELECT count(*) = 1 FROM messages WHERE topic = 'portraits.stop_pictures' AND state = 'done'")
    await studio.work()
    assert painter.statuses == [PredictionStatus.CANCELLED] * 2
    assert await studio.status(job) is PortraitStatus.FAILED
    assert await studio.value(DEAD) == 0
    await retry(studio)
    assert len(painter.sold) == 2


async def test_a_picture_that_is_made_is_left_alone(studio: Shop) -> None:
    painter = await begin(studio)
    await studio.work()
    assert await is_made(studio)
    painter.errors.append(REFUSED)
    await studio.let_pass(hours=1)
    await studio.work()
    assert await studio.value("SELECT status FROM portraits") == PortraitStatus.FAILED
    assert "first_painter-1" not in painter.cancelled


def asked(job: UUID) -> PictureRequest:
    return PictureRequest("a portrait", f"portrait:{job}:picture:1:first_painter:0", 1)


async def bought(shop: Shop, job: UUID, state: ActionState, result: dict[str, Any] | None) -> None:
    key, now = f"portrait:{job}:picture:1:first_painter:0", shop.container.clock.now()
    async with shop.container.units() as uow:
        earlier = await uow.actions.get(key)
        fresh = Action(new_id(), key, "image_model.start", "first_painter", f"portrait:{job}", state, now, now, tries=1)
        await uow.actions.save(replace(earlier or fresh, state=state, result=result))


async def test_one_that_is_just_being_bought_when_the_job_fails_is_stopped_once_it_is_known(studio: Shop) -> None:
    painter = await begin(studio)
    job = UUID(str(await studio.value("SELECT id FROM portraits")))
    await bought(studio, job, ActionState.RUNNING, None)
    painter.errors.append(REFUSED)
    await studio.work()
    assert len(painter.cancelled) == 0
    painter.ends.append(GOES_ON)
    await painter.start(asked(job))
    await bought(studio, job, ActionState.SUCCEEDED, {"prediction_id": "first_painter-1"})
    await retry(studio)
    assert painter.statuses == [PredictionStatus.CANCELLED]
    assert await studio.value(DEAD) == 0


async def test_one_that_turns_up_after_its_job_failed_is_stopped(studio: Shop) -> None:
    painter = await begin(studio)
    job = UUID(str(await studio.value("SELECT id FROM portraits")))
    painter.ends.append(GOES_ON)
    await painter.start(asked(job))
    await bought(studio, job, ActionState.RUNNING, None)
    await studio.execute("UPDATE portraits SET status = 'failed', failure = 'report_could_not_be_written'")
    await studio.execute("UPDATE messages SET due_at = now() WHERE payload ->> 'index' = '1'")
    await studio.work()
    assert await studio.value("SELECT state FROM actions WHERE provider = 'first_painter'") == ActionState.SUCCEEDED
    assert painter.statuses == [PredictionStatus.CANCELLED]


async def test_a_cancellation_that_comes_too_late_ends_the_matter(studio: Shop) -> None:
    painter = await begin(studio)
    job = UUID(str(await studio.value("SELECT id FROM portraits")))
    await painter.start(asked(job))
    await bought(studio, job, ActionState.SUCCEEDED, {"prediction_id": "first_painter-1"})
    painter.errors.append(REFUSED)
    painter.deaf.append(Rejected("ended", reason="not_found", provider="first_painter", operation="cancel"))
    await studio.work()
    assert painter.cancelled == ["first_painter-1"]
    assert await studio.value(DEAD) == 0


async def test_an_image_model_that_is_away_is_told_later_and_at_last_left_alone(studio: Shop) -> None:
    painter = await begin(studio)
    job = UUID(str(await studio.value("SELECT id FROM portraits")))
    painter.ends.append(GOES_ON)
    await painter.start(asked(job))
    await bought(studio, job, ActionState.SUCCEEDED, {"prediction_id": "first_painter-1"})
    painter.errors.append(REFUSED)
    painter.deaf += [Unavailable("down", provider="first_painter", operation="cancel")] * 4
    await studio.work()
    for pause in (5, 30, 120):
        await studio.let_pass(seconds=pause)
        await studio.work()
    assert len(painter.cancelled) == 4
    assert await studio.status(job) is PortraitStatus.FAILED
    assert len(await studio.refunds()) == 1


async def test_wrong_keys_of_the_first_do_not_take_the_second_away(open_shop: OpenShop) -> None:
    routes = {
        "image_model": ["first_painter", "second_painter"],
        "text_model": ONE,
        "payment": ONE,
        "sms": ONE,
        "storage": ["local"],
    }
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes) as shop:
        first = await begin(shop)
        first.errors.append(Misconfigured("no credit", provider="first_painter", operation="start"))
        await shop.work()
        assert await shop.value("SELECT provider FROM portrait_pictures WHERE index = 0") == "second_painter"
        assert await shop.value("SELECT status FROM portrait_pictures WHERE index = 0") == PictureStatus.MADE
