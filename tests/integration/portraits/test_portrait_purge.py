"""After its 24 hours nothing of a job is left but what the tax law keeps, and a receipt that says so (seed 003, 5.2)."""

import hashlib
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from integration.portraits.shop import BUYER, E164, Shop
from madang.core.kernel.messages import Lane, NewMessage
from madang.core.operations.deletion import DeletionReceipt, digest_of
from madang.core.portraits.model import PRICE, PortraitStatus
from madang.ports.errors import Unavailable
from madang.ports.storage import PutObject

COMMENT = "canary: I look like my brother"
REFERENCE = "canary-order-7"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name"
PERSONAL = [
    "SELECT phone, phone_hash, account, client_reference, photo ->> 'source_sha256', report ->> 'summary' FROM portraits",
    "SELECT address_hash FROM portrait_access_attempts",
    "SELECT comment FROM portrait_surveys",
    "SELECT recipient, text FROM notifications",
    "SELECT result ->> 'prediction_id' FROM actions WHERE kind = 'image_model.start'",
]


async def used(shop: Shop) -> UUID:
    """A job with everything in it that a job can have."""
    job = await shop.finished(client_reference=REFERENCE)
    await shop.portraits.check_phone(job, E164, BUYER)
    await shop.portraits.submit_survey(job, 4, COMMENT)
    return job


async def at_its_end(shop: Shop, job: UUID) -> None:
    await shop.let_pass(hours=24)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED


async def receipt_of(shop: Shop, job: UUID) -> DeletionReceipt:
    receipt = (await shop.portraits.view(job)).deletion_receipt
    assert receipt is not None
    return receipt


async def everything(shop: Shop) -> str:
    """Every column of every row of every table, as PostgreSQL writes it."""
    tables = [row["table_name"] for row in await shop.rows(TABLES)]
    assert {"portraits", "payments", "messages", "actions", "inbox", "idempotency_keys"} <= set(tables)
    rows = [row["row"] for table in tables for row in await shop.rows(f"SELECT t::text AS row FROM {table} AS t")]
    return "\n".join(rows)


