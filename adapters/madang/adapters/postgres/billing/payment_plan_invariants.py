"""What must always be true of payment plans, as statements that find where it is not."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import RowInvariant
from madang.core.billing.payment_plans.topics import PAYMENT_CHANGED, PURPOSE
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

STATUS: Final = """
SELECT 'payment_plan:' || plan.id AS subject, jsonb_build_object('status', plan.status, 'paid', parts.paid, 'of', parts.total)
           AS detail
FROM payment_plans AS plan CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE status = 'paid') AS paid
    FROM payment_installments WHERE plan_id = plan.id AND kind = 'milestone'
) AS parts
WHERE plan.status <> CASE parts.paid WHEN parts.total THEN 'completed' WHEN 0 THEN 'pending' ELSE 'partial' END
ORDER BY plan.id LIMIT $1
"""

UNMARKED: Final = """
SELECT 'payment_plan:' || plan_id AS subject, jsonb_build_object('number', number, 'due_date', due_date) AS detail
FROM payment_installments WHERE status = 'pending' AND overdue_at < now() - interval '10 minutes'
UNION ALL
SELECT 'payment_plan:' || id, jsonb_build_object('next_fee_at', next_fee_at)
FROM payment_plans WHERE next_fee_at < now() - interval '10 minutes'
LIMIT $1
"""

UNHEARD: Final = """
SELECT payment.subject AS subject,
       jsonb_build_object('payment_id', payment.id, 'status', payment.status, 'installment', installment.status) AS detail
FROM payments AS payment
LEFT JOIN payment_installments AS installment
    ON payment.subject = 'installment:' || installment.plan_id || ':' || installment.number
WHERE payment.purpose = 'payment_plans' AND payment.updated_at < now() - interval '60 seconds'
  AND CASE
        WHEN payment.status IN ('paid', 'partly_refunded') THEN
            (installment.status, installment.payment_id) IS DISTINCT FROM ('paid', payment.id)
            AND NOT EXISTS (SELECT FROM refunds WHERE refunds.payment_id = payment.id)
        WHEN payment.status = 'refunded' THEN installment.payment_id = payment.id AND installment.status <> 'refunded'
            AND NOT EXISTS (SELECT FROM payment_disputes AS dispute
                            WHERE dispute.payment_id = payment.id AND dispute.status = 'reversed')
        ELSE false
      END
  AND NOT EXISTS (
    SELECT FROM messages AS message
    WHERE message.state IN ('waiting', 'leased') AND message.topic = ANY ($2)
      AND message.payload->>'payment_id' = payment.id::text)
ORDER BY payment.updated_at LIMIT $1
"""

Settle = Callable[[Any, UUID], Awaitable[bool]]


def payment_plan_invariants(database: Database, units: UnitOfWorkFactory[Any], settle: Settle) -> Sequence[Invariant]:
    """`settle` does all that is due of one plan."""

    async def settled(violation: Violation) -> str:
        async with units() as uow:
            await settle(uow, UUID(violation.subject.partition(":")[2]))
        return "settled what is due"

    async def told_again(violation: Violation) -> str:
        told = {"payment_id": violation.detail["payment_id"], "purpose": PURPOSE, "subject": violation.subject}
        async with units() as uow:
            uow.send(NewMessage(PAYMENT_CHANGED, told, subject=violation.subject))
        return f"sent {PAYMENT_CHANGED}"

    return (
        RowInvariant(
            database,
            "every-payment-plan-has-the-status-of-its-instalments",
            "A plan is pending, partial or completed as its project's instalments are paid. Settling writes it anew.",
            STATUS,
            settled,
        ),
        RowInvariant(
            database,
            "no-instalment-is-past-its-day-unmarked",
            "What was not paid by the end of its day is overdue, and each month's fee is there in time. Else no worker drains.",
            UNMARKED,
            settled,
        ),
        RowInvariant(
            database,
            "every-payment-of-an-instalment-was-heard",
            "A minute after money came for an instalment it is paid by that, or the money is going back.",
            UNHEARD,
            told_again,
            (PAYMENT_CHANGED,),
        ),
    )
