"""What must never be found: each statement answers the violations as `subject` and `detail`, at most `$1` of them."""

# ruff: noqa: S608 – put together from constants of this module

from typing import Final

_LIVE: Final = "message.state IN ('waiting', 'leased')"
_NOTHING_AT_WORK: Final = f"""NOT EXISTS (
    SELECT FROM messages AS message
    WHERE {_LIVE} AND message.subject = broken.subject AND message.topic = ANY ($2)
)"""

OVERDUE: Final = """
(SELECT 'message:' || id AS subject,
        jsonb_build_object('message_id', id, 'topic', topic, 'state', state,
                           'seconds', extract(epoch FROM now() - due_at)::int) AS detail
 FROM messages WHERE state = 'waiting' AND lane IN ('short', 'long') AND due_at < now() - interval '60 seconds'
 ORDER BY due_at LIMIT $1)
UNION ALL
(SELECT 'message:' || id,
        jsonb_build_object('message_id', id, 'topic', topic, 'state', state,
                           'seconds', extract(epoch FROM now() - lease_until)::int)
 FROM messages WHERE state = 'leased' AND lane IN ('short', 'long') AND lease_until < now() - interval '60 seconds'
 ORDER BY lease_until LIMIT $1)
LIMIT $1
"""

DEAD: Final = """
SELECT 'message:' || id AS subject,
       jsonb_build_object('message_id', id, 'topic', topic, 'about', subject, 'failure', last_failure) AS detail
FROM messages WHERE state = 'dead' ORDER BY created_at LIMIT $1
"""

UNHANDLED_NOTICES: Final = f"""
SELECT broken.subject, broken.detail
FROM (SELECT 'inbox:' || id AS subject, received_at,
             jsonb_build_object('inbox_id', id, 'provider', provider, 'kind', kind) AS detail
      FROM inbox WHERE handled_at IS NULL AND received_at < now() - interval '60 seconds') AS broken
WHERE {_NOTHING_AT_WORK} ORDER BY broken.received_at LIMIT $1
"""

STRANDED_PORTRAITS: Final = f"""
SELECT broken.subject, broken.detail
FROM (SELECT 'portrait:' || id AS subject, updated_at, jsonb_build_object('portrait_id', id) AS detail
      FROM portraits
      WHERE status = 'processing' AND expires_at > now() AND updated_at < now() - interval '60 seconds') AS broken
WHERE {_NOTHING_AT_WORK} ORDER BY broken.updated_at LIMIT $1
"""

UNPURGED_PORTRAITS: Final = """
SELECT 'portrait:' || id AS subject,
       jsonb_build_object('portrait_id', id, 'seconds', extract(epoch FROM now() - expires_at)::int) AS detail
FROM portraits WHERE purged_at IS NULL AND expires_at < now() - interval '5 minutes'
ORDER BY expires_at LIMIT $1
"""

FORGOTTEN_ERASURES: Final = f"""
SELECT broken.subject, broken.detail
FROM (SELECT 'user:' || user_id AS subject, asked_at,
             jsonb_build_object('erasure_id', id, 'status', status,
                                'seconds', extract(epoch FROM now() - asked_at)::int) AS detail
      FROM erasures
      WHERE (status <> 'succeeded' AND asked_at < now() - interval '10 minutes')
         OR (verified_at IS NULL AND erased_at < now() - interval '30 minutes')) AS broken
WHERE {_NOTHING_AT_WORK} ORDER BY broken.asked_at LIMIT $1
"""

UNSENT_NOTIFICATIONS: Final = f"""
SELECT 'notification:' || id AS subject,
       jsonb_build_object('notification_id', id, 'kind', template,
                          'seconds', extract(epoch FROM now() - created_at)::int) AS detail
FROM notifications AS queued
WHERE status = 'queued' AND num_nonnulls(text, content) > 0 AND created_at < now() - interval '10 minutes'
  AND NOT EXISTS (
    SELECT FROM messages AS message
    WHERE {_LIVE} AND message.topic = ANY ($2) AND message.payload->>'notification_id' = queued.id::text)
ORDER BY created_at LIMIT $1
"""

