"""What the credit calls take and answer."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from madang.core.billing.catalogue import CreditPack
from madang.core.billing.credits.accounts import CreditGift, Deduction
from madang.core.billing.credits.model import Balance, CreditTransaction, HistoryEntry, Lot
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.operation import Call
from madang.entrypoints.http.portraits.shapes import Input, MoneyShape

Amount = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Reason = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]*$", description="For people: it is shown to them")
]
Reference = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$", description="Your own, unique among your deductions")
]
Instant = Annotated[datetime, Meta(tz=True)]


class DeductionBody(Input, frozen=True):
    amount: Amount
    reason: Reason
    client_reference: Reference | None = None


class CreditGrantBody(Input, frozen=True):
    """Without `expiresAt` they never end."""

    user_id: UUID
    amount: Amount
    reason: Reason
    expires_at: Instant | None = None


class CreditHistoryQuery(Input, frozen=True):
    cursor: Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class CreditPacksQuery(Input, frozen=True):
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217: only what is sold in it")] | None = None


class ExpiringCreditsShape(Shape, frozen=True):
    """How many of the balance end within 30 days, and when the first of them do."""

    amount: int
    expires_at: datetime


class CreditBalanceShape(Shape, frozen=True):
    """`balance` can be spent; `held` is set aside for what is under way, and comes back or is spent."""

    balance: int
    held: int
    expiring_soon: ExpiringCreditsShape | None


class CreditEntryShape(Shape, frozen=True):
    """`amount` is what it did to the balance, `balance` what that was afterwards, `spent` how many credits it used up: of a
    `take` they had been held before. `about` says what it was for; `reason` and `clientReference` somebody wrote."""

    id: UUID
    type: Literal["grant", "deduct", "hold", "take", "release", "expire", "take_back"]
    amount: int
    spent: int
    balance: int
    about: str | None
    reason: str | None
    client_reference: str | None
    created_at: datetime


class DeductionShape(Shape, frozen=True):
    """`balance` is what it left."""

    id: UUID
    amount: int
    balance: int
    reason: str
    client_reference: str | None
    created_at: datetime


class CreditGrantShape(Shape, frozen=True):
    """`available` are those that are left of it."""

    id: UUID
    user_id: UUID
    amount: int
    available: int
    reason: str
    expires_at: datetime | None
    created_at: datetime


class CreditPackShape(Shape, frozen=True):
    """Credits that are bought once and end `validDays` later. Prices include the tax."""

    id: str
    name: dict[str, str]
    credits: int
    valid_days: int
    prices: list[MoneyShape]


BALANCE: Final[dict[str, Any]] = {
    "balance": 1240,
    "held": 10,
    "expiringSoon": {"amount": 200, "expiresAt": "2026-02-01T00:00:00+09:00"},
}
DEDUCTION: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120002",
    "amount": 5,
    "balance": 1235,
    "reason": "Three variants of a post",
    "clientReference": "post-2026-001",
    "createdAt": "2026-01-05T12:07:30+09:00",
}
NEW_DEDUCTION: Final = {name: DEDUCTION[name] for name in ("amount", "reason", "clientReference")}
ENTRY: Final[dict[str, Any]] = {
    "id": DEDUCTION["id"],
    "type": "deduct",
    "amount": -5,
    "spent": 5,
    "balance": 1235,
    "about": None,
    "reason": DEDUCTION["reason"],
    "clientReference": DEDUCTION["clientReference"],
    "createdAt": DEDUCTION["createdAt"],
}
GRANT: Final[dict[str, Any]] = {
    "id": "01997f2e-6c00-7a10-9c3e-0242ac120004",
    "userId": "01997f2e-6c00-7a10-9c3e-0242ac120003",
    "amount": 100,
    "available": 100,
    "reason": "For a report that failed",
    "expiresAt": None,
    "createdAt": "2026-01-05T12:07:30+09:00",
}
NEW_GRANT: Final = {name: GRANT[name] for name in ("userId", "amount", "reason")}
PACK: Final[dict[str, Any]] = {
    "id": "credits-100",
    "name": {"ko": "크레딧 100개", "en": "100 credits"},
    "credits": 100,
    "validDays": 365,
    "prices": [{"amount": 5000, "currency": "KRW"}, {"amount": 400, "currency": "USD"}],
}


def of_balance(call: Call, balance: Balance) -> CreditBalanceShape:
    ending = balance.ending
    soon = None if ending is None else ExpiringCreditsShape(ending.amount, ending.first_at.astimezone(call.zone))
    return CreditBalanceShape(balance.available, balance.held, soon)


def of_entry(call: Call, entry: HistoryEntry) -> CreditEntryShape:
    written = entry.transaction
    return CreditEntryShape(
        written.id,
        written.kind.value,
        written.amount,
        written.spent,
        written.balance,
        written.subject or None,
        entry.reason,
        entry.client_reference,
        written.created_at.astimezone(call.zone),
    )


def of_deduction(call: Call, written: CreditTransaction, deduction: Deduction) -> DeductionShape:
    return DeductionShape(
        written.id,
        written.spent,
        written.balance,
        deduction.reason,
        deduction.client_reference,
        written.created_at.astimezone(call.zone),
    )


def of_grant(call: Call, lot: Lot, gift: CreditGift) -> CreditGrantShape:
    return CreditGrantShape(
        lot.id,
        gift.user_id,
        lot.amount,
        lot.available,
        gift.reason,
        None if lot.expires_at is None else lot.expires_at.astimezone(call.zone),
        lot.created_at.astimezone(call.zone),
    )


def of_pack(pack: CreditPack, currency: str | None) -> CreditPackShape:
    """With its prices in this currency, or in every one."""
    sold = [price.amount for price in pack.prices if currency in (None, price.amount.currency)]
    prices = [MoneyShape(amount.amount, amount.currency) for amount in sold]
    return CreditPackShape(pack.id, dict(pack.name), pack.credits, pack.valid_days, prices)
