"""The photo starts the work once: in the right state, within the job's time, and one of several."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from integration.portraits.shop import BUYER, PHONE, Shop, encoded, photo, scene
from madang.core.kernel.errors import DomainError, Gone, NotFound, WrongState
from madang.core.kernel.ids import new_id
from madang.core.portraits.model import Portrait, PortraitStatus
from madang.core.portraits.pictures import Crop
from madang.ports.errors import Unavailable

Call = Callable[[Shop, UUID], Awaitable[object]]
OTHER = encoded(scene(900, 1200).convert("L").convert("RGB"))
CALLS: dict[str, Call] = {
    "phone": lambda shop, job: shop.portraits.set_phone(job, PHONE),
    "photo": lambda shop, job: shop.portraits.submit_photo(job, OTHER, None),
    "access": lambda shop, job: shop.portraits.check_phone(job, PHONE, BUYER),
    "result": lambda shop, job: shop.portraits.result(job),
    "download": lambda shop, job: shop.portraits.download(job),
    "survey": lambda shop, job: shop.portraits.submit_survey(job, 5, None),
}
ALLOWED = {
    "order": set(),
    "paid": {"phone"},
    "with_phone": {"phone", "photo"},
    "with_photo": {"access"},
    "finished": {"access", "result", "download", "survey"},
}


@pytest.mark.parametrize("reached", ALLOWED)
async def test_each_step_is_possible_in_its_states_only_and_a_refused_one_changes_nothing(shop: Shop, reached: str) -> None:
    job = await getattr(shop, reached)()
    before, files = await shop.view(job), await shop.objects(job)
    for name in CALLS.keys() - ALLOWED[reached]:
        with pytest.raises(WrongState) as refused:
            await CALLS[name](shop, job)
        assert refused.value.params["state"] == before.status
        assert refused.value.params["expected"]
    assert (await shop.view(job), await shop.objects(job)) == (before, files)
    for name in sorted(ALLOWED[reached]):
        await CALLS[name](shop, job)


async def test_a_failed_job_opens_to_its_buyer_and_gives_nothing(shop: Shop) -> None:
    await shop.told_to("image_model.start:rejected=content_policy@*")
    job = await shop.finished()
    assert (await shop.portraits.check_phone(job, PHONE, BUYER)).status is PortraitStatus.FAILED
    for name in CALLS.keys() - {"access"}:
        with pytest.raises(WrongState):
            await CALLS[name](shop, job)


@pytest.mark.parametrize("reached", ALLOWED)
async def test_once_its_time_is_over_a_job_is_gone_before_the_purge_and_after_it(shop: Shop, reached: str) -> None:
    job = await getattr(shop, reached)()
    await shop.let_pass(hours=24)
    files = await shop.objects(job)
    await assert_gone(shop, job)
    assert await shop.objects(job) == files
    await shop.work()
    await assert_gone(shop, job)
    assert await shop.objects(job) == []
    assert await shop.status(job) is PortraitStatus.EXPIRED


async def assert_gone(shop: Shop, job: UUID) -> None:
    for name, call in CALLS.items():
        with pytest.raises(Gone) as gone:
            await call(shop, job)
        assert gone.value.error_code == "PORTRAIT_EXPIRED", name


async def test_a_job_that_never_was_is_not_found(shop: Shop) -> None:
    for call in [*CALLS.values(), lambda shop, job: shop.portraits.view(job)]:
        with pytest.raises(NotFound):
            await call(shop, new_id())


async def test_a_mistyped_number_is_replaced_until_the_photo_is_in(shop: Shop) -> None:
    job = await shop.paid()
    await shop.portraits.set_phone(job, "010-9999-0000")
    await shop.portraits.set_phone(job, PHONE)
    await shop.portraits.submit_photo(job, photo(), None)
    assert (await shop.portraits.check_phone(job, PHONE, BUYER)).id == job
    with pytest.raises(WrongState):
        await shop.portraits.set_phone(job, "010-9999-0000")


async def test_the_same_photo_again_answers_the_job_as_it_is(shop: Shop) -> None:
    job = await shop.with_photo()
    first = await shop.view(job)
    assert await shop.portraits.submit_photo(job, photo(), None) == first
    await shop.work()
    assert (await shop.portraits.submit_photo(job, photo(), None)).status is PortraitStatus.COMPLETED
    assert len(await shop.bought()) == 3
    assert len(await shop.objects(job)) == 10


@pytest.mark.parametrize(("upload", "crop"), [(OTHER, None), (photo(), Crop(0, 0, 384, 512))], ids=["photo", "crop"])
async def test_another_photo_after_the_first_is_refused_and_leaves_nothing(
    shop: Shop, upload: bytes, crop: Crop | None
) -> None:
    job = await shop.with_photo()
    before, files = await shop.view(job), await shop.objects(job)
    with pytest.raises(WrongState):
        await shop.portraits.submit_photo(job, upload, crop)
    assert (await shop.view(job), await shop.objects(job)) == (before, files)


async def submit(shop: Shop, job: UUID, upload: bytes) -> Portrait | DomainError:
    try:
        return await shop.portraits.submit_photo(job, upload, None)
    except DomainError as refused:
        return refused


async def test_of_several_photos_at_once_one_wins_and_no_object_of_the_others_stays(shop: Shop) -> None:
    job = await shop.with_phone()
    uploads = [encoded(scene(540 + 3 * number, 720 + 4 * number)) for number in range(4)]
    answers = await asyncio.gather(*(submit(shop, job, upload) for upload in uploads))
    assert sum(isinstance(answer, Portrait) for answer in answers) == 1
    assert all(isinstance(answer, Portrait | WrongState) for answer in answers)
    assert await shop.objects(job) == [await shop.photo_key(job)]
    assert await shop.value("SELECT count(*) FROM messages WHERE topic = 'portraits.make_picture'") == 3


async def test_the_same_photo_several_times_at_once_is_one_photo_and_stays(shop: Shop) -> None:
    job = await shop.with_phone()
    answers = await asyncio.gather(*(submit(shop, job, photo()) for _ in range(4)))
    assert all(isinstance(answer, Portrait) for answer in answers), answers
    assert await shop.objects(job) == [await shop.photo_key(job)]
    assert await shop.value("SELECT count(*) FROM messages WHERE topic = 'portraits.make_picture'") == 3


async def test_a_photo_that_arrives_while_the_job_ends_leaves_nothing(shop: Shop) -> None:
    job = await shop.with_phone()
    answer, _ = await asyncio.gather(submit(shop, job, photo()), shop.let_pass(hours=24))
    await shop.work()
    assert isinstance(answer, Portrait | Gone)
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert await shop.objects(job) == []


async def test_when_the_storage_is_away_nothing_is_begun_and_the_photo_may_come_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await shop.with_phone()
    storage_of = type(shop.container.providers).storage

    def away(_: object) -> object:
        raise Unavailable("the disk is away", provider="local", operation="put")

    monkeypatch.setattr(type(shop.container.providers), "storage", away)
    with pytest.raises(Unavailable):
        await shop.portraits.submit_photo(job, photo(), None)
    monkeypatch.setattr(type(shop.container.providers), "storage", storage_of)
    assert await shop.status(job) is PortraitStatus.PENDING_UPLOAD
    assert (await shop.portraits.submit_photo(job, photo(), None)).status is PortraitStatus.PROCESSING
