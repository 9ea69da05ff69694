"""What the worker asks again: a payment until it is settled or over, and a refund until the money is back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from invoice_samples import SELLER, invoice
from madang.core.billing.credits.service import CreditService
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.invoices.sheet import Buyer, sheet_of
from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.billing.service import BillingService, look_up_message
from madang.core.kernel.errors import ValidationFailed
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure, Message
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RefundSnapshot, RemotePaymentStatus, RemoteRefundStatus
from unit.billing.billing_in_memory import Commit
from unit.core.core_in_memory import StandingClock

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
CLOCK: Any = StandingClock(NOW)
NONE: Any = None
PRICE = Money(500, "KRW")


class World:
    """A payment, a refund of it, and a bank that tells what it was told to."""

    def __init__(self, status: PaymentStatus = PaymentStatus.PENDING, expires: timedelta = timedelta(days=1)) -> None:
        self.payment = Payment(new_id(), "items", "checkout:1", PRICE, "bank", status, NOW, NOW, NOW + expires, reference="p")
        self.refund = Refund(new_id(), self.payment.id, "key", Money(100, "KRW"), "why", RefundStatus.RUNNING, NOW, NOW)
        self.commit: Any = Commit(self.payment)
        self.commit.payments.given_back[self.refund.id] = self.refund
        self.word: PaymentSnapshot | None = None
        self.word_of_refund: RefundSnapshot | None = None
        self.name, self.capabilities = "bank", SimpleNamespace(finds_by_payment_id=True, finds_refunds=True, captures=False)

    def payment_gateway(self, name: str) -> Any:
        return self

    async def find(self, payment_id: str) -> PaymentSnapshot | None:
        return self.word

    async def fetch(self, reference: str) -> PaymentSnapshot | None:
        return self.word

    async def find_refund(self, reference: str, key: str) -> RefundSnapshot | None:
        return self.word_of_refund

    @asynccontextmanager
    async def commits(self) -> AsyncIterator[Any]:
        yield self.commit

    async def asked(self, number: int | None = 0, *, given_up: bool = False, **more: str) -> list[Any]:
        me: Any = self
        told = {"payment_id": str(self.payment.id), "round": number, **more}
        message = Message(new_id(), "billing.look_up", told, 1, 0, "req-test")
        handlers = BillingHandlers(BillingService(NONE, me, CLOCK, base_url="https://api.invalid"), me, CLOCK, NONE, NONE)
        delivery: Any = SimpleNamespace(message=message, step=self.commits, finish=self.commits)
        if given_up:
            await handlers.give_up_look_up(self.commit, message, Failure("unavailable", "no answer"))
        else:
            await handlers.look_up(delivery)
        sent: list[Any] = self.commit.sent
        return sent

    @property
    def status(self) -> PaymentStatus:
        found: Payment = self.commit.payments.rows[self.payment.id]
        return found.status


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_payment_is_asked_for_round_after_round_also_when_nobody_answers(given_up: bool) -> None:
    world = World()
    assert await world.asked(2, given_up=given_up) == [look_up_message(world.payment.id, 3, NOW)]
    assert world.status is PaymentStatus.PENDING


async def test_a_hint_is_asked_once_and_what_is_settled_no_more() -> None:
    world = World()
    assert await world.asked(None) == []
    world.word = PaymentSnapshot("p", RemotePaymentStatus.PAID, PRICE, Money(0, "KRW"))
    assert (await world.asked(0), world.status) == ([], PaymentStatus.PAID)


async def test_what_nobody_paid_until_long_after_its_time_expires() -> None:
    world = World(expires=-timedelta(days=400))
    assert (await world.asked(5), world.status) == ([], PaymentStatus.EXPIRED)


async def test_a_refund_is_asked_for_until_its_money_is_back() -> None:
    world = World(PaymentStatus.PAID)
    sent = await world.asked(0, refund_id=str(world.refund.id))
    assert [(message.payload["refund_id"], message.payload["round"]) for message in sent] == [(str(world.refund.id), 1)]
    assert world.commit.payments.given_back[world.refund.id] == world.refund
    sent.clear()
    world.word_of_refund = RefundSnapshot("re_1", RemoteRefundStatus.SUCCEEDED, Money(100, "KRW"))
    sent = await world.asked(1, refund_id=str(world.refund.id))
    assert world.commit.payments.given_back[world.refund.id].status is RefundStatus.SUCCEEDED
    assert [message.key for message in sent] == [f"look-up:{world.payment.id}:after:{world.refund.id}"]


@pytest.mark.parametrize("amount", [0, -1])
async def test_nothing_is_no_amount_of_credits(amount: int) -> None:
    service = CreditService(NONE)
    for move in (
        service.grant(NONE, new_id(), amount, key="k", subject="s"),
        service.deduct(NONE, new_id(), amount, key="k", subject="s"),
        service.hold(NONE, new_id(), amount, key="k", subject="s", ends_at=NOW),
    ):
        with pytest.raises(ValidationFailed):
            await move


def test_an_invoice_names_its_seller_whole() -> None:
    sheet = sheet_of(invoice(), Buyer(None, None), "en", "Asia/Seoul")
    told = [fact.value for fact in sheet.seller_facts]
    assert told == [SELLER.name, SELLER.registration_number, SELLER.representative, SELLER.address, SELLER.email]
