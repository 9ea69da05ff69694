"""The one way in which a refund's row changes: with every new status goes an announcement, in the same commit."""

from typing import Protocol

from madang.core.billing.events import refund_changed
from madang.core.billing.model import Payment, Refund
from madang.core.kernel.events import Event


class _RefundRows(Protocol):
    async def add_refund(self, refund: Refund) -> bool: ...

    async def update_refund(self, refund: Refund) -> None: ...


class _Unit(Protocol):
    @property
    def payments(self) -> _RefundRows: ...

    def announce(self, event: Event) -> None: ...


async def add_refund(uow: _Unit, refund: Refund, payment: Payment) -> bool:
    """False when there is one with this key already; then nothing was written and nothing is announced."""
    added = await uow.payments.add_refund(refund)
    if added:
        uow.announce(refund_changed(refund, payment))
    return added


async def change_refund(uow: _Unit, was: Refund, refund: Refund, payment: Payment) -> None:
    await uow.payments.update_refund(refund)
    if refund.status is not was.status:
        uow.announce(refund_changed(refund, payment))
