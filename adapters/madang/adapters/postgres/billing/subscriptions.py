"""Subscriptions and their periods in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.operations.audit import id_in
from madang.adapters.postgres.statements import affected, insert, select, update, upsert
from madang.core.billing.subscriptions.course import Course
from madang.core.billing.subscriptions.model import (
    AWAITED,
    BEGUN,
    Period,
    PeriodKind,
    PeriodStatus,
    Subscription,
    SubscriptionKind,
    SubscriptionStatus,
    Terms,
)
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.ports.money import Money

_COLUMNS: Final = (
    "id",
    "user_id",
    "product",
    "kind",
    "provider",
    "status",
    "plan_id",
    "amount",
    "currency",
    "credits",
    "price_reference",
    "interval_months",
    "anchor",
    "zone",
    "created_at",
    "updated_at",
    "due_at",
    "trial_days",
    "next_terms",
    "cancel_at_period_end",
    "method_id",
    "reference",
    "checkout_url",
    "client_params",
    "past_due_since",
    "suspended_at",
    "retries",
    "asking",
    "ended_at",
    "end_reason",
    "country",
    "locale",
    "client_reference",
    "stuck_since",
)
_PLAIN: Final = _COLUMNS[_COLUMNS.index("interval_months") :]
"""Columns that are named and written as the domain has them."""
_PERIOD: Final = (
    "id",
    "subscription_id",
    "number",
    "cycle",
    "kind",
    "status",
    "plan_id",
    "amount",
    "currency",
    "price",
    "credits",
    "price_reference",
    "starts_at",
    "ends_at",
    "tries",
    "payment_id",
    "created_at",
    "updated_at",
)
_LIVE: Final = "status NOT IN ('cancelled', 'ended')"
_GET: Final = {lock: select("subscriptions", _COLUMNS, "id = $1", lock=lock) for lock in (False, True)}
_BY_REFERENCE: Final = select("subscriptions", _COLUMNS, "provider = $1 AND reference = $2")
_OF_PRODUCT: Final = select("subscriptions", _COLUMNS, f"user_id = $1 AND product = $2 AND {_LIVE}", lock=True)
_OF_USER: Final = select("subscriptions", _COLUMNS, "user_id = $1 ORDER BY created_at, id")
_PAGE: Final = select(
    "subscriptions",
    _COLUMNS,
    "user_id = $1 AND ($2::uuid IS NULL OR (created_at, id) < (SELECT created_at, id FROM subscriptions"
    " WHERE id = $2 AND user_id = $1)) ORDER BY created_at DESC, id DESC LIMIT $3",
)
_IN_VAIN: Final = """
SELECT count(*) FROM subscriptions AS one
WHERE user_id = $1 AND created_at > $2
  AND NOT EXISTS (SELECT FROM subscription_periods AS period WHERE period.subscription_id = one.id)
"""
_GET_UNLESS_HELD: Final = f"{_GET[True]} SKIP LOCKED"
_DUE: Final = """
WITH due AS MATERIALIZED (SELECT id FROM subscriptions WHERE due_at BETWEEN '-infinity' AND $1)
SELECT id FROM due WHERE $2::uuid IS NULL OR id > $2 ORDER BY id LIMIT $3
"""
"""Those that are due come first, by their index, and are put in order then: few are due at a time. Planned for any time, the
plain question reads every subscription in the order of ids until enough of them are due."""
_PUT_OFF: Final = (
    "UPDATE subscriptions SET due_at = $2, stuck_since = coalesce(stuck_since, $3) WHERE id = $1 AND due_at IS NOT NULL"
)
_MAKE_DUE: Final = "UPDATE subscriptions SET due_at = least(due_at, now()) WHERE id = $1"
_ADD: Final = insert("subscriptions", _COLUMNS, on_conflict="ON CONFLICT DO NOTHING")
_UPDATE: Final = update("subscriptions", _COLUMNS)
_FORGET: Final = "DELETE FROM subscriptions WHERE user_id = $1"
_HAS_TRIED: Final = """
SELECT EXISTS (
    SELECT FROM subscriptions AS one JOIN subscription_periods AS period ON period.subscription_id = one.id
    WHERE one.user_id = $1 AND one.product = $2 AND period.kind = 'trial')
