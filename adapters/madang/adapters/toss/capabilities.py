"""What Toss Payments can do.

Only won: other currencies need contracts of their own, with other rules. A refund is found again by a mark of ours in its
reason. Webhooks of payments are not signed (`tosspayments-webhook-signature` comes with payouts and sellers alone), so a
notice is a hint to read the payment again.
"""

from typing import Final

from madang.ports.payment import PaymentCapabilities

NAME: Final = "toss"
PAYMENT: Final = PaymentCapabilities(
    currencies=frozenset({"KRW"}),
    confirms=True,
    partial_refunds=True,
    idempotent=True,
    finds_by_payment_id=True,
    finds_refunds=True,
    signed_webhooks=False,
    stored_methods=True,
    lists_payments=True,
)
