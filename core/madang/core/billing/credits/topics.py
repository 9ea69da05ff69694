"""The kinds of work of credits."""

from typing import Final

PAYMENT_CHANGED: Final = "credits.payment_changed"
DISPUTE_REVERSED: Final = "credits.dispute_reversed"
PERIOD_STARTED: Final = "credits.period_started"
SUBSCRIPTION_CHANGED: Final = "credits.subscription_changed"
SUBSCRIPTION_PAYMENT_CHANGED: Final = "credits.subscription_payment_changed"
SETTLE_DUE: Final = "credits.settle_due"
