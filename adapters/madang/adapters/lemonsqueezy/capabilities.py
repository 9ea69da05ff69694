"""What Lemon Squeezy can do. It is the merchant of record: it adds the tax of the buyer's country. It knows no idempotency key,
and an order can be asked for only by its own id, which its first webhook tells."""

from typing import Final

from madang.ports.payment import PaymentCapabilities

NAME: Final = "lemonsqueezy"
CURRENCY: Final = "USD"
"""A price of ours is in the store's currency. Here that is the dollar: `check` refuses another store."""
PAYMENT: Final = PaymentCapabilities(
    currencies=frozenset({CURRENCY}),
    adds_tax=True,
    subscriptions=True,
    changes_subscriptions=True,
    cancels_at_period_end=True,
    resumes_subscriptions=True,
)
