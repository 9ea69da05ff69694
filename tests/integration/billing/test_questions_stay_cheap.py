"""What is asked of long tables reads a few pages of them, whichever way PostgreSQL plans it.

A prepared statement is planned for its values at first, and after some uses perhaps for any: a filter that may be left out
then reads the whole table.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from madang.adapters.postgres.billing.credits import PostgresCredits
from madang.adapters.postgres.billing.invoices import PostgresInvoices
from madang.adapters.postgres.billing.payment_books import PostgresPaymentBooks
from madang.adapters.postgres.billing.payment_notices import PostgresPaymentNotices
from madang.adapters.postgres.billing.payment_plans import PostgresPaymentPlans
from madang.adapters.postgres.billing.payments import PostgresPayments
from madang.adapters.postgres.billing.subscriptions import PostgresSubscriptions
from madang.adapters.postgres.database import prepare
from madang.core.billing.inbox_keeping import NoticeFilter
from madang.core.billing.model import PaymentStatus
from madang.core.billing.payment_plans.repository import PlanFilter
from madang.core.billing.reconciling import Place
from madang.core.billing.repository import PaymentFilter
from madang.core.kernel.paging import CursorRequest, PageRequest

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
DAY: Final = datetime(2026, 11, 1, tzinfo=UTC)
SOMEBODY: Final = UUID("00000000-0000-7000-8000-000000000007")
FEW_PAGES: Final = 70
"""The tables below have 200 and more."""
_FILL: Final = """
SET session_replication_role = replica;
SET timezone = 'UTC';
CREATE FUNCTION pg_temp.somebody(n int) RETURNS uuid LANGUAGE sql
    AS $$ SELECT ('00000000-0000-7000-8000-' || lpad((n % 1000)::text, 12, '0'))::uuid $$;
INSERT INTO payments (id, purpose, subject, amount, currency, provider, status, user_id, created_at, updated_at, expires_at)
SELECT uuidv7(), 'credits', 'pack:' || n, 9900, 'KRW', CASE WHEN n % 1000 = 1 THEN 'paddle' ELSE 'toss' END,
    CASE WHEN n % 1000 = 2 THEN 'failed' ELSE 'paid' END, pg_temp.somebody(n), '2026-11-01', '2026-11-01', '2026-11-02'
FROM generate_series(1, 10000) AS n;
INSERT INTO subscriptions (id, user_id, product, kind, provider, status, plan_id, amount, currency, interval_months, anchor,
    zone, due_at, locale, created_at, updated_at)
SELECT uuidv7(), uuidv7(), 'portraits', 'stored_method', 'toss', 'active', 'pro', 9900, 'KRW', 1, '2026-11-01', 'UTC',
    timestamptz '2026-11-21' + interval '1 minute' * (n - 6), 'ko', '2026-11-01', '2026-11-01'
FROM generate_series(1, 10000) AS n;
INSERT INTO payment_plans (id, project_id, client_id, currency, status, version, created_at, updated_at)
SELECT uuidv7(), uuidv7(), pg_temp.somebody(n), 'KRW', 'pending', 1, '2026-11-01', '2026-11-01'
FROM generate_series(1, 20000) AS n;
INSERT INTO inbox (id, provider, event_id, kind, notice, received_at, handled_at)
SELECT uuidv7(), 'toss', n, 'payment', '{}', '2026-11-01', CASE WHEN n % 2000 = 5 THEN NULL ELSE timestamptz '2026-11-01' END
FROM generate_series(1, 20000) AS n;
INSERT INTO credit_accounts (id, wallet_id, user_id, kind, balance, created_at)
SELECT uuidv7(), pg_temp.somebody(n), pg_temp.somebody(n), kind, 10, '2026-11-01'
FROM generate_series(1, 1000) AS n, unnest(ARRAY['available', 'held']) AS kind;
INSERT INTO credit_transactions (id, wallet_id, kind, key, subject, amount, spent, balance, created_at)
SELECT uuidv7(), pg_temp.somebody(n), 'grant', n, 'payment', 10, 0, 10, '2026-11-01' FROM generate_series(1, 10000) AS n;
INSERT INTO credit_lots (id, wallet_id, source, subject, amount, created_at, expires_at, available)
SELECT uuidv7(), pg_temp.somebody(n), 'grant', 'payment', 10, '2026-11-01', '2026-12-01', 10
FROM generate_series(1, 10000) AS n;
INSERT INTO invoices (id, kind, series, sequence, number, payment_id, user_id, amount, currency, written, content_hash,
    issued_at)
