"""The real application around an in-memory container, spoken to over ASGI."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from api.api_in_memory import InMemoryContainer
from apps_once import application
from madang.core.portraits.model import PortraitStatus
from signatures_once import parse_signatures_once

parse_signatures_once()


@dataclass
class Buyer:
    """One who ordered: the job's id, and the header with its token."""

    id: UUID
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return f"/api/v1/portraits/{self.id}"


@pytest.fixture
def container() -> InMemoryContainer:
    return InMemoryContainer()


@pytest.fixture
def app(container: InMemoryContainer) -> Iterator[Litestar]:
    with application(container) as composed:
        yield composed


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as speaking:
        yield speaking


@pytest.fixture
async def buyer(client: httpx.AsyncClient) -> Buyer:
    answer = await client.post("/api/v1/portraits", json={})
    data = answer.json()["data"]
    return Buyer(UUID(data["id"]), {"Authorization": f"Bearer {data['token']}"})


@pytest.fixture
def paid(buyer: Buyer, container: InMemoryContainer) -> Buyer:
    container.portraits.change(buyer.id, status=PortraitStatus.PENDING_PHONE)
    return buyer


@pytest.fixture
def reached(buyer: Buyer, container: InMemoryContainer) -> Buyer:
    """Paid, and with a phone number."""
    container.portraits.change(buyer.id, status=PortraitStatus.PENDING_UPLOAD)
    return buyer


@pytest.fixture
def completed(buyer: Buyer, container: InMemoryContainer) -> Buyer:
    """The job is done; the headers hold a result token."""
    container.portraits.complete(buyer.id)
    return Buyer(buyer.id, {"Authorization": f"Bearer {container.token('portrait-result', buyer.id)}"})
