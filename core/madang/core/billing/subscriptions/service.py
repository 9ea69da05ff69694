"""Use cases of a subscriber: look, change the plan, cancel, resume."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

from madang.core.billing.subscriptions import hosted_steps, stored_method_steps
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.model import Subscription, SubscriptionKind, SubscriptionStatus, Terms
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.views import SubscriptionView, audited, not_here, own, view_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail


class SubscriptionService:
    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        offers: PlanOffers,
        book: SubscriptionBook,
        providers: Providers,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._offers = offers
        self._book = book
        self._providers = providers
        self._audit = audit_trail
        self._clock = clock

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[SubscriptionView]:
        """The newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        async with self._units() as uow:
            page = await uow.subscriptions.page(user_id, request)
            views = [await view_of(uow, subscription) for subscription in page.items]
        return CursorPage(views, page.limit, page.next_cursor)

    async def get(self, user_id: UUID, subscription_id: UUID) -> SubscriptionView:
        """With all its periods. Raises `NotFound`."""
        async with self._units() as uow:
            found = await own(uow, user_id, subscription_id, lock=False)
            view = await view_of(uow, found)
            return dataclasses.replace(view, periods=await uow.subscriptions.periods(found.id))

    async def change(
        self, caller: Caller, subscription_id: UUID, plan_id: str, *, prorate: bool | None = None
    ) -> SubscriptionView:
        """Another plan of the same product: a higher one at once, charged for the rest of the period, a lower one from the next
        period on; `prorate` says otherwise. Raises `NotFound`, `ValidationFailed`, `WrongState`."""

        def step(course: Course) -> Course:
            """Decided with the row at hand: of two changes at the same moment the second begins where the first ended."""
            now, subscription = self._clock.now(), course.subscription
            terms = self._terms_of(subscription, plan_id)
            higher = terms.price > subscription.terms.price
            if prorate and not higher and subscription.status is not SubscriptionStatus.TRIALING:
                raise ValidationFailed(Problem("prorate", "a lower price holds from the next period on: nothing is given back"))
            at_once = higher if prorate is None else prorate
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return stored_method_steps.change(course, terms, now, at_once=at_once)
            self._must_change(subscription)
            return hosted_steps.change(course, terms, self._hosting(subscription), now, at_once=at_once)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_CHANGED, step)

    async def cancel(self, caller: Caller, subscription_id: UUID, *, at_period_end: bool) -> SubscriptionView:
        """At the end of the period, or now: what is paid is not given back by this. Raises `NotFound`, `WrongState`."""

        def step(course: Course) -> Course:
            now, subscription = self._clock.now(), course.subscription
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return stored_method_steps.cancel(course, now, at_period_end=at_period_end)
            return hosted_steps.cancel(course, self._hosting(subscription), now, at_period_end=at_period_end)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_CANCELLED, step)

    async def resume(self, caller: Caller, subscription_id: UUID) -> SubscriptionView:
        """Take back the cancellation at the period's end. Raises `NotFound`, `WrongState`."""

        def step(course: Course) -> Course:
            now, subscription = self._clock.now(), course.subscription
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return stored_method_steps.resume(course, now)
            return hosted_steps.resume(course, self._hosting(subscription), now)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_RESUMED, step)

    def _terms_of(self, subscription: Subscription, plan_id: str) -> Terms:
        """Those of the plan that it has are its own, whatever it costs now."""
        plan = self._offers.plan(plan_id)
        if plan.product != subscription.product:
            raise ValidationFailed(Problem("planId", f"it is no plan of {subscription.product}"))
        if plan_id == subscription.terms.plan_id:
            return subscription.terms
        return self._offers.terms(plan, subscription.terms.price.currency, subscription.interval_months, subscription.provider)

    async def _step(
        self, caller: Caller, subscription_id: UUID, action: AuditAction, step: Callable[[Course], Course]
    ) -> SubscriptionView:
        async with self._units() as uow:
            subscription = await own(uow, caller.person, subscription_id)
            course = step(await uow.subscriptions.course(subscription))
            changed = await self._book.save(uow, subscription, course)
            await audited(self._audit, uow, caller, action, changed)
            return await view_of(uow, changed)

    def _hosting(self, subscription: Subscription) -> hosted_steps.Hosting:
        return self._offers.hosting(subscription.provider)

    def _must_change(self, subscription: Subscription) -> None:
        if not self._providers.payment_gateway(subscription.provider).capabilities.changes_subscriptions:
            raise not_here(subscription, "does not change a subscription")
