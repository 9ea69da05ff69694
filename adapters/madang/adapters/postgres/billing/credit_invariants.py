"""What must always be true of the ledger of credits, as statements that find where it is not.

The ledger itself is never mended: what it says is what happened. What is counted from it is counted again.
"""

# ruff: noqa: S608 – put together from constants of this module

from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from madang.adapters.postgres.billing.credit_rows import PARTS
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import Repair, RowInvariant
from madang.core.billing.credits.repository import CreditsUnitOfWork
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

Units = UnitOfWorkFactory[CreditsUnitOfWork]


class Settle(Protocol):
    def __call__(self, uow: Any, wallet_id: UUID, *, wait: bool = True) -> Awaitable[bool]: ...


_UNBALANCED: Final = """
SELECT 'credit-transaction:' || written.id AS subject,
       jsonb_build_object('wallet_id', written.wallet_id, 'kind', written.kind, 'sum', coalesce(counted.total, 0)) AS detail
FROM credit_transactions AS written
LEFT JOIN (SELECT transaction_id, sum(amount) AS total FROM credit_entries GROUP BY transaction_id) AS counted
       ON counted.transaction_id = written.id
WHERE counted.total IS DISTINCT FROM 0 ORDER BY written.id LIMIT $1
"""
_BELOW_ZERO: Final = """
SELECT 'credit-account:' || account.id AS subject,
       jsonb_build_object('wallet_id', account.wallet_id, 'kind', account.kind, 'sum', sum(entry.amount)) AS detail
FROM credit_accounts AS account JOIN credit_entries AS entry ON entry.account_id = account.id
WHERE account.wallet_id IS NOT NULL
GROUP BY account.id HAVING sum(entry.amount) < 0 ORDER BY account.id LIMIT $1
"""
_WRONG_TOTALS: Final = """
SELECT 'credit-account:' || account.id AS subject,
       jsonb_build_object('wallet_id', account.wallet_id, 'kind', account.kind, 'total', account.balance,
                          'ledger', coalesce(sum(entry.amount), 0)) AS detail
FROM credit_accounts AS account LEFT JOIN credit_entries AS entry ON entry.account_id = account.id
WHERE account.wallet_id IS NOT NULL
GROUP BY account.id HAVING account.balance <> coalesce(sum(entry.amount), 0) ORDER BY account.id LIMIT $1
"""
_COUNTED: Final = ", ".join(
    f"coalesce(sum(entry.amount) FILTER (WHERE account.kind = '{part}'), 0) AS {part}" for part in PARTS
)
_WRONG_LOTS: Final = f"""
SELECT 'credit-lot:' || lot.id AS subject, jsonb_build_object('wallet_id', lot.wallet_id, 'amount', lot.amount) AS detail
FROM credit_lots AS lot
LEFT JOIN (SELECT entry.lot_id, {_COUNTED}
           FROM credit_entries AS entry JOIN credit_accounts AS account ON account.id = entry.account_id
           GROUP BY entry.lot_id) AS counted ON counted.lot_id = lot.id
WHERE ({", ".join(f"lot.{part}" for part in PARTS)}) IS DISTINCT FROM ({", ".join(f"counted.{part}" for part in PARTS)})
ORDER BY lot.id LIMIT $1
"""
_OVERDUE: Final = """
SELECT 'credit-wallet:' || wallet_id AS subject,
       jsonb_build_object('wallet_id', wallet_id, 'seconds', extract(epoch FROM now() - min(due_at))::int) AS detail
FROM (SELECT wallet_id, expires_at AS due_at FROM credit_lots WHERE available > 0 AND expires_at < now() - interval '10 minutes'
      UNION ALL SELECT wallet_id, ends_at FROM credit_holds WHERE status = 'open' AND ends_at < now() - interval '10 minutes'
      UNION ALL SELECT wallet_id, starts_at FROM credit_months
                WHERE status = 'due' AND starts_at < now() - interval '10 minutes') AS due
GROUP BY wallet_id ORDER BY min(due_at) LIMIT $1
"""


def credit_invariants(database: Database, units: Units, settle: Settle) -> Sequence[Invariant]:
    """`settle` books what is due of a wallet."""
    recount, settled = _recounting(units), _settling(units, settle)
    return (
        RowInvariant(
            database,
            "credits-sum-to-zero",
            "The entries of every transaction of credits sum to zero. Else the ledger was written to by something else: a "
            "person looks, and nothing mends it.",
            _UNBALANCED,
        ),
        RowInvariant(
            database,
            "no-credits-below-zero",
            "No owner's account sums to less than nothing. Else the ledger was written to by something else: a person looks.",
            _BELOW_ZERO,
        ),
        RowInvariant(
            database,
            "credit-totals-match-the-ledger",
            "The running total of every owner's account is the sum of its entries. Else it is counted again.",
            _WRONG_TOTALS,
            recount,
        ),
        RowInvariant(
            database,
            "credit-lots-add-up",
            "What a lot says is available, held, spent and over is what its entries say. Else it is counted again.",
            _WRONG_LOTS,
            recount,
        ),
        RowInvariant(
            database,
            "due-credits-are-settled",
            "Within ten minutes lots and holds that are over are booked, and months that began are granted. Else it is done.",
            _OVERDUE,
            settled,
        ),
    )


def _recounting(units: Units) -> Repair:
    async def recount(violation: Violation) -> str:
        """Under the wallet's lock, as everybody who moves its credits."""
        wallet_id = UUID(violation.detail["wallet_id"])
        async with units() as uow:
            await uow.credits.lock_wallet(wallet_id)
            counted = await uow.credits.recount(wallet_id)
        return "counted again from the ledger" if counted else ""

    return recount


def _settling(units: Units, settle: Settle) -> Repair:
    async def settled(violation: Violation) -> str:
        async with units() as uow:
            await settle(uow, UUID(violation.detail["wallet_id"]))
        return "booked what was due"

    return settled