SELECT uuidv7(), 'invoice', 'INV', n, n, uuidv7(), pg_temp.somebody(n), 9900, 'KRW', '', '', '2026-11-01'
FROM generate_series(1, 10000) AS n;
RESET session_replication_role;
ANALYZE;
"""


class Measured:
    """A connection that counts the pages that each question reads, planned for its values and for any."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.pages: list[int] = []

    async def fetch(self, question: str, *values: Any) -> Any:
        await self._measure(question, values)
        return await self._connection.fetch(question, *values)

    async def fetchrow(self, question: str, *values: Any) -> Any:
        await self._measure(question, values)
        return await self._connection.fetchrow(question, *values)

    async def fetchval(self, question: str, *values: Any) -> Any:
        await self._measure(question, values)
        return await self._connection.fetchval(question, *values)

    async def _measure(self, question: str, values: tuple[Any, ...]) -> None:
        given = ", ".join("NULL" if value is None else f"'{_literal(value)}'" for value in values)
        for way in ("force_custom_plan", "force_generic_plan"):
            await self._connection.execute(f"SET plan_cache_mode = {way}")
            await self._connection.execute(f"PREPARE asked AS {question}")
            told = await self._connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({given})")
            await self._connection.execute("DEALLOCATE asked")
            plan = json.loads(told)[0]["Plan"]
            self.pages.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _literal(value: Any) -> str:
    return "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)


@pytest.fixture
async def measured(database_url: str) -> AsyncIterator[Measured]:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_FILL)
        await prepare(connection)
        yield Measured(connection)
    finally:
        await connection.close()


def _payments(**wanted: Any) -> Callable[[Any], Awaitable[Any]]:
    return lambda connection: PostgresPayments(connection).page(CursorRequest(limit=20), PaymentFilter(**wanted))


def _opened(after: Place | None) -> Callable[[Any], Awaitable[Any]]:
    ends = DAY + timedelta(days=1)
    return lambda connection: PostgresPaymentBooks(connection).opened("toss", DAY, ends, after=after, limit=200)


def _plans(**wanted: Any) -> Callable[[Any], Awaitable[Any]]:
    return lambda connection: PostgresPaymentPlans(connection).page(PageRequest(page=1, limit=20), PlanFilter(**wanted))


def _notices(**wanted: Any) -> Callable[[Any], Awaitable[Any]]:
    return lambda connection: PostgresPaymentNotices(connection).page(CursorRequest(limit=20), NoticeFilter(**wanted))


QUESTIONS: Final[dict[str, Callable[[Any], Awaitable[Any]]]] = {
    "all payments": _payments(),
    "somebody's payments, for an administrator": _payments(user_id=SOMEBODY),
    "payments of a provider that has few": _payments(provider="paddle"),
    "payments of a status that few have": _payments(status=PaymentStatus.FAILED),
    "a company's payments of a day": _opened(None),
    "the last of a company's payments of a day": _opened((DAY, UUID(int=2**128 - 1))),
    "somebody's payments": lambda on: PostgresPayments(on).page_of(SOMEBODY, PageRequest(page=1, limit=20)),
    "subscriptions that are due": lambda on: PostgresSubscriptions(on).due(NOW, after=None, limit=50),
    "more subscriptions that are due": lambda on: PostgresSubscriptions(on).due(NOW, after=SOMEBODY, limit=50),
    "somebody's payment plans": _plans(client_id=SOMEBODY),
    "a project's payment plans": _plans(project_id=SOMEBODY),
    "all notices": _notices(),
    "notices that nobody handled": _notices(handled=False),
    "notices that were handled": _notices(handled=True),
    "a balance": lambda on: PostgresCredits(on).balance(SOMEBODY, NOW, NOW),
    "a history of credits": lambda on: PostgresCredits(on).history(SOMEBODY, CursorRequest(limit=20)),
    "wallets in which something is due": lambda on: PostgresCredits(on).wallets_with_due(NOW, after=None, limit=50),
    "somebody's invoices": lambda on: PostgresInvoices(on).page(SOMEBODY, PageRequest(page=1, limit=20)),
}


async def test_what_is_asked_of_long_tables_reads_a_few_pages(measured: Measured) -> None:
    read = {}
    for name, ask in QUESTIONS.items():
        measured.pages.clear()
        await ask(measured)
        read[name] = max(measured.pages)
    assert {name: pages for name, pages in read.items() if pages > FEW_PAGES} == {}
