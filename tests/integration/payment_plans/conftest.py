"""An agency on a deployment of each test's own."""

import pytest

from deployment import Deployment
from integration.payment_plans.agency import Agency


@pytest.fixture
async def agency(deployment: Deployment) -> Agency:
    return await Agency(deployment).open()
