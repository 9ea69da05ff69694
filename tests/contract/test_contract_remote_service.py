"""The kit's stand-in for a provider: what a client meets on its bad days, and what it notices of its clients."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply, serving


class Counter(RemoteService):
    """Counts, and says how far it is."""

    counted = 0

    def answer(self, request: Arrived) -> Reply:
        self.counted += 1
        return Reply(200, {"counted": self.counted})


@pytest.fixture
def remote() -> Iterator[Counter]:
    with serving(Counter()) as service:
        yield service


@pytest.fixture
async def client(remote: Counter) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=remote.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.mark.parametrize(("fault", "counted"), [(Fault.CUT_OFF, 1), (Fault.ANSWER_LOST, 1), (Fault.HUNG_UP_BEFORE, 0)])
async def test_an_answer_that_does_not_come_whole_is_a_broken_connection(
    remote: Counter, client: httpx.AsyncClient, fault: Fault, counted: int
) -> None:
    remote.plan(fault)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/count")
    assert remote.counted == counted
    assert (await client.post("/count")).json() == {"counted": counted + 1}


@pytest.mark.parametrize(
    ("fault", "status", "counted"),
    [(Fault.UNAVAILABLE, 503, 0), (Fault.RATE_LIMITED, 429, 0), (Fault.WRONG_KEY, 401, 0), (Fault.SERVER_ERROR, 500, 1)],
)
async def test_a_fault_meets_the_requests_that_it_was_planned_for(
    remote: Counter, client: httpx.AsyncClient, fault: Fault, status: int, counted: int
) -> None:
    remote.plan(fault, only=remote.acts)
    assert (await client.get("/count")).status_code == 200
    assert (await client.post("/count")).status_code == status
    assert remote.counted == counted + 1
    assert (len(remote.acting), remote.refused) == (1, 1)


async def test_it_notices_a_client_that_gave_up(remote: Counter, client: httpx.AsyncClient) -> None:
    remote.plan(Fault.SILENT)
    call = asyncio.create_task(client.post("/count"))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    assert remote.abandoned == 0
    call.cancel()
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)


async def test_it_counts_the_connections_that_clients_keep_open(remote: Counter) -> None:
    assert remote.connections == 0
    async with httpx.AsyncClient(base_url=remote.url, trust_env=False, timeout=60) as client:
        await client.get("/count")
        assert remote.connections == 1
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.connections == 0)


async def test_an_answer_may_have_no_end(remote: Counter, client: httpx.AsyncClient) -> None:
    remote.next.append(Reply(200, iter(lambda: b"more ", b"")))
    async with client.stream("GET", "/count") as answer:
        pieces = answer.aiter_raw()
        told = [await anext(pieces) for _ in range(3)]
        assert b"".join(told).startswith(b"more more more"), "in pieces of any size"
    assert (await client.get("/count")).status_code == 200