FORGOTTEN_DELIVERIES: Final = f"""
SELECT 'webhook_delivery:' || id AS subject,
       jsonb_build_object('delivery_id', id, 'endpoint_id', endpoint_id,
                          'seconds', extract(epoch FROM now() - next_attempt_at)::int) AS detail
FROM webhook_deliveries AS pending
WHERE status = 'pending' AND next_attempt_at < now() - interval '10 minutes'
  AND NOT EXISTS (
    SELECT FROM messages AS message
    WHERE {_LIVE} AND message.topic = ANY ($2) AND message.payload->>'delivery_id' = pending.id::text)
ORDER BY next_attempt_at LIMIT $1
"""

OWED_REFUNDS: Final = """
SELECT 'portrait:' || portrait.id AS subject,
       jsonb_build_object('portrait_id', portrait.id, 'payment_id', payment.id, 'status', portrait.status) AS detail
FROM payments AS payment JOIN portraits AS portrait ON portrait.payment_id = payment.id
WHERE payment.status = 'paid' AND payment.updated_at < now() - interval '60 seconds'
  AND portrait.updated_at < now() - interval '60 seconds'
  AND portrait.completed_at IS NULL AND portrait.status IN ('failed', 'expired')
  AND NOT EXISTS (SELECT FROM refunds WHERE refunds.payment_id = payment.id AND refunds.status <> 'failed')
ORDER BY payment.updated_at LIMIT $1
"""

UNKNOWN_ACTIONS: Final = """
SELECT 'action:' || key AS subject,
       jsonb_build_object('action', key, 'kind', kind, 'provider', provider, 'state', state, 'about', subject,
                          'seconds', extract(epoch FROM now() - updated_at)::int) AS detail
FROM actions WHERE state IN ('unknown', 'running') AND updated_at < now() - interval '10 minutes'
ORDER BY updated_at LIMIT $1
"""

FORGOTTEN_PAYMENTS: Final = f"""
SELECT broken.subject, broken.detail
FROM (SELECT 'payment:' || id AS subject, created_at,
             jsonb_build_object('payment_id', id, 'provider', provider, 'status', status,
                                'age', extract(epoch FROM now() - created_at)::int) AS detail
      FROM payments
      WHERE status IN ('created', 'pending', 'authorised', 'failed') AND created_at < now() - interval '60 seconds'
        AND expires_at > now() - interval '1 hour') AS broken
WHERE {_NOTHING_AT_WORK} ORDER BY broken.created_at LIMIT $1
"""

OVERPAID_REFUNDS: Final = """
SELECT 'payment:' || payment.id AS subject,
       jsonb_build_object('payment_id', payment.id, 'provider', payment.provider, 'paid', payment.amount,
                          'promised', sum(refund.amount), 'currency', payment.currency) AS detail
FROM payments AS payment JOIN refunds AS refund ON refund.payment_id = payment.id
WHERE refund.status <> 'failed'
GROUP BY payment.id
HAVING sum(refund.amount) > payment.amount
    OR bool_or(refund.currency <> payment.currency)
    OR bool_or(payment.status NOT IN ('paid', 'partly_refunded', 'refunded', 'disputed'))
ORDER BY payment.created_at LIMIT $1
"""

UNASKED_PAYMENTS: Final = f"""
SELECT broken.subject, broken.detail
FROM (SELECT 'payment:' || id AS subject, expires_at,
             jsonb_build_object('payment_id', id, 'provider', provider, 'status', status,
                                'age', extract(epoch FROM now() - created_at)::int) AS detail
      FROM payments
      WHERE status IN ('created', 'pending', 'authorised') AND expires_at < now() - interval '3 hours') AS broken
WHERE {_NOTHING_AT_WORK} ORDER BY broken.expires_at LIMIT $1
"""
