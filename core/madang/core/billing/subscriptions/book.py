"""Writes a step of a subscription down, with everything that follows it, in one commit."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.charges import Charges, NewCharge
from madang.core.billing.events import subscription_changed, subscription_period_started
from madang.core.billing.model import PaymentLine
from madang.core.billing.service import BillingService
from madang.core.billing.subscriptions.course import (
    AskProvider,
    Began,
    CancelAtProvider,
    ChangeAtProvider,
    Charge,
    Consequence,
    Course,
    GiveBack,
    ResumeAtProvider,
    Tell,
)
from madang.core.billing.subscriptions.model import Period, PeriodKind, Subscription, subscription_subject
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.snapshots import terms_as_json
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.notifications.notifier import Notifier

PURPOSE: Final = "subscriptions"
FOLLOW: Final = "billing.follow_subscription"
ASK_PROVIDER: Final = "billing.change_hosted_subscription"


_ERASURE: Final = "erasure"


class SubscriptionBook:
    def __init__(
        self, billing: BillingService, charges: Charges, catalogue: Catalogue, notifier: Notifier, clock: Clock
    ) -> None:
        self._billing = billing
        self._charges = charges
        self._catalogue = catalogue
        self._notifier = notifier
        self._clock = clock

    async def save(self, uow: SubscriptionsUnitOfWork, before: Subscription, course: Course) -> Subscription:
        """The subscription as it is then; its row is locked by the caller."""
        subscription = course.subscription
        if subscription != before:
            await uow.subscriptions.update(subscription)
        await uow.subscriptions.save_periods(course.periods)
        for consequence in course.consequences:
            await self._follow(uow, subscription, consequence)
        if _shown(subscription) != _shown(before):
            uow.announce(subscription_changed(subscription))
        return subscription

    def title(self, subscription: Subscription, plan_id: str) -> str:
        """A plan that is sold no more is called by its id."""
        try:
            return self._catalogue.plan(plan_id).title(subscription.locale)
        except NotFound:
            return plan_id

    async def _follow(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, consequence: Consequence) -> None:
        match consequence:
            case Charge():
                await self._charge(uow, subscription, consequence)
            case Began(period):
                uow.announce(subscription_period_started(subscription, period))
            case Tell():
                await self._tell(uow, subscription, consequence)
            case GiveBack(payment_id):
                await self._give_back(uow, subscription, payment_id)
            case AskProvider():
                uow.send(follow_message(subscription))
            case CancelAtProvider() | ResumeAtProvider() | ChangeAtProvider():
                uow.send(_asking(subscription, consequence))
            case _:
                assert_never(consequence)

    async def _charge(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, charge: Charge) -> None:
        if subscription.method_id is None:
            raise ValueError(f"subscription {subscription.id} has no means of payment to charge")
        period = charge.period
        title = self.title(subscription, period.terms.plan_id)
        await self._charges.start(
            uow,
            NewCharge(
                id=charge.payment_id,
                purpose=PURPOSE,
                subject=subscription.subject,
                amount=period.amount,
                description=title,
                provider=subscription.provider,
                method_id=subscription.method_id,
                user_id=subscription.user_id,
                country=subscription.country,
                lines=(PaymentLine(title, 1, period.amount.amount, period.terms.plan_id),),
                locale=subscription.locale,
            ),
        )

    async def _tell(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, tell: Tell) -> None:
        period = tell.period
        amount = period.terms.price if period.kind is PeriodKind.TRIAL else period.amount
        values = {"plan": self.title(subscription, period.terms.plan_id), "amount": str(amount)}
        if tell.at is not None:
            values["date"] = _day(tell.at, subscription)
        key = f"{subscription.subject}:{tell.kind}:{period.number}:{len(period.tries)}"
        await self._notifier.notify(uow, subscription.user_id, tell.kind, key=key, values=values, subject=subscription.subject)

    async def _give_back(self, uow: SubscriptionsUnitOfWork, subscription: Subscription, payment_id: UUID) -> None:
        key = f"{subscription.subject}:give-back:{payment_id}"
        await self._billing.request_refund(uow, payment_id, key=key, reason="not_owed")


def follow_message(subscription: Subscription) -> NewMessage:
    return NewMessage(FOLLOW, {"subscription_id": str(subscription.id)}, subject=subscription.subject)


def looking_for_charge(subscription: Subscription, period: Period) -> NewMessage:
    """Once for each period: its money may have come without a word."""
    key = f"{subscription.subject}:look-for-charge:{period.number}"
    return NewMessage(FOLLOW, {"subscription_id": str(subscription.id)}, key=key, subject=subscription.subject)


def _asking(subscription: Subscription, asked: CancelAtProvider | ResumeAtProvider | ChangeAtProvider) -> NewMessage:
    """Complete in itself: the provider must be told also when the row is gone."""
    payload: dict[str, Any] = {
        "subscription_id": str(subscription.id),
        "provider": subscription.provider,
        "reference": subscription.reference,
        "word": asked.word,
        "ask_id": str(new_id()),
        "interval_months": subscription.interval_months,
    }
    if isinstance(asked, CancelAtProvider):
        payload["at_period_end"] = asked.at_period_end
    if isinstance(asked, ChangeAtProvider):
        payload |= {"terms": terms_as_json(asked.terms), "prorate": asked.prorate}
    return NewMessage(ASK_PROVIDER, payload, subject=subscription.subject)


def erased_message(subscription: Subscription) -> NewMessage:
    """Whose person was erased is cancelled, or its open checkout closed, once: this is known by `erasure_key` for good."""
    message = _asking(subscription, CancelAtProvider(False))
    payload = {**message.payload, "ask_id": _ERASURE}
    return replace(message, payload=payload, key=f"{subscription.subject}:cancel:{_ERASURE}")


def late_message(subscription_id: UUID, provider: str, reference: str) -> NewMessage:
    """Of somebody who was erased, and agreed all the same: it is cancelled by the reference that it has now."""
    word, subject = CancelAtProvider.word, subscription_subject(subscription_id)
    payload = {
        "subscription_id": str(subscription_id),
        "provider": provider,
        "reference": reference,
        "word": word,
        "ask_id": f"{_ERASURE}:{reference}",
        "at_period_end": False,
    }
    return NewMessage(ASK_PROVIDER, payload, key=f"{subject}:{word}:{payload['ask_id']}", subject=subject)


def erasure_key(subscription_id: UUID) -> str:
    """Of the action that cancels what was an erased person's: where there is one, the subscription was ours."""
    return f"{subscription_subject(subscription_id)}:{CancelAtProvider.word}:{_ERASURE}"


def _day(moment: datetime, subscription: Subscription) -> str:
    return moment.astimezone(ZoneInfo(subscription.zone)).date().isoformat()


def _shown(subscription: Subscription) -> tuple[object, ...]:
    """What its owner hears of when it changes."""
    return (
        subscription.status,
        subscription.terms.plan_id,
        subscription.next_terms,
        subscription.cancel_at_period_end,
    )
