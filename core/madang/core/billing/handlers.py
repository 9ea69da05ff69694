"""What the worker does for billing: handle stored notices, ask providers, send refunds."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from madang.core.billing.model import AmountMismatch, InboxEntry, Payment, Refund, RefundStatus
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import HANDLE_NOTICE, LOOK_UP, REFUND, BillingService, is_open, look_up_message
from madang.core.kernel.actions import Effect, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, RetryPolicy, Topic
from madang.core.kernel.providers import Providers
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundRequest, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus

_PATIENT: Final = RetryPolicy((1, 5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600))
_ASK_AFTER_EXPIRY: Final = timedelta(hours=1)


class BillingHandlers:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock) -> None:
        self._billing = billing
        self._providers = providers
        self._clock = clock

    def handlers(self) -> Sequence[Handler[BillingUnitOfWork]]:
        return (
            Handler(Topic(HANDLE_NOTICE, retry=_PATIENT), run=self.handle_notice),
            Handler(Topic(LOOK_UP, retry=_PATIENT), run=self.look_up),
            Handler(Topic(REFUND, retry=_PATIENT, time_limit=90), run=self.refund, give_up=self.give_up_refund),
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
        """Ask for a payment that no webhook has settled, and ask again later while money may still arrive."""
        async with delivery.step() as uow:
            payment = await uow.payments.get(UUID(delivery.message.payload["payment_id"]))
        if payment is None:
            return
        snapshot = await self._billing.ask(payment)
        async with delivery.finish() as uow:
            await self._apply(uow, payment, snapshot)
            current = await uow.payments.get(payment.id)
            if current is not None:
                self._ask_again(uow, current, delivery.message.payload.get("round"))

    async def refund(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        async with delivery.step() as uow:
            refund = await uow.payments.get_refund(UUID(delivery.message.payload["refund_id"]))
            payment = await uow.payments.get(refund.payment_id) if refund else None
        if refund is None or payment is None or refund.status is RefundStatus.SUCCEEDED:
            return
        result = await perform(delivery, self._refund_effect(payment, refund), self._clock)
        async with delivery.finish() as uow:
            await self._record_refund(uow, refund.id, result)

    async def give_up_refund(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """The refund did not go through: it stays visible as failed, and the provider is asked once more what is true."""
        refund = await uow.payments.get_refund(UUID(message.payload["refund_id"]), lock=True)
        if refund is None or refund.status is RefundStatus.SUCCEEDED:
            return
        status = RefundStatus.UNKNOWN if failure.kind == "outcome_unknown" else RefundStatus.FAILED
        await uow.payments.update_refund(
            dataclasses.replace(refund, status=status, failure=failure.message, updated_at=self._clock.now())
        )
        await self._billing.check_soon(uow, refund.payment_id)

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

    def _ask_again(self, uow: BillingUnitOfWork, payment: Payment, round_: int | None) -> None:
        """Only scheduled rounds go on; a hint is asked once."""
        now = self._clock.now()
        if round_ is not None and is_open(payment) and now < payment.expires_at + _ASK_AFTER_EXPIRY:
            uow.send(look_up_message(payment.id, round_ + 1, now))

    def _refund_effect(self, payment: Payment, refund: Refund) -> Effect:
        gateway = self._providers.payment_gateway(payment.provider)
        reference = payment.reference or ""
        request = RefundRequest(reference, refund.amount, refund.reason, idempotency_key=f"refund:{refund.id}")

        async def call() -> Mapping[str, Any]:
            return _refund_as_json(await gateway.refund(request))

        async def look_up() -> Mapping[str, Any] | None:
            found = await gateway.find_refund(reference, request.idempotency_key)
            return None if found is None else _refund_as_json(found)

        return Effect(
            key=request.idempotency_key,
            kind="payment.refund",
            provider=gateway.name,
            call=call,
            look_up=look_up if gateway.capabilities.finds_refunds else None,
            repeatable=gateway.capabilities.idempotent,
            subject=f"payment:{payment.id}",
            time_limit=request.timeout,
        )

    async def _record_refund(self, uow: BillingUnitOfWork, refund_id: UUID, result: Mapping[str, Any]) -> None:
        refund = await uow.payments.get_refund(refund_id, lock=True)
        if refund is None:
            return
        status = _REFUND_STATUS[RemoteRefundStatus(result["status"])]
        now = self._clock.now()
        await uow.payments.update_refund(
            dataclasses.replace(refund, status=status, remote_id=result["id"], failure=result.get("failure"), updated_at=now)
        )
        if status is RefundStatus.SUCCEEDED:
            await self._count_refunded(uow, refund)
        elif status is RefundStatus.RUNNING:
            uow.send(look_up_message(refund.payment_id, 1, now))

    async def _count_refunded(self, uow: BillingUnitOfWork, refund: Refund) -> None:
        payment = await uow.payments.get(refund.payment_id, lock=True)
        if payment is None:
            return
        done = [r for r in await uow.payments.refunds(payment.id) if r.status is RefundStatus.SUCCEEDED]
        refunded = Money(sum(r.amount.amount for r in done), payment.amount.currency)
        whole = refunded.amount >= payment.amount.amount
        status = RemotePaymentStatus.REFUNDED if whole else RemotePaymentStatus.PARTLY_REFUNDED
        snapshot = PaymentSnapshot(payment.reference or "", status, payment.amount, refunded)
        await self._billing.settle(uow, payment.id, snapshot)


_REFUND_STATUS: Final = {
    RemoteRefundStatus.PENDING: RefundStatus.RUNNING,
    RemoteRefundStatus.SUCCEEDED: RefundStatus.SUCCEEDED,
    RemoteRefundStatus.FAILED: RefundStatus.FAILED,
}


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


def _refund_as_json(refund: RefundSnapshot) -> Mapping[str, Any]:
    return {"id": refund.id, "status": refund.status.value, "amount": refund.amount.amount, "failure": refund.failure}
