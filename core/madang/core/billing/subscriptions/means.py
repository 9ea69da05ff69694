"""What a subscription of ours is paid by: the key that the browser brings back, another card, one that is kept already."""

import logging
from uuid import UUID

from madang.core.billing.subscriptions import stored_method_steps
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.model import METHOD_TOKEN, PaymentMethod, Subscription
from madang.core.billing.subscriptions.opening import Opening
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.views import SubscriptionView, audited, is_over, must_store, own, view_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.ids import derived_id
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.errors import Rejected
from madang.ports.payment import KeepMethodRequest

logger = logging.getLogger(__name__)


class SubscriptionMeans:
    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        opening: Opening,
        book: SubscriptionBook,
        providers: Providers,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._opening = opening
        self._book = book
        self._providers = providers
        self._cipher = cipher
        self._audit = audit_trail
        self._clock = clock

    async def activate(self, caller: Caller, subscription_id: UUID, client_key: str) -> SubscriptionView:
        """Keep the means of payment whose key the browser brought back, and charge that one from now on: it begins what waits
        for one, and pays what is owed. The same key twice is one means.

        Raises `NotFound`, `WrongState`, `ValidationFailed` for a key that means nothing, and what the gateway raises.
        """
        async with self._units() as uow:
            subscription = await own(uow, caller.person, subscription_id, lock=False)
            method_id = derived_id(subscription.id, client_key)
            kept = await uow.payment_methods.get(method_id)
            if kept is not None and subscription.method_id == kept.id:
                return await view_of(uow, subscription)
        must_store(subscription)
        if subscription.is_over:
            raise is_over(subscription, "not over")
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
            subscription = await own(uow, caller.person, subscription_id)
            must_store(subscription)
            if subscription.is_over:
                raise is_over(subscription, "not over")
            if method_id is not None:
                return await self._use(uow, caller, subscription_id, await self.of(uow, subscription, method_id))
        checkout = await self._opening.method_window(subscription, success_url, cancel_url)
        async with self._units() as uow:
            locked = await own(uow, caller.person, subscription_id)
            course = (await uow.subscriptions.course(locked)).changed(
                self._clock.now(), checkout_url=checkout.url, client_params=dict(checkout.client_params)
            )
            return await view_of(uow, await self._book.save(uow, locked, course))

    async def take(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, method: PaymentMethod) -> SubscriptionView:
        """It is charged from now on; the caller holds the row."""
        now = self._clock.now()
        course = (await uow.subscriptions.course(subscription)).changed(now, checkout_url=None, client_params=None)
        course = stored_method_steps.use_method(course, method.id, now)
        return await view_of(uow, await self._book.save(uow, subscription, course))

    async def of(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, method_id: UUID) -> PaymentMethod:
        """Raises `ValidationFailed` for one that its provider cannot charge, or that is not its owner's."""
        method = await self.owned(uow, subscription.user_id, method_id)
        if method.provider != subscription.provider:
            raise ValidationFailed(Problem("methodId", f"the subscription is charged by {subscription.provider}"))
        return method

    async def owned(self, uow: SubscriptionsUnitOfWork, user_id: UUID, method_id: UUID) -> PaymentMethod:
        method = await uow.payment_methods.get(method_id)
        if method is None or method.user_id != user_id:
            raise ValidationFailed(Problem("methodId", "no means of payment of yours has this id"))
        return method

    async def _use(
        self, uow: SubscriptionsUnitOfWork, caller: Caller, subscription_id: UUID, method: PaymentMethod
    ) -> SubscriptionView:
        subscription = await own(uow, caller.person, subscription_id)
        await audited(self._audit, uow, caller, AuditAction.PAYMENT_METHOD_CHANGED, subscription)
        return await self.take(uow, subscription, method)

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
