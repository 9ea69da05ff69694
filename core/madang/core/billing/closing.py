"""Closing the checkouts that stay open when their buyer is erased: nobody is to pay there any more."""

import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from madang.core.billing.model import AmountMismatch, Payment, payment_subject
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import BillingService, is_open
from madang.core.billing.snapshots import snapshot_as_json, snapshot_of
from madang.core.kernel.actions import Effect, patience, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, NewMessage
from madang.core.kernel.providers import Providers
from madang.ports.errors import Rejected
from madang.ports.payment import CloseCheckoutRequest, PaymentGateway

logger = logging.getLogger(__name__)

CLOSE_CHECKOUT: Final = "billing.close_checkout"
_TIMEOUT: Final = 30.0


def close_message(payment_id: UUID) -> NewMessage:
    """Once for each payment."""
    subject = payment_subject(payment_id)
    return NewMessage(CLOSE_CHECKOUT, {"payment_id": str(payment_id)}, key=_key(payment_id), subject=subject)


class ClosingWork:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock) -> None:
        self._billing = billing
        self._providers = providers
        self._clock = clock

    async def close(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """Where the provider can. What it refuses to close stays open until it expires; what is paid there is settled as any
        other payment of nobody's."""
        async with delivery.step() as uow:
            payment = await uow.payments.get(UUID(delivery.message.payload["payment_id"]))
        if payment is None or payment.reference is None or not is_open(payment):
            return
        gateway = self._providers.payment_gateway(payment.provider)
        if not gateway.capabilities.closes_checkouts:
            return
        try:
            result = await perform(delivery, _effect(gateway, payment, payment.reference), self._clock)
        except Rejected as refused:
            logger.warning("the checkout of payment %s stays open until it expires: %s", payment.id, refused.reason)
            return
        async with delivery.finish() as uow:
            await self._settle(uow, payment.id, result)

    async def _settle(self, uow: BillingUnitOfWork, payment_id: UUID, result: Mapping[str, Any]) -> None:
        """A wrong amount is alerted by `settle` and believed by nobody."""
        try:
            await self._billing.settle(uow, payment_id, snapshot_of(result))
        except AmountMismatch:
            return


def _effect(gateway: PaymentGateway, payment: Payment, reference: str) -> Effect:
    """Closing what is closed changes nothing, so it is repeated."""
    request = CloseCheckoutRequest(reference, _key(payment.id), _TIMEOUT)

    async def call() -> Mapping[str, Any]:
        return snapshot_as_json(await gateway.close_checkout(request))

    return Effect(
        key=request.idempotency_key,
        kind="payment.close_checkout",
        provider=gateway.name,
        call=call,
        repeatable=True,
        subject=payment_subject(payment.id),
        time_limit=patience(_TIMEOUT),
    )


def _key(payment_id: UUID) -> str:
    return f"close-checkout:{payment_id}"
