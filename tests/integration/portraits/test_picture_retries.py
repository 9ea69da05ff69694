"""A picture that fails is retried alone; what cannot be finished is refunded, and said (seed 003, 4.3)."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from integration.portraits.shop import E164, Shop
from madang.core.portraits.model import PRICE, FailureReason, PictureStatus, PortraitStatus

FAILED_TEXT = """[Find My Rizz]
죄송합니다. 사진을 완성하지 못했습니다.
결제하신 9,900원은 전액 환불됩니다.
카드사에 따라 며칠이 걸릴 수 있습니다."""
FAILED_TEXT_IN_ENGLISH = """[Find My Rizz]
We are sorry: your portraits could not be made.
Your payment of 9,900 KRW is refunded in full.
Your card issuer may take a few days."""
TRIES = (5, 10, 20)
MADE = "SELECT 1 FROM messages WHERE topic = 'portraits.make_picture' AND state = $1"


async def assert_given_up(shop: Shop, job: UUID, reason: FailureReason, text: str = FAILED_TEXT) -> None:
    found = await shop.view(job)
    assert (found.status, found.failure, found.report) == (PortraitStatus.FAILED, reason, None)
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]
    await shop.hand_over()
    await shop.work()
    assert await shop.value("SELECT status FROM payments") == "refunded"
    assert await shop.value("SELECT status FROM refunds") == "succeeded"
    assert [(sent.recipient, sent.text) for sent in await shop.texts()] == [(E164, text)]
    assert len(await shop.refunds()) == 1


def keys(bought: Any) -> Counter[str]:
    """How often each picture was bought."""
    return Counter(each["key"].split(":picture:")[1].split(":")[0] for each in bought)


async def test_the_tries_and_their_pauses_are_the_seeds(shop: Shop) -> None:
    assert tuple(shop.container.topics["portraits.make_picture"].retry.delays) == TRIES


@pytest.mark.parametrize("fault", ["unavailable", "rate_limited", "answer_lost", "garbage"])
async def test_a_picture_that_fails_is_tried_again_alone_and_the_others_are_not_bought_again(shop: Shop, fault: str) -> None:
    await shop.told_to(f"image_model.start:{fault}")
    job = await shop.with_photo()
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PROCESSING
    states = Counter(picture.status for picture in await shop.pictures(job))
    assert states == {PictureStatus.MADE: 2, PictureStatus.WAITING: 1}
    [waiting] = await shop.rows(
        "SELECT failures, payload FROM messages WHERE topic = 'portraits.make_picture' AND failures > 0"
    )
    assert waiting["failures"] == 1
    files = set(await shop.objects(job))
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert keys(await shop.bought()) == {"0": 1, "1": 1, "2": 1}
    assert files < set(await shop.objects(job))
    assert len(await shop.texts()) == 1
    assert await shop.refunds() == []


async def test_a_provider_that_names_a_time_is_left_alone_by_the_other_pictures_and_then_makes_all(shop: Shop) -> None:
    await shop.told_to("image_model.start:rate_limited=60")
    job = await shop.with_photo()
    await shop.leave_only_the_first_picture()
    await shop.work()
    await shop.execute("UPDATE messages SET due_at = now() WHERE topic = 'portraits.make_picture' AND failures = 0")
    await shop.work()
    assert (await shop.calls())["image_model.start"] == 1
    assert await shop.status(job) is PortraitStatus.PROCESSING
    await shop.let_pass(seconds=60)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert keys(await shop.bought()) == {"0": 1, "1": 1, "2": 1}
    assert await shop.refunds() == []


async def test_a_finished_picture_that_cannot_be_fetched_is_not_bought_a_second_time(shop: Shop) -> None:
    await shop.told_to("image_model.download:unavailable")
    job = await shop.with_photo()
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PROCESSING
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert keys(await shop.bought()) == {"0": 1, "1": 1, "2": 1}
    assert (await shop.calls())["image_model.start"] == 3


async def test_a_download_that_is_no_picture_is_tried_again(shop: Shop) -> None:
    await shop.told_to("image_model.download:garbage")
    job = await shop.with_photo()
    await shop.work()
    assert await shop.status(job) is PortraitStatus.PROCESSING
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert keys(await shop.bought()) == {"0": 1, "1": 1, "2": 1}


async def test_a_picture_that_the_provider_has_thrown_away_is_bought_anew(shop: Shop) -> None:
    await shop.told_to("image_model.download:rejected=not_found")
    job = await shop.with_photo()
    await shop.work()
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert sorted(keys(await shop.bought()).values()) == [1, 1, 2]


@pytest.mark.parametrize(("locale", "text"), [("ko", FAILED_TEXT), ("en", FAILED_TEXT_IN_ENGLISH)], ids=["ko", "en"])
async def test_when_the_tries_are_used_up_the_job_fails_and_the_buyer_gets_the_money_and_a_word(
    shop: Shop, locale: Any, text: str
) -> None:
    await shop.told_to("image_model.start:unavailable@*")
    job = await shop.with_photo(locale=locale)
    await shop.work()
    for pause in TRIES:
        assert await shop.status(job) is PortraitStatus.PROCESSING
        assert await shop.refunds() == []
        await shop.let_pass(seconds=pause)
        await shop.work()
    await assert_given_up(shop, job, FailureReason.PICTURES, text)
    assert await shop.bought() == []
    assert (await shop.calls())["image_model.start"] <= 3 * (1 + len(TRIES))


async def test_the_other_pictures_work_stops_when_one_is_given_up(shop: Shop) -> None:
    job = await shop.with_photo()
    await shop.leave_only_the_first_picture()
    await shop.told_to("image_model.start:rejected=content_policy")
    await shop.work()
    assert await shop.status(job) is PortraitStatus.FAILED
    await shop.let_pass(hours=1)
    await shop.work()
    assert len(await shop.rows(MADE, "done")) == 2
    assert await shop.bought() == []
    assert await shop.objects(job) == [await shop.photo_key(job)]
    await assert_given_up(shop, job, FailureReason.PICTURES)


async def test_a_picture_that_is_made_after_the_job_failed_leaves_no_file(shop: Shop) -> None:
    await shop.with_knobs(image_seconds=600.0)
    job = await shop.with_photo()
    async with shop.worker():
        await shop.until("SELECT count(*) = 3 FROM actions WHERE state = 'succeeded'")
        async with shop.container.units() as uow:
            portrait = await uow.portraits.get(job, lock=True)
            assert portrait is not None
            await uow.portraits.update(portrait.to(PortraitStatus.FAILED, portrait.updated_at))
        await shop.remote("UPDATE predictions SET ready_at = strftime('%s', 'now') - 1")
        await shop.until("SELECT count(*) = 3 FROM messages WHERE topic = 'portraits.make_picture' AND state = 'done'")
    assert await shop.objects(job) == [await shop.photo_key(job)]
    assert {picture.status for picture in await shop.pictures(job)} == {PictureStatus.WAITING}


@pytest.mark.parametrize("reason", ["content_policy", "invalid_request"])
async def test_content_that_is_refused_fails_the_job_at_once(shop: Shop, reason: str) -> None:
    await shop.told_to(f"image_model.start:rejected={reason}@*")
    job = await shop.with_photo()
    await shop.work()
    assert (await shop.calls())["image_model.start"] <= 3
    await assert_given_up(shop, job, FailureReason.PICTURES)


async def test_an_sms_that_fails_is_sent_later_and_the_result_is_there_meanwhile(shop: Shop) -> None:
    await shop.told_to("sms.send:unavailable")
    job = await shop.finished()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert len((await shop.portraits.result(job)).pictures) == 3
    assert await shop.texts() == []
    await shop.let_pass(seconds=5)
    await shop.work()
    assert len(await shop.texts()) == 1


async def test_an_sms_whose_answer_was_lost_is_not_sent_twice(shop: Shop) -> None:
    await shop.told_to("sms.send:answer_lost")
    await shop.finished()
    await shop.let_pass(seconds=5)
    await shop.work()
    assert len(await shop.texts()) == 1
    assert await shop.value("SELECT status FROM notifications") == "delivered"
    calls = await shop.calls()
    assert (calls["sms.send"], calls["sms.find"]) == (1, 1)


async def test_a_refund_whose_answer_was_lost_is_not_sent_twice(shop: Shop) -> None:
    await shop.told_to("image_model.start:rejected=content_policy@*, payment.refund:answer_lost")
    job = await shop.with_photo()
    await shop.work()
    await shop.let_pass(seconds=1)
    await shop.work()
    await assert_given_up(shop, job, FailureReason.PICTURES)
    calls = await shop.calls()
    assert calls["payment.refund"] == 1
    assert calls["payment.find_refund"] >= 1
