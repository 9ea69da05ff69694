"""One buyer's way through the shop, from the order to the survey (seed 003, section 3)."""

from typing import Any, Literal

import pytest

from integration.portraits.shop import BUYER, E164, PHONE, PHOTO_SIZE, Shop, opened_picture, photo
from madang.core.kernel.errors import Conflict
from madang.core.portraits.model import PictureStatus, PortraitStatus

SEED_TEXT = """[Find My Rizz]
나의 리즈 사진이 완성되었습니다!
아래 링크에서 24시간 내에 확인하세요.
{result_url}

※ 24시간 후 자동 삭제됩니다."""
ENGLISH_TEXT = """[Find My Rizz]
Your portraits are ready!
See them within 24 hours here:
{result_url}

* Everything is deleted automatically after 24 hours."""


@pytest.mark.parametrize(("locale", "text"), [("ko", SEED_TEXT), ("en", ENGLISH_TEXT)], ids=["ko", "en"])
async def test_a_buyer_gets_three_pictures_and_a_report_and_is_told_by_sms(
    open_shop: Any, locale: Literal["ko", "en"], text: str
) -> None:
    async with open_shop(base_url="https://shop.example.com") as shop:
        job = await shop.order(locale)
        walked = [await _progress(shop, job)]
        await shop.pay(job)
        await shop.hand_over()
        await shop.work()
        walked.append(await _progress(shop, job))
        await shop.portraits.set_phone(job, PHONE)
        walked.append(await _progress(shop, job))
        await shop.portraits.submit_photo(job, photo(), None)
        walked.append(await _progress(shop, job))
        await shop.work()
        walked.append(await _progress(shop, job))
        assert walked == ["pending_payment", "pending_phone", "pending_upload", "processing", "completed"]

        [sent] = await shop.texts()
        assert (sent.recipient, sent.text) == (E164, text.format(result_url=f"https://shop.example.com/result/{job}"))
        assert (await shop.portraits.check_phone(job, "+82 10 1234 5678", BUYER)).id == job
        await _assert_result(shop, job, locale)
        survey = await shop.portraits.submit_survey(job, 5, "great")
        assert (survey.score, survey.comment) == (5, "great")
        with pytest.raises(Conflict) as twice:
            await shop.portraits.submit_survey(job, 1, None)
        assert twice.value.error_code == "SURVEY_ALREADY_SUBMITTED"
        assert (await shop.portraits.result(job)).surveyed


async def _progress(shop: Shop, job: Any) -> str:
    return (await shop.status(job)).value


async def _assert_result(shop: Shop, job: Any, locale: str) -> None:
    result = await shop.portraits.result(job)
    assert [picture.index for picture in result.pictures] == [0, 1, 2]
    assert len({picture.seed for picture in result.pictures}) == 3
    files = await shop.portraits.download(job)
    assert [name for name, _ in files] == ["portrait-1.jpg", "portrait-2.jpg", "portrait-3.jpg"]
    bodies = [await (await shop.portraits.open_file(file.key)).read() for _, file in files]
    assert len(set(bodies)) == 3
    assert len({opened_picture(body).convert("RGB").resize((8, 8)).tobytes() for body in bodies}) == 3
    codes = {code for improvement in result.report.improvements for code in improvement.recommendations}
    assert codes
    assert codes == result.care.keys()
    has_hangul = any("가" <= letter <= "힣" for letter in result.report.summary)
    assert has_hangul is (locale == "ko")
    assert not result.surveyed


async def test_each_picture_is_kept_3_to_4_in_full_as_webp_and_as_thumbnail(shop: Shop) -> None:
    job = await shop.finished()
    for picture in await shop.pictures(job):
        assert picture.status is PictureStatus.MADE
        forms = {}
        for name in ("full", "webp", "thumbnail"):
            stored = getattr(picture, name)
            found = opened_picture(await (await shop.portraits.open_file(stored.key)).read())
            assert found.size == (stored.width, stored.height)
            assert abs(found.width * 4 - found.height * 3) <= 4
            forms[name] = (found.format, found.width)
        assert forms["webp"] == ("WEBP", forms["full"][1])
        assert forms["full"][0] in ("JPEG", "PNG")
        assert forms["thumbnail"] == ("JPEG", 360)
    assert len(await shop.objects(job)) == 10


async def test_the_three_pictures_come_from_one_prompt_one_photo_and_three_seeds_each_bought_once(shop: Shop) -> None:
    job = await shop.finished()
    bought = await shop.bought()
    assert len(bought) == 3
    assert len({each["prompt"] for each in bought}) == 1
    assert len({each["input"] for each in bought}) == 1
    assert {each["seed"] for each in bought} == {picture.seed for picture in await shop.pictures(job)}


async def test_what_is_stored_of_the_photo_is_what_the_models_see(shop: Shop) -> None:
    job = await shop.with_photo()
    stored = await (await shop.portraits.open_file(await shop.photo_key(job))).read()
    await shop.work()
    [sent] = await shop.remote("SELECT data FROM inputs")
    assert bytes(sent["data"]) == stored
    assert opened_picture(stored).size == PHOTO_SIZE


async def test_two_buyers_jobs_have_nothing_in_common(shop: Shop) -> None:
    first, second = await shop.finished(), await shop.finished(locale="en")
    ours, theirs = await shop.objects(first), await shop.objects(second)
    assert (len(ours), len(theirs), set(ours) & set(theirs)) == (10, 10, set())
    assert {picture.seed for picture in await shop.pictures(first)}.isdisjoint(
        picture.seed for picture in await shop.pictures(second)
    )
    assert [await shop.status(job) for job in (first, second)] == [PortraitStatus.COMPLETED] * 2
    assert len(await shop.texts()) == 2
