"""Subscriptions that the memory renews by itself; a test lets the person agree and the time pass."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.adapters.memory.signatures import signed_webhook
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    ChargedFor,
    ChargeReason,
    Checkout,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.webhook import WebhookRequest

ENDED = RemoteSubscriptionStatus.CANCELLED


@dataclass(frozen=True, slots=True)
class Agreed:
    """A subscription after its checkout. Its periods are counted from `anchor`, so that one of the 31st comes back to the 31st
    after a shorter month."""

    snapshot: SubscriptionSnapshot
    price: Money
    interval_months: int
    anchor: datetime
    periods: int = 0

    def next_period(self) -> "Agreed":
        start = months_after(self.anchor, self.periods * self.interval_months)
        end = months_after(self.anchor, (self.periods + 1) * self.interval_months)
        moved = replace(self.snapshot, current_period_start=start, current_period_end=end)
        return replace(self, snapshot=moved, periods=self.periods + 1)


class MemorySubscriptions(MemoryProvider):
    """The part of `PaymentGateway` about subscriptions. `agree` is what the person does at the checkout; `renew`,
    `fail_renewal` and `give_up` are what happens when the period is over; `announce_subscription` is the webhook about it."""

    def agree(self, checkout_reference: str) -> str:
        """The person goes through the checkout. The first period is charged at once, or a trial begins; the answer is the
        subscription's own reference."""
        if checkout_reference in self._references:
            return self._references[checkout_reference]
        request = self._begun.get(checkout_reference)
        if request is None:
            raise rejected("no checkout of a subscription has this reference", "not_found", "agree")
        reference = self._references[checkout_reference] = self.world.next_id("subscription")
        now = datetime.now(UTC)
        trial = now + timedelta(days=request.trial_days) if request.trial_days else None
        snapshot = SubscriptionSnapshot(
            reference, RemoteSubscriptionStatus.ACTIVE, request.price_reference, subscription_id=request.subscription_id,
            amount=request.amount,
        )  # fmt: skip
        agreed = Agreed(snapshot, request.amount, request.interval_months, trial or now)
        if trial is None:
            self._agreed[reference] = agreed.next_period()
            self._bill(reference, request.amount, RemotePaymentStatus.PAID, _whole(self._agreed[reference]))
        else:
            self._agreed[reference] = replace(agreed, snapshot=_on_trial(snapshot, now, trial))
        return reference

    def renew(self, reference: str) -> str | None:
        """The period is over: the next one is charged, and the answer is that payment's reference; None for one that was to
        end with its period, and does."""
        agreed = self._subscription(reference, "renew")
        if agreed.snapshot.cancel_at_period_end or agreed.snapshot.status is ENDED:
            self._end(reference)
            return None
        renewed = agreed.next_period()
        active = replace(renewed.snapshot, status=RemoteSubscriptionStatus.ACTIVE)
        self._agreed[reference] = replace(renewed, snapshot=active)
        return self._bill(reference, agreed.price, RemotePaymentStatus.PAID, _whole(renewed))

    def fail_renewal(self, reference: str) -> str:
        """The period is over, and the card is declined. The answer is the failed payment's reference."""
        agreed = self._subscription(reference, "fail_renewal")
        self._keep(reference, replace(agreed.snapshot, status=RemoteSubscriptionStatus.PAST_DUE))
        return self._bill(reference, agreed.price, RemotePaymentStatus.FAILED, _whole(agreed.next_period()))

    def give_up(self, reference: str) -> None:
        """It was tried often enough: the subscription ends, as one does that its owner cancelled elsewhere."""
        self._subscription(reference, "give_up")
        self._end(reference)

    def announce_subscription(
        self, reference: str, payment: str | None = None, signed_at: datetime | None = None
    ) -> WebhookRequest:
        """The signed webhook about this subscription, or about what it charged, received now."""
        now = datetime.now(UTC)
        kind = "subscription.charged" if payment else "subscription.changed"
        event = {"kind": kind, "subscription": reference, "reference": payment}
        return signed_webhook(self._context.signing_key, self.world.next_id("event"), event, signed_at or now, now)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        if request.amount.amount <= 0:
            raise rejected("an amount is more than nothing", "invalid_request", "subscribe")

        def make(identity: str) -> SubscriptionStart:
            self._begun[identity] = request
            return SubscriptionStart(Checkout(f"{self._context.base_url}/memory/checkout/{identity}", identity))

        return await self.world.effect(
            "payment.subscribe", lambda: self.world.once("subscribe", request, make), request.timeout
        )

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        def look() -> SubscriptionSnapshot:
            request = self._begun.get(reference)
            if request is None:
                return self._subscription(reference, "fetch_subscription").snapshot
            if reference in self._references:
                return self._agreed[self._references[reference]].snapshot
            return SubscriptionSnapshot(
                reference, RemoteSubscriptionStatus.PENDING, request.price_reference,
                subscription_id=request.subscription_id, amount=request.amount,
            )  # fmt: skip

        return await self.world.look("payment.fetch_subscription", look)

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """With `prorate`, what the rest of the period costs more is charged at once; a cheaper price gives nothing back."""
        return await self._effect("change_subscription", request, lambda agreed: self._change(agreed, request))

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        def act(agreed: Agreed) -> SubscriptionSnapshot:
            if agreed.snapshot.status is ENDED:
                return agreed.snapshot
            if request.at_period_end:
                return self._keep(request.reference, replace(agreed.snapshot, cancel_at_period_end=True))
            return self._end(request.reference)

        return await self._effect("cancel_subscription", request, act)

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        def act(agreed: Agreed) -> SubscriptionSnapshot:
            if agreed.snapshot.status is ENDED:
                raise rejected("the subscription has ended", "invalid_request", "resume_subscription")
            return self._keep(request.reference, replace(agreed.snapshot, cancel_at_period_end=False))

        return await self._effect("resume_subscription", request, act)

    async def _effect(
        self,
        operation: str,
        request: ChangeSubscriptionRequest | CancelSubscriptionRequest | ResumeSubscriptionRequest,
        act: Callable[[Agreed], SubscriptionSnapshot],
    ) -> SubscriptionSnapshot:
        def once() -> SubscriptionSnapshot:
            agreed = self._subscription(request.reference, operation)
            return self.world.once(operation, request, lambda _: act(agreed))

        return await self.world.effect(f"payment.{operation}", once, request.timeout)

    def _change(self, agreed: Agreed, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        price, before = request.amount or agreed.price, agreed.snapshot
        if before.status is ENDED or price.currency != agreed.price.currency:
            raise rejected(
                "only a running subscription changes, and in its own currency", "invalid_request", "change_subscription"
            )
        changed = replace(before, price_reference=request.price_reference, amount=price)
        anchor, periods = agreed.anchor, agreed.periods
        if request.interval_months != agreed.interval_months and before.current_period_end is not None:
            anchor, periods = before.current_period_end, 0
        self._agreed[before.reference] = Agreed(changed, price, request.interval_months, anchor, periods)
        if request.prorate and (more := _dearer(before, price - agreed.price)):
            rest = ChargedFor(ChargeReason.CHANGE, datetime.now(UTC), before.current_period_end)
            self._bill(before.reference, Money(more, price.currency), RemotePaymentStatus.PAID, rest)
        return changed

    def _bill(self, subscription: str, amount: Money, status: RemotePaymentStatus, charged_for: ChargedFor) -> str:
        reference, now = self.world.next_id("payment"), datetime.now(UTC)
        paid = status is RemotePaymentStatus.PAID
        self.world.shelf("payment")[reference] = PaymentSnapshot(
            reference, status, amount, Money.zero(amount.currency), paid_at=now if paid else None,
            method="card" if paid else None, failure=None if paid else "declined", subscription=subscription,
            charged_for=charged_for,
        )  # fmt: skip
        self.world.shelf("payment.opened")[reference] = now
        return reference

    def _end(self, reference: str) -> SubscriptionSnapshot:
        snapshot = self._agreed[reference].snapshot
        if snapshot.status is ENDED:
            return snapshot
        return self._keep(reference, replace(snapshot, status=ENDED, ended_at=datetime.now(UTC)))

    def _keep(self, reference: str, snapshot: SubscriptionSnapshot) -> SubscriptionSnapshot:
        self._agreed[reference] = replace(self._agreed[reference], snapshot=snapshot)
        return snapshot

    def _subscription(self, reference: str, operation: str) -> Agreed:
        if reference not in self._agreed:
            raise rejected("no subscription has this reference", "not_found", operation)
        return self._agreed[reference]

    @property
    def _begun(self) -> dict[str, SubscribeRequest]:
        return self.world.shelf("subscription.begun")

    @property
    def _references(self) -> dict[str, str]:
        """By the checkout's reference, the subscription's own."""
        return self.world.shelf("subscription.references")

    @property
    def _agreed(self) -> dict[str, Agreed]:
        return self.world.shelf("subscription.agreed")


def months_after(moment: datetime, months: int) -> datetime:
    """The same day so many months later, or the last day of a month that has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _whole(agreed: Agreed) -> ChargedFor:
    return ChargedFor(ChargeReason.PERIOD, agreed.snapshot.current_period_start, agreed.snapshot.current_period_end)


def _on_trial(snapshot: SubscriptionSnapshot, now: datetime, until: datetime) -> SubscriptionSnapshot:
    return replace(
        snapshot, status=RemoteSubscriptionStatus.TRIALING, current_period_start=now, current_period_end=until,
        trial_ends_at=until,
    )  # fmt: skip


def _dearer(snapshot: SubscriptionSnapshot, difference: Money) -> int:
    """The difference for what is left of the period, rounded down."""
    start, end = snapshot.current_period_start, snapshot.current_period_end
    if snapshot.status is not RemoteSubscriptionStatus.ACTIVE or start is None or end is None or difference.amount <= 0:
        return 0
    left, whole = end - datetime.now(UTC), end - start
    return difference.amount * max(left // timedelta(seconds=1), 0) // (whole // timedelta(seconds=1))
