"""What subscriptions ask of storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.model import PaymentMethod, Period, Subscription
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditedUnitOfWork


class SubscriptionRepository(Protocol):
    async def get(self, subscription_id: UUID, *, lock: bool = False, wait: bool = True) -> Subscription | None:
        """With `lock`, the row is held until the unit of work ends. None also where somebody else holds it and `wait` is
        False."""
        ...

    async def by_reference(self, provider: str, reference: str) -> Subscription | None: ...

    async def live(self, user_id: UUID, product: str) -> Subscription | None:
        """The one that is not over, locked."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[Subscription]:
        """All of one person, the oldest first."""
        ...

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[Subscription]:
        """Of one person, the newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def begun_in_vain(self, user_id: UUID, since: datetime) -> int:
        """How many of one person were begun since then and have no period: nobody agreed to them."""
        ...

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """By id, so that a run goes on behind the last one that it had; nothing is locked, nor read."""
        ...

    async def put_off(self, subscription_id: UUID, due_at: datetime, now: datetime) -> None:
        """What is due cannot be done: it is stuck from now on, or still, and due again at `due_at`. The row need not be
        readable."""
        ...

    async def add(self, subscription: Subscription) -> bool:
        """False when the person has one of this product that is not over, or has used its client reference; then nothing was
        written."""
        ...

    async def update(self, subscription: Subscription) -> None: ...

    async def make_due(self, subscription_id: UUID) -> None:
        """What would come later, or was forgotten, is due now."""
        ...

    async def course(self, subscription: Subscription) -> Course:
        """With the periods that matter now."""
        ...

    async def save_periods(self, periods: Sequence[Period]) -> None:
        """Each added, or replaced by its id, in this order."""
        ...

    async def periods(self, subscription_id: UUID) -> Sequence[Period]:
        """In the order of time."""
        ...

    async def period_tried_by(self, subscription_id: UUID, payment_id: UUID) -> Period | None: ...

    async def has_tried(self, user_id: UUID, product: str) -> bool:
        """Whether the person has ever had a trial of this product."""
        ...

    async def forget_user(self, user_id: UUID) -> int:
        """With their periods; how many there were."""
        ...


class PaymentMethodRepository(Protocol):
    async def get(self, method_id: UUID, *, retired: bool = False) -> PaymentMethod | None:
        """One that its owner has removed only with `retired`."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[PaymentMethod]:
        """Those that may be charged, the oldest first."""
        ...

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[PaymentMethod]:
        """Those that may be charged, the newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def all_of_user(self, user_id: UUID) -> Sequence[PaymentMethod]:
        """With those that the provider has still to forget."""
        ...

    async def add(self, method: PaymentMethod) -> None: ...

    async def retire(self, method_id: UUID, now: datetime) -> bool:
        """It is charged no more; False when it was so already."""
        ...

    async def delete(self, method_id: UUID) -> None:
        """Once its provider has forgotten it."""
        ...

    async def is_used(self, method_id: UUID) -> bool:
        """By a subscription that is not over."""
        ...

    async def forget_user(self, user_id: UUID) -> int: ...


class SubscriptionsUnitOfWork(BillingUnitOfWork, NotificationsUnitOfWork, AuditedUnitOfWork, Protocol):
    @property
    def subscriptions(self) -> SubscriptionRepository: ...

    @property
    def payment_methods(self) -> PaymentMethodRepository: ...
