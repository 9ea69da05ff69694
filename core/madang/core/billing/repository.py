"""What billing asks of storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.billing.attempts import AttemptRepository
from madang.core.billing.disputes import DisputesUnitOfWork
from madang.core.billing.model import Payment, PaymentStatus, Refund
from madang.core.kernel.inbox import InboxRepository
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.ports.money import Money


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    user_id: UUID | None = None
    provider: str | None = None
    status: PaymentStatus | None = None


class PaymentRepository(Protocol):
    async def get(self, payment_id: UUID, *, lock: bool = False) -> Payment | None:
        """With `lock`, the row is held until the unit of work ends."""
        ...

    async def by_reference(self, provider: str, reference: str, *, lock: bool = False) -> Payment | None: ...

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        """What this account has bought or begun under this reference: a payment or a subscription. The reference is the
        caller's until the unit of work ends: whoever brings it at the same moment waits, and hears of what was written."""
        ...

    async def page_of(self, user_id: UUID, request: PageRequest, *, status: PaymentStatus | None = None) -> Page[Payment]:
        """Of one buyer, the newest first."""
        ...

    async def page(self, request: CursorRequest, wanted: PaymentFilter) -> CursorPage[Payment]:
        """Everybody's, the newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def add(self, payment: Payment) -> None:
        """Raises `AlreadyExists` for a client reference that the account has used."""
        ...

    async def update(self, payment: Payment) -> None: ...

    async def of_user(self, user_id: UUID) -> Sequence[Payment]:
        """All of one buyer, the oldest first."""
        ...

    async def forget_user(self, user_id: UUID) -> int:
        """The buyer's payments are nobody's from now on; answers how many were."""
        ...

    async def refunds(self, payment_id: UUID) -> Sequence[Refund]: ...

    async def refund_by_key(self, key: str) -> Refund | None: ...

    async def get_refund(self, refund_id: UUID, *, lock: bool = False) -> Refund | None: ...

    async def add_refund(self, refund: Refund) -> bool:
        """False when a refund with this key is already there; then nothing was written."""
        ...

    async def update_refund(self, refund: Refund) -> None: ...


class AmountMismatchRepository(Protocol):
    async def add(self, payment_id: UUID, provider: str, told: Money, now: datetime, *, at_most: int | None = None) -> None:
        """The same amount told of the same payment again is counted, and new again. With `at_most` there, one more is counted
        with the last. The payment's row is locked by the caller."""
        ...


class BillingUnitOfWork(DisputesUnitOfWork, Protocol):
    @property
    def payments(self) -> PaymentRepository: ...

    @property
    def payment_attempts(self) -> AttemptRepository: ...

    @property
    def amount_mismatches(self) -> AmountMismatchRepository: ...

    @property
    def inbox(self) -> InboxRepository: ...
