"""Use cases of a subscriber: begin, bring a means of payment, change, cancel, resume, look."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from madang.core.billing import hosted_steps, subscription_steps
from madang.core.billing.plan_checkouts import OpenedCheckout, PlanOrder
from madang.core.billing.subscription_book import SubscriptionBook
from madang.core.billing.subscription_course import Course
from madang.core.billing.subscription_model import (
    METHOD_TOKEN,
    PaymentMethod,
    Period,
    PeriodStatus,
    Subscription,
    SubscriptionKind,
    SubscriptionStatus,
)
from madang.core.billing.subscription_offers import PlanOffers, kind_of
from madang.core.billing.subscription_opening import Opening
from madang.core.billing.subscription_repository import SubscriptionsUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import AlreadyExists, Conflict, NotFound, Problem, ValidationFailed, WrongState
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.errors import Rejected
from madang.ports.payment import KeepMethodRequest

logger = logging.getLogger(__name__)

_REPLACED: Final = "replaced"


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """With the period that runs, the one that is to be paid, the means of payment, and all periods where asked for."""

    subscription: Subscription
    current: Period | None
    awaited: Period | None
    method: PaymentMethod | None = None
    periods: Sequence[Period] = ()


class SubscriptionService:
    """Fulfils `PlanCheckouts`."""

    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        offers: PlanOffers,
        opening: Opening,
        book: SubscriptionBook,
        providers: Providers,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        zone: str,
    ) -> None:
        self._units = units
        self._offers = offers
        self._opening = opening
        self._book = book
        self._providers = providers
        self._cipher = cipher
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
            await self._audited(uow, caller, AuditAction.SUBSCRIPTION_STARTED, begun.subscription)
        return begun

    async def list(self, user_id: UUID) -> Sequence[SubscriptionView]:
        """The newest first."""
        async with self._units() as uow:
            found = await uow.subscriptions.of_user(user_id)
            return [await self._view(uow, subscription) for subscription in reversed(found)]

    async def get(self, user_id: UUID, subscription_id: UUID) -> SubscriptionView:
        """With all its periods. Raises `NotFound`."""
        async with self._units() as uow:
            found = await self._own(uow, user_id, subscription_id, lock=False)
            view = await self._view(uow, found)
            return dataclasses.replace(view, periods=await uow.subscriptions.periods(found.id))

    async def activate(self, caller: Caller, subscription_id: UUID, client_key: str) -> SubscriptionView:
        """Keep the means of payment whose key the browser brought back, and charge that one from now on: it begins what waits
        for one, and pays what is owed. The same key twice is one means.

        Raises `NotFound`, `WrongState`, `ValidationFailed` for a key that means nothing, and what the gateway raises.
        """
        async with self._units() as uow:
            subscription = await self._own(uow, caller.person, subscription_id, lock=False)
            method_id = uuid5(subscription.id, client_key)
            kept = await uow.payment_methods.get(method_id)
            if kept is not None and subscription.method_id == kept.id:
                return await self._view(uow, subscription)
        self._must_store(subscription)
        if subscription.is_over:
            raise _wrong(subscription, "not over")
        method = kept or await self._keep(subscription, method_id, client_key)
        async with self._units() as uow:
            # By itself: what the provider keeps can be seen and removed also where it cannot be used for this.
            await uow.payment_methods.add(method)
        async with self._units() as uow:
            return await self._use(uow, caller, subscription_id, method)

    async def bring_method(
        self, caller: Caller, subscription_id: UUID, *, success_url: str, cancel_url: str, method_id: UUID | None = None
    ) -> SubscriptionView:
        """Pay by another means from now on: one that is kept already, or one that the person leaves in the window that this
        opens, whose key `activate` takes. Raises `NotFound`, `WrongState`, and what the gateway raises."""
        async with self._units() as uow:
            subscription = await self._own(uow, caller.person, subscription_id)
            self._must_store(subscription)
            if subscription.is_over:
                raise _wrong(subscription, "not over")
            if method_id is not None:
                return await self._use(uow, caller, subscription_id, await self._method(uow, subscription, method_id))
        checkout = await self._opening.method_window(subscription, success_url, cancel_url)

        def with_window(course: Course) -> Course:
            return course.changed(self._clock.now(), checkout_url=checkout.url, client_params=dict(checkout.client_params))

        return await self._step(caller, subscription_id, None, with_window)

    async def change(
        self, caller: Caller, subscription_id: UUID, plan_id: str, *, prorate: bool | None = None
    ) -> SubscriptionView:
        """Another plan of the same product: a higher one at once, charged for the rest of the period, a lower one from the next
        period on; `prorate` says otherwise. Raises `NotFound`, `ValidationFailed`, `WrongState`."""
        async with self._units() as uow:
            subscription = await self._own(uow, caller.person, subscription_id, lock=False)
        plan = self._offers.plan(plan_id)
        if plan.product != subscription.product:
            raise ValidationFailed(Problem("planId", f"it is no plan of {subscription.product}"))
        price = subscription.terms.price
        terms = self._offers.terms(plan, price.currency, subscription.interval_months, subscription.provider)
        if plan_id == subscription.terms.plan_id:
            terms = subscription.terms
        higher = terms.price > price
        if prorate and not higher and subscription.status is not SubscriptionStatus.TRIALING:
            raise ValidationFailed(Problem("prorate", "a lower price holds from the next period on: nothing is given back"))
        at_once = higher if prorate is None else prorate

        def step(course: Course) -> Course:
            now = self._clock.now()
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return subscription_steps.change(course, terms, now, at_once=at_once)
            self._must_change(subscription)
            return hosted_steps.change(course, terms, self._hosting(subscription), now, at_once=at_once)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_CHANGED, step)

    async def cancel(self, caller: Caller, subscription_id: UUID, *, at_period_end: bool) -> SubscriptionView:
        """At the end of the period, or now: what is paid is not given back by this. Raises `NotFound`, `WrongState`."""

        def step(course: Course) -> Course:
            now, subscription = self._clock.now(), course.subscription
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return subscription_steps.cancel(course, now, at_period_end=at_period_end)
            return hosted_steps.cancel(course, self._hosting(subscription), now, at_period_end=at_period_end)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_CANCELLED, step)

    async def resume(self, caller: Caller, subscription_id: UUID) -> SubscriptionView:
        """Take back the cancellation at the period's end. Raises `NotFound`, `WrongState`."""

        def step(course: Course) -> Course:
            now, subscription = self._clock.now(), course.subscription
            if subscription.kind is SubscriptionKind.STORED_METHOD:
                return subscription_steps.resume(course, now)
            return hosted_steps.resume(course, self._hosting(subscription), now)

        return await self._step(caller, subscription_id, AuditAction.SUBSCRIPTION_RESUMED, step)

    async def _begin(self, order: PlanOrder, method_id: UUID | None = None) -> SubscriptionView:
        subscription = await self._ordered(order, method_id)
        if subscription.status is not SubscriptionStatus.INCOMPLETE or subscription.checkout_url or subscription.client_params:
            async with self._units() as uow:
                return await self._view(uow, subscription)
        if method_id is not None:
            async with self._units() as uow:
                method = await self._method(uow, subscription, method_id)
                return await self._take(uow, await self._locked(uow, subscription.id), method)
        if subscription.kind is SubscriptionKind.HOSTED:
            return await self._opened_by_provider(subscription, order)
        checkout = await self._opening.method_window(
            subscription, order.success_url, order.cancel_url, order.customer_email, order.customer_name
        )
        async with self._units() as uow:
            locked = await self._locked(uow, subscription.id)
            opened = dataclasses.replace(
                locked, checkout_url=checkout.url, client_params=dict(checkout.client_params), updated_at=self._clock.now()
            )
            await uow.subscriptions.update(opened)
            return await self._view(uow, opened)

    async def _ordered(self, order: PlanOrder, method_id: UUID | None) -> Subscription:
        """The row, before anybody outside is asked."""
        async with self._units() as uow:
            found = await uow.subscriptions.get(order.id)
            if found is not None:
                return found
            new = await self._new(uow, order, method_id)
            if order.client_reference is not None:
                first = await uow.subscriptions.by_client_reference(order.user_id, order.client_reference)
                if first is not None:
                    raise AlreadyExists("this client reference has been used", id=str(first.id))
            await self._make_room(uow, new)
            if not await uow.subscriptions.add(new):
                raise AlreadyExists("another subscription is being begun", id=str(new.id))
            return new

    async def _new(self, uow: SubscriptionsUnitOfWork, order: PlanOrder, method_id: UUID | None) -> Subscription:
        plan = self._offers.plan(order.plan_id)
        kept = None if method_id is None else await self._owned_method(uow, order.user_id, method_id)
        named = order.provider or (kept.provider if kept else None)
        gateway = self._offers.gateway(plan, order.currency, order.country, named)
        if kept is not None and kept.provider != gateway.name:
            raise ValidationFailed(Problem("methodId", f"it is kept by {kept.provider}"))
        terms = self._offers.terms(plan, order.currency, order.interval_months, gateway.name)
        now = self._clock.now()
        kind = kind_of(gateway.capabilities, terms)
        tried = await uow.subscriptions.has_tried(order.user_id, plan.product)
        within = subscription_steps.BEGUN_WITHIN if kind is SubscriptionKind.STORED_METHOD else hosted_steps.ASK_AGAIN
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

    async def _make_room(self, uow: SubscriptionsUnitOfWork, new: Subscription) -> None:
        """One that nobody has agreed to yet makes way. Raises `AlreadyExists` for any other of the product."""
        live = await uow.subscriptions.live(new.user_id, new.product)
        if live is None:
            return
        course = await uow.subscriptions.course(live)
        charging = course.awaited is not None and course.awaited.status is PeriodStatus.CHARGING
        if live.status is not SubscriptionStatus.INCOMPLETE or charging:
            raise AlreadyExists(f"this account has a subscription of {new.product}", id=str(live.id))
        now = self._clock.now()
        over = course.over(SubscriptionStatus.ENDED, now, now, _REPLACED)
        await self._book.save(uow, live, over)

    async def _opened_by_provider(self, subscription: Subscription, order: PlanOrder) -> SubscriptionView:
        start = await self._opening.hosted(subscription, order)
        async with self._units() as uow:
            locked = await self._locked(uow, subscription.id)
            checkout, told = start.checkout, start.snapshot
            reference = (told.reference if told else None) or (checkout.reference if checkout else None)
            course = (await uow.subscriptions.course(locked)).changed(
                self._clock.now(),
                reference=reference,
                checkout_url=checkout.url if checkout else None,
                client_params=dict(checkout.client_params) if checkout else None,
            )
            if told is not None:
                course = hosted_steps.follow(course, told, self._hosting(locked), self._clock.now())
            return await self._view(uow, await self._book.save(uow, locked, course))

    async def _step(
        self, caller: Caller, subscription_id: UUID, action: AuditAction | None, step: Callable[[Course], Course]
    ) -> SubscriptionView:
        async with self._units() as uow:
            subscription = await self._own(uow, caller.person, subscription_id)
            course = step(await uow.subscriptions.course(subscription))
            changed = await self._book.save(uow, subscription, course)
            if action is not None:
                await self._audited(uow, caller, action, changed)
            return await self._view(uow, changed)

    async def _use(
        self, uow: SubscriptionsUnitOfWork, caller: Caller, subscription_id: UUID, method: PaymentMethod
    ) -> SubscriptionView:
        subscription = await self._own(uow, caller.person, subscription_id)
        await self._audited(uow, caller, AuditAction.PAYMENT_METHOD_CHANGED, subscription)
        return await self._take(uow, subscription, method)

    async def _take(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, method: PaymentMethod) -> SubscriptionView:
        now = self._clock.now()
        course = (await uow.subscriptions.course(subscription)).changed(now, checkout_url=None, client_params=None)
        course = subscription_steps.use_method(course, method.id, now)
        return await self._view(uow, await self._book.save(uow, subscription, course))

    async def _keep(self, subscription: Subscription, method_id: UUID, client_key: str) -> PaymentMethod:
        gateway = self._providers.payment_gateway(subscription.provider)
        customer_id = str(subscription.user_id)
        try:
            stored = await gateway.keep_method(KeepMethodRequest(customer_id, client_key, f"method:{method_id}"))
        except Rejected as refused:
            logger.info("a means of payment was refused: %s", refused.reason)
            raise ValidationFailed(Problem("clientKey", "the provider keeps no means of payment for this key")) from refused
        sealed = self._cipher.encrypt(stored.token.reveal(), purpose=METHOD_TOKEN)
        now = self._clock.now()
        return PaymentMethod(method_id, subscription.user_id, gateway.name, stored.customer_id, stored.label, now, sealed)

    async def _method(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, method_id: UUID) -> PaymentMethod:
        method = await self._owned_method(uow, subscription.user_id, method_id)
        if method.provider != subscription.provider:
            raise ValidationFailed(Problem("methodId", f"the subscription is charged by {subscription.provider}"))
        return method

    async def _owned_method(self, uow: SubscriptionsUnitOfWork, user_id: UUID, method_id: UUID) -> PaymentMethod:
        method = await uow.payment_methods.get(method_id)
        if method is None or method.user_id != user_id:
            raise ValidationFailed(Problem("methodId", "no means of payment of yours has this id"))
        return method

    async def _own(
        self, uow: SubscriptionsUnitOfWork, user_id: UUID, subscription_id: UUID, *, lock: bool = True
    ) -> Subscription:
        found = await uow.subscriptions.get(subscription_id, lock=lock)
        if found is None or found.user_id != user_id:
            raise NotFound("no such subscription", code="SUBSCRIPTION_NOT_FOUND")
        return found

    async def _locked(self, uow: SubscriptionsUnitOfWork, subscription_id: UUID) -> Subscription:
        found = await uow.subscriptions.get(subscription_id, lock=True)
        if found is None:
            raise NotFound("no such subscription", code="SUBSCRIPTION_NOT_FOUND")
        return found

    async def _view(self, uow: SubscriptionsUnitOfWork, subscription: Subscription) -> SubscriptionView:
        course = await uow.subscriptions.course(subscription)
        method = None if subscription.method_id is None else await uow.payment_methods.get(subscription.method_id)
        return SubscriptionView(subscription, course.current, course.awaited, method)

    async def _audited(
        self, uow: SubscriptionsUnitOfWork, caller: Caller, action: AuditAction, subscription: Subscription
    ) -> None:
        plan, status = subscription.terms.plan_id, subscription.status.value
        await self._audit.record(uow, caller, action, subscription.subject, plan=plan, status=status)

    def _hosting(self, subscription: Subscription) -> hosted_steps.Hosting:
        return self._offers.hosting(subscription.provider)

    def _must_store(self, subscription: Subscription) -> None:
        if subscription.kind is not SubscriptionKind.STORED_METHOD:
            raise _not_here(subscription, "keeps the means of payment by itself")

    def _must_change(self, subscription: Subscription) -> None:
        if not self._providers.payment_gateway(subscription.provider).capabilities.changes_subscriptions:
            raise _not_here(subscription, "does not change a subscription")


def _not_here(subscription: Subscription, why: str) -> Conflict:
    return Conflict(f"{subscription.provider} {why}", code="NOT_SUPPORTED_BY_PROVIDER", provider=subscription.provider)


def _wrong(subscription: Subscription, expected: str) -> WrongState:
    return WrongState("the subscription is over", state=subscription.status.value, expected=expected)
