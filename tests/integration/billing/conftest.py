"""Billing on a database of each test's own: the service, its handlers, the real outbox, and a bank in memory."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integration.billing.bank import SIGNATURE, Bank
from madang.adapters.arq.leases import Held
from madang.adapters.arq.tries import Tries
from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.billing.attempts import PaymentAttempt
from madang.core.billing.catalogue import released_catalogue
from madang.core.billing.charges import Charges, MethodToken
from madang.core.billing.checkouts import Checkouts
from madang.core.billing.events import PAYMENT_CHANGED, REFUND_CHANGED
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.inbox_keeping import InboxKeeping
from madang.core.billing.model import Payment, Refund
from madang.core.billing.notices import SubscriptionNotice
from madang.core.billing.payments import Payments
from madang.core.billing.plan_checkouts import NoPlans
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService, NewPayment
from madang.core.kernel.clock import SystemClock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Handler, Lane, MessageState, Topic
from madang.core.kernel.outbox import MessageRow
from madang.core.kernel.schedules import handler_of
from madang.core.operations.audit import AuditTrail
from madang.ports.errors import Misconfigured
from madang.ports.money import Money
from madang.ports.payment import PaymentGateway
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

PRICE = Money(9900, "KRW")
CIPHER = AesGcmCipher(KeyRing(Secret("test-key-not-secret-test-key-not-secret")))
CHANGED = Topic("test.payment_changed", Lane.LONG)
REFUNDS_CHANGED = Topic("test.refund_changed", Lane.LONG)
"""Nobody works on the long lane: what was announced stays to be counted."""


class Route:
    """Of `Providers`, what billing asks for."""

    def __init__(self, *banks: Bank) -> None:
        self.banks = banks

    def payment_gateways(self) -> Sequence[PaymentGateway]:
        return self.banks

    def payment_gateway(self, name: str) -> PaymentGateway:
        for bank in self.banks:
            if bank.name == name:
                return bank
        raise Misconfigured(f"{name} is not configured")


class Wallet:
    """Stored means of payment by their ids. Fulfils `MethodTokens`."""

    def __init__(self) -> None:
        self.tokens: dict[UUID, MethodToken] = {}

    def keep(self, provider: str = "bank") -> UUID:
        method_id = new_id()
        self.tokens[method_id] = MethodToken(provider, "customer-1", Secret("test-token-not-secret"))
        return method_id

    async def token_of(self, uow: Any, method_id: UUID) -> MethodToken | None:
        return self.tokens.get(method_id)


class Subscribed:
    """Keeps the notices of subscriptions. Fulfils `SubscriptionNotices`."""

    def __init__(self) -> None:
        self.heard: list[SubscriptionNotice] = []

    async def handle(self, delivery: Any, notice: SubscriptionNotice) -> str:
        self.heard.append(notice)
        return "applied"


class Office:
    """Sells, takes in webhooks, and works off the outbox as a worker does, as often and as late as a test wants."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.open_with(Bank())

    def open_with(self, bank: Bank, *others: Bank) -> Bank:
        """Begin anew with this bank, and others after it in the route; rows stay."""
        self.bank = bank
        self.wallet, self.subscribed = Wallet(), Subscribed()
        self.charges = Charges(SystemClock())
        topics: dict[str, Topic] = {CHANGED.name: CHANGED, REFUNDS_CHANGED.name: REFUNDS_CHANGED}
        subscriptions = Subscriptions()
        subscriptions.subscribe(PAYMENT_CHANGED, CHANGED.name)
        subscriptions.subscribe(REFUND_CHANGED, REFUNDS_CHANGED.name)
        self.units = unit_of_work_factory(self.database, subscriptions, lambda: "req-test", topics)
        route: Any = Route(bank, *others)
        self.billing = BillingService(self.units, route, SystemClock(), base_url="http://test.invalid")
        trail, routing = AuditTrail(CIPHER, SystemClock()), PaymentRouting(route)
        self.payments = Payments(self.units, self.billing, routing, trail)
        self.inbox_keeping = InboxKeeping(self.units, trail)
        self.checkouts = Checkouts(self.units, self.billing, routing, released_catalogue(), NoPlans(), trail, SystemClock())
        handlers: Sequence[Handler[Any]] = BillingHandlers(
            self.billing, route, SystemClock(), self.wallet, self.subscribed
        ).handlers()
        handlers = [*handlers, *(handler_of(work, SystemClock()) for work in self.inbox_keeping.recurring())]
        topics.update({handler.topic.name: handler.topic for handler in handlers})
        self.outbox = PostgresOutbox(self.database, topics=topics, subscriptions=subscriptions)
        self._tries: Tries[Any] = Tries(self.outbox, handlers, patience=5, transactions=asyncio.Semaphore(5))
        return bank

    async def order(self, user_id: UUID | None = None) -> Payment:
        """A checkout opened and committed."""
        payment = await self.open_checkout(user_id)
        await self.commit(payment)
        return payment

    async def open_checkout(self, user_id: UUID | None = None) -> Payment:
        until = datetime.now(UTC) + timedelta(hours=24)
        subject, back = f"thing:{new_id()}", "http://shop.test.invalid"
        new = NewPayment(new_id(), "test", subject, PRICE, "A thing", back, back, until, user_id=user_id)
        return await self.billing.open_checkout(new)

    async def commit(self, payment: Payment) -> None:
        async with self.units() as uow:
            await self.billing.add(uow, payment)

    async def deliver(
        self,
        event: str,
        payment_id: UUID,
        *,
        signature: str = SIGNATURE,
        status: str | None = None,
        subscription: str | None = None,
        reference: str | None = None,
    ) -> bool:
        told = {"payment_id": str(payment_id), "status": status, "subscription": subscription, "reference": reference}
        body = json.dumps({"event": f"{payment_id}:{event}", **told}).encode()
        request = WebhookRequest({"signature": signature}, body, datetime.now(UTC))
        return await self.billing.receive_webhook(self.bank.name, request)

    async def request_refund(self, payment: Payment, key: str = "a reason") -> Refund | None:
        async with self.units() as uow:
            return await self.billing.request_refund(uow, payment.id, key=f"{payment.id}: {key}", reason="test")

    async def work(self) -> None:
        """Work off what is due, all of a batch at once, until nothing is."""
        while leased := await self.outbox.claim(Lane.SHORT, "worker", limit=100, lease=600):
            await asyncio.gather(*(self._tries.alone(Held(one, Lane.SHORT, math.inf)) for one in leased))

    async def work_for_days(self) -> None:
        """As if the time of everything that waits had come, several times over."""
        for _ in range(8):
            await self.work()
            await self.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting'")
        await self.work()

    async def revive_the_dead(self) -> None:
        """As a person does once the cause is mended."""
        for row in await self.dead():
            assert await self.outbox.revive(row.id)

    async def crash(self) -> None:
        """As if the leases of a worker that died had ended."""
        await self.execute("UPDATE messages SET lease_until = now() - interval '1 second' WHERE state = 'leased'")

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    async def forget_everything(self) -> None:
        await self.execute("TRUNCATE messages, inbox, actions, refunds, payment_attempts, amount_mismatches, payments CASCADE")

    async def payment(self, payment: Payment) -> Payment:
        async with self.units() as uow:
            found = await uow.payments.get(payment.id)
        assert found is not None
        return found

    async def refunds(self, payment: Payment) -> Sequence[Refund]:
        async with self.units() as uow:
            return await uow.payments.refunds(payment.id)

    async def announced(self, payment: Payment, topic: Topic = CHANGED) -> list[str]:
        """The states that were announced, in the order in which they were written under the payment's lock."""
        rows = await self.database.fetch(
            "SELECT payload FROM messages WHERE topic = $1 AND subject = $2 ORDER BY written", topic.name, payment.subject
        )
        return [row["payload"]["status"] for row in rows]

    async def attempts(self, payment: Payment) -> list[tuple[str, str, str]]:
        """Provider, operation and status of each."""
        async with self.units() as uow:
            found: Sequence[PaymentAttempt] = await uow.payment_attempts.of_payment(payment.id)
        return [(each.provider, each.operation.value, each.status.value) for each in found]

    async def inbox(self) -> list[InboxEntry]:
        async with self.units() as uow:
            found = [await uow.inbox.get(row["id"]) for row in await self.database.fetch("SELECT id FROM inbox")]
        return [entry for entry in found if entry is not None]

    async def dead(self) -> Sequence[MessageRow]:
        return await self.outbox.listing(state=MessageState.DEAD, topic=None, limit=100)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    database = await Database.connect(database_url, pool_size=20)
    office = Office(database)
    await office.execute("ALTER TABLE messages ADD COLUMN written bigserial")
    yield office
    await database.close()
