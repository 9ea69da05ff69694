"""The rows of payments in memory, what was sent and what was announced: enough to run what billing writes in one commit."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.model import Payment, Refund
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Message, NewMessage
from madang.ports.money import Money
from madang.ports.payment import PaymentCapabilities
from unit.core.core_in_memory import ActionRows


class PaymentRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, Payment] = {}
        self.given_back: dict[UUID, Refund] = {}
        self.locked: list[UUID] = []

    async def get(self, payment_id: UUID, *, lock: bool = False) -> Payment | None:
        self.locked += [payment_id] * lock
        return self.rows.get(payment_id)

    async def referred(self, user_id: UUID, client_reference: str) -> UUID | None:
        named = [row.id for row in self.rows.values() if (row.user_id, row.client_reference) == (user_id, client_reference)]
        return named[0] if named else None

    async def by_reference(self, provider: str, reference: str) -> Payment | None:
        named = [row for row in self.rows.values() if (row.provider, row.reference) == (provider, reference)]
        return named[0] if named else None

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


class InboxRows:
    def __init__(self) -> None:
        self.rows: dict[UUID, InboxEntry] = {}

    async def add(self, entry: InboxEntry) -> bool:
        if any((row.provider, row.event_id) == (entry.provider, entry.event_id) for row in self.rows.values()):
            return False
        self.rows[entry.id] = entry
        return True

    async def of_events(self, provider: str, event_ids: Sequence[str]) -> Sequence[InboxEntry]:
        return [row for row in self.rows.values() if row.provider == provider and row.event_id in event_ids]

    async def get(self, entry_id: UUID, *, lock: bool = False) -> InboxEntry | None:
        return self.rows.get(entry_id)

    async def update(self, entry: InboxEntry) -> None:
        assert entry.id in self.rows
        self.rows[entry.id] = entry


class Commit:
    """Of a unit of work, what billing writes to here."""

    def __init__(self, *payments: Payment) -> None:
        self.payments, self.payment_attempts = PaymentRows(), AttemptRows()
        self.disputes, self.amount_mismatches, self.actions = DisputeRows(), MismatchRows(), ActionRows()
        self.payments.rows = {payment.id: payment for payment in payments}
        self.inbox = InboxRows()
        self.sent: list[NewMessage] = []
        self.announced: list[Event] = []
        self.audited: list[tuple[str, str, dict[str, Any]]] = []

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Any]:
        yield self

    async def record(self, uow: Any, caller: Any, action: Any, subject: str, **details: Any) -> None:
        """The audit trail, written in this commit."""
        assert uow is self
        self.audited.append((action.value, subject, details))

    def send(self, message: NewMessage) -> None:
        self.sent.append(message)

    def announce(self, event: Event) -> None:
        self.announced.append(event)

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """What was announced, with its status."""
        return [(event.name, event.payload["status"]) for event in self.announced]


class Delivered:
    """Work in the hands of whoever does it: each step is of the one commit, and `finished` counts the last ones."""

    def __init__(self, commit: Any, **payload: Any) -> None:
        self.commit = commit
        self.message = Message(new_id(), "test.topic", payload, 1, 0, "req-test")
        self.finished = 0

    @asynccontextmanager
    async def step(self) -> AsyncIterator[Any]:
        yield self.commit

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[Any]:
        yield self.commit
        self.finished += 1


class BankInMemory:
    """A payment provider, and the only one of the route. It answers what it was told to for each operation, raises where that
    is an error, does what is to be done meanwhile, and keeps what it was asked."""

    def __init__(self, name: str = "bank", **abilities: Any) -> None:
        self.name, self.capabilities = name, PaymentCapabilities(**abilities)
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[Any, ...]] = []

    def payment_gateway(self, name: str) -> Any:
        return self

    def payment_gateways(self) -> Any:
        return [self]

    def times(self, operation: str) -> int:
        return sum(asked[0] == operation for asked in self.asked)

    async def _told(self, operation: str, *asked: Any) -> Any:
        self.asked.append((operation, *asked))
        told = self.answers.get(operation)
        told = told() if callable(told) else told
        if isinstance(told, BaseException):
            raise told
        return told

    async def charge(self, request: Any) -> Any:
        return await self._told("charge", request)

    async def confirm(self, request: Any) -> Any:
        return await self._told("confirm", request)

    async def capture(self, request: Any) -> Any:
        return await self._told("capture", request)

    async def refund(self, request: Any) -> Any:
        return await self._told("refund", request)

    async def find_refund(self, reference: str, key: str) -> Any:
        return await self._told("find_refund", reference, key)

    async def find(self, payment_id: str) -> Any:
        return await self._told("find", payment_id)

    async def fetch(self, reference: str) -> Any:
        return await self._told("fetch", reference)

    async def open_checkout(self, request: Any) -> Any:
        return await self._told("open_checkout", request)

    async def close_checkout(self, request: Any) -> Any:
        return await self._told("close_checkout", request)

    async def read_webhook(self, request: Any) -> Any:
        return await self._told("read_webhook", request)

    async def subscribe(self, request: Any) -> Any:
        return await self._told("subscribe", request)

    async def fetch_subscription(self, reference: str) -> Any:
        return await self._told("fetch_subscription", reference)

    async def cancel_subscription(self, request: Any) -> Any:
        return await self._told("cancel_subscription", request)

    async def resume_subscription(self, request: Any) -> Any:
        return await self._told("resume_subscription", request)

    async def change_subscription(self, request: Any) -> Any:
        return await self._told("change_subscription", request)

    async def open_method_window(self, request: Any) -> Any:
        return await self._told("open_method_window", request)

    async def keep_method(self, request: Any) -> Any:
        return await self._told("keep_method", request)

    async def forget_method(self, customer_id: str, token: Any) -> None:
        await self._told("forget_method", customer_id, token)

    async def list_payments(self, since: Any, until: Any, *, cursor: str | None = None) -> Any:
        return await self._told("list_payments", since, until, cursor)
