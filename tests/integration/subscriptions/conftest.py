"""A deployment whose worker renews subscriptions, and somebody who subscribes."""

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import Subscriber


@pytest.fixture
async def subscriber(deployment: Deployment) -> Subscriber:
    await deployment.container.schedule_recurring_work()
    return Subscriber(deployment, await deployment.member())
