"""Payment plans in PostgreSQL: the plan's row is what is locked, its instalments go with it."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import asyncpg

from madang.adapters.postgres.database import Connection
from madang.adapters.postgres.statements import affected, insert, matching, select, update, upsert
from madang.core.billing.payment_plans.calendar import Reminder
from madang.core.billing.payment_plans.model import Installment, InstallmentKind, InstallmentStatus, PaymentPlan
from madang.core.billing.payment_plans.repository import PlanFilter
from madang.core.kernel.errors import NotFound
from madang.core.kernel.paging import Page, PageRequest

_PLAN: Final = (
    "id",
    "project_id",
    "client_id",
    "currency",
    "status",
    "monthly_fee",
    "fee_anchor",
    "fees",
    "next_fee_at",
    "version",
    "created_at",
    "updated_at",
)
_INSTALLMENT: Final = (
    "plan_id",
    "number",
    "kind",
    "phase",
    "amount",
    "due_date",
    "overdue_at",
    "status",
    "remind_at",
    "remind_day",
    "payment_id",
    "paid_at",
)
_GET: Final = select("payment_plans", _PLAN, "id = $1")
_ADD: Final = insert("payment_plans", _PLAN)
_UPDATE: Final = update("payment_plans", _PLAN)
_SAVE_INSTALLMENT: Final = upsert("payment_installments", _INSTALLMENT, key=("plan_id", "number"), keep=("kind",))
_INSTALLMENTS: Final = select("payment_installments", _INSTALLMENT, "plan_id = ANY ($1::uuid[]) ORDER BY plan_id, number")
_OF_CLIENT: Final = select("payment_plans", _PLAN, "client_id = $1 ORDER BY id")
_DUE: Final = """
SELECT DISTINCT plan_id FROM (
    SELECT plan_id FROM payment_installments WHERE status = 'pending' AND overdue_at <= $1
    UNION ALL SELECT plan_id FROM payment_installments WHERE remind_at <= $1
    UNION ALL SELECT id FROM payment_plans WHERE next_fee_at <= $1
) AS due WHERE $2::uuid IS NULL OR plan_id > $2 ORDER BY plan_id LIMIT $3
"""
_FORGET_CLIENT: Final = "UPDATE payment_plans SET client_id = NULL, next_fee_at = NULL WHERE client_id = $1 RETURNING id"
_REMIND_NOBODY: Final = "UPDATE payment_installments SET remind_at = NULL, remind_day = NULL WHERE plan_id = ANY ($1::uuid[])"
_FARTHEST: Final = 2**63 - 1


class PostgresPaymentPlans:
    """Fulfils `PaymentPlanRepository`; `update` raises `NotFound` when there is no such row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, plan_id: UUID, *, lock: bool = False, wait: bool = True) -> PaymentPlan | None:
        held = "" if not lock else " FOR UPDATE" if wait else " FOR UPDATE SKIP LOCKED"
        found = await self._with_installments(await self._connection.fetch(_GET + held, plan_id))
        return found[0] if found else None

    async def add(self, plan: PaymentPlan) -> None:
        await self._connection.execute(_ADD, *_values(plan))
        await self._save_installments(plan)

    async def update(self, plan: PaymentPlan) -> None:
        if not affected(await self._connection.execute(_UPDATE, *_values(plan))):
            raise NotFound("there is no such payment plan", code="PAYMENT_PLAN_NOT_FOUND")
        await self._save_installments(plan)

    async def page(self, request: PageRequest, wanted: PlanFilter) -> Page[PaymentPlan]:
        status = None if wanted.status is None else wanted.status.value
        named = {"client_id": wanted.client_id, "project_id": wanted.project_id, "status": status}
        counted, values = matching(named, after=0)
        total: int = await self._connection.fetchval(_count(counted), *values)
        where, values = matching(named, after=2)
        rows = await self._connection.fetch(_page(where), request.limit, min(request.offset, _FARTHEST), *values)
        return Page(await self._with_installments(rows), total, request.page, request.limit)

    async def due(self, now: datetime, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        return [row["plan_id"] for row in await self._connection.fetch(_DUE, now, after, limit)]

    async def of_client(self, client_id: UUID) -> Sequence[PaymentPlan]:
        return await self._with_installments(await self._connection.fetch(_OF_CLIENT, client_id))

    async def forget_client(self, client_id: UUID) -> int:
        plans = [row["id"] for row in await self._connection.fetch(_FORGET_CLIENT, client_id)]
        await self._connection.execute(_REMIND_NOBODY, plans)
        return len(plans)

    async def _with_installments(self, rows: Sequence[asyncpg.Record]) -> Sequence[PaymentPlan]:
        found: dict[UUID, list[Installment]] = {row["id"]: [] for row in rows}
        if found:
            for row in await self._connection.fetch(_INSTALLMENTS, list(found)):
                found[row["plan_id"]].append(_installment(row))
        return [_plan(row, found[row["id"]]) for row in rows]

    async def _save_installments(self, plan: PaymentPlan) -> None:
        await self._connection.executemany(
            _SAVE_INSTALLMENT, [_installment_values(plan.id, each) for each in plan.installments]
        )


@cache
def _count(where: str) -> str:
    return f"SELECT count(*) FROM payment_plans WHERE {where}"  # noqa: S608 - of column names of this module


@cache
def _page(where: str) -> str:
    return select("payment_plans", _PLAN, f"{where} ORDER BY id DESC LIMIT $1 OFFSET $2")


def _plan(row: asyncpg.Record, installments: Sequence[Installment]) -> PaymentPlan:
    named = {name: row[name] for name in _PLAN if name != "status"}
    return PaymentPlan(**named, installments=tuple(installments))


def _values(plan: PaymentPlan) -> tuple[Any, ...]:
    return tuple(plan.status.value if name == "status" else getattr(plan, name) for name in _PLAN)


def _installment(row: asyncpg.Record) -> Installment:
    return Installment(
        number=row["number"],
        kind=InstallmentKind(row["kind"]),
        phase=row["phase"],
        amount=row["amount"],
        due_date=row["due_date"],
        overdue_at=row["overdue_at"],
        status=InstallmentStatus(row["status"]),
        reminder=None if row["remind_at"] is None else Reminder(row["remind_at"], row["remind_day"]),
        payment_id=row["payment_id"],
        paid_at=row["paid_at"],
    )


def _installment_values(plan_id: UUID, installment: Installment) -> tuple[Any, ...]:
    reminder = installment.reminder
    return (
        plan_id,
        installment.number,
        installment.kind.value,
        installment.phase,
        installment.amount,
        installment.due_date,
        installment.overdue_at,
        installment.status.value,
        None if reminder is None else reminder.at,
        None if reminder is None else reminder.day,
        installment.payment_id,
        installment.paid_at,
    )
