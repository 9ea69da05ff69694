"""What must always be true of subscriptions, as statements that find where it is not.

What is late is taken up again by the ordinary sweep; money that does not add up waits for a person.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import Repair, RowInvariant
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.work import DUE
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

Units = UnitOfWorkFactory[SubscriptionsUnitOfWork]

_FORGOTTEN: Final = """
SELECT 'subscription:' || id AS subject,
       jsonb_build_object('subscription_id', id, 'status', status, 'due_at', due_at, 'stuck_since', stuck_since) AS detail
FROM subscriptions
WHERE status NOT IN ('cancelled', 'ended')
  AND (due_at IS NULL OR due_at < now() - interval '15 minutes' OR stuck_since IS NOT NULL)
ORDER BY created_at LIMIT $1
"""
_NOT_RENEWED: Final = """
SELECT 'subscription:' || one.id AS subject,
       jsonb_build_object('subscription_id', one.id, 'status', one.status, 'over_since', last.ends_at) AS detail
FROM subscriptions AS one
CROSS JOIN LATERAL (SELECT ends_at FROM subscription_periods AS period
                    WHERE period.subscription_id = one.id AND period.status IN ('paid', 'free')
                    ORDER BY starts_at DESC, number DESC LIMIT 1) AS last
WHERE one.status IN ('trialing', 'active') AND last.ends_at < now() - interval '2 days'
ORDER BY last.ends_at LIMIT $1
"""
_TWO_AWAITED: Final = """
SELECT 'subscription:' || subscription_id AS subject,
       jsonb_build_object('subscription_id', subscription_id, 'periods', count(*)) AS detail
FROM subscription_periods WHERE status IN ('due', 'charging')
GROUP BY subscription_id HAVING count(*) > 1 ORDER BY subscription_id LIMIT $1
"""
_NOT_PAID: Final = """
SELECT 'subscription:' || period.subscription_id AS subject,
       jsonb_build_object('subscription_id', period.subscription_id, 'period', period.number,
                          'payment_id', period.payment_id, 'status', payment.status) AS detail
FROM subscription_periods AS period LEFT JOIN payments AS payment ON payment.id = period.payment_id
WHERE period.status = 'paid'
  AND (payment.id IS NULL OR payment.purpose <> 'subscriptions' OR payment.amount <> period.amount
       OR payment.currency <> period.currency
       OR payment.status NOT IN ('paid', 'partly_refunded', 'refunded', 'disputed'))
ORDER BY period.id LIMIT $1
"""


def subscription_invariants(database: Database, units: Units) -> Sequence[Invariant]:
    again = _taken_up_again(units)
    return (
        RowInvariant(
            database,
            "due-subscriptions-are-dealt-with",
            "What is due of a subscription is done within fifteen minutes, and every one that is not over has something due. "
            "Else it is taken up again; what makes one stuck is in the log, and a person mends that first.",
            _FORGOTTEN,
            again,
        ),
        RowInvariant(
            database,
            "active-subscriptions-are-renewed",
            "No subscription runs on for two days after its period without the next one being paid, or owed. Else it is looked "
            "at again; a charge whose outcome nobody knows waits for a person.",
            _NOT_RENEWED,
            again,
        ),
        RowInvariant(
            database,
            "one-period-awaits-payment",
            "Of one subscription never two periods await money. Else it may be charged twice: a person looks.",
            _TWO_AWAITED,
        ),
        RowInvariant(
            database,
            "paid-periods-have-their-money",
            "Every period that counts as paid has a payment of its amount that arrived. Else something was given away, or "
            "written by something else: a person looks.",
            _NOT_PAID,
        ),
    )


def _taken_up_again(units: Units) -> Repair:
    async def again(violation: Violation) -> str:
        async with units() as uow:
            subscription = await uow.subscriptions.get(UUID(violation.detail["subscription_id"]), lock=True)
            if subscription is None or subscription.is_over:
                return "it has gone on by itself"
            await uow.subscriptions.make_due(subscription.id)
            uow.send(NewMessage(DUE, subject=subscription.subject))
        return "taken up again"

    return again
