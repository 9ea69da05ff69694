"""What Paddle can do. It is the merchant of record: the tax of the buyer's country is on top of our price, or within it.

It knows no idempotency key. A checkout whose answer was lost may be there, unpaid, and nobody is sent to it: another is opened.
A refund carries our key in its reason, so that it is found again, and no second one is asked for. What became of a change or a
cancellation shows by the subscription. Its list of transactions has no filter by what a transaction carries of ours.
"""

from typing import Final

from madang.ports.payment import PaymentCapabilities

NAME: Final = "paddle"
CURRENCIES: Final = frozenset(
    (
        "ARS", "AUD", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "INR", "JPY", "KRW",
        "MXN", "NOK", "NZD", "PLN", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND", "ZAR",
    )
)  # fmt: skip
"""`currency_code` of Paddle's OpenAPI description. An amount is a string in the lowest denomination: yen and won are whole."""
PAYMENT: Final = PaymentCapabilities(
    currencies=CURRENCIES,
    finds_refunds=True,
    adds_tax=True,
    subscriptions=True,
    changes_subscriptions=True,
    cancels_at_period_end=True,
    resumes_subscriptions=True,
    lists_payments=True,
)
