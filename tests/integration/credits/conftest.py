"""Credits on a deployment of each test's own."""

import pytest

from deployment import Deployment
from integration.credits.bookkeeping import Books


@pytest.fixture
def books(deployment: Deployment) -> Books:
    return Books(deployment)
