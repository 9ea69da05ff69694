"""A deployment whose first e-mail provider is the tests' own post office, and the sandbox its second."""

from collections.abc import AsyncIterator

import pytest

from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.notifications import post_office


@pytest.fixture
async def with_post_office(open_deployment: OpenDeployment) -> AsyncIterator[Deployment]:
    post_office.letters.clear()
    post_office.troubles.clear()
    routes = {**SANDBOX_ROUTES, "email": [post_office.NAME, "sandbox"]}
    async with open_deployment(plugin_modules=[post_office.MODULE], routes=routes) as opened:
        yield opened
