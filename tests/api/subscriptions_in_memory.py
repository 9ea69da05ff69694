"""Subscriptions for the fast tests: one that runs, of whoever asks."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from madang.core.billing.catalogue import released_catalogue
from madang.core.billing.plan_checkouts import PlanOrder
from madang.core.billing.subscriptions.model import (
    PaymentMethod,
    Period,
    PeriodKind,
    PeriodStatus,
    Subscription,
    SubscriptionKind,
    SubscriptionStatus,
    Terms,
)
from madang.core.billing.subscriptions.views import SubscriptionView
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import NotFound, WrongState
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.ports.money import Money

TERMS = Terms("hosting-basic", Money(30_000, "KRW"))


class InMemorySubscriptions:
    """Subscriptions and means of payment."""

    def __init__(self, clock: Any) -> None:
        now = clock.now()
        user_id, subscription_id = new_id(), new_id()
        self.method = PaymentMethod(new_id(), user_id, "sandbox", str(user_id), "card **** 1234", now)
        self.subscription = Subscription(
            subscription_id, user_id, "hosting", SubscriptionKind.STORED_METHOD, "sandbox", SubscriptionStatus.ACTIVE, TERMS,
            1, now, "Asia/Seoul", now, now, due_at=now + timedelta(days=30), method_id=self.method.id,
        )  # fmt: skip
        self.period = Period(
            new_id(), subscription_id, 1, 0, PeriodKind.REGULAR, TERMS, now, now + timedelta(days=30), TERMS.price,
            PeriodStatus.PAID, now, now, payment_id=new_id(),
        )  # fmt: skip

    def view(self, **changes: Any) -> SubscriptionView:
        return SubscriptionView(replace(self.subscription, **changes), self.period, None, self.method, [self.period])

    async def subscribe(self, caller: Caller, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView:
        released_catalogue().plan(order.plan_id)
        return self.view(id=order.id, status=SubscriptionStatus.INCOMPLETE, checkout_url="https://pay.test.invalid/w")

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[SubscriptionView]:
        return CursorPage([self.view()], request.limit)

    async def get(self, user_id: UUID, subscription_id: UUID) -> SubscriptionView:
        return self.view(id=subscription_id)

    async def activate(self, caller: Caller, subscription_id: UUID, client_key: str) -> SubscriptionView:
        return self.view(id=subscription_id)

    async def bring_method(
        self, caller: Caller, subscription_id: UUID, *, success_url: str, cancel_url: str, method_id: UUID | None = None
    ) -> SubscriptionView:
        return self.view(id=subscription_id)

    async def change(
        self, caller: Caller, subscription_id: UUID, plan_id: str, *, prorate: bool | None = None
    ) -> SubscriptionView:
        released_catalogue().plan(plan_id)
        return self.view(id=subscription_id)

    async def cancel(self, caller: Caller, subscription_id: UUID, *, at_period_end: bool) -> SubscriptionView:
        return self.view(id=subscription_id, cancel_at_period_end=at_period_end)

    async def resume(self, caller: Caller, subscription_id: UUID) -> SubscriptionView:
        raise WrongState("it was not cancelled", state="active", expected="cancelled")


class InMemoryMethods:
    def __init__(self, subscriptions: InMemorySubscriptions) -> None:
        self._method = subscriptions.method

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[PaymentMethod]:
        return CursorPage([self._method], request.limit)

    async def remove(self, caller: Caller, method_id: UUID) -> None:
        if method_id.int % 2:
            raise NotFound("none", code="PAYMENT_METHOD_NOT_FOUND")
