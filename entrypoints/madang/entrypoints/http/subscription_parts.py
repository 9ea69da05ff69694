"""What HTTP asks of the composed process about subscriptions."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.plan_checkouts import PlanOrder
from madang.core.billing.subscription_model import PaymentMethod
from madang.core.billing.subscription_service import SubscriptionView
from madang.core.kernel.caller import Caller


class Subscribing(Protocol):
    """A subscriber's use cases (`SubscriptionService`)."""

    async def subscribe(self, caller: Caller, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView: ...

    async def list(self, user_id: UUID) -> Sequence[SubscriptionView]: ...

    async def get(self, user_id: UUID, subscription_id: UUID) -> SubscriptionView: ...

    async def activate(self, caller: Caller, subscription_id: UUID, client_key: str) -> SubscriptionView: ...

    async def bring_method(
        self, caller: Caller, subscription_id: UUID, *, success_url: str, cancel_url: str, method_id: UUID | None = None
    ) -> SubscriptionView: ...

    async def change(
        self, caller: Caller, subscription_id: UUID, plan_id: str, *, prorate: bool | None = None
    ) -> SubscriptionView: ...

    async def cancel(self, caller: Caller, subscription_id: UUID, *, at_period_end: bool) -> SubscriptionView: ...

    async def resume(self, caller: Caller, subscription_id: UUID) -> SubscriptionView: ...


class StoredMethods(Protocol):
    """A person's means of payment (`StoredMethods` of the core)."""

    async def list(self, user_id: UUID) -> Sequence[PaymentMethod]: ...

    async def remove(self, caller: Caller, method_id: UUID) -> None: ...


class SubscriptionParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def subscribing(self) -> Subscribing: ...

    @property
    def stored_methods(self) -> StoredMethods: ...
