"""The report: only codes that the knowledge base has, one repair round, the next model, and the money back (seed 003, 4.4)."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.rivals import AUTHORS, Author, authors, report
from integration.portraits.shop import SANDBOX, Shop
from integration.portraits.test_picture_retries import FAILED_TEXT, assert_given_up
from madang.core.kernel.caller import OPERATOR
from madang.core.portraits.model import FailureReason, PortraitStatus
from madang.ports.errors import Rejected, Unavailable

ONE = [SANDBOX]
GOOD = json.dumps(report("SC003"))
RUBBISH = "This is no JSON."
PAUSES = (5, 15, 60)


@pytest.fixture
async def desk(open_shop: OpenShop) -> AsyncIterator[Shop]:
    """A shop with two text models."""
    routes = {"text_model": list(AUTHORS), "image_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes) as shop:
        yield shop


async def written(shop: Shop, *, by_first: list[Any], by_second: list[Any] | None = None) -> tuple[Any, Author, Author]:
    first, second = authors(shop)
    first.answers.texts, second.answers.texts = by_first, by_second or [GOOD]
    job = await shop.finished()
    return job, first, second


async def test_codes_that_the_model_invents_are_dropped_and_counted(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    await shop.told_to("text_model.generate:garbage=invented")
    with caplog.at_level(logging.WARNING, "madang.core.portraits.report_writing"):
        job = await shop.finished()
    result = await shop.portraits.result(job)
    assert set(result.report.dropped_codes) == {"ZZ999"}
    recommended = [code for improvement in result.report.improvements for code in improvement.recommendations]
    assert recommended
    assert "ZZ999" not in recommended
    assert set(recommended) == result.care.keys()
    assert f"invented {len(result.report.dropped_codes)} care codes" in caplog.text


async def test_the_model_sees_the_photo_the_three_pictures_and_the_catalogue(desk: Shop) -> None:
    _, first, second = await written(desk, by_first=[GOOD])
    [request] = first.requests
    pictures = [picture for message in request.messages for picture in message.pictures]
    assert [picture.media_type for picture in pictures] == ["image/jpeg", "image/webp", "image/webp", "image/webp"]
    assert len({picture.data for picture in pictures}) == 4
    codes = [row["code"] for row in await desk.rows("SELECT code FROM knowledge_base")]
    assert len(codes) >= 40
    asked = "\n".join(message.text for message in request.messages)
    assert all(code in asked for code in codes)
    assert request.schema is not None
    assert second.requests == []


@pytest.mark.parametrize("wrong", [RUBBISH, "{}", "[]", json.dumps(report("SC003", improvements=[]))])
async def test_a_wrong_answer_is_repaired_in_one_round(desk: Shop, wrong: str) -> None:
    job, first, second = await written(desk, by_first=[wrong, GOOD])
    assert await desk.status(job) is PortraitStatus.COMPLETED
    asked, repair = first.requests
    assert wrong in "\n".join(message.text for message in repair.messages[len(asked.messages) :])
    assert repair.idempotency_key != asked.idempotency_key
    assert second.requests == []


async def test_a_model_that_answers_rubbish_twice_is_followed_by_the_next(desk: Shop) -> None:
    job, first, second = await written(desk, by_first=[RUBBISH])
    assert await desk.status(job) is PortraitStatus.COMPLETED
    assert (len(first.requests), len(second.requests)) == (2, 1)


@pytest.mark.parametrize(
    "error", [Unavailable("down"), Rejected("no", reason="content_policy")], ids=["unavailable", "rejected"]
)
async def test_a_model_that_fails_is_followed_by_the_next(desk: Shop, error: Exception) -> None:
    job, first, second = await written(desk, by_first=[error])
    assert await desk.status(job) is PortraitStatus.COMPLETED
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_when_all_models_fail_every_time_the_job_fails_and_the_buyer_gets_the_money_and_a_word(desk: Shop) -> None:
    job, first, second = await written(desk, by_first=[RUBBISH], by_second=[Unavailable("down")])
    for pause in PAUSES:
        assert await desk.status(job) is PortraitStatus.PROCESSING
        assert await desk.refunds() == []
        await desk.let_pass(seconds=pause)
        await desk.work()
    assert (len(first.requests), len(second.requests)) == (8, 4)
    await assert_given_up(desk, job, FailureReason.REPORT, FAILED_TEXT)
    assert len(await desk.bought()) == 3


async def test_when_every_model_refuses_for_good_nobody_waits(desk: Shop) -> None:
    no = Rejected("no", reason="content_policy")
    job, first, second = await written(desk, by_first=[no], by_second=[no])
    assert (len(first.requests), len(second.requests)) == (1, 1)
    await assert_given_up(desk, job, FailureReason.REPORT)


async def test_a_report_that_was_late_is_written_without_buying_the_pictures_again(desk: Shop) -> None:
    down = Unavailable("down")
    job, _, second = await written(desk, by_first=[down], by_second=[down, GOOD])
    assert await desk.status(job) is PortraitStatus.PROCESSING
    await desk.let_pass(seconds=5)
    await desk.work()
    assert await desk.status(job) is PortraitStatus.COMPLETED
    assert len(second.requests) == 2
    assert len(await desk.bought()) == 3
    assert len(await desk.texts()) == 1


async def test_a_code_that_was_deleted_since_is_in_the_report_and_not_among_the_care_entries(desk: Shop) -> None:
    job, _, _ = await written(desk, by_first=[json.dumps(report("SC003", "SC001"))])
    before = await desk.portraits.result(job)
    assert set(before.care) == {"SC001", "SC003"}
    await desk.container.knowledge_base.delete(OPERATOR, "SC001")
    after = await desk.portraits.result(job)
    assert set(after.care) == {"SC003"}
    assert after.report == before.report
