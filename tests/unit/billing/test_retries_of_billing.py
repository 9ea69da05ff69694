"""How often work of billing is tried again, and how long it may take: what is begun with money is not given up for hours."""

from typing import Any

from madang.core.billing.disputes import DisputeAlerts
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.stored_methods import StoredMethods
from madang.core.billing.subscriptions.hosted_asking import HostedAsking
from madang.core.billing.subscriptions.hosted_following import HostedFollowing
from madang.core.billing.subscriptions.work import SubscriptionWork
from madang.core.kernel.messages import Topic

NONE: Any = None
FIVE_HOURS = (1, 5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600)


def topics() -> list[Topic]:
    following = HostedFollowing(NONE, NONE, NONE, NONE, NONE)
    asking = HostedAsking(NONE, NONE, NONE, NONE)
    work = SubscriptionWork(NONE, NONE, following, asking, NONE, NONE, NONE)
    return [
        *(handler.topic for handler in BillingHandlers(NONE, NONE, NONE, NONE, NONE).handlers()),
        *(handler.topic for handler in StoredMethods(NONE, NONE, NONE, NONE, NONE).handlers()),
        *(handler.topic for handler in work.handlers()),
        *(recurring.topic for recurring in work.recurring()),
    ]


def test_work_of_money_is_tried_again_soon_and_then_ever_later_for_five_hours() -> None:
    assert {topic.name: (tuple(topic.retry.delays), topic.time_limit) for topic in topics()} == {
        "billing.handle_notice": (FIVE_HOURS, 30),
        "billing.look_up": (FIVE_HOURS, 30),
        "billing.confirm": (FIVE_HOURS, 150),
        "billing.capture": (FIVE_HOURS, 150),
        "billing.charge": (FIVE_HOURS, 150),
        "billing.refund": (FIVE_HOURS, 90),
        "billing.close_checkout": (FIVE_HOURS, 90),
        "billing.forget_method": (FIVE_HOURS, 150),
        "billing.subscription_payment_changed": (FIVE_HOURS, 30),
        "billing.follow_subscription": (FIVE_HOURS, 30),
        "billing.change_hosted_subscription": (FIVE_HOURS, 150),
        "billing.subscriptions_due": (FIVE_HOURS, 120),
    }


def test_operators_are_told_of_a_dispute_within_the_hour() -> None:
    (handler,) = DisputeAlerts(NONE).handlers()
    assert tuple(handler.topic.retry.delays) == (5, 30, 120, 600, 3600)
