"""A member with a cabinet of files."""

import pytest

from deployment import Deployment
from integration.files.cabinet import Cabinet


@pytest.fixture
async def cabinet(deployment: Deployment) -> Cabinet:
    return Cabinet(deployment, await deployment.member())
