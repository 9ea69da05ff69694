"""What billing announces."""

from typing import Final

from madang.core.billing.model import Payment, Refund
from madang.core.kernel.events import Event

PAYMENT_CHANGED: Final = "billing.payment_changed"
"""A payment's status changed. Payload: `payment_id`, `purpose`, `subject`, `status`."""

REFUND_CHANGED: Final = "billing.refund_changed"
"""A refund's status changed. Payload: `refund_id`, `payment_id`, `purpose`, `subject`, `status`."""

SUBSCRIPTION_PERIOD_STARTED: Final = "billing.subscription_period_started"
"""A period of a subscription that is paid for, or tried, began. Payload: `subscription_id`, `user_id`, `plan_id`, `period` (its
number within the subscription), `period_start`, `period_end` (ISO 8601 with offset), `credits` (those of one month)."""


def payment_changed(payment: Payment) -> Event:
    return Event(
        PAYMENT_CHANGED,
        payment.subject,
        {
            "payment_id": str(payment.id),
            "purpose": payment.purpose,
            "subject": payment.subject,
            "status": payment.status.value,
        },
    )


def refund_changed(refund: Refund, payment: Payment) -> Event:
    return Event(
        REFUND_CHANGED,
        payment.subject,
        {
            "refund_id": str(refund.id),
            "payment_id": str(payment.id),
            "purpose": payment.purpose,
            "subject": payment.subject,
            "status": refund.status.value,
        },
    )
