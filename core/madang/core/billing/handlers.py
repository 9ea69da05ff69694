"""What the worker does for billing: handle stored notices, ask providers, charge, send refunds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from madang.core.billing.charges import CHARGE, ChargeWork, MethodTokens
from madang.core.billing.closing import CLOSE_CHECKOUT, ClosingWork
from madang.core.billing.collect_tries import CAPTURE, CONFIRM
from madang.core.billing.collecting import CollectWork
from madang.core.billing.model import Refund
from madang.core.billing.notices import NoticeWork, SubscriptionNotices, apply
from madang.core.billing.refunds import RefundWork
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.retries import PATIENT
from madang.core.billing.service import HANDLE_NOTICE, LOOK_UP, REFUND, BillingService, is_open, look_up_message
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Handler, Message, Topic
from madang.core.kernel.providers import Providers

_ASK_AFTER_EXPIRY: Final = timedelta(hours=1)


class BillingHandlers:
    def __init__(
        self,
        billing: BillingService,
        providers: Providers,
        clock: Clock,
        method_tokens: MethodTokens,
        subscriptions: SubscriptionNotices,
    ) -> None:
        self._billing = billing
        self._notices = NoticeWork(billing, subscriptions, clock)
        self._collecting = CollectWork(billing, providers, clock)
        self._charges = ChargeWork(billing, providers, clock, method_tokens)
        self._refunds = RefundWork(billing, providers, clock)
        self._closing = ClosingWork(billing, providers, clock)
        self._clock = clock

    def handlers(self) -> Sequence[Handler[BillingUnitOfWork]]:
        return (
            Handler(Topic(HANDLE_NOTICE, retry=PATIENT), run=self._notices.handle),
            Handler(Topic(LOOK_UP, retry=PATIENT), run=self.look_up, give_up=self.give_up_look_up),
            *(
                Handler(
                    Topic(name, retry=PATIENT, time_limit=150), run=self._collecting.collect, give_up=self._collecting.give_up
                )
                for name in (CONFIRM, CAPTURE)
            ),
            Handler(Topic(CHARGE, retry=PATIENT, time_limit=150), run=self._charges.charge, give_up=self._charges.give_up),
            Handler(Topic(REFUND, retry=PATIENT, time_limit=90), run=self._refunds.send, give_up=self._refunds.give_up),
            Handler(Topic(CLOSE_CHECKOUT, retry=PATIENT, time_limit=90), run=self._closing.close),
        )

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
            await apply(self._billing, uow, payment, snapshot)
            if refund is not None and told is not None:
                await self._refunds.record(uow, refund.id, told)
            await self._ask_again(uow, payload)

    async def give_up_look_up(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """A provider that is long away, or asked with wrong keys, ends this question and not the asking."""
        await self._ask_again(uow, message.payload)

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
        if payment is None or not is_open(payment):
            return
        if now < payment.expires_at + _ASK_AFTER_EXPIRY:
            uow.send(look_up_message(payment.id, round_ + 1, now))
        else:
            await self._billing.expire(uow, payment.id)


async def _refund_of(uow: BillingUnitOfWork, payload: Mapping[str, Any]) -> Refund | None:
    return await uow.payments.get_refund(UUID(payload["refund_id"])) if "refund_id" in payload else None
