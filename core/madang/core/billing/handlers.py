"""What the worker does for billing: handle stored notices, ask providers, send refunds."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from madang.core.billing.model import AmountMismatch, Payment, Refund
from madang.core.billing.refunds import RefundWork
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import HANDLE_NOTICE, LOOK_UP, REFUND, BillingService, is_open, look_up_message
from madang.core.kernel.clock import Clock
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, RetryPolicy, Topic
from madang.core.kernel.providers import Providers
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

_PATIENT: Final = RetryPolicy((1, 5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600))
_ASK_AFTER_EXPIRY: Final = timedelta(hours=1)


class BillingHandlers:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock) -> None:
        self._billing = billing
        self._refunds = RefundWork(billing, providers, clock)
        self._clock = clock

    def handlers(self) -> Sequence[Handler[BillingUnitOfWork]]:
        return (
            Handler(Topic(HANDLE_NOTICE, retry=_PATIENT), run=self.handle_notice),
            Handler(Topic(LOOK_UP, retry=_PATIENT), run=self.look_up, give_up=self.give_up_look_up),
            Handler(Topic(REFUND, retry=_PATIENT, time_limit=90), run=self._refunds.send, give_up=self._refunds.give_up),
        )

    async def handle_notice(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """A notice says that something changed; what is true now is asked. A signed body stands in where asking gives
        nothing."""
        async with delivery.step() as uow:
            entry = await uow.inbox.get(UUID(delivery.message.payload["inbox_id"]))
            payment = await _payment_of(uow, entry) if entry else None
        if entry is None or entry.handled_at is not None:
            return
        snapshot = (await self._billing.ask(payment) or _snapshot_in(entry.notice)) if payment else None
        async with delivery.finish() as uow:
            outcome = await self._apply(uow, payment, snapshot)
            await uow.inbox.update(dataclasses.replace(entry, handled_at=self._clock.now(), outcome=outcome))

    async def look_up(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """Ask for a payment that no webhook has settled, or for a refund that is under way, and ask again later while money
        may still arrive, or go back."""
        payload = delivery.message.payload
        async with delivery.step() as uow:
            payment = await uow.payments.get(UUID(payload["payment_id"]))
            refund = await _refund_of(uow, payload)
        if payment is None:
            return
        snapshot = await self._billing.ask(payment)
        told = await self._refunds.ask(payment, refund) if refund else None
        async with delivery.finish() as uow:
            await self._apply(uow, payment, snapshot)
            if refund is not None and told is not None:
                await self._refunds.record(uow, refund.id, told)
            await self._ask_again(uow, payload)

    async def give_up_look_up(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """A provider that is long away, or asked with wrong keys, ends this question and not the asking."""
        await self._ask_again(uow, message.payload)

    async def _apply(self, uow: BillingUnitOfWork, payment: Payment | None, snapshot: PaymentSnapshot | None) -> str:
        if payment is None:
            return "unknown_payment"
        if snapshot is None:
            return "nothing_known_yet"
        try:
            await self._billing.settle(uow, payment.id, snapshot)
        except AmountMismatch:
            return "amount_mismatch"
        return "applied"

    async def _ask_again(self, uow: BillingUnitOfWork, payload: Mapping[str, Any]) -> None:
        """Only scheduled rounds go on; a hint is asked once."""
        round_ = payload.get("round")
        if round_ is None:
            return
        if "refund_id" in payload:
            await self._refunds.watch(uow, UUID(payload["refund_id"]), round_ + 1)
            return
        payment = await uow.payments.get(UUID(payload["payment_id"]))
        now = self._clock.now()
        if payment is not None and is_open(payment) and now < payment.expires_at + _ASK_AFTER_EXPIRY:
            uow.send(look_up_message(payment.id, round_ + 1, now))


async def _refund_of(uow: BillingUnitOfWork, payload: Mapping[str, Any]) -> Refund | None:
    return await uow.payments.get_refund(UUID(payload["refund_id"])) if "refund_id" in payload else None


async def _payment_of(uow: BillingUnitOfWork, entry: InboxEntry) -> Payment | None:
    ours, reference = entry.notice.get("payment_id"), entry.notice.get("reference")
    if ours is not None:
        try:
            found = await uow.payments.get(UUID(ours))
        except ValueError:
            found = None
        if found is not None and found.provider == entry.provider:
            return found
    return await uow.payments.by_reference(entry.provider, reference) if reference else None


def _snapshot_in(notice: Mapping[str, Any]) -> PaymentSnapshot | None:
    kept = notice.get("snapshot")
    if kept is None:
        return None
    return PaymentSnapshot(
        reference=kept["reference"],
        status=RemotePaymentStatus(kept["status"]),
        amount=Money(kept["amount"], kept["currency"]),
        refunded=Money(kept["refunded"], kept["currency"]),
        paid_at=datetime.fromisoformat(kept["paid_at"]) if kept["paid_at"] else None,
        method=kept["method"],
    )