def as_written(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


async def personal_values(shop: Shop) -> list[str]:
    rows = [tuple(row) for question in PERSONAL for row in await shop.rows(question)]
    return [as_written(value) for row in rows for value in row]


async def test_one_moment_before_its_end_everything_is_there_and_at_its_end_nothing(shop: Shop) -> None:
    job = await used(shop)
    found = await shop.view(job)
    assert await shop.value("SELECT due_at FROM messages WHERE topic = 'portraits.expire'") == found.expires_at
    assert (found.expires_at - found.created_at).total_seconds() == 24 * 3600
    await shop.let_pass(hours=23, minutes=59)
    await shop.work()
    assert len(await shop.objects(job)) == 10
    assert await shop.status(job) is PortraitStatus.COMPLETED
    await shop.let_pass(minutes=1)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert await shop.objects(job) == []


async def test_no_column_of_any_table_holds_anything_personal_afterwards(shop: Shop) -> None:
    job = await used(shop)
    personal = await personal_values(shop)
    assert len(personal) >= 13
    before = await everything(shop)
    assert all(value in before for value in personal), [value for value in personal if value not in before]
    await at_its_end(shop, job)
    after = await everything(shop)
    assert [value for value in [*personal, E164, E164[1:], BUYER, COMMENT, REFERENCE] if value in after] == []
    assert str(job) in after
    for table in ("portrait_pictures", "portrait_access_attempts", "portrait_surveys"):
        assert await shop.rows(f"SELECT 1 FROM {table}") == [], table
    purged = await shop.view(job)
    assert (purged.account, purged.phone, purged.phone_hash, purged.photo, purged.report) == ("", None, None, None, None)


async def test_what_the_tax_law_keeps_stays_without_the_person(shop: Shop) -> None:
    job = await used(shop)
    kept = "SELECT amount, currency, status, provider, reference, paid_at - created_at AS after, method FROM payments"
    before = await shop.rows(kept)
    await at_its_end(shop, job)
    assert await shop.rows(kept) == before
    [payment] = before
    assert (payment["amount"], payment["currency"], payment["status"]) == (PRICE.amount, PRICE.currency, "paid")
    assert payment["reference"]


async def test_the_receipt_names_every_file_with_its_hash_and_its_digest_can_be_checked(shop: Shop) -> None:
    job = await used(shop)
    hashes = {}
    for key in await shop.objects(job):
        hashes[key] = hashlib.sha256(await (await shop.portraits.open_file(key)).read()).hexdigest()
    assert len(hashes) == 10
    await at_its_end(shop, job)
    receipt = await receipt_of(shop, job)
    assert {deleted.key: deleted.sha256 for deleted in receipt.objects} == hashes
    assert receipt.rows["portraits"] == 1
    assert receipt.rows["portrait_pictures"] == 3
    assert receipt.rows["portrait_surveys"] == receipt.rows["notifications"] == 1
    assert receipt.due_at == (await shop.view(job)).expires_at <= receipt.deleted_at
    canonical = {
        "id": str(receipt.id),
        "subject": f"portrait:{job}",
        "due_at": int(receipt.due_at.timestamp()),
        "deleted_at": int(receipt.deleted_at.timestamp()),
        "objects": [[key, hashes[key]] for key in sorted(hashes)],
        "rows": dict(receipt.rows),
    }
    written = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert receipt.digest == hashlib.sha256(written.encode()).hexdigest()
    assert digest_of(replace(receipt, objects=receipt.objects[1:])) != receipt.digest


async def test_the_second_pass_ten_minutes_later_verifies_the_receipt(shop: Shop) -> None:
    job = await used(shop)
    await at_its_end(shop, job)
    first = await receipt_of(shop, job)
    assert first.verified_at is None
    await shop.let_pass(minutes=9)
    await shop.work()
    assert await receipt_of(shop, job) == first
    await shop.let_pass(minutes=1)
    await shop.work()
    verified = await receipt_of(shop, job)
    assert verified.verified_at is not None
    assert replace(verified, verified_at=None) == first
    assert (
        await shop.rows("SELECT 1 FROM messages WHERE state IN ('waiting', 'leased') AND subject = $1", f"portrait:{job}") == []
    )


async def test_an_object_that_comes_after_the_purge_is_found_by_the_second_pass_which_then_looks_again(shop: Shop) -> None:
    job = await used(shop)
    await at_its_end(shop, job)
    late = PutObject(f"portraits/{job}/late.jpg", b"late", "image/jpeg")
    await shop.container.providers.storage().put(late)
    await shop.let_pass(minutes=10)
    await shop.work()
    assert await shop.objects(job) == []
    assert (await receipt_of(shop, job)).verified_at is None
    await shop.let_pass(minutes=10)
    await shop.work()
    assert (await receipt_of(shop, job)).verified_at is not None


async def test_a_purge_leaves_other_jobs_alone(shop: Shop) -> None:
    first = await used(shop)
    await shop.let_pass(hours=1)
    second = await shop.finished()
    await shop.let_pass(hours=23)
    await shop.work()
    assert await shop.objects(first) == []
    assert len(await shop.objects(second)) == 10
    assert await shop.status(second) is PortraitStatus.COMPLETED
    assert len((await shop.portraits.result(second)).pictures) == 3


async def test_a_purge_while_pictures_are_being_made_waits_for_them_and_nothing_stays(shop: Shop) -> None:
    await shop.with_knobs(image_seconds=600.0)
    job = await shop.with_photo()
    async with shop.worker():
        await shop.until("SELECT count(*) = 3 FROM actions WHERE state = 'succeeded'")
        await shop.let_pass(hours=24)
        await shop.until("SELECT status = 'expired' FROM portraits")
        assert await shop.value("SELECT purged_at FROM portraits") is None
        assert await shop.objects(job) == [await shop.photo_key(job)]
        await shop.remote("UPDATE predictions SET ready_at = 1, status = 'succeeded'")
        await shop.until("SELECT purged_at IS NOT NULL FROM portraits")
    await shop.work()
    assert await shop.objects(job) == []
    assert await shop.rows("SELECT 1 FROM portrait_pictures") == []
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]
    await shop.let_pass(minutes=10)
    await shop.work()
    assert (await receipt_of(shop, job)).verified_at is not None


