"""Compare our payments of one provider with its own, day by day and page by page, and settle what differs when asked to.

Memory holds one day of ids and the differences. What a page does not show is asked for by itself, so the two sides need not
agree on the moment that a payment belongs to; what differs is asked for once more, because payments go on meanwhile.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.model import Payment
from madang.core.billing.notices import apply
from madang.core.billing.reconciliation import Difference, compare, days_of, id_in, paired
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import BillingService
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.ports.payment import PaymentGateway, PaymentSnapshot

logger = logging.getLogger(__name__)

PAGE: Final = 200
Place = tuple[datetime, UUID]
"""Behind which a page goes on."""


class PaymentBooks(Protocol):
    """Our payments as a whole provider's."""

    async def named(self, provider: str, ids: Sequence[UUID], references: Sequence[str]) -> Sequence[Payment]:
        """Those with one of these ids or references."""
        ...

    async def opened(
        self, provider: str, since: datetime, until: datetime, *, after: Place | None, limit: int
    ) -> Sequence[Payment]:
        """Those that were opened in the half-open time, in its order."""
        ...


class ReconcilingUnitOfWork(BillingUnitOfWork, Protocol):
    @property
    def payment_books(self) -> PaymentBooks: ...


@dataclass(slots=True)
class Report:
    """`lists`: the provider lists its payments. Without that, what it alone knows was not seen."""

    provider: str
    lists: bool
    ours: int = 0
    theirs: int = 0
    pages: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def open(self) -> int:
        """What still differs."""
        return sum(not each.settled for each in self.differences)


Progress = Callable[[Report], None]


class Reconciling:
    def __init__(
        self,
        units: UnitOfWorkFactory[ReconcilingUnitOfWork],
        billing: BillingService,
        providers: Providers,
        zone: ZoneInfo,
    ) -> None:
        self._units = units
        self._billing = billing
        self._providers = providers
        self._zone = zone

    async def reconcile(
        self, provider: str, since: date, until: date, *, settle: bool = False, progress: Progress | None = None
    ) -> Report:
        """The days from `since` to the one before `until`. With `settle`, what differs is settled by the provider's word, as a
        webhook would; nothing else is changed.

        Raises `ValidationFailed`, `Misconfigured` for a provider that is not configured, and what the gateway raises.
        """
        if until <= since:
            raise ValidationFailed(Problem("to", "is the day after the last one: later than the first"))
        gateway = self._providers.payment_gateway(provider)
        work = _Work(self._units, self._billing, gateway, settle, progress)
        for begins, ends in days_of(since, until, self._zone):
            await work.day(begins, ends)
        return work.report


class _Work:
    """One run."""

    def __init__(
        self,
        units: UnitOfWorkFactory[ReconcilingUnitOfWork],
        billing: BillingService,
        gateway: PaymentGateway,
        settle: bool,
        progress: Progress | None,
    ) -> None:
        self._units = units
        self._billing = billing
        self._gateway = gateway
        self._settle = settle
        self._progress = progress
        self._told: set[UUID | str] = set()
        self.report = Report(gateway.name, gateway.capabilities.lists_payments)

    async def day(self, begins: datetime, ends: datetime) -> None:
        seen: set[UUID] = set()
        if self.report.lists:
            await self._theirs(begins, ends, seen)
        after: Place | None = None
        while True:
            async with self._units() as uow:
                page = await uow.payment_books.opened(self.report.provider, begins, ends, after=after, limit=PAGE)
            self.report.ours += len(page)
            for payment in page:
                if payment.id not in seen:
                    await self._check(payment, await self._billing.ask(payment))
            self._turned()
            if len(page) < PAGE:
                return
            after = (page[-1].created_at, page[-1].id)

    async def _theirs(self, begins: datetime, ends: datetime, seen: set[UUID]) -> None:
        """What the provider lists, page by page, with ours."""
        cursor: str | None = None
        while True:
            page = await self._gateway.list_payments(begins, ends, cursor=cursor)
            ids = [each for each in map(id_in, page.payments) if each is not None]
            async with self._units() as uow:
                ours = await uow.payment_books.named(self.report.provider, ids, [each.reference for each in page.payments])
            self.report.theirs += len(page.payments)
            for payment, theirs in paired(page.payments, ours):
                if payment is not None:
                    seen.add(payment.id)
                await self._check(payment, theirs)
            self._turned()
            cursor = page.cursor
            if cursor is None:
                return

    async def _check(self, ours: Payment | None, theirs: PaymentSnapshot | None) -> None:
        difference = compare(ours, theirs)
        if difference is None:
            return
        name = ours.id if ours is not None else theirs.reference if theirs is not None else ""
        if name in self._told:
            return
        if ours is not None:
            difference = await self._once_more(ours, theirs)
        if difference is None:
            return
        self._told.add(name)
        if self._settle:
            difference = await self._settled(difference)
        self.report.differences.append(difference)

    async def _once_more(self, ours: Payment, theirs: PaymentSnapshot | None) -> Difference | None:
        """Both as they are now: what was just being paid when the page was read is no difference."""
        told = await self._billing.ask(ours) or theirs
        async with self._units() as uow:
            now = await uow.payments.get(ours.id)
        return compare(now, told)

    async def _settled(self, difference: Difference) -> Difference:
        """By the path of every notice: the table of states and our amount decide."""
        ours, theirs = difference.ours, difference.theirs
        if ours is None or theirs is None:
            return difference
        async with self._units() as uow:
            await apply(self._billing, uow, ours, theirs)
        async with self._units() as uow:
            now = await uow.payments.get(ours.id)
        return dataclasses.replace(difference, settled=compare(now, theirs) is None)

    def _turned(self) -> None:
        self.report.pages += 1
        if self._progress is not None:
            self._progress(self.report)
