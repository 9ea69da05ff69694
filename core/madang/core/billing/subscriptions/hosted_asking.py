"""Telling a provider what becomes of a subscription that it renews: cancel, resume, change. Each at most once."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from madang.core.billing.subscriptions import hosted_steps
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.course import CHANGE_DECLINED, Course, Tell
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.snapshots import subscription_as_json, subscription_told, terms_in
from madang.core.kernel.actions import Effect, patience, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Message
from madang.core.kernel.providers import Providers
from madang.ports.errors import Rejected
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    PaymentGateway,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscriptionSnapshot,
)

logger = logging.getLogger(__name__)

_TIMEOUT: Final = 60.0
_OVER: Final = RemoteSubscriptionStatus.CANCELLED


class HostedAsking:
    def __init__(self, book: SubscriptionBook, offers: PlanOffers, providers: Providers, clock: Clock) -> None:
        self._book = book
        self._offers = offers
        self._providers = providers
        self._clock = clock

    async def ask(self, delivery: Delivery[SubscriptionsUnitOfWork]) -> None:
        """One that never came to be at the provider needs no cancelling."""
        payload = delivery.message.payload
        async with delivery.step() as uow:
            known = await uow.subscriptions.get(UUID(payload["subscription_id"]))
        reference = (known.reference if known else None) or payload["reference"]
        if reference is None:
            return
        gateway = self._providers.payment_gateway(payload["provider"])
        result = await perform(delivery, self._effect(gateway, reference, payload), self._clock)
        async with delivery.finish() as uow:
            await self._record(uow, payload, result)

    async def give_up(self, uow: SubscriptionsUnitOfWork, message: Message, failure: Failure) -> None:
        """What was wished is taken back, and stays visible as dead. A cancellation for good stays the wish."""
        payload = message.payload
        logger.error("subscription %s: %s was given up: %s", payload["subscription_id"], payload["word"], failure.message)
        subscription = await uow.subscriptions.get(UUID(payload["subscription_id"]), lock=True)
        if subscription is None or subscription.is_over:
            return
        now = self._clock.now()
        course = hosted_steps.answered(await uow.subscriptions.course(subscription), now)
        if payload["word"] == "cancel" and payload["at_period_end"]:
            course = course.changed(now, cancel_at_period_end=False)
        if payload["word"] == "resume":
            course = course.changed(now, cancel_at_period_end=True)
        if payload["word"] == "change":
            course = course.changed(now, next_terms=None)
            if course.current is not None:
                course = course.following(Tell(CHANGE_DECLINED, course.current))
        await self._book.save(uow, subscription, course)

    async def _record(self, uow: SubscriptionsUnitOfWork, payload: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        subscription = await uow.subscriptions.get(UUID(payload["subscription_id"]), lock=True)
        if subscription is None or subscription.is_over:
            return
        now = self._clock.now()
        course = hosted_steps.answered(await uow.subscriptions.course(subscription), now)
        told = subscription_told(result) if result else None
        if payload["word"] == "change" and told is not None:
            course = self._changed(course, payload, told)
        if told is not None:
            course = hosted_steps.follow(course, told, self._offers.hosting(subscription.provider), now)
        await self._book.save(uow, subscription, course)

    def _changed(self, course: Course, payload: Mapping[str, Any], told: SubscriptionSnapshot) -> Course:
        """Where the person must agree first, it holds from the period on that the provider charges so."""
        terms, now = terms_in(payload["terms"]), self._clock.now()
        if told.approve_url is not None:
            return course.changed(now, next_terms=terms, checkout_url=told.approve_url)
        return hosted_steps.changed(course, terms, now, prorated=payload["prorate"])

    def _effect(self, gateway: PaymentGateway, reference: str, payload: Mapping[str, Any]) -> Effect:
        key = f"subscription:{payload['subscription_id']}:{payload['word']}:{payload['ask_id']}"
        asked, is_done = _ASKED[payload["word"]]

        async def call() -> Mapping[str, Any]:
            return await asked(gateway, reference, payload, key)

        async def look_up() -> Mapping[str, Any] | None:
            told = await gateway.fetch_subscription(reference)
            return subscription_as_json(told) if is_done(told, payload) else None

        return Effect(
            key=key,
            kind=f"payment.{payload['word']}_subscription",
            provider=gateway.name,
            call=call,
            look_up=look_up,
            subject=f"subscription:{payload['subscription_id']}",
            time_limit=patience(_TIMEOUT),
        )


async def _cancel(gateway: PaymentGateway, reference: str, payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """One that the provider does not know is not charged by it either; one that it knows by another reference (its checkout's
    was ours) is cancelled by that. A checkout that it cannot close stays open until it expires: what is paid there is given
    back."""
    request = CancelSubscriptionRequest(reference, payload["at_period_end"], key, timeout=_TIMEOUT)
    try:
        return subscription_as_json(await gateway.cancel_subscription(request))
    except Rejected as rejected:
        refused = rejected
    try:
        known = await gateway.fetch_subscription(reference)
        if known.status is RemoteSubscriptionStatus.PENDING or (known.reference, refused.reason) == (reference, "not_found"):
            return {}
        if known.reference == reference:
            raise refused
        return subscription_as_json(await gateway.cancel_subscription(replace(request, reference=known.reference)))
    except Rejected as rejected:
        if rejected.reason == "not_found":
            return {}
        raise


async def _resume(gateway: PaymentGateway, reference: str, payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    request = ResumeSubscriptionRequest(reference, key, timeout=_TIMEOUT)
    return subscription_as_json(await gateway.resume_subscription(request))


async def _change(gateway: PaymentGateway, reference: str, payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    terms = terms_in(payload["terms"])
    request = ChangeSubscriptionRequest(
        reference,
        terms.price_reference,
        payload["prorate"],
        key,
        amount=terms.price,
        interval_months=payload["interval_months"],
        timeout=_TIMEOUT,
    )
    return subscription_as_json(await gateway.change_subscription(request))


def _is_cancelled(told: SubscriptionSnapshot, payload: Mapping[str, Any]) -> bool:
    return told.status is _OVER or (payload["at_period_end"] and told.cancel_at_period_end)


def _is_resumed(told: SubscriptionSnapshot, payload: Mapping[str, Any]) -> bool:
    return told.status is not _OVER and not told.cancel_at_period_end


def _is_changed(told: SubscriptionSnapshot, payload: Mapping[str, Any]) -> bool:
    terms = terms_in(payload["terms"])
    by_reference = bool(terms.price_reference) and told.price_reference == terms.price_reference
    return by_reference or (not terms.price_reference and told.amount == terms.price)


Asked = Callable[[PaymentGateway, str, Mapping[str, Any], str], Awaitable[Mapping[str, Any]]]
IsDone = Callable[[SubscriptionSnapshot, Mapping[str, Any]], bool]

_ASKED: Final[Mapping[str, tuple[Asked, IsDone]]] = {
    "cancel": (_cancel, _is_cancelled),
    "resume": (_resume, _is_resumed),
    "change": (_change, _is_changed),
}
