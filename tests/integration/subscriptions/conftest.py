"""A deployment whose worker renews subscriptions, and somebody who subscribes."""

import pytest

from deployment import Deployment
from integration.subscriptions.subscriber import Subscriber, renewing


@pytest.fixture
async def subscriber(deployment: Deployment) -> Subscriber:
    await renewing(deployment)
    return Subscriber(deployment, await deployment.member())
