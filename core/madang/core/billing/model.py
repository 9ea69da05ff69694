"""Payments and refunds: their states and the one table of allowed transitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus


class PaymentStatus(StrEnum):
    CREATED = "created"
    PENDING = "pending"
    AUTHORISED = "authorised"
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISPUTED = "disputed"


_S = PaymentStatus

PAYMENT_TRANSITIONS: Final[Mapping[PaymentStatus, frozenset[PaymentStatus]]] = MappingProxyType(
    {
        _S.CREATED: frozenset(set(_S) - {_S.CREATED}),
        _S.PENDING: frozenset(set(_S) - {_S.CREATED, _S.PENDING}),
        _S.AUTHORISED: frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED, _S.FAILED, _S.CANCELLED, _S.EXPIRED, _S.DISPUTED}),
        _S.PAID: frozenset({_S.PARTLY_REFUNDED, _S.REFUNDED, _S.DISPUTED}),
        _S.PARTLY_REFUNDED: frozenset({_S.REFUNDED, _S.DISPUTED}),
        _S.DISPUTED: frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED}),
        # A card that was declined may be tried again in the same checkout, and providers report late: money that came counts.
        _S.FAILED: frozenset(
            {_S.PENDING, _S.AUTHORISED, _S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED, _S.CANCELLED, _S.EXPIRED, _S.DISPUTED}
        ),
        _S.CANCELLED: frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED, _S.DISPUTED}),
        _S.EXPIRED: frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED, _S.DISPUTED}),
        _S.REFUNDED: frozenset(),
    }
)
"""From each state, the states that may follow. What is not here is ignored: an old notice never takes a payment back."""

SETTLED: Final = frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED, _S.DISPUTED})
"""Money has arrived (some or all of it may have gone back)."""

OPEN: Final = frozenset({_S.CREATED, _S.PENDING, _S.AUTHORISED, _S.FAILED})
"""Money may still arrive: the sweeper keeps asking."""


class AmountMismatch(Exception):
    """The provider reports another amount or currency than ours: nothing is believed, the operator is told."""


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One line of what is bought, in the payment's currency; `unit_amount` includes the tax where prices do. `sku` names it in
    the catalogue."""

    description: str
    quantity: int
    unit_amount: int
    sku: str | None = None

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_amount


@dataclass(frozen=True, slots=True)
class Payment:
    """One purchase. `purpose` names the context that sells (`"portraits"`), `subject` what is bought (`portrait:<id>`).

    `lines` say what an invoice says, and add up to `amount`. A buyer without an account has no `user_id`. `country` is what the
    client said, `method_country` what the provider says of the means of payment.
    """

    id: UUID
    purpose: str
    subject: str
    amount: Money
    provider: str
    status: PaymentStatus
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    reference: str | None = None
    checkout_url: str | None = None
    client_params: Mapping[str, Any] | None = None
    refunded: int = 0
    paid_at: datetime | None = None
    method: str | None = None
    failure: str | None = None
    user_id: UUID | None = None
    country: str | None = None
    description: str = ""
    lines: Sequence[PaymentLine] = ()
    client_reference: str | None = None
    tax: int | None = None
    locale: str = "ko"
    method_country: str | None = None

    def settle(self, snapshot: PaymentSnapshot, now: datetime) -> "Payment":
        """The payment after the provider's word, which counts only when it says our amount and moves forward.

        Raises `AmountMismatch`.
        """
        self._check_amount(snapshot)
        status = _status_of(snapshot.status)
        refunded = max(self.refunded, snapshot.refunded.amount)
        if status is self.status or status not in PAYMENT_TRANSITIONS[self.status]:
            return self._in_the_same_state(snapshot, refunded, now)
        return replace(
            self,
            status=status,
            reference=snapshot.reference or self.reference,
            refunded=refunded,
            paid_at=self.paid_at or snapshot.paid_at or (now if status in SETTLED else None),
            method=snapshot.method or self.method,
            method_country=snapshot.method_country or self.method_country,
            failure=snapshot.failure if status is PaymentStatus.FAILED else None,
            tax=self.tax if snapshot.tax is None else snapshot.tax.amount,
            updated_at=now,
        )

    def _in_the_same_state(self, snapshot: PaymentSnapshot, refunded: int, now: datetime) -> "Payment":
        """An unchanged payment is the same object. Some providers name their reference only after the checkout."""
        reference = self.reference or snapshot.reference or None
        if (refunded, reference) == (self.refunded, self.reference):
            return self
        return replace(self, refunded=refunded, reference=reference, updated_at=now)

    def _check_amount(self, snapshot: PaymentSnapshot) -> None:
        if snapshot.amount != self.amount:
            raise AmountMismatch(f"payment {self.id}: ours is {self.amount}, the provider says {snapshot.amount}")
        if snapshot.refunded.currency != self.amount.currency or not 0 <= snapshot.refunded.amount <= self.amount.amount:
            raise AmountMismatch(f"payment {self.id}: refunded {snapshot.refunded} of {self.amount}")


def payment_subject(payment_id: UUID) -> str:
    """How messages name a payment: its own subject, so that purging what was bought never cancels a refund."""
    return f"payment:{payment_id}"


def _status_of(remote: RemotePaymentStatus) -> PaymentStatus:
    return PaymentStatus(remote.value)


class RefundStatus(StrEnum):
    """As an action: `unknown` is being looked up."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money going back. `key` is unique: the same reason to refund never refunds twice."""

    id: UUID
    payment_id: UUID
    key: str
    amount: Money
    reason: str
    status: RefundStatus
    created_at: datetime
    updated_at: datetime
    remote_id: str | None = None
    failure: str | None = None


UNDER_WAY: Final = frozenset({RefundStatus.QUEUED, RefundStatus.RUNNING, RefundStatus.UNKNOWN})
"""Money that may still go back, or may have gone: promised until we know better."""


def left_to_refund(payment: Payment, refunds: Iterable[Refund]) -> int:
    """What nobody has promised or given back, in the minor unit. What a person gave back at the provider counts, too; while a
    refund is both under way and already in the provider's sum, less is left than could be: never more."""
    refunds = tuple(refunds)
    promised = sum(refund.amount.amount for refund in refunds if refund.status in UNDER_WAY)
    done = sum(refund.amount.amount for refund in refunds if refund.status is RefundStatus.SUCCEEDED)
    return max(0, payment.amount.amount - promised - max(done, payment.refunded))
