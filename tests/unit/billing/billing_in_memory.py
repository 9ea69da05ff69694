"""The rows of payments in memory, what was sent and what was announced: enough to run what billing writes in one commit."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.model import Payment, Refund
from madang.core.kernel.events import Event
from madang.core.kernel.messages import NewMessage
from madang.ports.money import Money
from unit.core.core_in_memory import ActionRows


class PaymentRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, Payment] = {}
        self.given_back: dict[UUID, Refund] = {}

    async def get(self, payment_id: UUID, *, lock: bool = False) -> Payment | None:
        return self.rows.get(payment_id)

    async def add(self, payment: Payment) -> None:
        assert payment.id not in self.rows
        self.rows[payment.id] = payment

    async def update(self, payment: Payment) -> None:
        assert payment.id in self.rows
        self.rows[payment.id] = payment

    async def refunds(self, payment_id: UUID) -> Sequence[Refund]:
        return [refund for refund in self.given_back.values() if refund.payment_id == payment_id]

    async def get_refund(self, refund_id: UUID, *, lock: bool = False) -> Refund | None:
        return self.given_back.get(refund_id)

    async def refund_by_key(self, key: str) -> Refund | None:
        return next((refund for refund in self.given_back.values() if refund.key == key), None)

    async def add_refund(self, refund: Refund) -> bool:
        self.given_back[refund.id] = refund
        return True

    async def update_refund(self, refund: Refund) -> None:
        assert refund.id in self.given_back
        self.given_back[refund.id] = refund


class AttemptRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, PaymentAttempt] = {}

    async def of_payment(self, payment_id: UUID) -> Sequence[PaymentAttempt]:
        return sorted((row for row in self.rows.values() if row.payment_id == payment_id), key=lambda row: row.number)

    async def add(self, attempt: PaymentAttempt) -> None:
        self.rows[attempt.id] = attempt

    async def update(self, attempt: PaymentAttempt) -> None:
        assert attempt.id in self.rows
        self.rows[attempt.id] = attempt


class DisputeRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, Any] = {}

    async def of_payment(self, payment_id: UUID) -> Any:
        return self.rows.get(payment_id)

    async def save(self, dispute: Any) -> None:
        self.rows[dispute.payment_id] = dispute


class MismatchRows:
    def __init__(self) -> None:
        self.told: list[tuple[UUID, str, Money, int | None]] = []

    async def add(self, payment_id: UUID, provider: str, told: Money, now: Any, *, at_most: int | None = None) -> None:
        self.told.append((payment_id, provider, told, at_most))


class Commit:
    """Of a unit of work, what billing writes to here."""

    def __init__(self, *payments: Payment) -> None:
        self.payments, self.payment_attempts = PaymentRows(), AttemptRows()
        self.disputes, self.amount_mismatches, self.actions = DisputeRows(), MismatchRows(), ActionRows()
        self.payments.rows = {payment.id: payment for payment in payments}
        self.sent: list[NewMessage] = []
        self.announced: list[Event] = []

    def send(self, message: NewMessage) -> None:
        self.sent.append(message)

    def announce(self, event: Event) -> None:
        self.announced.append(event)

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """What was announced, with its status."""
        return [(event.name, event.payload["status"]) for event in self.announced]
