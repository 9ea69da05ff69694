"""A subscription as its owner sees it, and what keeps somebody from doing something with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from madang.core.billing.subscriptions.model import PaymentMethod, Period, Subscription, SubscriptionKind
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import Conflict, NotFound, WrongState
from madang.core.operations.audit import AuditAction, AuditTrail


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """With the period that runs, the one that is to be paid, the means of payment, and all periods where asked for."""

    subscription: Subscription
    current: Period | None
    awaited: Period | None
    method: PaymentMethod | None = None
    periods: Sequence[Period] = ()


async def view_of(uow: SubscriptionsUnitOfWork, subscription: Subscription) -> SubscriptionView:
    course = await uow.subscriptions.course(subscription)
    method = None if subscription.method_id is None else await uow.payment_methods.get(subscription.method_id)
    return SubscriptionView(subscription, course.current, course.awaited, method)


async def own(uow: SubscriptionsUnitOfWork, user_id: UUID, subscription_id: UUID, *, lock: bool = True) -> Subscription:
    """Raises `NotFound`, also for one of somebody else's."""
    found = await uow.subscriptions.get(subscription_id, lock=lock)
    if found is None or found.user_id != user_id:
        raise NotFound("no such subscription", code="SUBSCRIPTION_NOT_FOUND")
    return found


async def locked(uow: SubscriptionsUnitOfWork, subscription_id: UUID) -> Subscription:
    """Raises `NotFound`."""
    found = await uow.subscriptions.get(subscription_id, lock=True)
    if found is None:
        raise NotFound("no such subscription", code="SUBSCRIPTION_NOT_FOUND")
    return found


async def audited(
    trail: AuditTrail, uow: SubscriptionsUnitOfWork, caller: Caller, action: AuditAction, subscription: Subscription
) -> None:
    plan, status = subscription.terms.plan_id, subscription.status.value
    await trail.record(uow, caller, action, subscription.subject, plan=plan, status=status)


def must_store(subscription: Subscription) -> None:
    """Raises `Conflict` where the provider, and not we, keeps what it is paid by."""
    if subscription.kind is not SubscriptionKind.STORED_METHOD:
        raise not_here(subscription, "keeps the means of payment by itself")


def not_here(subscription: Subscription, why: str) -> Conflict:
    return Conflict(f"{subscription.provider} {why}", code="NOT_SUPPORTED_BY_PROVIDER", provider=subscription.provider)


def is_over(subscription: Subscription, expected: str) -> WrongState:
    return WrongState("the subscription is over", state=subscription.status.value, expected=expected)
