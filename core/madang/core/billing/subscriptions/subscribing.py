"""Beginning a subscription: the row first, then where the person leaves a means of payment, or agrees at the provider."""

import dataclasses
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.plan_checkouts import OpenedCheckout, PlanOrder
from madang.core.billing.subscriptions import hosted_steps, stored_method_steps
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.course import CancelAtProvider, Course
from madang.core.billing.subscriptions.means import SubscriptionMeans
from madang.core.billing.subscriptions.model import PeriodStatus, Subscription, SubscriptionKind, SubscriptionStatus
from madang.core.billing.subscriptions.offers import PlanOffers, kind_of
from madang.core.billing.subscriptions.opening import Opening
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.views import SubscriptionView, audited, locked, view_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import AlreadyExists, Problem, TooManyAttempts, ValidationFailed
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.payment import SubscriptionStart

_REPLACED: Final = "replaced"
_A_DAY: Final = timedelta(days=1)
_BEGUN_A_DAY: Final = 20
"""So many subscriptions of one person may wait for nothing within a day."""
_WAIT: Final = 3600.0
_STILL_OPEN: Final = timedelta(hours=12)
"""A provider's checkout of a subscription is open for a day at least; one that is older is not handed out again."""
_OFFERED: Final = ("kind", "provider", "terms", "interval_months", "trial_days", "country", "locale", "zone")


