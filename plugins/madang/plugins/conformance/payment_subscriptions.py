"""Conformance of subscriptions that the provider renews by itself: a part of `PaymentConformance`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

import pytest

from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import EFFECT_ERRORS, NOTHING_DONE, Stage, not_found, outcome, raised
from madang.plugins.conformance.suite import ProviderConformance, Read
from madang.ports.errors import OutcomeUnknown, Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    PaymentGateway,
    RefundRequest,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)
from madang.ports.webhook import WebhookRequest

MONTHLY: Final = (Money(9900, "KRW"), Money(990, "USD"), Money(990, "JPY"))
DEARER: Final = 2
"""What the second price costs, as a multiple of the first."""
BUYER: Final = "subscriber@example.com"
PLAN: Final = SubscribeRequest(
    "subscription-1", "", MONTHLY[0], 1, "마당 프로 (월간)", "https://shop.example/ok?id=1", "https://shop.example/no",
    "subscribe-1", customer_email=BUYER, customer_name="김마당",
)  # fmt: skip


class HostedSubscriptionTests(ProviderConformance):
    """Where `capabilities.subscriptions`: give `agree`, `period_ends`, `subscription_announcement` and `price_references`.

    `subscription_states` are the provider's words; the remote's `becomes(reference, word)` makes it so.
    """

    subscription_states: ClassVar[Mapping[str, RemoteSubscriptionStatus]] = {}
    unknown_subscription: ClassVar[str] = "subscription0unknown0to0anybody"
    """A reference in the provider's form that belongs to no subscription."""
    price_references: ClassVar[Sequence[str]] = ("", "")
    """Two prices that the stand-in has: one of `MONTHLY` a month, and one of `DEARER` times that. Empty where the provider is
    told the amount and the interval."""
    unknown_price: ClassVar[str | None] = None
    """A price in the provider's form that it does not have; None where it is told the amount."""

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        """The person goes through the checkout and leaves a card. Answers the subscription's own reference."""
        raise NotImplementedError(f"{type(self).__name__} has no agree(stage, start): let your stand-in start the subscription")

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        """The running period is over at the stand-in: the next one is charged, or the card is declined, or the subscription
        ends where it was cancelled. Answers the charge's reference for `fetch`, None where there is none."""
        raise NotImplementedError(f"{type(self).__name__} has no period_ends(stage, reference, declined=…)")

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        """The genuine webhook about this subscription, or about this charge of it, signed at this time and received now."""
        raise NotImplementedError(
            f"{type(self).__name__} has no subscription_announcement(stage, reference, payment, signed_at)"
        )

    async def reads(self, provider: PaymentGateway) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        if provider.capabilities.subscriptions:
            checkout = (await self._subscribe(provider, "key-asked")).checkout
            if checkout is not None and checkout.reference is not None:
                reference = checkout.reference
                questions["fetch_subscription"] = lambda: provider.fetch_subscription(reference)
        return questions

    @must("Raise Unsupported for subscriptions unless capabilities.subscriptions.")
    async def test_without_subscriptions_there_are_none(self, provider: PaymentGateway) -> None:
        if provider.capabilities.subscriptions:
            pytest.skip("it claims to have subscriptions")
        calls = {
            "subscribe": provider.subscribe(replace(PLAN, amount=_price(provider))),
            "fetch_subscription": provider.fetch_subscription("s"),
            "change_subscription": provider.change_subscription(ChangeSubscriptionRequest("s", "price", False, "k")),
            "cancel_subscription": provider.cancel_subscription(CancelSubscriptionRequest("s", True, "k")),
            "resume_subscription": provider.resume_subscription(ResumeSubscriptionRequest("s", "k")),
        }
        for operation, call in calls.items():
            await raised(self.name, operation, call, (Unsupported,))

    @must("Say where the person agrees, and start nothing before: PENDING, and no payment.")
    async def test_subscribing_charges_nothing_until_the_person_agreed(self, provider: PaymentGateway) -> None:
        self._hosted(provider)
        start = await self._subscribe(provider, "subscription-1")
        assert start.snapshot is None or start.snapshot.status is RemoteSubscriptionStatus.PENDING
        assert start.checkout is not None
        assert start.checkout.url or start.checkout.client_params
        if start.checkout.reference is not None:
            waiting = await provider.fetch_subscription(start.checkout.reference)
            assert waiting.status is RemoteSubscriptionStatus.PENDING
        if provider.capabilities.lists_payments:
            now = datetime.now(UTC)
            page = await provider.list_payments(now - timedelta(minutes=5), now + timedelta(minutes=5))
            assert not [each for each in page.payments if each.status is not RemotePaymentStatus.PENDING]

    @must("A subscription that was agreed to is ACTIVE with our id, its price, its amount and the period that is paid.")
    async def test_an_agreed_subscription_is_active(self, stage: Stage, provider: PaymentGateway) -> None:
        self._hosted(provider)
        start = await self._subscribe(provider, "subscription-1")
        reference = await self.agree(stage, start)
        snapshot = await stage.build().fetch_subscription(reference)
        assert (snapshot.reference, snapshot.status) == (reference, RemoteSubscriptionStatus.ACTIVE)
        assert (snapshot.subscription_id, snapshot.amount) == ("subscription-1", _price(provider))
        assert snapshot.price_reference == self.price_references[0] or not self.price_references[0]
        assert (snapshot.cancel_at_period_end, snapshot.trial_ends_at, snapshot.ended_at) == (False, None, None)
        now, end = datetime.now(UTC), snapshot.current_period_end
        assert end is not None
        assert timedelta(days=27) < end - now < timedelta(days=32)
        assert snapshot.current_period_start is None or abs(snapshot.current_period_start - now) < timedelta(minutes=2)
        if start.checkout is not None and start.checkout.reference is not None:
            assert await provider.fetch_subscription(start.checkout.reference) == snapshot

    @must("A trial is TRIALING until trial_ends_at and charges nothing; refuse trial_days where you cannot pass them on.")
    async def test_a_trial_is_a_trial_or_refused(self, stage: Stage, provider: PaymentGateway) -> None:
        self._hosted(provider)
        request = replace(self._plan(provider, "subscription-1"), trial_days=7)
        start = await outcome(provider.subscribe(request))
        if isinstance(start, Unsupported | Rejected):
            return
        assert isinstance(start, SubscriptionStart)
        snapshot = await provider.fetch_subscription(await self.agree(stage, start))
        assert snapshot.status is RemoteSubscriptionStatus.TRIALING
        assert snapshot.trial_ends_at is not None
        assert abs(snapshot.trial_ends_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=2)

    @must("A renewal is a payment: fetch() answers it PAID with its subscription, and the period moves on.")
    async def test_a_renewal_is_a_payment_of_the_subscription(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        charge = await self.period_ends(stage, before.reference)
        assert charge is not None
        payment = await stage.build().fetch(charge)
        assert (payment.reference, payment.status) == (charge, RemotePaymentStatus.PAID)
        assert (payment.subscription, payment.amount) == (before.reference, before.amount)
        after = await provider.fetch_subscription(before.reference)
        assert (after.status, after.subscription_id) == (RemoteSubscriptionStatus.ACTIVE, before.subscription_id)
        assert _end(before) < _end(after)

    @must("A renewal is given back like any payment: refund() and find_refund() take the reference that fetch() takes.")
    async def test_a_renewal_is_given_back(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        charge = await self.period_ends(stage, before.reference)
        assert charge is not None
        able, price = provider.capabilities, _price(provider)
        assert not able.finds_refunds or await provider.find_refund(charge, "refund-1") is None
        await provider.refund(RefundRequest(charge, price, "why", "refund-1"))
        back = await provider.fetch(charge)
        assert (back.status, back.refunded, back.subscription) == (RemotePaymentStatus.REFUNDED, price, before.reference)
        found = await provider.find_refund(charge, "refund-1") if able.finds_refunds else None
        assert (found.amount if found else None) == (price if able.finds_refunds else None)
        assert (await provider.fetch_subscription(before.reference)).status is RemoteSubscriptionStatus.ACTIVE

    @must("A renewal whose card was declined is PAST_DUE, and its charge never PAID; a later success is ACTIVE again.")
    async def test_a_declined_renewal_is_past_due(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        charge = await self.period_ends(stage, before.reference, declined=True)
        assert (await provider.fetch_subscription(before.reference)).status is RemoteSubscriptionStatus.PAST_DUE
        if charge is not None:
            payment = await provider.fetch(charge)
            assert payment.status in (RemotePaymentStatus.FAILED, RemotePaymentStatus.PENDING)
            assert (payment.subscription, payment.paid_at) == (before.reference, None)
        await self.period_ends(stage, before.reference)
        assert (await provider.fetch_subscription(before.reference)).status is RemoteSubscriptionStatus.ACTIVE

    @must("Map each state of a subscription by a table; one that is not in it is PENDING, never ACTIVE.")
    async def test_each_state_of_a_subscription_has_its_status(self, stage: Stage, provider: PaymentGateway) -> None:
        self._hosted(provider)
        if stage.service is None:
            pytest.skip("there is no state to ask for")
        known = self.subscription_states
        assert RemoteSubscriptionStatus.ACTIVE in known.values(), "say in `subscription_states` which words mean what"
        reference = (await self._agreed(stage, provider)).reference
        for word, status in {**known, "a-state-to-come": RemoteSubscriptionStatus.PENDING}.items():
            stage.service.becomes(reference, word)
            assert (await provider.fetch_subscription(reference)).status is status, f"{word!r} means {status}"

    @must("Change to another price, once for one key, and answer it; else declare changes_subscriptions=False.")
    @pytest.mark.parametrize("prorate", [True, False])
    async def test_a_change_is_to_another_price(self, stage: Stage, provider: PaymentGateway, prorate: bool) -> None:
        before = await self._agreed(stage, provider)
        dearer = replace(_price(provider), amount=_price(provider).amount * DEARER)
        request = ChangeSubscriptionRequest(
            before.reference, self.price_references[1], prorate, "change-1", dearer, description="마당 팀 (월간)"
        )
        if not provider.capabilities.changes_subscriptions:
            await raised(self.name, "change_subscription", provider.change_subscription(request), (Unsupported,))
            return
        changed = await provider.change_subscription(request)
        assert (changed.reference, changed.subscription_id) == (before.reference, before.subscription_id)
        if changed.approve_url is not None:
            return  # it changes once the person has agreed there
        assert changed.amount == dearer
        assert changed.price_reference == self.price_references[1] or not self.price_references[1]
        assert await stage.build().fetch_subscription(before.reference) == changed
        charge = await self.period_ends(stage, before.reference)
        assert charge is not None
        if not prorate:
            assert (await provider.fetch(charge)).amount == dearer

    @must("Cancel now: CANCELLED with the time it ended; cancelled again it is answered as it ended.")
    async def test_a_cancelled_subscription_has_ended(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        ended = await provider.cancel_subscription(CancelSubscriptionRequest(before.reference, False, "cancel-1"))
        assert (ended.reference, ended.status) == (before.reference, RemoteSubscriptionStatus.CANCELLED)
        assert ended.ended_at is not None
        again = await stage.build().cancel_subscription(CancelSubscriptionRequest(before.reference, False, "cancel-2"))
        assert again == ended == await provider.fetch_subscription(before.reference)
        assert await self.period_ends(stage, before.reference) is None

    @must("Cancel at the end of the period: it runs on until then; else declare cancels_at_period_end=False.")
    async def test_a_subscription_ends_with_its_period(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        request = CancelSubscriptionRequest(before.reference, True, "cancel-1")
        if not provider.capabilities.cancels_at_period_end:
            await raised(self.name, "cancel_subscription", provider.cancel_subscription(request), (Unsupported,))
            return
        ending = await provider.cancel_subscription(request)
        assert (ending.status, ending.cancel_at_period_end) == (RemoteSubscriptionStatus.ACTIVE, True)
        assert (ending.ended_at, _end(ending)) == (None, _end(before))
        assert await self.period_ends(stage, before.reference) is None
        assert (await provider.fetch_subscription(before.reference)).status is RemoteSubscriptionStatus.CANCELLED

    @must("Take a cancellation back while the period runs; else declare resumes_subscriptions=False.")
    async def test_a_cancellation_is_taken_back(self, stage: Stage, provider: PaymentGateway) -> None:
        before = await self._agreed(stage, provider)
        resume = ResumeSubscriptionRequest(before.reference, "resume-1")
        if not provider.capabilities.resumes_subscriptions:
            await raised(self.name, "resume_subscription", provider.resume_subscription(resume), (Unsupported,))
            return
        await provider.cancel_subscription(CancelSubscriptionRequest(before.reference, True, "cancel-1"))
        resumed = await provider.resume_subscription(resume)
        assert (resumed.status, resumed.cancel_at_period_end) == (RemoteSubscriptionStatus.ACTIVE, False)
        again = await provider.resume_subscription(replace(resume, idempotency_key="resume-2"))
        assert not again.cancel_at_period_end, "one that is not cancelled is answered as it is"
        assert await self.period_ends(stage, before.reference) is not None

    @must("Give the idempotency key to the provider, or declare idempotent=False.")
    async def test_the_same_key_subscribes_once(self, stage: Stage, provider: PaymentGateway) -> None:
        self._hosted(provider)
        if not provider.capabilities.idempotent:
            pytest.skip("it does not claim to be idempotent")
        first, again = await self._subscribe(provider, "key-1"), await self._subscribe(stage.build(), "key-1")
        assert first == again
        assert await self._subscribe(provider, "key-2") != first

    @must("Refuse a subscription for nothing, and one for a price that the provider does not have, as Rejected.")
    async def test_a_price_that_cannot_be_is_refused(self, provider: PaymentGateway) -> None:
        self._hosted(provider)
        plan = self._plan(provider, "subscription-1")
        wrong = [replace(plan, amount=Money(0, plan.amount.currency)), replace(plan, amount=Money(-1, plan.amount.currency))]
        if self.unknown_price is not None:
            wrong.append(replace(plan, price_reference=self.unknown_price))
        for request in wrong:
            error = await raised(self.name, "subscribe", provider.subscribe(request), (Rejected,))
            assert getattr(error, "reason", "") == "invalid_request"
            assert BUYER not in str(error)

    @must('Raise Rejected(reason="not_found") for a subscription that the provider does not know.')
    async def test_an_unknown_subscription_is_not_found(self, stage: Stage, provider: PaymentGateway) -> None:
        self._hosted(provider)
        able, unknown = provider.capabilities, self.unknown_subscription
        for strange in (unknown, "../account", "with a space/and?query#x", ""):
            await not_found(stage, "fetch_subscription", provider.fetch_subscription(strange))
        cancel = provider.cancel_subscription(CancelSubscriptionRequest(unknown, False, "cancel-1"))
        await not_found(stage, "cancel_subscription", cancel)
        if able.changes_subscriptions:
            change = ChangeSubscriptionRequest(unknown, self.price_references[1], False, "change-1", _price(provider))
            await not_found(stage, "change_subscription", provider.change_subscription(change))
        if able.resumes_subscriptions:
            resume = provider.resume_subscription(ResumeSubscriptionRequest(unknown, "resume-1"))
            await not_found(stage, "resume_subscription", resume)

    @must("Map a failed subscribe as the table says, after one try: OutcomeUnknown unless surely nothing was done.")
    @pytest.mark.parametrize("fault", EFFECT_ERRORS)
    async def test_each_failure_of_subscribing_has_its_error(
        self, stage: Stage, provider: PaymentGateway, fault: Fault
    ) -> None:
        self._hosted(provider)
        self._needs(fault)
        plan = self._plan(provider, "subscription-1")
        await self._subscribe(provider, "subscription-0")
        await self.inject(stage, fault, "subscribe")
        error = await self.met(stage, fault, "subscribe", lambda limit: provider.subscribe(replace(plan, timeout=limit)))
        self._has_the_providers_code(stage, fault, error)
        if provider.capabilities.idempotent:
            assert await provider.subscribe(plan) == await provider.subscribe(plan)

    @must("Map a failed cancellation as the table says: OutcomeUnknown unless surely nothing was done.")
    @pytest.mark.parametrize("fault", EFFECT_ERRORS)
    async def test_each_failure_of_cancelling_has_its_error(self, stage: Stage, provider: PaymentGateway, fault: Fault) -> None:
        before = await self._agreed(stage, provider)
        self._needs(fault)
        await self.inject(stage, fault, "cancel_subscription")
        request = CancelSubscriptionRequest(before.reference, False, "cancel-1", 20.0)
        cancel = provider.cancel_subscription
        error = await self.met(stage, fault, "cancel_subscription", lambda limit: cancel(replace(request, timeout=limit)))
        self._has_the_providers_code(stage, fault, error)
        await self.settled(stage, fault)
        now = await provider.fetch_subscription(before.reference)
        assert (now.status is RemoteSubscriptionStatus.ACTIVE) == (fault in NOTHING_DONE)

    @must(
        "What was done stays done: raise OutcomeUnknown where only the look-up after it fails, and not that question's error."
    )
    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.GARBAGE])
    async def test_a_look_up_that_fails_afterwards_does_not_undo_a_cancellation(
        self, stage: Stage, provider: PaymentGateway, fault: Fault
    ) -> None:
        before, service = await self._agreed(stage, provider), stage.service
        self._needs(fault)
        if service is None:
            pytest.skip("there is nothing outside to ask")
        acted = len(service.acting)
        service.plan(fault, only=lambda request: len(service.acting) > acted and not service.acts(request))
        result = await outcome(provider.cancel_subscription(CancelSubscriptionRequest(before.reference, False, "cancel-1")))
        assert isinstance(result, SubscriptionSnapshot | OutcomeUnknown), f"it was {result!r}"
        if isinstance(result, OutcomeUnknown):
            self._has_the_providers_code(stage, fault, result)

    @must("A webhook about a subscription names it, and the charge that it is about.")
    async def test_an_announcement_names_the_subscription(self, stage: Stage, provider: PaymentGateway) -> None:
        reference = (await self._agreed(stage, provider)).reference
        charge = await self.period_ends(stage, reference)
        for payment in (None, charge):
            request = self.subscription_announcement(stage, reference, payment, datetime.now(UTC))
            notices = await provider.read_webhook(request)
            [notice] = [each for each in notices if each.subscription == reference]
            assert notice.event_id
            assert notice.kind
            assert notice.reference == payment
            assert notice.subscription_id in (None, "subscription-1")
            assert notice.snapshot is None or notice.snapshot.subscription == reference
            assert await provider.read_webhook(request) == notices

    def _hosted(self, provider: PaymentGateway) -> None:
        if not provider.capabilities.subscriptions:
            pytest.skip("it does not claim to have subscriptions")

    def _plan(self, provider: PaymentGateway, subscription_id: str) -> SubscribeRequest:
        return replace(
            PLAN, subscription_id=subscription_id, idempotency_key=f"subscribe-{subscription_id}", amount=_price(provider),
            price_reference=self.price_references[0],
        )  # fmt: skip

    async def _subscribe(self, provider: PaymentGateway, subscription_id: str) -> SubscriptionStart:
        return await provider.subscribe(self._plan(provider, subscription_id))

    async def _agreed(self, stage: Stage, provider: PaymentGateway) -> SubscriptionSnapshot:
        self._hosted(provider)
        reference = await self.agree(stage, await self._subscribe(provider, "subscription-1"))
        return await provider.fetch_subscription(reference)


def _price(provider: PaymentGateway) -> Money:
    taken = provider.capabilities.currencies
    return next(each for each in MONTHLY if not taken or each.currency in taken)


def _end(snapshot: SubscriptionSnapshot) -> datetime:
    assert snapshot.current_period_end is not None
    return snapshot.current_period_end
