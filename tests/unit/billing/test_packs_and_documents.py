"""Credit packs by the payment's row as it is now, and who may read which invoice."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from invoice_samples import INVOICE, PAYMENT, invoice
from madang.core.billing.catalogue import catalogue_of
from madang.core.billing.credits.model import Lot, LotSource
from madang.core.billing.credits.purchases import CreditPurchases
from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME
from madang.core.billing.invoices.reading import InvoiceService, file_name
from madang.core.billing.invoices.sheet import Buyer
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Message
from madang.ports.money import Money
from unit.billing.billing_in_memory import Commit

P = PaymentStatus
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")
CATALOGUE = catalogue_of(
    """
[[credit_pack]]
id = "small"
name = {ko = "작은 묶음", en = "Small"}
credits = 10
valid_days = 30
prices = [{amount = "1000", currency = "KRW"}]
"""
)


@dataclass
class Shop:
    """What a payment of two lines leads to: the lots that are granted, what is revoked, and what is given back."""

    payment: Payment
    lots: list[Lot]
    granted: list[dict[str, Any]]
    revoked: list[tuple[UUID, list[tuple[Lot, int]]]]
    given_back: list[dict[str, Any]]
    knows_the_buyer: bool = True

    def now(self) -> datetime:
        return NOW

    async def lots_of(self, subject: str, source: LotSource) -> list[Lot]:
        return [lot for lot in self.lots if (lot.subject, lot.source) == (subject, source)]

    async def grant(self, uow: Any, user_id: UUID, amount: int, **details: Any) -> Lot:
        if not self.knows_the_buyer:
            raise NotFound("nobody")
        self.granted.append({"user_id": user_id, "amount": amount, **details})
        lot = Lot(new_id(), UUID(int=1), details["source"], details["subject"], amount, NOW, details["expires_at"], amount)
        self.lots.append(lot)
        return lot

    async def revoke(self, uow: Any, wallet_id: UUID, wanted: list[tuple[Lot, int]]) -> None:
        self.revoked.append((wallet_id, wanted))

    async def request_refund(self, uow: Any, payment_id: UUID, **details: Any) -> None:
        self.given_back.append({"payment_id": payment_id, **details})

    async def hears(self, *refunds: Refund, purpose: str = "credit_packs", **changes: Any) -> None:
        commit: Any = Commit(replace(self.payment, **changes))
        commit.payments.given_back = {refund.id: refund for refund in refunds}
        commit.credits = self
        me: Any = self
        told = {"purpose": purpose, "payment_id": str(self.payment.id)}
        purchases = CreditPurchases(me, me, CATALOGUE, me, SEOUL)
        await purchases.payment_changed(commit, Message(new_id(), "test.topic", told, 1, 0, "req-test"))

    def refund(self, amount: int, status: RefundStatus) -> Refund:
        return Refund(new_id(), self.payment.id, str(new_id()), Money(amount, "KRW"), "why", status, NOW, NOW)


@pytest.fixture
def shop() -> Shop:
    lines = (PaymentLine("Small", 1, 1000, "small"), PaymentLine("Small", 2, 1000, "small"))
    paid = Payment(new_id(), "credit_packs", "credit_pack:1", Money(3000, "KRW"), "bank", P.PAID, NOW, NOW, NOW, lines=lines)
    return Shop(replace(paid, user_id=new_id(), paid_at=NOW - timedelta(days=1)), [], [], [], [])


async def test_each_line_is_granted_once_until_the_end_of_its_last_day(shop: Shop) -> None:
    await shop.hears()
    await shop.hears()
    about = {"user_id": shop.payment.user_id, "subject": f"payment:{shop.payment.id}", "source": LotSource.PACK}
    until = datetime(2031, 5, 31, tzinfo=SEOUL).astimezone(UTC)
    assert shop.granted == [
        {**about, "amount": amount, "key": f"payment:{shop.payment.id}:{number}", "expires_at": until}
        for number, amount in ((1, 10), (2, 20))
    ]
    assert (shop.revoked, shop.given_back) == ([], [])


@pytest.mark.parametrize("status", [P.PENDING, P.FAILED, P.CANCELLED])
async def test_what_is_not_paid_or_is_something_else_grants_nothing(shop: Shop, status: PaymentStatus) -> None:
    await shop.hears(status=status)
    await shop.hears(purpose="items")
    assert shop.granted == []


async def test_what_went_back_before_it_was_granted_grants_nothing_and_takes_nothing(shop: Shop) -> None:
    await shop.hears(status=P.REFUNDED)
    assert (shop.granted, shop.revoked) == ([], [])


async def test_a_part_that_went_back_takes_its_part_of_each_lot_by_whichever_sum_is_more(shop: Shop) -> None:
    back, asked = shop.refund(1000, RefundStatus.SUCCEEDED), shop.refund(2000, RefundStatus.QUEUED)
    await shop.hears(back, asked, refunded=500)
    await shop.hears(refunded=1500)
    await shop.hears(status=P.REFUNDED, refunded=3000)
    first, second = shop.lots
    assert shop.revoked == [
        (UUID(int=1), [(first, 3), (second, 6)]),
        (UUID(int=1), [(first, 5), (second, 10)]),
        (UUID(int=1), [(first, 10), (second, 20)]),
    ]


async def test_what_nobody_is_there_to_have_goes_back(shop: Shop) -> None:
    asked = {"payment_id": shop.payment.id, "key": f"payment:{shop.payment.id}:bought-for-nobody", "reason": "not_owed"}
    await shop.hears(user_id=None)
    assert (shop.granted, shop.given_back) == ([], [asked])
    shop.knows_the_buyer = False
    await shop.hears()
    assert (shop.granted, shop.revoked, shop.given_back) == ([], [], [asked, asked])


class Archive:
    """One invoice, as its rows have it."""

    def __init__(self, owner: UUID) -> None:
        self.kept = replace(invoice(), user_id=owner, buyer_name=b"name", buyer_email=b"mail")

    async def get(self, invoice_id: UUID) -> Any:
        return self.kept if invoice_id == INVOICE else None

    async def of_payment(self, payment_id: UUID) -> Any:
        return [self.kept, replace(self.kept, id=new_id())] if payment_id == PAYMENT else []

    async def by_number(self, number: str) -> Any:
        return self.kept if number == self.kept.number else None


class Cipher:
    def decrypt(self, sealed: bytes, *, purpose: str) -> str:
        return f"{sealed.decode()} for {purpose}"


OWNER = new_id()


@pytest.fixture
def invoices() -> InvoiceService:
    @asynccontextmanager
    async def unit() -> AsyncIterator[Any]:
        class Unit:
            invoices = Archive(OWNER)

        yield Unit()

    units: Any = unit
    none: Any = None
    cipher: Any = Cipher()
    return InvoiceService(units, cipher, none, "Asia/Seoul")


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: service.get(Caller(CallerKind.USER, OWNER), INVOICE),
        lambda service: service.linked(INVOICE),
        lambda service: service.of_payment(PAYMENT),
        lambda service: service.numbered("INV-2026-000001"),
    ],
)
async def test_an_invoice_is_read_with_its_buyer_opened(invoices: InvoiceService, ask: Callable[[InvoiceService], Any]) -> None:
    view = await ask(invoices)
    assert (view.invoice.id, view.buyer) == (INVOICE, Buyer(f"name for {BUYER_NAME}", f"mail for {BUYER_EMAIL}"))
    assert file_name(view.invoice) == "INV-2026-000001.pdf"


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: service.get(Caller(CallerKind.USER, new_id()), INVOICE),
        lambda service: service.get(Caller(CallerKind.USER, OWNER), new_id()),
        lambda service: service.linked(new_id()),
        lambda service: service.of_payment(new_id()),
        lambda service: service.numbered("INV-2026-000002"),
    ],
)
async def test_what_is_not_there_or_is_anothers_is_not_found(
    invoices: InvoiceService, ask: Callable[[InvoiceService], Any]
) -> None:
    with pytest.raises(NotFound) as refused:
        await ask(invoices)
    assert refused.value.error_code == "INVOICE_NOT_FOUND"
