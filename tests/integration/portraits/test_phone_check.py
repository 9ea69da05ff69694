"""The phone number opens the result: in any common form, and not by guessing (seed 003, 5.1)."""

import asyncio
from uuid import UUID

import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.shop import BUYER, E164, Shop, photo
from madang.core.kernel.errors import (
    AlreadyExists,
    Gone,
    NotFound,
    PermissionDenied,
    TooManyAttempts,
    ValidationFailed,
    WrongState,
)
from madang.core.kernel.ids import new_id

WRONG = "010-9999-0000"
STRANGER = "203.0.113.9"
FORMS = [
    "01012345678", "010-1234-5678", "010 1234 5678", "(010) 1234-5678", "010.1234.5678", "+82 10-1234-5678", "+821012345678",
    "+82 (0)10 1234 5678", "０１０－１２３４－５６７８",
]  # fmt: skip


@pytest.fixture
async def job(shop: Shop) -> UUID:
    """With a photo: from here on the number is asked for."""
    return await shop.with_photo()


async def guess(shop: Shop, job: UUID, address: str = BUYER, written: str = WRONG) -> str:
    try:
        await shop.portraits.check_phone(job, written, address)
    except (PermissionDenied, TooManyAttempts) as refused:
        return refused.error_code
    return "right"


async def guesses(shop: Shop, job: UUID, count: int, address: str = BUYER) -> list[str]:
    return [await guess(shop, job, address) for _ in range(count)]


async def test_the_number_is_known_in_any_form_whichever_it_was_given_in(shop: Shop) -> None:
    job = await shop.paid()
    hashes = set()
    for written in FORMS:
        hashes.add((await shop.portraits.set_phone(job, written)).phone_hash)
    assert len(hashes) == 1
    await shop.portraits.submit_photo(job, photo(), None)
    for asked in FORMS:
        assert await guess(shop, job, written=asked) == "right"
    assert await guess(shop, job, written="010-1234-5679") == "PHONE_DOES_NOT_MATCH"
    await shop.work()
    assert {sent.recipient for sent in await shop.texts()} == {E164}


@pytest.mark.parametrize("written", ["", "12", "not a number", "010-1234-56789012", "+82 10 1234 5678 ext", "1234-5678"])
async def test_what_is_no_number_is_refused_and_is_no_guess(shop: Shop, job: UUID, written: str) -> None:
    for _ in range(4):
        with pytest.raises(ValidationFailed):
            await shop.portraits.check_phone(job, written, BUYER)
    assert await guess(shop, job, written=E164) == "right"


async def test_the_third_wrong_number_blocks_that_address_for_this_job_and_no_other(shop: Shop, job: UUID) -> None:
    other_job = await shop.with_photo()
    assert await guesses(shop, job, 3) == ["PHONE_DOES_NOT_MATCH", "PHONE_DOES_NOT_MATCH", "TOO_MANY_ATTEMPTS"]
    with pytest.raises(TooManyAttempts) as blocked:
        await shop.portraits.check_phone(job, E164, BUYER)
    assert blocked.value.retry_after is not None
    assert 3500 < blocked.value.retry_after <= 3600
    assert await guess(shop, job, STRANGER, E164) == "right"
    assert await guess(shop, other_job, BUYER, E164) == "right"


async def test_guessing_on_does_not_make_the_block_longer_and_after_an_hour_it_is_over(shop: Shop, job: UUID) -> None:
    await guesses(shop, job, 3)
    await shop.let_pass(minutes=59)
    assert set(await guesses(shop, job, 5)) == {"TOO_MANY_ATTEMPTS"}
    await shop.let_pass(minutes=1)
    assert await guess(shop, job, written=E164) == "right"


async def test_after_a_block_there_are_three_tries_again(shop: Shop, job: UUID) -> None:
    await guesses(shop, job, 3)
    await shop.let_pass(hours=1)
    assert await guesses(shop, job, 3) == ["PHONE_DOES_NOT_MATCH", "PHONE_DOES_NOT_MATCH", "TOO_MANY_ATTEMPTS"]


async def test_the_right_number_forgives_the_wrong_ones_before_it(shop: Shop, job: UUID) -> None:
    for _ in range(3):
        await guesses(shop, job, 2)
        assert await guess(shop, job, written=E164) == "right"


async def test_of_a_hundred_wrong_guesses_at_once_no_more_than_three_are_judged(shop: Shop, job: UUID) -> None:
    answers = await asyncio.gather(*(guess(shop, job) for _ in range(100)))
    assert answers.count("PHONE_DOES_NOT_MATCH") == 2
    assert answers.count("TOO_MANY_ATTEMPTS") == 98
    assert await shop.value("SELECT failures FROM portrait_access_attempts") == 3


async def test_a_right_guess_hidden_among_a_hundred_wrong_ones_is_right_only_among_the_first(shop: Shop, job: UUID) -> None:
    await guesses(shop, job, 3)
    written = [E164 if number % 10 == 0 else WRONG for number in range(100)]
    answers = await asyncio.gather(*(guess(shop, job, written=each) for each in written))
    assert set(answers) == {"TOO_MANY_ATTEMPTS"}


async def test_neither_the_number_nor_the_address_is_readable_in_the_database(shop: Shop, job: UUID) -> None:
    await guesses(shop, job, 1)
    rows = await shop.rows("SELECT portraits::text AS row FROM portraits")
    rows += await shop.rows("SELECT a::text AS row FROM portrait_access_attempts a")
    text = "\n".join(row["row"] for row in rows)
    for secret in (E164, E164[1:], "1012345678", BUYER):
        assert secret not in text
        assert secret.encode().hex() not in text


async def test_before_the_photo_there_is_nothing_to_open(shop: Shop) -> None:
    job = await shop.with_phone()
    with pytest.raises(WrongState):
        await shop.portraits.check_phone(job, E164, BUYER)
    with pytest.raises(NotFound):
        await shop.portraits.check_phone(new_id(), E164, BUYER)


async def test_after_the_end_the_right_number_opens_nothing(shop: Shop, job: UUID) -> None:
    await shop.let_pass(hours=24)
    with pytest.raises(Gone):
        await shop.portraits.check_phone(job, E164, BUYER)


async def test_a_new_master_key_knows_the_number_and_forgives_no_tries(open_shop: OpenShop, shop: Shop, job: UUID) -> None:
    await guesses(shop, job, 2)
    older = shop.container.settings.secret_key.get_secret_value()  # type: ignore[union-attr]  # the tests set one
    async with open_shop(secret_key="test-key-not-secret-the-next-one-000000", older_secret_keys=[older]) as rekeyed:
        assert await guess(rekeyed, job, STRANGER, written=E164) == "right"
        assert await guess(rekeyed, job) == "TOO_MANY_ATTEMPTS"


async def test_a_client_reference_stays_taken_when_the_master_key_changes(open_shop: OpenShop, shop: Shop) -> None:
    first = await shop.order(client_reference="order-1")
    older = shop.container.settings.secret_key.get_secret_value()  # type: ignore[union-attr]  # as above
    async with open_shop(secret_key="test-key-not-secret-the-next-one-000000", older_secret_keys=[older]) as rekeyed:
        with pytest.raises(AlreadyExists) as taken:
            await rekeyed.order(client_reference="order-1")
    assert taken.value.params == {"id": str(first)}