class Subscribing:
    """Fulfils `PlanCheckouts`."""

    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        offers: PlanOffers,
        opening: Opening,
        means: SubscriptionMeans,
        book: SubscriptionBook,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        zone: str,
    ) -> None:
        self._units = units
        self._offers = offers
        self._opening = opening
        self._means = means
        self._book = book
        self._audit = audit_trail
        self._clock = clock
        self._zone = zone

    async def open(self, order: PlanOrder) -> OpenedCheckout:
        """As `subscribe`, for a checkout: the person leaves a means of payment, or agrees at the provider."""
        begun = (await self._begin(order)).subscription
        return OpenedCheckout(begun.id, begun.provider, begun.checkout_url, begun.client_params or {}, None)

    async def subscribe(self, caller: Caller, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView:
        """Begin a subscription; with a means of payment that the provider keeps already it runs at once. The same id answers
        the same one.

        Raises `NotFound`, `ValidationFailed`, `AlreadyExists` for a product that the account has or a client reference that it
        has used, and what the gateway raises.
        """
        begun = await self._begin(order, method_id)
        async with self._units() as uow:
            await audited(self._audit, uow, caller, AuditAction.SUBSCRIPTION_STARTED, begun.subscription)
        return begun

    async def _begin(self, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView:
        subscription = await self._ordered(order, method_id)
        if subscription.status is not SubscriptionStatus.INCOMPLETE or subscription.checkout_url or subscription.client_params:
            async with self._units() as uow:
                return await view_of(uow, subscription)
        if method_id is not None:
            async with self._units() as uow:
                method = await self._means.of(uow, subscription, method_id)
                return await self._means.take(uow, await locked(uow, subscription.id), method)
        if subscription.kind is SubscriptionKind.HOSTED:
            return await self._opened_by_provider(subscription, order)
        checkout = await self._opening.method_window(
            subscription, order.success_url, order.cancel_url, order.customer_email, order.customer_name
        )
        async with self._units() as uow:
            held = await locked(uow, subscription.id)
            opened = dataclasses.replace(
                held, checkout_url=checkout.url, client_params=dict(checkout.client_params), updated_at=self._clock.now()
            )
            await uow.subscriptions.update(opened)
            return await view_of(uow, opened)

    async def _ordered(self, order: PlanOrder, method_id: UUID | None) -> Subscription:
        """The row, before anybody outside is asked."""
        async with self._units() as uow:
            found = await uow.subscriptions.get(order.id)
            if found is not None:
                return found
            new = await self._new(uow, order, method_id)
            if order.client_reference is not None:
                first = await uow.payments.referred(order.user_id, order.client_reference)
                if first is not None:
                    raise AlreadyExists("this client reference has been used", id=str(first))
            earlier = await self._taken_up_again(uow, new)
            if earlier is not None:
                return earlier
            if await uow.subscriptions.begun_in_vain(new.user_id, new.created_at - _A_DAY) >= _BEGUN_A_DAY:
                raise TooManyAttempts("too many subscriptions were begun that nobody agreed to", retry_after=_WAIT)
            if not await uow.subscriptions.add(new):
                other = await uow.subscriptions.live(new.user_id, new.product)
                raise AlreadyExists("another subscription is being begun", id=str((other or new).id))
            return new

    async def _new(self, uow: SubscriptionsUnitOfWork, order: PlanOrder, method_id: UUID | None) -> Subscription:
        plan = self._offers.plan(order.plan_id)
        kept = None if method_id is None else await self._means.owned(uow, order.user_id, method_id)
        named = order.provider or (kept.provider if kept else None)
        gateway = self._offers.gateway(plan, order.currency, order.country, named)
        if kept is not None and kept.provider != gateway.name:
            raise ValidationFailed(Problem("methodId", f"it is kept by {kept.provider}"))
        terms = self._offers.terms(plan, order.currency, order.interval_months, gateway.name)
        now = self._clock.now()
        kind = kind_of(gateway.capabilities, terms)
        tried = await uow.subscriptions.has_tried(order.user_id, plan.product)
        within = stored_method_steps.BEGUN_WITHIN if kind is SubscriptionKind.STORED_METHOD else hosted_steps.ASK_AGAIN
        return Subscription(
            id=order.id,
            user_id=order.user_id,
            product=plan.product,
            kind=kind,
            provider=gateway.name,
            status=SubscriptionStatus.INCOMPLETE,
            terms=terms,
            interval_months=order.interval_months,
            anchor=now,
            zone=self._zone,
            created_at=now,
            updated_at=now,
            due_at=now + within,
            trial_days=0 if tried else plan.trial_days,
            country=order.country,
            locale=order.locale,
            client_reference=order.client_reference,
        )

    async def _taken_up_again(self, uow: SubscriptionsUnitOfWork, new: Subscription) -> Subscription | None:
        """One that nobody has agreed to yet and that offers the same is gone on with; another one makes way. Raises
        `AlreadyExists` for any that was agreed to."""
        live = await uow.subscriptions.live(new.user_id, new.product)
        if live is None:
            return None
        course = await uow.subscriptions.course(live)
        charging = course.awaited is not None and course.awaited.status is PeriodStatus.CHARGING
        if live.status is not SubscriptionStatus.INCOMPLETE or charging:
            raise AlreadyExists(f"this account has a subscription of {new.product}", id=str(live.id))
        if _offers_the_same(live, new):
            again = _begun_again(live, new)
            await uow.subscriptions.update(again)
            return again
        now = self._clock.now()
        over = course.over(SubscriptionStatus.ENDED, now, now, _REPLACED)
        await self._book.save(uow, live, over)
        return None

    async def _opened_by_provider(self, subscription: Subscription, order: PlanOrder) -> SubscriptionView:
        start = await self._opening.hosted(subscription, order)
        async with self._units() as uow:
            held = await locked(uow, subscription.id)
            told, now = start.snapshot, self._clock.now()
            course = _as_opened(await uow.subscriptions.course(held), start, now)
            if told is not None:
                course = hosted_steps.follow(course, told, self._offers.hosting(held.provider), now)
            return await view_of(uow, await self._book.save(uow, held, course))


def _as_opened(course: Course, start: SubscriptionStart, now: datetime) -> Course:
    """A notice may have come before the answer: what it said stays. What was cancelled meanwhile is closed again."""
    held, checkout, told = course.subscription, start.checkout, start.snapshot
    answered = (told.reference if told else None) or (checkout.reference if checkout else None)
    course = course.changed(now, reference=held.reference or answered)
    if held.is_over:
        return course.following(CancelAtProvider(False))
    if held.status is not SubscriptionStatus.INCOMPLETE or checkout is None:
        return course
    return course.changed(now, checkout_url=checkout.url, client_params=dict(checkout.client_params))


def _offers_the_same(live: Subscription, new: Subscription) -> bool:
    """To the person; and where its provider's checkout is open, that has not run out. One that is being cancelled does not."""
    if live.cancel_at_period_end:
        return False
    if live.kind is SubscriptionKind.HOSTED and new.created_at - live.created_at > _STILL_OPEN:
        return False
    if None not in (live.client_reference, new.client_reference):
        return False
    return all(getattr(live, name) == getattr(new, name) for name in _OFFERED)


def _begun_again(live: Subscription, new: Subscription) -> Subscription:
    """A window for a means of payment is opened anew, for the pages that the browser is to come back to now; a provider's
    checkout stays the one that it is."""
    reference = live.client_reference or new.client_reference
    if live.kind is SubscriptionKind.HOSTED:
        return dataclasses.replace(live, client_reference=reference)
    return dataclasses.replace(
        live,
        client_reference=reference,
        checkout_url=None,
        client_params=None,
        due_at=new.due_at,
        updated_at=new.updated_at,
    )
