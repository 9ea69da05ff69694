"""What subscriptions know about a person. Erasure cancels first, where it renews and where a means of payment is kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.billing.subscriptions.book import erased_message, erasure_key
from madang.core.billing.subscriptions.model import METHOD_TOKEN, PaymentMethod, Subscription, SubscriptionKind
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.ports.errors import Rejected
from madang.ports.payment import CancelSubscriptionRequest, RemoteSubscriptionStatus
from madang.ports.secret import Secret


class SubscriptionsPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "subscriptions"
    tables: Final = frozenset({"subscriptions", "payment_methods"})

    def __init__(
        self, units: UnitOfWorkFactory[SubscriptionsUnitOfWork], providers: Providers, cipher: PersonalDataCipher
    ) -> None:
        self._units = units
        self._providers = providers
        self._cipher = cipher

    async def export(self, uow: SubscriptionsUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {
            "subscriptions": [_subscription(found) for found in await uow.subscriptions.of_user(user_id)],
            "paymentMethods": [_method(found) for found in await uow.payment_methods.of_user(user_id)],
        }

    async def forget_outside(self, user_id: UUID) -> None:
        """Nobody charges this person any more: hosted subscriptions are cancelled, and means of payment deleted, at their
        providers."""
        async with self._units() as uow:
            subscriptions = await uow.subscriptions.of_user(user_id)
            methods = await uow.payment_methods.all_of_user(user_id)
        for subscription in subscriptions:
            if _lives_outside(subscription):
                await self._cancel(subscription)
        for method in methods:
            token = Secret(self._cipher.decrypt(method.token, purpose=METHOD_TOKEN))
            await self._providers.payment_gateway(method.provider).forget_method(method.customer_id, token)

    async def erase(self, uow: SubscriptionsUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """A charge under way finds no subscription any more, and is given back. A checkout that is still open is closed, as a
        message of this commit; what is agreed to there all the same is cancelled and given back when it is heard of."""
        for subscription in await uow.subscriptions.of_user(user_id):
            if _lives_outside(subscription):
                await uow.actions.save(_cancelling(subscription, now))
                if subscription.reference is not None:
                    uow.send(erased_message(subscription))
        return {
            "subscriptions": await uow.subscriptions.forget_user(user_id),
            "payment_methods": await uow.payment_methods.forget_user(user_id),
        }

    async def _cancel(self, subscription: Subscription) -> None:
        """One that the provider does not know, or that nobody agreed to, is cancelled already. It is asked first: one that was
        agreed to a moment ago may be known here by its checkout only. Any other refusal ends the erasure, not the promise."""
        if subscription.reference is None:
            return
        gateway, told = self._providers.payment_gateway(subscription.provider), None
        try:
            told = await gateway.fetch_subscription(subscription.reference)
            if told.status not in (RemoteSubscriptionStatus.CANCELLED, RemoteSubscriptionStatus.PENDING):
                await gateway.cancel_subscription(
                    CancelSubscriptionRequest(told.reference, False, f"{subscription.subject}:erase")
                )
        except Rejected as refused:
            if told is not None and refused.reason != "not_found":
                raise


def _lives_outside(subscription: Subscription) -> bool:
    return subscription.kind is SubscriptionKind.HOSTED and not subscription.is_over


def _cancelling(subscription: Subscription, now: datetime) -> Action:
    """What tells for good that it was ours. Of a checkout that the provider gave no reference for there is nothing to close."""
    state = ActionState.SUCCEEDED if subscription.reference is None else ActionState.QUEUED
    key, kind = erasure_key(subscription.id), "payment.cancel_subscription"
    return Action(new_id(), key, kind, subscription.provider, subscription.subject, state, now, now)


def _subscription(subscription: Subscription) -> Mapping[str, Any]:
    return {
        "id": str(subscription.id),
        "planId": subscription.terms.plan_id,
        "amount": subscription.terms.price.amount,
        "currency": subscription.terms.price.currency,
        "intervalMonths": subscription.interval_months,
        "provider": subscription.provider,
        "reference": subscription.reference,
        "status": subscription.status.value,
        "country": subscription.country,
        "createdAt": subscription.created_at,
        "endedAt": subscription.ended_at,
    }


def _method(method: PaymentMethod) -> Mapping[str, Any]:
    return {"id": str(method.id), "provider": method.provider, "label": method.label, "createdAt": method.created_at}
