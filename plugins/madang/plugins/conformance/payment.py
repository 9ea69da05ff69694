"""Conformance of a payment gateway: one-off payments, refunds, look-ups, webhooks and the list for reconciliation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, Final

import pytest

from madang.plugins.conformance.payment_subscriptions import HostedSubscriptionTests
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import EFFECT_ERRORS, NOTHING_DONE, Stage, not_found, raised
from madang.plugins.conformance.stored_methods import EMAIL, PRICES, StoredMethodConformance
from madang.plugins.conformance.suite import Read
from madang.plugins.conformance.webhooks import believed_later, forgeries
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import (
    CaptureRequest,
    Checkout,
    CheckoutRequest,
    CloseCheckoutRequest,
    ConfirmRequest,
    PaymentGateway,
    PaymentSnapshot,
    RefundRequest,
    RemotePaymentStatus,
    RemoteRefundStatus,
)
from madang.ports.webhook import WebhookRequest

CHECKOUT: Final = CheckoutRequest(
    "payment-1", PRICES[0], "나의 리즈 사진 3장", "https://shop.example/ok?id=1", "https://shop.example/no", "checkout-1",
    customer_email=EMAIL, customer_name="김마당",
)  # fmt: skip


class PaymentConformance(HostedSubscriptionTests, StoredMethodConformance):
    """`states` are the provider's words for a payment; the remote's `becomes(reference, word)` makes it so.

    Give `pay`, and `announcement` and `other_event` for the webhooks. Where opening a checkout asks nothing of the provider
    (its browser SDK opens the window), name another `operation`, and override `act` with it. Where the provider renews
    subscriptions by itself, give what `HostedSubscriptionTests` asks for.
    """

    operation = "open_checkout"
    states: ClassVar[Mapping[str, RemotePaymentStatus]] = {}
    signature_headers: ClassVar[Sequence[str]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    """What a webhook's signature needs."""
    webhooks_tell_the_time: ClassVar[bool] = True
    """Whether the signature covers when it was made: without it an old webhook cannot be told from a new one, and what comes
    again is known by its event id alone."""

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        """The person goes through the checkout and pays. Answers what the browser brings back: the client key that `confirm`
        spends where the gateway confirms, else the payment's reference."""
        raise NotImplementedError(f"{type(self).__name__} has no pay(stage, checkout): let your stand-in take the money")

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        """The genuine webhook about this payment as it stands, signed at this time and received now."""
        raise NotImplementedError(f"{type(self).__name__} has no announcement(stage, snapshot, signed_at)")

    def other_event(self, stage: Stage) -> WebhookRequest:
        """A genuine webhook of a kind that is about no payment, signed now."""
        raise NotImplementedError(f"{type(self).__name__} has no other_event(stage)")

    async def act(self, provider: PaymentGateway, key: str, timeout: float = 20.0) -> object:
        return await self.open(provider, f"payment-{key}", timeout)

    async def open(self, provider: PaymentGateway, key: str, timeout: float = 20.0) -> Checkout:
        """A checkout for the payment whose id is `key`."""
        return await provider.open_checkout(
            replace(CHECKOUT, amount=self._price(provider), payment_id=key, idempotency_key=key, timeout=timeout)
        )

    async def reads(self, provider: PaymentGateway) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        able, opened = provider.capabilities, await self.open(provider, "key-asked")
        if opened.reference is not None:
            reference = opened.reference
            questions["fetch"] = lambda: provider.fetch(reference)
        if able.finds_by_payment_id:
            questions["find"] = lambda: provider.find("key-asked")
        if able.lists_payments:
            since = datetime.now(UTC) - timedelta(hours=1)
            questions["list_payments"] = lambda: provider.list_payments(since, since + timedelta(hours=2))
        return questions

    @must("Say where to send the person, and charge nothing: a payment is PENDING until somebody pays.")
    async def test_opening_a_checkout_charges_nothing(self, provider: PaymentGateway) -> None:
        for number, price in enumerate(self._prices(provider)):
            checkout = await provider.open_checkout(
                replace(CHECKOUT, payment_id=f"payment-{number}", idempotency_key=f"c-{number}", amount=price)
            )
            assert checkout.url or checkout.client_params
            if checkout.reference is not None:
                snapshot = await provider.fetch(checkout.reference)
                assert (snapshot.reference, snapshot.status) == (checkout.reference, RemotePaymentStatus.PENDING)
                assert (snapshot.amount, snapshot.refunded) == (price, Money.zero(price.currency))
                assert snapshot.paid_at is None

    @must("Take what is in capabilities.currencies, and refuse any other as Rejected or Unsupported.")
    async def test_a_currency_that_it_does_not_take_is_refused(self, provider: PaymentGateway) -> None:
        taken = provider.capabilities.currencies
        if not taken:
            pytest.skip("it takes any currency")
        other = next(each for each in ("ZMW", "KRW", "USD", "KPW") if each not in taken)
        call = provider.open_checkout(replace(CHECKOUT, amount=Money(1000, other)))
        await raised(self.name, "open_checkout", call, (Rejected, Unsupported))

    @must("An amount is more than nothing: refuse it yourself as Rejected, or map the provider's refusal.")
    @pytest.mark.parametrize("amount", [0, -1])
    async def test_an_amount_of_nothing_is_refused(self, provider: PaymentGateway, amount: int) -> None:
        price = replace(self._price(provider), amount=amount)
        error = await raised(self.name, "open_checkout", provider.open_checkout(replace(CHECKOUT, amount=price)), (Rejected,))
        assert getattr(error, "reason", "") == "invalid_request"
        assert EMAIL not in str(error)

    @must("Give the idempotency key to the provider, or declare idempotent=False.")
    async def test_the_same_key_opens_one_checkout_also_from_another_process(
        self, stage: Stage, provider: PaymentGateway
    ) -> None:
        if not provider.capabilities.idempotent:
            pytest.skip("it does not claim to be idempotent")
        first, again = await self.open(provider, "payment-1"), await self.open(stage.build(), "payment-1")
        other = await self.open(provider, "payment-2")
        assert (first.url, first.reference) == (again.url, again.reference)
        assert (first.url, first.client_params) != (other.url, other.client_params)

    @must("Close a checkout that nobody paid in, as often as asked; else declare closes_checkouts=False and raise Unsupported.")
    async def test_a_checkout_that_is_closed_waits_for_nobody(self, provider: PaymentGateway) -> None:
        opened = await self.open(provider, "payment-closed")
        closing = CloseCheckoutRequest(opened.reference or "none", "close-1")
        if not provider.capabilities.closes_checkouts:
            await raised(self.name, "close_checkout", provider.close_checkout(closing), (Unsupported,))
            return
        for _ in range(2):
            closed = await provider.close_checkout(closing)
            assert (closed.reference, closed.status) == (opened.reference, RemotePaymentStatus.EXPIRED)
            assert await provider.fetch(closed.reference) == closed

    @must("Closing a checkout that was paid in takes nothing back: answer the payment as it is.")
    async def test_closing_what_was_paid_leaves_it_paid(self, stage: Stage, provider: PaymentGateway) -> None:
        if not provider.capabilities.closes_checkouts:
            pytest.skip("it closes no checkout")
        paid = await self._paid(stage, provider, self._price(provider), "payment-1")
        assert await provider.close_checkout(CloseCheckoutRequest(paid.reference, "close-1")) == paid

    @must("A payment that was made is PAID with its whole amount, when and how; it knows our id.")
    async def test_a_payment_is_paid_once_somebody_pays(self, stage: Stage, provider: PaymentGateway) -> None:
        for number, price in enumerate(self._prices(provider)):
            before = datetime.now(UTC) - timedelta(seconds=2)
            paid = await self._paid(stage, provider, price, f"payment-{number}")
            assert paid.status is RemotePaymentStatus.PAID
            assert (paid.amount, paid.refunded) == (price, Money.zero(price.currency))
            assert paid.payment_id == f"payment-{number}"
            assert paid.paid_at is not None
            assert before <= paid.paid_at <= datetime.now(UTC) + timedelta(seconds=2)
            assert await provider.fetch(paid.reference) == paid

    @must("Spend a client key once, for its own amount; else declare confirms=False and raise Unsupported.")
    async def test_a_confirmation_is_for_the_amount_that_was_asked(self, stage: Stage, provider: PaymentGateway) -> None:
        if not provider.capabilities.confirms:
            await raised(self.name, "confirm", provider.confirm(ConfirmRequest("p", "k", PRICES[0], "c")), (Unsupported,))
            return
        price = self._price(provider)
        key = await self.pay(stage, await self.open(provider, "payment-1"))
        request = ConfirmRequest("payment-1", key, price, "confirm-1")
        less = replace(request, amount=replace(price, amount=price.amount - 1), idempotency_key="confirm-0")
        await raised(self.name, "confirm", provider.confirm(less), (Rejected,))
        assert (await provider.confirm(request)).status is RemotePaymentStatus.PAID

    @must("Take approved money by capture(), once whatever the key; else declare captures=False and raise Unsupported.")
    async def test_approved_money_is_taken_once(self, stage: Stage, provider: PaymentGateway) -> None:
        price = self._price(provider)
        request = CaptureRequest(self.unknown_reference, "payment-1", price, "capture-again")
        if not provider.capabilities.captures:
            await raised(self.name, "capture", provider.capture(request), (Unsupported,))
            return
        await not_found(stage, "capture", provider.capture(request))
        paid = await self._paid(stage, provider, price, "payment-1")
        assert await provider.capture(replace(request, reference=paid.reference)) == paid

    @must("find() answers the payment of exactly this id, None when there surely is none; else Unsupported.")
    async def test_a_payment_is_found_by_our_id(self, stage: Stage, provider: PaymentGateway) -> None:
        if not provider.capabilities.finds_by_payment_id:
            await raised(self.name, "find", provider.find("payment-1"), (Unsupported,))
            return
        assert await provider.find("payment-1") is None
        one = await self._paid(stage, provider, self._price(provider), "payment-1")
        two = await self._paid(stage, provider, self._price(provider), "payment-10")
        later = stage.build()
        assert [await later.find("payment-1"), await later.find("payment-10")] == [one, two]
        assert await later.find("payment-100") is None

    @must("A checkout whose answer was lost is found by our id, or opened again under the same key.")
    async def test_after_a_lost_answer_there_is_one_checkout(self, stage: Stage, provider: PaymentGateway) -> None:
        if not provider.capabilities.idempotent or Fault.ANSWER_LOST in self.unmet:
            pytest.skip("it does not claim to be idempotent, or loses no answer")
        if self.operation != "open_checkout":
            pytest.skip("opening a checkout asks nothing that could be lost")
        await self.inject(stage, Fault.ANSWER_LOST, "open_checkout")
        await raised(self.name, "open_checkout", self.open(provider, "payment-1"), self.errors[Fault.ANSWER_LOST])
        opened = [await self.open(provider, "payment-1") for _ in range(2)]
        assert opened[0] == opened[1]
        if provider.capabilities.finds_by_payment_id and opened[0].reference:
            found = await provider.find("payment-1")
            assert found is not None
            assert found.reference == opened[0].reference

    @must('Raise Rejected(reason="not_found") for a reference that the provider does not know.')
    async def test_an_unknown_reference_is_not_found(self, stage: Stage, provider: PaymentGateway) -> None:
        for strange in (self.unknown_reference, "../account", "with a space/and?query#x", ""):
            await not_found(stage, "fetch", provider.fetch(strange))
        unknown = RefundRequest(self.unknown_reference, self._price(provider), "why", "refund-1")
        await not_found(stage, "refund", provider.refund(unknown))

    @must("Add up refunds, and refuse what goes beyond the payment as amount_exceeded; a part needs partial_refunds.")
    async def test_refunds_add_up_and_never_exceed_what_was_paid(self, stage: Stage, provider: PaymentGateway) -> None:
        for number, price in enumerate(self._prices(provider)):
            paid = await self._paid(stage, provider, price, f"payment-{number}")
            part = RefundRequest(paid.reference, Money(300, price.currency), "미안합니다", f"refund-{number}-1")
            if not provider.capabilities.partial_refunds:
                await raised(self.name, "refund", provider.refund(part), (Unsupported,))
                part = replace(part, amount=price)
            first = await provider.refund(part)
            assert first.id
            assert first.amount == part.amount
            assert first.status in (RemoteRefundStatus.SUCCEEDED, RemoteRefundStatus.PENDING)
            rest = price - part.amount
            more = replace(part, amount=rest + Money(1, price.currency), idempotency_key=f"refund-{number}-2")
            error = await raised(self.name, "refund", provider.refund(more), (Rejected,))
            assert getattr(error, "reason", "") == "amount_exceeded"
            now = await provider.fetch(paid.reference)
            assert (now.amount, now.refunded) == (price, part.amount)
            if rest.amount:
                assert now.status is RemotePaymentStatus.PARTLY_REFUNDED
                await provider.refund(replace(part, amount=rest, idempotency_key=f"refund-{number}-3"))
            ended = await provider.fetch(paid.reference)
            assert (ended.status, ended.refunded) == (RemotePaymentStatus.REFUNDED, price)

    @must("Refuse a refund of nothing, of another currency, and of what nobody paid, as Rejected.")
    async def test_what_cannot_be_given_back_is_refused(self, stage: Stage, provider: PaymentGateway) -> None:
        price = self._price(provider)
        paid = await self._paid(stage, provider, price, "payment-1")
        other = Money(price.amount, "EUR" if price.currency != "EUR" else "USD")
        for amount in (Money(0, price.currency), Money(-1, price.currency), other):
            refund = provider.refund(RefundRequest(paid.reference, amount, "why", "refund-1"))
            await raised(self.name, "refund", refund, (Rejected,))
        opened = await self.open(provider, "payment-2")
        if opened.reference is not None:
            early = RefundRequest(opened.reference, price, "why", "refund-2")
            await raised(self.name, "refund", provider.refund(early), (Rejected,))
        assert not (await provider.fetch(paid.reference)).refunded.amount

    @must("Give the refund's idempotency key to the provider, and answer by find_refund() what was made with it.")
    async def test_the_same_key_refunds_once(self, stage: Stage, provider: PaymentGateway) -> None:
        able, price = provider.capabilities, self._price(provider)
        paid = await self._paid(stage, provider, price, "payment-1")
        request = RefundRequest(paid.reference, price, "why", "refund-1")
        if not able.finds_refunds:
            await raised(self.name, "find_refund", provider.find_refund(paid.reference, "refund-1"), (Unsupported,))
        else:
            assert await provider.find_refund(paid.reference, "refund-1") is None
        made = await provider.refund(request)
        if able.finds_refunds:
            assert await stage.build().find_refund(paid.reference, "refund-1") == made
            assert await provider.find_refund(paid.reference, "refund-2") is None
        if able.idempotent:
            assert (await stage.build().refund(request)).id == made.id
        assert (await provider.fetch(paid.reference)).refunded == price

    @must("Map a failed refund as the table says, after one try: OutcomeUnknown unless surely nothing was done.")
    @pytest.mark.parametrize("fault", EFFECT_ERRORS)
    async def test_each_failure_of_a_refund_has_its_error(self, stage: Stage, provider: PaymentGateway, fault: Fault) -> None:
        self._needs(fault)
        able, price = provider.capabilities, self._price(provider)
        paid = await self._paid(stage, provider, price, "payment-1")
        await self.inject(stage, fault, "refund")
        request = RefundRequest(paid.reference, price, "why", "refund-1", 20.0)
        await self.met(stage, fault, "refund", lambda limit: provider.refund(replace(request, timeout=limit)))
        await self.settled(stage, fault)
        if able.finds_refunds:
            found = await provider.find_refund(paid.reference, "refund-1")
            assert (found is None) == (fault in NOTHING_DONE)
        given_back = (await provider.fetch(paid.reference)).refunded
        assert given_back == (Money.zero(price.currency) if fault in NOTHING_DONE else price)
        if able.idempotent:
            await provider.refund(request)
            assert (await provider.fetch(paid.reference)).refunded == price

    @must("Map each of the provider's states by a table; one that is not in it is PENDING, never PAID.")
    async def test_each_state_of_the_provider_has_its_status(self, stage: Stage, provider: PaymentGateway) -> None:
        if stage.service is None:
            pytest.skip("there is no state to ask for")
        assert RemotePaymentStatus.PAID in self.states.values(), "say in `states` which words of the provider mean what"
        paid = await self._paid(stage, provider, self._price(provider), "payment-1")
        for word, status in {**self.states, "a-state-to-come": RemotePaymentStatus.PENDING}.items():
            stage.service.becomes(paid.reference, word)
            assert (await provider.fetch(paid.reference)).status is status, f"{word!r} means {status}"

    @must("Verify a webhook, and tell which payment it is about; a snapshot only where the signed body proves it.")
    async def test_a_genuine_announcement_is_believed(self, stage: Stage, provider: PaymentGateway) -> None:
        paid = await self._paid(stage, provider, self._price(provider), "payment-1")
        request = self.announcement(stage, paid, datetime.now(UTC))
        notices = await provider.read_webhook(request)
        [notice] = [each for each in notices if each.reference == paid.reference]
        assert notice.event_id
        assert notice.kind
        assert await provider.read_webhook(request) == notices
        if not provider.capabilities.signed_webhooks:
            assert notice.snapshot is None
        elif notice.snapshot is not None:
            assert notice.snapshot == paid
        [other] = await provider.read_webhook(self.other_event(stage))
        assert (other.reference, other.subscription, other.snapshot) == (None, None, None)
        assert other.event_id != notice.event_id

    @must("Verify signature, time and shape before believing a word: SignatureInvalid for anything else.")
    async def test_a_forged_or_stale_announcement_is_refused(self, stage: Stage, provider: PaymentGateway) -> None:
        if not provider.capabilities.signed_webhooks:
            pytest.skip("it does not claim to sign webhooks")
        paid = await self._paid(stage, provider, self._price(provider), "payment-1")
        sign = partial(self.announcement, stage, paid)
        forged = forgeries(sign, self.signature_headers, timed=self.webhooks_tell_the_time)
        assert not await believed_later(provider.read_webhook, self.name, forged)

    @must("List every payment of the time span, page by page; else declare lists_payments=False and raise Unsupported.")
    async def test_the_list_goes_through_all_payments(self, stage: Stage, provider: PaymentGateway) -> None:
        now = datetime.now(UTC)
        since, until = now - timedelta(minutes=5), now + timedelta(minutes=5)
        if not provider.capabilities.lists_payments:
            await raised(self.name, "list_payments", provider.list_payments(since, until), (Unsupported,))
            return
        paid = {
            (await self._paid(stage, provider, self._price(provider), f"payment-{number}")).reference for number in range(3)
        }
        found: list[PaymentSnapshot] = []
        cursor = None
        while len(found) < 100:
            page = await stage.build().list_payments(since, until, cursor=cursor)
            found, cursor = [*found, *page.payments], page.cursor
            if cursor is None:
                break
        assert sorted(each.reference for each in found) == sorted(paid)
        assert {each.status for each in found} == {RemotePaymentStatus.PAID}
        assert not (await provider.list_payments(until, until + timedelta(minutes=5))).payments

    async def _paid(self, stage: Stage, provider: PaymentGateway, price: Money, payment_id: str) -> PaymentSnapshot:
        request = replace(CHECKOUT, payment_id=payment_id, idempotency_key=f"open-{payment_id}", amount=price)
        key = await self.pay(stage, await provider.open_checkout(request))
        if provider.capabilities.confirms:
            return await provider.confirm(ConfirmRequest(payment_id, key, price, f"confirm-{payment_id}"))
        return await provider.fetch(key)