async def test_a_worker_that_died_with_a_picture_does_not_hold_up_the_purge_for_ever(shop: Shop) -> None:
    job = await shop.with_photo()
    dead = await shop.container.outbox.claim(Lane.LONG, "a worker that died", limit=10, lease=2.0)
    assert len(dead) == 3
    await shop.let_pass(hours=24)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert await shop.value("SELECT purged_at FROM portraits") is not None
    assert (await shop.objects(job), await shop.bought()) == ([], [])


async def test_a_purge_that_cannot_reach_the_storage_goes_on_later_and_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await used(shop)
    await shop.let_pass(hours=24)

    def away(_: object) -> object:
        raise Unavailable("the disk is away", provider="local", operation="list")

    with monkeypatch.context() as patched:
        patched.setattr(type(shop.container.providers), "storage", away)
        await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert len(await shop.objects(job)) == 10
    assert (await shop.portraits.view(job)).deletion_receipt is None
    await shop.let_pass(seconds=5)
    await shop.work()
    assert await shop.objects(job) == []
    assert len((await receipt_of(shop, job)).objects) == 10


async def test_a_purge_that_is_asked_for_twice_makes_one_receipt(shop: Shop) -> None:
    job = await used(shop)
    await at_its_end(shop, job)
    first = await receipt_of(shop, job)
    async with shop.container.units() as uow:
        uow.send(NewMessage("portraits.expire", {"portrait_id": str(job)}, subject=f"portrait:{job}"))
    await shop.work()
    assert await receipt_of(shop, job) == first
    assert await shop.value("SELECT count(*) FROM deletion_receipts") == 1


async def test_a_message_that_comes_before_the_end_purges_nothing(shop: Shop) -> None:
    job = await used(shop)
    await shop.execute("UPDATE messages SET due_at = now() WHERE topic = 'portraits.expire'")
    await shop.work()
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert len(await shop.objects(job)) == 10
    await at_its_end(shop, job)


@pytest.mark.parametrize("reached", ["paid", "with_phone", "with_photo"])
async def test_what_was_paid_and_not_delivered_in_time_is_refunded_in_full(shop: Shop, reached: str) -> None:
    job = await getattr(shop, reached)()
    await at_its_end(shop, job)
    await shop.hand_over()
    await shop.work()
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]
    assert await shop.value("SELECT status FROM payments") == "refunded"
    assert await shop.texts() == []


async def test_what_was_delivered_is_not_refunded_and_what_was_not_paid_neither(shop: Shop) -> None:
    delivered, unpaid = await shop.finished(), await shop.order()
    await at_its_end(shop, delivered)
    assert await shop.status(unpaid) is PortraitStatus.EXPIRED
    assert await shop.refunds() == []
    assert await shop.rows("SELECT 1 FROM refunds") == []


async def test_a_failed_job_is_refunded_once_and_not_again_at_its_end(shop: Shop) -> None:
    await shop.told_to("image_model.start:rejected=content_policy@*")
    job = await shop.finished()
    assert await shop.status(job) is PortraitStatus.FAILED
    await at_its_end(shop, job)
    await shop.hand_over()
    await shop.work()
    assert len(await shop.refunds()) == 1
    assert await shop.objects(job) == []


async def test_a_webhook_after_the_purge_brings_nobody_back(shop: Shop) -> None:
    job = await shop.order()
    await shop.pay(job)
    notices = await shop.notices()
    await shop.let_pass(hours=24)
    await shop.work()
    await shop.hand_over(*notices)
    await shop.work()
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert (await shop.view(job)).account == ""
    assert len(await shop.refunds()) == 1
