"""What billing announces."""

from typing import Final

from madang.core.billing.disputes import Dispute
from madang.core.billing.model import Payment, Refund
from madang.core.billing.subscriptions.model import Period, Subscription
from madang.core.kernel.events import Event
from madang.ports.money import Money

PAYMENT_CHANGED: Final = "billing.payment_changed"
"""A payment's status changed. Payload: `payment_id`, `purpose`, `subject`, `status`."""

REFUND_CHANGED: Final = "billing.refund_changed"
"""A refund's status changed. Payload: `refund_id`, `payment_id`, `purpose`, `subject`, `status`."""

PAYMENT_REFUNDED: Final = "billing.payment_refunded"
"""More of a payment went back than before, whoever sent it: also a further part that a person gave back at the provider, which
changes no status. Payload: `payment_id`, `purpose`, `subject`, `status`."""

DISPUTE_CHANGED: Final = "billing.dispute_changed"
"""A buyer's bank asked money back, or it was decided. Payload: `payment_id`, `provider`, `status` (the dispute's), `amount`,
`taken`, `changed_at`."""

DISPUTE_REVERSED: Final = "billing.dispute_reversed"
"""A lost dispute was won after all, and the provider has said so twice: what was taken back for it is due again. Told until it
is answered. Payload: `payment_id`, `purpose`, `subject`, `status`."""

DISPUTE_ANSWERED: Final = "billing.dispute_answered"
"""What was taken back is granted again, or a person has seen to it. Payload: `payment_id`, `purpose`, `subject`, `status`."""

SUBSCRIPTION_PERIOD_STARTED: Final = "billing.subscription_period_started"
"""A period of a subscription that is paid for, or tried, began. Payload: `subscription_id`, `user_id`, `plan_id`, `period` (its
number within the subscription), `period_start`, `period_end` (ISO 8601 with offset), `credits` (those of one month)."""

SUBSCRIPTION_CHANGED: Final = "billing.subscription_changed"
"""A subscription's status, plan or end changed; its owner is told. Payload: `subscriptionId`, `status`, `planId`,
`cancelAtPeriodEnd`."""


def payment_changed(payment: Payment) -> Event:
    return _about(PAYMENT_CHANGED, payment)


def payment_refunded(payment: Payment) -> Event:
    return _about(PAYMENT_REFUNDED, payment)


def dispute_reversed(payment: Payment) -> Event:
    return _about(DISPUTE_REVERSED, payment)


def dispute_answered(payment: Payment) -> Event:
    return _about(DISPUTE_ANSWERED, payment)


def dispute_changed(dispute: Dispute, payment: Payment) -> Event:
    return Event(
        DISPUTE_CHANGED,
        payment.subject,
        {
            "payment_id": str(payment.id),
            "provider": dispute.provider,
            "status": dispute.status.value,
            "amount": str(payment.amount),
            "taken": str(Money(dispute.taken, payment.amount.currency)),
            "changed_at": dispute.changed_at.isoformat(),
        },
    )


def _about(name: str, payment: Payment) -> Event:
    return Event(
        name,
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


def subscription_period_started(subscription: Subscription, period: Period) -> Event:
    return Event(
        SUBSCRIPTION_PERIOD_STARTED,
        subscription.subject,
        {
            "subscription_id": str(subscription.id),
            "user_id": str(subscription.user_id),
            "plan_id": period.terms.plan_id,
            "period": period.number,
            "period_start": period.starts_at.isoformat(),
            "period_end": period.ends_at.isoformat(),
            "credits": period.terms.credits,
        },
    )


def subscription_changed(subscription: Subscription) -> Event:
    return Event(
        SUBSCRIPTION_CHANGED,
        subscription.subject,
        {
            "subscriptionId": str(subscription.id),
            "status": subscription.status.value,
            "planId": subscription.terms.plan_id,
            "cancelAtPeriodEnd": subscription.cancel_at_period_end,
        },
        owner=subscription.user_id,
    )
