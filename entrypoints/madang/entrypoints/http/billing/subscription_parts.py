"""What HTTP asks of the composed process about subscriptions."""

from typing import Protocol
from uuid import UUID

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.plan_checkouts import PlanOrder
from madang.core.billing.subscriptions.model import PaymentMethod
from madang.core.billing.subscriptions.views import SubscriptionView
from madang.core.kernel.caller import Caller
from madang.core.kernel.paging import CursorPage, CursorRequest


class Subscribing(Protocol):
    """Where one begins (`Subscribing` of the core)."""

    async def subscribe(self, caller: Caller, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView: ...


class Subscribed(Protocol):
    """A subscriber's use cases (`SubscriptionService`)."""

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[SubscriptionView]: ...

    async def get(self, user_id: UUID, subscription_id: UUID) -> SubscriptionView: ...

    async def change(
        self, caller: Caller, subscription_id: UUID, plan_id: str, *, prorate: bool | None = None
    ) -> SubscriptionView: ...

    async def cancel(self, caller: Caller, subscription_id: UUID, *, at_period_end: bool) -> SubscriptionView: ...

    async def resume(self, caller: Caller, subscription_id: UUID) -> SubscriptionView: ...


class SubscriptionMeans(Protocol):
    """What one is paid by (`SubscriptionMeans` of the core)."""

    async def activate(self, caller: Caller, subscription_id: UUID, client_key: str) -> SubscriptionView: ...

    async def bring_method(
        self, caller: Caller, subscription_id: UUID, *, success_url: str, cancel_url: str, method_id: UUID | None = None
    ) -> SubscriptionView: ...


class StoredMethods(Protocol):
    """A person's means of payment (`StoredMethods` of the core)."""

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[PaymentMethod]: ...

    async def remove(self, caller: Caller, method_id: UUID) -> None: ...


class SubscriptionParts(Protocol):
    """Fulfilled by the process's container."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def subscribing(self) -> Subscribing: ...

    @property
    def subscriptions(self) -> Subscribed: ...

    @property
    def subscription_means(self) -> SubscriptionMeans: ...

    @property
    def stored_methods(self) -> StoredMethods: ...
