"""The shop of each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from integration.portraits.shop import FAST, SANDBOX, Shop, opened
from madang.adapters.sandbox import darkroom

OpenShop = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of work each in their usual size, and that a hundred times."""
    monkeypatch.setattr(darkroom, "SIZE", (384, 512))


@pytest.fixture
def open_shop(make_settings: Callable[..., Any]) -> OpenShop:
    """`open_shop(base_url="https://shop.example.com")`: several of one test share their database and the world outside."""

    def open_it(**changes: Any) -> AbstractAsyncContextManager[Shop]:
        return opened(make_settings(**{"plugins": {SANDBOX: dict(FAST)}, **changes}))

    return open_it


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop() as found:
        yield found
