"""What is true after a job, looked up where it counts: at the sandbox's own books, in the storage, in the tables."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from faults.lane import Lane, Order
from madang.core.portraits.model import PictureStatus, PortraitStatus, StoredFile, storage_prefix_of

_ASKED_AGAIN = """
SELECT c.key FROM calls c JOIN predictions p ON p.key = c.key WHERE c.operation = 'image_model.start' AND c.at > p.created_at
UNION ALL
SELECT c.key FROM calls c JOIN refunds r ON r.key = r.reference || ':' || c.key
WHERE c.operation = 'payment.refund' AND c.at > r.created_at
UNION ALL
SELECT c.key FROM calls c JOIN messages m ON m.key = 'sms:' || c.key WHERE c.operation = 'sms.send' AND c.at > m.sent_at
"""
"""Calls for what the provider had already done. The sandbox forgives them; not every provider does."""


@dataclass(frozen=True)
class Effects:
    """What the providers did for one order, by their own books. `charges` and `refunds` in won."""

    charges: tuple[int, ...]
    predictions: int
    messages: int
    refunds: tuple[int, ...] = ()


async def effects(lane: Lane, order: Order) -> Effects:
    paid = await lane.remote(
        "SELECT reference, amount FROM payments WHERE paid_at IS NOT NULL AND success_url LIKE ?", f"%{order.id}%"
    )
    refunds = [await lane.remote("SELECT amount FROM refunds WHERE reference = ?", reference) for reference, _ in paid]
    predictions = await lane.remote("SELECT key FROM predictions WHERE key LIKE ?", f"portrait:{order.id}:%")
    received = await texts(lane, order)
    return Effects(
        tuple(amount for _, amount in paid),
        len(predictions),
        len(received),
        tuple(amount for rows in refunds for (amount,) in rows),
    )


async def texts(lane: Lane, order: Order) -> list[str]:
    """The text messages that the buyer's phone has received."""
    return [text for (text,) in await lane.remote("SELECT text FROM messages WHERE recipient = ?", order.e164)]


async def expect_nothing_open(lane: Lane) -> None:
    """Nothing was asked for that had been done, nothing is given up, and nothing is in doubt."""
    assert await lane.remote(_ASKED_AGAIN) == []
    assert await lane.ask("SELECT array_agg(topic) FROM messages WHERE state = 'dead'") is None
    await expect_no_doubt(lane)


async def expect_no_doubt(lane: Lane) -> None:
    """Also for a job that failed while a worker died in the middle of buying for it."""
    assert await lane.ask("SELECT array_agg(key) FROM actions WHERE state IN ('running', 'unknown')") is None
    assert await lane.ask("SELECT array_agg(id) FROM inbox WHERE handled_at IS NULL") is None


async def expect_delivered(lane: Lane, order: Order) -> None:
    """Three pictures with their files, one charge, one SMS, and nothing besides."""
    view = await lane.container.portraits.view(order.id)
    assert view.portrait.status is PortraitStatus.COMPLETED
    assert [picture.status for picture in view.pictures] == [PictureStatus.MADE] * 3
    assert await effects(lane, order) == Effects(charges=(9900,), predictions=3, messages=1)
    assert str(order.id) in (await texts(lane, order))[0]
    photo = view.portrait.photo
    files: list[StoredFile | None] = [photo.file if photo else None]
    for picture in view.pictures:
        files += [picture.full, picture.webp, picture.thumbnail]
    assert await stored(lane, order) == {file.key: file.sha256 for file in files if file is not None}
    assert None not in files


async def stored(lane: Lane, order: Order) -> Mapping[str, str]:
    """SHA-256 by key of what the storage has of the order."""
    storage = lane.container.providers.storage()
    page = await storage.list(storage_prefix_of(order.id))
    assert page.cursor is None
    found = {}
    for listed in page.objects:
        found[listed.key] = hashlib.sha256(await (await storage.get(listed.key)).read()).hexdigest()
    return found
