"""What PortOne can do, whichever payment company its channel leads to.

Only won: what else a channel takes, only its contract tells. A refund is found again by a mark of ours in its reason, so it is
made once also after the three hours for which PortOne keeps an idempotency key.
"""

from typing import Final

from madang.ports.payment import PaymentCapabilities

NAME: Final = "portone"
PAYMENT: Final = PaymentCapabilities(
    currencies=frozenset({"KRW"}),
    partial_refunds=True,
    idempotent=True,
    finds_by_payment_id=True,
    finds_refunds=True,
    signed_webhooks=True,
    stored_methods=True,
    lists_payments=True,
)
