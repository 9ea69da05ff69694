"""Of several image models the next is asked only when the one before surely did not start: nothing is bought twice."""

from collections.abc import AsyncIterator

import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.rivals import PAINTERS, Painter, painters
from integration.portraits.shop import SANDBOX, Shop
from madang.core.portraits.model import FailureReason, PictureStatus, PortraitStatus
from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.image_model import Prediction, PredictionStatus

PAUSE = 5
DOWN = Unavailable("down", provider="painter", operation="start")
BUSY = RateLimited("busy", retry_after=1.0, provider="painter", operation="start")
LOST = OutcomeUnknown("no answer", provider="painter", operation="start")
ONE = [SANDBOX]


@pytest.fixture
async def studio(open_shop: OpenShop) -> AsyncIterator[Shop]:
    """A shop with two image models, of which one picture is asked for at first."""
    routes = {"image_model": list(PAINTERS), "text_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes) as shop:
        yield shop


async def begin(shop: Shop) -> tuple[Painter, Painter]:
    await shop.with_photo()
    await shop.leave_only_the_first_picture()
    first, second = painters(shop)
    return first, second


async def made_by(shop: Shop) -> list[str | None]:
    rows = await shop.rows("SELECT provider FROM portrait_pictures WHERE status = 'made' ORDER BY index")
    return [row["provider"] for row in rows]


async def retry(shop: Shop) -> None:
    await shop.let_pass(seconds=PAUSE)
    await shop.work()


async def test_the_first_of_the_route_makes_all_pictures_while_it_can(studio: Shop) -> None:
    job = await studio.finished()
    first, second = painters(studio)
    assert await studio.status(job) is PortraitStatus.COMPLETED
    assert await made_by(studio) == ["first_painter"] * 3
    assert (len(first.sold), second.calls) == (3, [])


@pytest.mark.parametrize("error", [DOWN, BUSY], ids=["unavailable", "rate_limited"])
async def test_one_that_surely_did_not_start_is_followed_by_the_next(studio: Shop, error: Exception) -> None:
    first, second = await begin(studio)
    first.errors.append(error)
    await studio.work()
    assert await made_by(studio) == ["second_painter"]
    assert (first.sold, len(second.sold)) == ([], 1)


async def test_one_that_refuses_the_content_is_not_followed_by_another(studio: Shop) -> None:
    first, second = await begin(studio)
    first.errors.append(Rejected("no", reason="content_policy", provider="first_painter", operation="start"))
    await studio.work()
    assert second.calls == []
    assert await studio.value("SELECT failure FROM portraits") == FailureReason.PICTURES
    assert len(await studio.refunds()) == 1


@pytest.mark.parametrize("sold", [True, False])
async def test_one_that_may_have_started_is_asked_again_and_nobody_else(studio: Shop, sold: bool) -> None:
    first, second = await begin(studio)
    if sold:
        first.lost.append(LOST)
    else:
        first.errors.append(LOST)
    await studio.work()
    assert await made_by(studio) == []
    await retry(studio)
    assert await made_by(studio) == ["first_painter"]
    assert first.calls.index("find") == 1
    assert (len(first.sold), second.calls) == (1, [])


async def test_while_nobody_can_tell_whether_it_started_nothing_is_bought_anywhere(studio: Shop) -> None:
    first, second = await begin(studio)
    first.lost.append(LOST)
    first.silent.append(DOWN)
    await studio.work()
    await retry(studio)
    assert await made_by(studio) == []
    assert (len(first.sold), second.calls) == (1, [])
    await studio.let_pass(seconds=10)
    await studio.work()
    assert await made_by(studio) == ["first_painter"]
    assert (len(first.sold), second.calls) == (1, [])


@pytest.mark.parametrize("state", ["unknown", "running"])
async def test_after_a_crash_the_provider_that_may_have_been_paid_is_asked_before_the_first_of_the_route(
    studio: Shop, state: str
) -> None:
    """`running` is what a process leaves that died during the call."""
    first, second = await begin(studio)
    first.errors.append(DOWN)
    second.lost.append(LOST)
    await studio.work()
    assert await studio.value("SELECT state FROM actions WHERE provider = 'second_painter'") == "unknown"
    await studio.execute("UPDATE actions SET state = $1 WHERE provider = 'second_painter'", state)
    first.calls.clear()
    await retry(studio)
    assert await made_by(studio) == ["second_painter"]
    assert first.calls == []
    assert second.calls == ["start", "find", "fetch"]
    assert len(second.sold) == 1


async def test_a_purchase_that_surely_was_not_made_gives_the_first_of_the_route_its_turn_again(studio: Shop) -> None:
    first, second = await begin(studio)
    first.errors.append(DOWN)
    second.errors.append(DOWN)
    await studio.work()
    assert await made_by(studio) == []
    await retry(studio)
    assert await made_by(studio) == ["first_painter"]
    assert (len(first.sold), second.sold) == (1, [])


async def test_a_prediction_that_fails_is_bought_once_more_with_another_key(studio: Shop) -> None:
    first, second = await begin(studio)
    first.ends.append(Prediction("", PredictionStatus.FAILED, error="out of memory", retryable=True))
    await studio.work()
    assert await made_by(studio) == []
    await retry(studio)
    assert await made_by(studio) == ["first_painter"]
    assert len({request.idempotency_key for request in first.sold}) == len(first.sold) == 2
    assert len({request.seed for request in first.sold}) == 1
    assert second.calls == []


@pytest.mark.parametrize("status", [PredictionStatus.FAILED, PredictionStatus.CANCELLED])
async def test_a_prediction_that_can_never_succeed_fails_the_job_at_once(studio: Shop, status: PredictionStatus) -> None:
    first, second = await begin(studio)
    first.ends.append(Prediction("", status, error="refused", retryable=False))
    await studio.work()
    assert await studio.value("SELECT failure FROM portraits") == FailureReason.PICTURES
    assert await studio.value("SELECT status FROM portrait_pictures WHERE index = 0") == PictureStatus.FAILED
    assert (len(first.sold), second.calls) == (1, [])
    assert len(await studio.refunds()) == 1
