"""What PayPal can do. KRW is not among its currencies; it keeps no calendar end for a subscription and takes no cancellation
back, and its list of transactions is a product of its own that an account must be given."""

from typing import Final

from madang.ports.payment import PaymentCapabilities

NAME: Final = "paypal"
DECIMALS: Final = {
    **dict.fromkeys(("HUF", "JPY", "TWD"), 0),
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "ILS"), 2),
    **dict.fromkeys(("MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "USD"), 2),
}
"""The currencies that PayPal takes, with the decimal places that it writes them with (developer.paypal.com, currency codes)."""
PAYMENT: Final = PaymentCapabilities(
    currencies=frozenset(DECIMALS),
    captures=True,
    idempotent=True,
    finds_refunds=True,
    subscriptions=True,
    changes_subscriptions=True,
)
