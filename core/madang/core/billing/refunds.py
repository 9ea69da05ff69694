"""What the worker does for a refund: send it once, watch one that is under way, and keep visible one that was given up."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus, left_to_refund, payment_subject
from madang.core.billing.refund_changes import change_refund
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import LOOK_UP, BillingService, single_look_up
from madang.core.kernel.actions import ActionState, Effect, patience, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Message, NewMessage
from madang.core.kernel.providers import Providers
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundRequest, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus

WATCH_AFTER: Final = (20, 120, 600, 3600, 6 * 3600, 24 * 3600)
"""Seconds between questions after a refund that is under way; the last one repeats."""
WATCH_FOR: Final = timedelta(days=30)

_WATCHED: Final = frozenset({RefundStatus.RUNNING, RefundStatus.UNKNOWN})
_STATUS: Final = {
    RemoteRefundStatus.PENDING: RefundStatus.RUNNING,
    RemoteRefundStatus.SUCCEEDED: RefundStatus.SUCCEEDED,
    RemoteRefundStatus.FAILED: RefundStatus.FAILED,
}
_PARTLY: Final = {False: RemotePaymentStatus.PARTLY_REFUNDED, True: RemotePaymentStatus.DISPUTED}
"""What a payment of which a part went back is, by whether it is disputed: our own refund decides no dispute."""


class RefundWork:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock) -> None:
        self._billing = billing
        self._providers = providers
        self._clock = clock

    async def send(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """Give the money back, at most once."""
        async with delivery.step() as uow:
            refund, payment = await self._taken_up(uow, UUID(delivery.message.payload["refund_id"]))
        if refund is None or payment is None:
            return
        if refund.status is RefundStatus.SUCCEEDED:
            await self._close(delivery, payment, refund)
            return
        result = await perform(delivery, self._effect(payment, refund), self._clock)
        async with delivery.finish() as uow:
            await self.record(uow, refund.id, result)
            await self.watch(uow, refund.id, 0)

    async def give_up(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """The refund stays visible: as failed only when it was surely not done, else as unknown. The truth is asked after."""
        refund_id = UUID(message.payload["refund_id"])
        refund, payment = await _locked(uow, refund_id)
        if refund is None or payment is None or refund.status is RefundStatus.SUCCEEDED:
            return
        action = await uow.actions.get(_key(refund))
        if action is not None and action.state is ActionState.SUCCEEDED:
            await self.record(uow, refund_id, action.result or {})
        else:
            doubtful = action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN)
            status = RefundStatus.UNKNOWN if doubtful else RefundStatus.FAILED
            given_up = dataclasses.replace(refund, status=status, failure=failure.message, updated_at=self._clock.now())
            await change_refund(uow, refund, given_up, payment)
            uow.send(single_look_up(refund.payment_id, f"given-up:{message.id}:{message.attempt}"))
        await self.watch(uow, refund_id, 0)

    async def _close(self, delivery: Delivery[BillingUnitOfWork], payment: Payment, refund: Refund) -> None:
        """A webhook said that it is done before the worker that sent it could, or the worker died: no doubt is left behind."""
        told = await self.ask(payment, refund)
        async with delivery.finish() as uow:
            if told is not None:
                await self._settle_action(uow, refund, told)

    async def ask(self, payment: Payment, refund: Refund) -> Mapping[str, Any] | None:
        """What the provider says of this refund; None when it cannot tell, or knows of none."""
        gateway = self._providers.payment_gateway(payment.provider)
        if not gateway.capabilities.finds_refunds:
            return None
        try:
            found = await gateway.find_refund(payment.reference or "", _key(refund))
        except Unsupported:
            return None
        return None if found is None else _as_json(found)

    async def record(self, uow: BillingUnitOfWork, refund_id: UUID, result: Mapping[str, Any]) -> None:
        """Write down the provider's word. Money that is back stays back."""
        refund, payment = await _locked(uow, refund_id)
        if refund is None or payment is None:
            return
        now = self._clock.now()
        was_back = refund.status is RefundStatus.SUCCEEDED
        status = refund.status if was_back else _STATUS[RemoteRefundStatus(result["status"])]
        failure = None if was_back else result.get("failure")
        told = dataclasses.replace(refund, status=status, remote_id=result["id"], failure=failure, updated_at=now)
        await change_refund(uow, refund, told, payment)
        await self._settle_action(uow, refund, result)
        if status is RefundStatus.SUCCEEDED and not was_back:
            await self._count(uow, payment, refund)

    async def watch(self, uow: BillingUnitOfWork, refund_id: UUID, round_: int) -> None:
        """Ask again later while the provider has not finished it, or nobody knows whether it has begun."""
        refund = await uow.payments.get_refund(refund_id)
        now = self._clock.now()
        if refund is not None and refund.status in _WATCHED and now < refund.created_at + WATCH_FOR:
            uow.send(_watch_message(refund, round_, now))

    async def _taken_up(self, uow: BillingUnitOfWork, refund_id: UUID) -> tuple[Refund | None, Payment | None]:
        """A failed one that a person revived is promised again, if the money has not been promised to another meanwhile."""
        refund, payment = await _locked(uow, refund_id)
        if refund is None or payment is None or refund.status is not RefundStatus.FAILED:
            return refund, payment
        if refund.amount.amount > left_to_refund(payment, await uow.payments.refunds(payment.id)):
            raise Rejected("the money has been given back otherwise", reason="amount_exceeded", operation="refund")
        queued = dataclasses.replace(refund, status=RefundStatus.QUEUED, failure=None, updated_at=self._clock.now())
        await change_refund(uow, refund, queued, payment)
        return queued, payment

    async def _count(self, uow: BillingUnitOfWork, payment: Payment, refund: Refund) -> None:
        """Our own refunds show at once; what else was given back, the provider is asked."""
        refunds = await uow.payments.refunds(payment.id)
        done = sum(other.amount.amount for other in refunds if other.status is RefundStatus.SUCCEEDED)
        whole, disputed = done >= payment.amount.amount, payment.status is PaymentStatus.DISPUTED
        status = _PARTLY[disputed] if not whole else RemotePaymentStatus.REFUNDED
        currency = payment.amount.currency
        by_banks = Money.zero(currency) if disputed else None
        told = PaymentSnapshot(payment.reference or "", status, payment.amount, Money(done, currency), charged_back=by_banks)
        await self._billing.settle(uow, payment.id, told)
        if not whole:
            uow.send(single_look_up(payment.id, f"after:{refund.id}"))

    async def _settle_action(self, uow: BillingUnitOfWork, refund: Refund, result: Mapping[str, Any]) -> None:
        """One that was given up as unknown is known now."""
        action = await uow.actions.get(_key(refund))
        if action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN):
            known = dataclasses.replace(action, state=ActionState.SUCCEEDED, result=result, updated_at=self._clock.now())
            await uow.actions.save(known)

    def _effect(self, payment: Payment, refund: Refund) -> Effect:
        gateway = self._providers.payment_gateway(payment.provider)
        reference = payment.reference or ""
        request = RefundRequest(reference, refund.amount, refund.reason, idempotency_key=_key(refund))

        async def call() -> Mapping[str, Any]:
            return _as_json(await gateway.refund(request))

        async def look_up() -> Mapping[str, Any] | None:
            found = await gateway.find_refund(reference, request.idempotency_key)
            return None if found is None else _as_json(found)

        return Effect(
            key=request.idempotency_key,
            kind="payment.refund",
            provider=gateway.name,
            call=call,
            look_up=look_up if gateway.capabilities.finds_refunds else None,
            repeatable=gateway.capabilities.idempotent,
            subject=payment_subject(payment.id),
            time_limit=patience(request.timeout),
        )


async def _locked(uow: BillingUnitOfWork, refund_id: UUID) -> tuple[Refund | None, Payment | None]:
    """The payment's row first, as whoever settles a payment does, so that the two never wait for each other."""
    refund = await uow.payments.get_refund(refund_id)
    if refund is None:
        return None, None
    payment = await uow.payments.get(refund.payment_id, lock=True)
    return await uow.payments.get_refund(refund_id, lock=True), payment


def _key(refund: Refund) -> str:
    return f"refund:{refund.id}"


def _watch_message(refund: Refund, round_: int, now: datetime) -> NewMessage:
    return NewMessage(
        LOOK_UP,
        {"payment_id": str(refund.payment_id), "refund_id": str(refund.id), "round": round_},
        key=f"look-up:{refund.payment_id}:{_key(refund)}:{round_}",
        subject=payment_subject(refund.payment_id),
        due_at=now + timedelta(seconds=WATCH_AFTER[min(round_, len(WATCH_AFTER) - 1)]),
    )


def _as_json(refund: RefundSnapshot) -> Mapping[str, Any]:
    return {"id": refund.id, "status": refund.status.value, "amount": refund.amount.amount, "failure": refund.failure}
