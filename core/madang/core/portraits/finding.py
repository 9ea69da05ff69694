"""A buyer's job by its id."""

from uuid import UUID

from madang.core.kernel.errors import NotFound
from madang.core.portraits.model import Portrait
from madang.core.portraits.repository import PortraitsUnitOfWork


async def existing(uow: PortraitsUnitOfWork, portrait_id: UUID, *, lock: bool = False) -> Portrait:
    portrait = await uow.portraits.get(portrait_id, lock=lock)
    if portrait is None:
        raise no_such_portrait()
    return portrait


def no_such_portrait() -> NotFound:
    return NotFound("there is no such portrait", code="PORTRAIT_NOT_FOUND")