"""
_OF_THIS: Final = "FROM subscription_periods WHERE subscription_id = $1"
_MATTERING: Final = select(
    "subscription_periods",
    _PERIOD,
    "subscription_id = $1 AND (status IN ('due', 'charging')"
    f" OR id = (SELECT id {_OF_THIS} AND status IN ('paid', 'free') ORDER BY starts_at DESC, number DESC LIMIT 1)"
    f" OR number = (SELECT max(number) {_OF_THIS})) ORDER BY starts_at, number",
)
_PERIODS: Final = select("subscription_periods", _PERIOD, "subscription_id = $1 ORDER BY starts_at, number")
_TRIED_BY: Final = select("subscription_periods", _PERIOD, "subscription_id = $1 AND tries ? $2")
_SAVE_PERIOD: Final = upsert("subscription_periods", _PERIOD, key=("id",), keep=("subscription_id", "number", "created_at"))


class PostgresSubscriptions:
    """Fulfils `SubscriptionRepository`; `update` raises `NotFound` when there is no such row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, subscription_id: UUID, *, lock: bool = False, wait: bool = True) -> Subscription | None:
        question = _GET[lock] if wait else _GET_UNLESS_HELD
        return _one(await self._connection.fetchrow(question, subscription_id))

    async def by_reference(self, provider: str, reference: str) -> Subscription | None:
        return _one(await self._connection.fetchrow(_BY_REFERENCE, provider, reference))

    async def live(self, user_id: UUID, product: str) -> Subscription | None:
        return _one(await self._connection.fetchrow(_OF_PRODUCT, user_id, product))

    async def of_user(self, user_id: UUID) -> Sequence[Subscription]:
        return [_subscription(row) for row in await self._connection.fetch(_OF_USER, user_id)]

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[Subscription]:
        rows = await self._connection.fetch(_PAGE, user_id, id_in(request.cursor), request.limit + 1)
        page = [_subscription(row) for row in rows[: request.limit]]
        return CursorPage(page, request.limit, page[-1].id.hex if len(rows) > request.limit else None)

    async def begun_in_vain(self, user_id: UUID, since: datetime) -> int:
        found: int = await self._connection.fetchval(_IN_VAIN, user_id, since)
        return found

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        return [row["id"] for row in await self._connection.fetch(_DUE, now, after, limit)]

    async def put_off(self, subscription_id: UUID, due_at: datetime, now: datetime) -> None:
        await self._connection.execute(_PUT_OFF, subscription_id, due_at, now)

    async def add(self, subscription: Subscription) -> bool:
        return affected(await self._connection.execute(_ADD, *_values(subscription))) == 1

    async def update(self, subscription: Subscription) -> None:
        if not affected(await self._connection.execute(_UPDATE, *_values(subscription))):
            raise NotFound("no such subscription")

    async def make_due(self, subscription_id: UUID) -> None:
        await self._connection.execute(_MAKE_DUE, subscription_id)

    async def course(self, subscription: Subscription) -> Course:
        rows = [_period(row) for row in await self._connection.fetch(_MATTERING, subscription.id)]
        begun = [period for period in rows if period.status in BEGUN]
        awaited = [period for period in rows if period.status in AWAITED]
        return Course(
            subscription,
            begun[-1] if begun else None,
            awaited[-1] if awaited else None,
            max((period.number for period in rows), default=0),
        )

    async def save_periods(self, periods: Sequence[Period]) -> None:
        for period in periods:
            await self._connection.execute(_SAVE_PERIOD, *_period_values(period))

    async def periods(self, subscription_id: UUID) -> Sequence[Period]:
        return [_period(row) for row in await self._connection.fetch(_PERIODS, subscription_id)]

    async def period_tried_by(self, subscription_id: UUID, payment_id: UUID) -> Period | None:
        row = await self._connection.fetchrow(_TRIED_BY, subscription_id, str(payment_id))
        return None if row is None else _period(row)

    async def has_tried(self, user_id: UUID, product: str) -> bool:
        found: bool = await self._connection.fetchval(_HAS_TRIED, user_id, product)
        return found

    async def forget_user(self, user_id: UUID) -> int:
        return affected(await self._connection.execute(_FORGET, user_id))


def _one(row: asyncpg.Record | None) -> Subscription | None:
    return None if row is None else _subscription(row)


def _subscription(row: asyncpg.Record) -> Subscription:
    plain = {name: row[name] for name in _PLAIN}
    return Subscription(
        id=row["id"],
        user_id=row["user_id"],
        product=row["product"],
        kind=SubscriptionKind(row["kind"]),
        provider=row["provider"],
        status=SubscriptionStatus(row["status"]),
        terms=_terms(row, row["amount"]),
        **{**plain, "next_terms": _next_terms(row)},
    )


def _terms(row: asyncpg.Record, price: int) -> Terms:
    return Terms(row["plan_id"], Money(price, row["currency"]), row["credits"], row["price_reference"])


def _next_terms(row: asyncpg.Record) -> Terms | None:
    kept = row["next_terms"]
    return None if kept is None else Terms(**{**kept, "price": Money(**kept["price"])})


def _values(subscription: Subscription) -> tuple[Any, ...]:
    terms, following = subscription.terms, subscription.next_terms
    plain = {name: getattr(subscription, name) for name in _PLAIN}
    return (
        subscription.id,
        subscription.user_id,
        subscription.product,
        subscription.kind.value,
        subscription.provider,
        subscription.status.value,
        terms.plan_id,
        terms.price.amount,
        terms.price.currency,
        terms.credits,
        terms.price_reference,
        *{**plain, "next_terms": None if following is None else asdict(following)}.values(),
    )


def _period(row: asyncpg.Record) -> Period:
    return Period(
        id=row["id"],
        subscription_id=row["subscription_id"],
        number=row["number"],
        cycle=row["cycle"],
        kind=PeriodKind(row["kind"]),
        terms=_terms(row, row["price"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        amount=Money(row["amount"], row["currency"]),
        status=PeriodStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        tries=tuple(UUID(each) for each in row["tries"]),
        payment_id=row["payment_id"],
    )


def _period_values(period: Period) -> tuple[Any, ...]:
    return (
        period.id,
        period.subscription_id,
        period.number,
        period.cycle,
        period.kind.value,
        period.status.value,
        period.terms.plan_id,
        period.amount.amount,
        period.amount.currency,
        period.terms.price.amount,
        period.terms.credits,
        period.terms.price_reference,
        period.starts_at,
        period.ends_at,
        [str(each) for each in period.tries],
        period.payment_id,
        period.created_at,
        period.updated_at,
    )
