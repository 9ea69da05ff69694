"""Notices of payment providers that nobody handled: looked for every few seconds, and handled again when a person says so."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import HANDLE_NOTICE
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Delivery, NewMessage, RetryPolicy, Topic
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.schedules import Recurring
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail

SWEEP: Final = "billing.sweep_notices"
SWEPT_AFTER: Final = timedelta(seconds=30)
_EVERY: Final = timedelta(seconds=30)
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """`handled` None: both."""

    provider: str | None = None
    handled: bool | None = None


class NoticeRepository(Protocol):
    """The inbox, as far as it is payment providers'."""

    async def stranded(self, after: timedelta, *, limit: int) -> Sequence[UUID]:
        """Stored so long ago, not handled, and no message is at it. One that was given up is among them once it has lain as
        long as it had been tried: the pauses between its rounds double."""
        ...

    async def page(self, request: CursorRequest, wanted: NoticeFilter) -> CursorPage[InboxEntry]:
        """The newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        """None also for a notice of another kind of provider."""
        ...


class NoticesUnitOfWork(BillingUnitOfWork, AuditedUnitOfWork, Protocol):
    @property
    def payment_notices(self) -> NoticeRepository: ...


class InboxKeeping:
    def __init__(self, units: UnitOfWorkFactory[NoticesUnitOfWork], audit_trail: AuditTrail) -> None:
        self._units = units
        self._audit_trail = audit_trail

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(SWEEP, retry=RetryPolicy((1, 5)), time_limit=30), _EVERY, self.sweep),)

    async def sweep(self, delivery: Delivery[NoticesUnitOfWork]) -> None:
        """A notice whose message died or got lost is handled after all."""
        async with delivery.step() as uow:
            for entry_id in await uow.payment_notices.stranded(SWEPT_AFTER, limit=_BATCH):
                uow.send(_message(entry_id))

    async def page(self, request: CursorRequest, wanted: NoticeFilter) -> CursorPage[InboxEntry]:
        async with self._units() as uow:
            return await uow.payment_notices.page(request, wanted)

    async def replay(self, caller: Caller, entry_id: UUID) -> InboxEntry:
        """Handle it again, as if it had just come: the same truth is asked, and the end is the same. Raises `NotFound`."""
        async with self._units() as uow:
            entry = await uow.payment_notices.get(entry_id, lock=True)
            if entry is None:
                raise NotFound("there is no such notice", code="NOTICE_NOT_FOUND")
            again = dataclasses.replace(entry, handled_at=None, outcome=None)
            await uow.inbox.update(again)
            uow.send(_message(entry_id))
            await self._audit_trail.record(
                uow, caller, AuditAction.NOTICE_REPLAYED, f"inbox:{entry_id}", provider=entry.provider, outcome=entry.outcome
            )
        return again


def _message(entry_id: UUID) -> NewMessage:
    """Without a key: that of the first one is taken."""
    return NewMessage(HANDLE_NOTICE, {"inbox_id": str(entry_id)}, subject=f"inbox:{entry_id}")
