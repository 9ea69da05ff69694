"""Use cases of billing: open a checkout, take in a webhook, ask the provider, give money back."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, begin_attempt, follow_payment
from madang.core.billing.collect_tries import begin_capture, begin_confirm
from madang.core.billing.disputes import DisputeStatus, confirms_reversal, dispute_after, touches_dispute
from madang.core.billing.events import dispute_changed, dispute_reversed, payment_changed, payment_refunded
from madang.core.billing.model import (
    OPEN,
    SETTLED,
    UNDER_WAY,
    AmountMismatch,
    Payment,
    PaymentLine,
    PaymentStatus,
    Refund,
    RefundStatus,
    left_to_refund,
    payment_subject,
)
from madang.core.billing.refund_changes import add_refund, change_refund
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.routing import PaymentRouting, Sale
from madang.core.billing.snapshots import notice_as_json
from madang.core.billing.unsigned_notices import at_the_end_of_the_minute, payment_named, place_of
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound, ValidationFailed
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.money import Money
from madang.ports.payment import Checkout, CheckoutRequest, PaymentGateway, PaymentNotice, PaymentSnapshot
from madang.ports.webhook import WebhookRequest

logger = logging.getLogger(__name__)

HANDLE_NOTICE: Final = "billing.handle_notice"
LOOK_UP: Final = "billing.look_up"
REFUND: Final = "billing.refund"


@dataclass(frozen=True, slots=True)
class NewPayment:
    """What a selling context wants paid. `id` is chosen by it and stays the same for every try of one order."""

    id: UUID
    purpose: str
    subject: str
    amount: Money
    description: str
    success_url: str
    cancel_url: str
    expires_at: datetime
    locale: str = "ko"
    user_id: UUID | None = None
    country: str | None = None
    lines: Sequence[PaymentLine] = ()
    client_reference: str | None = None
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)


class BillingService:
    def __init__(
        self,
        units: UnitOfWorkFactory[BillingUnitOfWork],
        providers: Providers,
        clock: Clock,
        *,
        base_url: str,
        routing: PaymentRouting | None = None,
    ) -> None:
        self._units = units
        self._providers = providers
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._routing = routing or PaymentRouting(providers)

    async def open_checkout(self, new: NewPayment) -> Payment:
        """Open the provider's payment window and answer the payment, not yet stored: nobody can pay before the caller has
        committed it and handed out the address, and the same id finds the same checkout again.

        Raises what the gateway raises.
        """
        gateway = self._gateway_for(new)
        checkout = await gateway.open_checkout(self.checkout_request(new, gateway.name))
        opened = payment_of(new, gateway.name, self._clock.now())
        return opened_as(opened, checkout, self._clock.now())

    def checkout_request(self, new: NewPayment, provider: str) -> CheckoutRequest:
        """The same for every try of one order, so that the same checkout is found again."""
        return CheckoutRequest(
            payment_id=str(new.id),
            amount=new.amount,
            description=new.description,
            success_url=new.success_url,
            cancel_url=new.cancel_url,
            idempotency_key=f"checkout:{new.id}",
            webhook_url=self.webhook_url(provider),
            customer_email=new.customer_email,
            customer_name=new.customer_name,
            locale=new.locale,
            expires_at=new.expires_at,
            country=new.country,
        )

    def webhook_url(self, provider: str) -> str:
        return f"{self._base_url}/api/v1/webhooks/{provider}"

    async def add(self, uow: BillingUnitOfWork, payment: Payment) -> None:
        """Store an opened payment, and with it the first of the look-ups that settle it if no webhook ever comes."""
        now = self._clock.now()
        await uow.payments.add(payment)
        await begin_attempt(uow, payment, AttemptOperation.CHECKOUT, now, reference=payment.reference)
        uow.send(look_up_message(payment.id, 0, now))

    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool:
        """Verify a delivery and store each of its notices once; True when at least one was new.

        Raises `NotFound` for a provider that is not configured, `SignatureInvalid` for a forged or stale delivery
        (nothing is stored). Where a provider does not sign, only what names a payment of ours is stored, and a few of each.
        """
        gateway = self._known_gateway(provider)
        notices = await gateway.read_webhook(request)
        stored = False
        async with self._units() as uow:
            store = self._store if gateway.capabilities.signed_webhooks else self._store_hint
            for notice in notices:
                stored = await store(uow, provider, notice, request.received_at) or stored
        return stored

    async def check_soon(self, uow: BillingUnitOfWork, payment_id: UUID) -> None:
        """Ask the provider now: the browser came back, which is a hint. Hints within two seconds are one."""
        bucket = int(self._clock.now().timestamp()) // 2
        uow.send(single_look_up(payment_id, f"hint:{bucket}"))

    async def come_back(self, uow: BillingUnitOfWork, payment: Payment, key: str | None) -> None:
        """The browser is back, and the caller holds the row. Where the provider gave it a key to spend, that is done once;
        otherwise it is a hint."""
        if key is not None and self._providers.payment_gateway(payment.provider).capabilities.confirms:
            await begin_confirm(uow, payment, key, self._clock)
        else:
            await self.check_soon(uow, payment.id)

    async def request_refund(
        self,
        uow: BillingUnitOfWork,
        payment_id: UUID,
        *,
        key: str,
        reason: str,
        amount: int | None = None,
        refund_id: UUID | None = None,
    ) -> Refund | None:
        """Give back `amount` (in the minor unit), or all that is left of a payment; None when nothing arrived, or less is left.
        The same key never refunds twice: it answers the refund that it made, whatever became of it."""
        payment = await uow.payments.get(payment_id, lock=True)
        earlier = await uow.payments.refund_by_key(key)
        if earlier is not None or payment is None or payment.status not in SETTLED:
            return earlier
        left = left_to_refund(payment, await uow.payments.refunds(payment_id))
        if left == 0 or (amount or 0) > left:
            return None
        now = self._clock.now()
        money = Money(left if amount is None else amount, payment.amount.currency)
        refund = Refund(refund_id or new_id(), payment_id, key, money, reason, RefundStatus.QUEUED, now, now)
        if not await add_refund(uow, refund, payment):
            return await uow.payments.refund_by_key(key)
        uow.send(
            NewMessage(REFUND, {"refund_id": str(refund.id)}, key=f"refund:{refund.id}", subject=payment_subject(payment_id))
        )
        return refund

    async def ask(self, payment: Payment) -> PaymentSnapshot | None:
        """The payment as the provider has it now; None when the provider has none yet, or cannot be asked without a
        reference. What a provider charged by itself it knows by its own reference only."""
        gateway = self._providers.payment_gateway(payment.provider)
        if gateway.capabilities.finds_by_payment_id:
            found = await gateway.find(str(payment.id))
            if found is not None:
                return found
        if payment.reference is None:
            return None
        try:
            return await gateway.fetch(payment.reference)
        except Rejected as rejected:
            if rejected.reason == "not_found":
                return None
            raise

    async def settle(self, uow: BillingUnitOfWork, payment_id: UUID, snapshot: PaymentSnapshot) -> Payment | None:
        """Apply the provider's word under the row's lock, and announce a change. A wrong amount changes nothing and is
        logged as an alert.

        A dispute can be won and the payment be paid again, so of two words the table cannot tell the older one: whatever enters
        or leaves it is asked once more afterwards.
        """
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None:
            return None
        try:
            settled = payment.settle(snapshot, self._clock.now())
        except AmountMismatch as mismatch:
            await self.doubt_amount(uow, payment, snapshot.amount)
            logger.error("payment amount mismatch, nothing believed: %s", mismatch)
            raise
        if settled is not payment:
            await uow.payments.update(settled)
            await self._settle_refunds(uow, settled)
        if touches_dispute(payment, settled, snapshot):
            await self._follow_dispute(uow, payment, settled, snapshot)
        if settled.refunded > payment.refunded:
            uow.announce(payment_refunded(settled))
        if settled.status is not payment.status:
            uow.announce(payment_changed(settled))
            await follow_payment(uow, settled, self._clock.now())
            if PaymentStatus.DISPUTED in (settled.status, payment.status):
                uow.send(single_look_up(payment_id))
        if settled.status is PaymentStatus.AUTHORISED and self._captures(settled):
            await begin_capture(uow, settled, self._clock)
        return settled

    async def _follow_dispute(
        self, uow: BillingUnitOfWork, payment: Payment, settled: Payment, snapshot: PaymentSnapshot
    ) -> None:
        """A decision that is taken back is asked for once more, for an older word looks the same; then what was taken back is
        due again. One that is lost again after that is news for whoever granted it."""
        earlier = await uow.disputes.of_payment(payment.id)
        dispute = dispute_after(earlier, payment, settled, snapshot, self._clock.now())
        if dispute is None:
            if confirms_reversal(earlier, snapshot):
                uow.announce(dispute_reversed(settled))
            return
        await uow.disputes.save(dispute)
        uow.announce(dispute_changed(dispute, payment))
        if dispute.status is DisputeStatus.REVERSED:
            uow.send(single_look_up(payment.id))
        if earlier is not None and earlier.status is DisputeStatus.REVERSED and settled.status is payment.status:
            uow.announce(payment_changed(settled))

    def _captures(self, payment: Payment) -> bool:
        return self._providers.payment_gateway(payment.provider).capabilities.captures

    async def expire(self, uow: BillingUnitOfWork, payment_id: UUID) -> None:
        """Nobody has paid in its time, and the provider knows of nothing. A try in doubt keeps it open for a person to look;
        money that comes yet counts."""
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None or payment.status not in (PaymentStatus.CREATED, PaymentStatus.PENDING):
            return
        attempts = await uow.payment_attempts.of_payment(payment_id)
        if any(each.is_open and each.operation is not AttemptOperation.CHECKOUT for each in attempts):
            return
        expired = dataclasses.replace(payment, status=PaymentStatus.EXPIRED, updated_at=self._clock.now())
        await uow.payments.update(expired)
        await follow_payment(uow, expired, self._clock.now())
        uow.announce(payment_changed(expired))

    async def doubt_amount(self, uow: BillingUnitOfWork, payment: Payment, told: Money, *, at_most: int | None = None) -> None:
        """Raise the alert: somebody says that another amount is to be paid, or was, than we asked for. With `at_most` other
        amounts of this payment kept, a further one is only counted."""
        await uow.amount_mismatches.add(payment.id, payment.provider, told, self._clock.now(), at_most=at_most)

    async def _settle_refunds(self, uow: BillingUnitOfWork, payment: Payment) -> None:
        """Refunds that were under way are done once all the money is back, whoever sent it. A part says nothing about ours: a
        person may have given it back at the provider."""
        if payment.refunded < payment.amount.amount:
            return
        for refund in await uow.payments.refunds(payment.id):
            if refund.status in UNDER_WAY:
                done = dataclasses.replace(refund, status=RefundStatus.SUCCEEDED, updated_at=self._clock.now())
                await change_refund(uow, refund, done, payment)

    async def _store(
        self, uow: BillingUnitOfWork, provider: str, notice: PaymentNotice, at: datetime, place: str | None = None
    ) -> bool:
        kept = notice_as_json(notice)
        entry = InboxEntry(new_id(), provider, place or notice.event_id, notice.kind, kept, at)
        if not await uow.inbox.add(entry):
            return False
        uow.send(NewMessage(HANDLE_NOTICE, {"inbox_id": str(entry.id)}, key=f"notice:{entry.id}", subject=f"inbox:{entry.id}"))
        return True

    async def _store_hint(self, uow: BillingUnitOfWork, provider: str, notice: PaymentNotice, at: datetime) -> bool:
        """Anybody may have sent it: it is kept only where it names a payment of ours, and a few times for each."""
        payment = await payment_named(uow, provider, notice.payment_id, notice.reference)
        if payment is None:
            return False
        place, known = await place_of(uow, provider, payment.id, notice.event_id)
        if known:
            return False
        if place is not None and await self._store(uow, provider, notice, at, place):
            return True
        uow.send(at_the_end_of_the_minute(single_look_up(payment.id, "unsigned"), self._clock.now()))
        return False

    def _gateway_for(self, new: NewPayment) -> PaymentGateway:
        """Of a sale that has no choice of its own, nobody taking it is a mistake of the settings."""
        try:
            return self._routing.gateways(Sale(new.amount.currency, new.country, frozenset({new.purpose})))[0]
        except ValidationFailed:
            raise Misconfigured(
                f"no payment provider of the route takes {new.amount.currency}", operation="open_checkout"
            ) from None

    def _known_gateway(self, provider: str) -> PaymentGateway:
        if provider not in {gateway.name for gateway in self._providers.payment_gateways()}:
            raise NotFound(f"no payment provider {provider!r} is configured here", code="PROVIDER_NOT_FOUND")
        return self._providers.payment_gateway(provider)


def payment_of(new: NewPayment, provider: str, now: datetime) -> Payment:
    """Before its checkout is open."""
    return Payment(
        id=new.id,
        purpose=new.purpose,
        subject=new.subject,
        amount=new.amount,
        provider=provider,
        status=PaymentStatus.CREATED,
        created_at=now,
        updated_at=now,
        expires_at=new.expires_at,
        user_id=new.user_id,
        country=new.country,
        description=new.description,
        lines=tuple(new.lines) or (PaymentLine(new.description, 1, new.amount.amount),),
        client_reference=new.client_reference,
        locale=new.locale,
    )


def opened_as(payment: Payment, checkout: Checkout, now: datetime) -> Payment:
    """A webhook may have come before the answer: what it said stays."""
    return dataclasses.replace(
        payment,
        status=PaymentStatus.PENDING if payment.status is PaymentStatus.CREATED else payment.status,
        reference=payment.reference or checkout.reference,
        checkout_url=checkout.url,
        client_params=dict(checkout.client_params) or None,
        updated_at=now,
    )


LOOK_UP_AFTER: Final = (20, 60, 180, 600, 1800, 3600)
"""Seconds between look-ups of a payment that no webhook settled; the last one repeats until the payment has expired."""


def look_up_message(payment_id: UUID, round_: int, now: datetime) -> NewMessage:
    delay = LOOK_UP_AFTER[min(round_, len(LOOK_UP_AFTER) - 1)]
    return NewMessage(
        LOOK_UP,
        {"payment_id": str(payment_id), "round": round_},
        key=f"look-up:{payment_id}:{round_}",
        subject=payment_subject(payment_id),
        due_at=datetime.fromtimestamp(now.timestamp() + delay, tz=now.tzinfo),
    )


def single_look_up(payment_id: UUID, why: str | None = None) -> NewMessage:
    """Ask once, now; with `why`, once for that reason."""
    return NewMessage(
        LOOK_UP,
        {"payment_id": str(payment_id), "round": None},
        key=None if why is None else f"look-up:{payment_id}:{why}",
        subject=payment_subject(payment_id),
    )


def is_open(payment: Payment) -> bool:
    return payment.status in OPEN
