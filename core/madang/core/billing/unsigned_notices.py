"""Notices that nobody signed (Toss's): hints about payments that we know, a few of each kept: nobody can fill the inbox."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.model import Payment
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.kernel.messages import NewMessage

KEPT: Final = 20
"""Of one payment, ever. A real one has less than ten; of any more it is only asked what is true, once a minute."""
_MINUTE: Final = timedelta(minutes=1)


async def payment_named(uow: BillingUnitOfWork, provider: str, ours: str | None, reference: str | None) -> Payment | None:
    """By our id, where it is of this provider, else by the provider's reference."""
    if ours is not None:
        try:
            found = await uow.payments.get(UUID(ours))
        except ValueError:
            found = None
        if found is not None and found.provider == provider:
            return found
    return await uow.payments.by_reference(provider, reference) if reference else None


async def place_of(uow: BillingUnitOfWork, provider: str, payment_id: UUID, event_id: str) -> tuple[str | None, bool]:
    """Under which of the payment's places this event is, or would be, kept, and whether it is there already; no place once all
    are taken by others."""
    places = [f"{payment_id}#{number}" for number in range(1, KEPT + 1)]
    taken = {entry.event_id: entry.notice.get("event_id") for entry in await uow.inbox.of_events(provider, places)}
    for place in places:
        if taken.get(place) == event_id:
            return place, True
    return next((place for place in places if place not in taken), None), False


def at_the_end_of_the_minute(look_up: NewMessage, now: datetime) -> NewMessage:
    """So that it is asked after all that came within the minute."""
    minute = int(now.timestamp()) // 60
    due_at = datetime.fromtimestamp(minute * 60, tz=now.tzinfo) + _MINUTE
    return replace(look_up, key=f"{look_up.key}:{minute}", due_at=due_at)
