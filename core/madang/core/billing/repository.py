"""What billing asks of storage."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from madang.core.billing.attempts import AttemptRepository
from madang.core.billing.model import Payment, Refund
from madang.core.kernel.inbox import InboxRepository
from madang.core.kernel.unit_of_work import UnitOfWork


class PaymentRepository(Protocol):
    async def get(self, payment_id: UUID, *, lock: bool = False) -> Payment | None:
        """With `lock`, the row is held until the unit of work ends."""
        ...

    async def by_reference(self, provider: str, reference: str, *, lock: bool = False) -> Payment | None: ...

    async def add(self, payment: Payment) -> None: ...

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


class BillingUnitOfWork(UnitOfWork, Protocol):
    @property
    def payments(self) -> PaymentRepository: ...

    @property
    def payment_attempts(self) -> AttemptRepository: ...

    @property
    def inbox(self) -> InboxRepository: ...
