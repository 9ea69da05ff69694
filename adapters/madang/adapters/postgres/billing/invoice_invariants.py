"""What must always be true of invoices, as statements that find where it is not."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.invariants import RowInvariant
from madang.core.billing.invoices.issuing import ISSUE
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.unit_of_work import UnitOfWork, UnitOfWorkFactory

_NOBODY_ISSUES: Final = """NOT EXISTS (
    SELECT FROM messages AS message
    WHERE message.state IN ('waiting', 'leased') AND message.topic = ANY ($2)
      AND message.payload->>'payment_id' = payment.id::text)"""

GAPS: Final = """
SELECT 'series:' || coalesce(counter.series, issued.series) AS subject,
       jsonb_build_object('last', counter.last, 'issued', issued.number, 'highest', issued.highest) AS detail
FROM invoice_series AS counter
FULL JOIN (
    SELECT series, count(*) AS number, min(sequence) AS lowest, max(sequence) AS highest FROM invoices GROUP BY series
) AS issued ON issued.series = counter.series
WHERE (counter.last, counter.last, 1) IS DISTINCT FROM (issued.number, issued.highest, issued.lowest)
ORDER BY 1 LIMIT $1
"""

CHANGED: Final = """
SELECT 'invoice:' || id AS subject, jsonb_build_object('number', number, 'payment_id', payment_id) AS detail
FROM invoices
WHERE encode(sha256(convert_to(written, 'UTF8')), 'hex') <> content_hash
   OR (written::jsonb - 'content' - 'issuedAt') <> jsonb_build_object(
        'id', id, 'kind', kind, 'number', number, 'paymentId', payment_id, 'creditedId', credited_id, 'refundId', refund_id,
        'amount', amount, 'currency', currency)
   OR (written::jsonb->>'issuedAt')::timestamptz <> issued_at
   OR number <> series || '-' || lpad(sequence::text, greatest(6, length(sequence::text)), '0')
ORDER BY issued_at LIMIT $1
"""

MISSING: Final = f"""
SELECT 'payment:' || payment.id AS subject,
       jsonb_build_object('payment_id', payment.id, 'about', payment.subject, 'status', payment.status) AS detail
FROM payments AS payment
WHERE payment.status IN ('paid', 'partly_refunded', 'refunded', 'disputed') AND payment.amount > 0
  AND payment.updated_at < now() - interval '60 seconds'
  AND NOT EXISTS (SELECT FROM invoices WHERE invoices.payment_id = payment.id AND invoices.kind = 'invoice')
  AND {_NOBODY_ISSUES}
ORDER BY payment.updated_at LIMIT $1
"""  # noqa: S608 - put together from constants of this module

UNCREDITED: Final = f"""
SELECT 'payment:' || payment.id AS subject,
       jsonb_build_object('payment_id', payment.id, 'about', payment.subject, 'refunded', payment.refunded,
                          'credited', coalesce(notes.credited, 0)) AS detail
FROM payments AS payment
LEFT JOIN LATERAL (
    SELECT sum(amount)::bigint AS credited FROM invoices WHERE payment_id = payment.id AND kind = 'credit_note'
) AS notes ON true
LEFT JOIN LATERAL (
    SELECT sum(amount) FILTER (WHERE status = 'succeeded')::bigint AS done,
           sum(amount) FILTER (WHERE status IN ('queued', 'running', 'unknown'))::bigint AS under_way
    FROM refunds WHERE payment_id = payment.id
) AS ours ON true
WHERE (payment.refunded > 0 OR ours.done > 0) AND payment.updated_at < now() - interval '60 seconds'
  AND greatest(coalesce(ours.done, 0), payment.refunded - coalesce(ours.under_way, 0)) > coalesce(notes.credited, 0)
  AND payment.status IN ('paid', 'partly_refunded', 'refunded', 'disputed')
  AND {_NOBODY_ISSUES}
ORDER BY payment.updated_at LIMIT $1
"""  # noqa: S608 - put together from constants of this module

OVERCREDITED: Final = """
SELECT 'invoice:' || invoice.id AS subject,
       jsonb_build_object('number', invoice.number, 'amount', invoice.amount, 'credited', sum(note.amount)) AS detail
FROM invoices AS invoice JOIN invoices AS note ON note.credited_id = invoice.id
GROUP BY invoice.id
HAVING sum(note.amount) > invoice.amount
    OR bool_or(note.currency <> invoice.currency OR note.payment_id <> invoice.payment_id OR invoice.kind <> 'invoice')
ORDER BY invoice.issued_at LIMIT $1
"""


def invoice_invariants(database: Database, units: UnitOfWorkFactory[Any]) -> Sequence[Invariant]:
    issue: Callable[[Violation], Awaitable[str]] = partial(_issue, units)
    return (
        RowInvariant(
            database,
            "no-gap-in-the-numbers-of-invoices",
            "The numbers of a series are 1, 2, 3 … up to its counter. Where one is missing a row was removed by force.",
            GAPS,
        ),
        RowInvariant(
            database,
            "every-invoice-is-as-it-was-issued",
            "What an invoice says has the hash that was stored with it, and its columns say the same.",
            CHANGED,
        ),
        RowInvariant(
            database,
            "every-paid-payment-has-its-invoice",
            "A minute after money has arrived there is an invoice for it, or a message waits to issue it.",
            MISSING,
            issue,
            (ISSUE,),
        ),
        RowInvariant(
            database,
            "every-refund-has-its-credit-note",
            "What has gone back is in credit notes, or a message waits to issue them.",
            UNCREDITED,
            issue,
            (ISSUE,),
        ),
        RowInvariant(
            database,
            "no-invoice-is-credited-too-much",
            "The credit notes of an invoice are of its payment and currency, and never more than it.",
            OVERCREDITED,
        ),
    )


async def _issue(units: UnitOfWorkFactory[UnitOfWork], violation: Violation) -> str:
    async with units() as uow:
        uow.send(NewMessage(ISSUE, {"payment_id": violation.detail["payment_id"]}, subject=violation.subject))
    return f"sent {ISSUE}"
