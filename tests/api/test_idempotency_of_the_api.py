"""Writing twice: one effect, one answer."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from api.api_in_memory import InMemoryContainer
from api.conftest import Buyer
from madang.ports.errors import Unavailable

ORDERS = "/api/v1/portraits"
KEY = {"Idempotency-Key": "key-1"}


async def test_the_same_key_and_body_get_the_first_answer_again(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    first = await client.post(ORDERS, json={"locale": "ko"}, headers=KEY)
    again = await client.post(ORDERS, json={"locale": "ko"}, headers=KEY)
    assert again.content == first.content
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(container.portraits.portraits) == 1


async def test_without_a_key_each_request_creates(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    for _ in range(2):
        await client.post(ORDERS, json={})
    assert len(container.portraits.portraits) == 2


async def test_the_same_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    await client.post(ORDERS, json={"locale": "ko"}, headers=KEY)
    answer = await client.post(ORDERS, json={"locale": "en"}, headers=KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_of_many_at_once_with_one_key_one_creates(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    gate = asyncio.Event()
    container.portraits.interrupt = gate.wait
    waiting = [asyncio.create_task(client.post(ORDERS, json={}, headers=KEY)) for _ in range(10)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    answers = await asyncio.gather(*waiting)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"]["code"] == "REQUEST_IN_PROGRESS"
    assert refused.json()["error"]["retryable"] is True
    assert refused.headers["Retry-After"] == "1"
    assert len(container.portraits.portraits) == 1


async def test_a_request_that_fails_validation_leaves_the_key_free(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    assert (await client.post(ORDERS, json={"locale": "fr"}, headers=KEY)).status_code == 400
    assert container.idempotency.claims == {}
    assert (await client.post(ORDERS, json={"locale": "ko"}, headers=KEY)).status_code == 201


async def test_a_failure_frees_the_key(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    async def fail() -> None:
        raise Unavailable("down", provider="toss")

    container.portraits.interrupt = fail
    assert (await client.post(ORDERS, json={}, headers=KEY)).status_code == 503
    container.portraits.interrupt = None
    answer = await client.post(ORDERS, json={}, headers=KEY)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


async def test_a_try_that_died_after_its_commit_is_found_by_the_next(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    async def lose_the_database() -> None:
        raise ConnectionResetError

    container.portraits.interrupt = lose_the_database
    assert (await client.post(ORDERS, json={}, headers=KEY)).json()["error"]["code"] == "DATABASE_ERROR"
    container.portraits.interrupt = None
    (claim,) = container.idempotency.claims.values()
    assert (await client.post(ORDERS, json={}, headers=KEY)).json()["error"]["code"] == "REQUEST_IN_PROGRESS"
    container.clock.forward(timedelta(minutes=2))
    answer = await client.post(ORDERS, json={}, headers=KEY)
    assert answer.json()["data"]["id"] == str(claim[1])


async def test_a_key_says_nothing_about_another_callers(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    other = (await client.post(ORDERS, json={})).json()["data"]["id"]
    container.portraits.complete(UUID(other))
    theirs = {"Authorization": f"Bearer {container.token('portrait-result', other)}"}
    first = await client.post(f"{completed.path}/survey", json={"score": 3}, headers={**completed.headers, **KEY})
    second = await client.post(f"{ORDERS}/{other}/survey", json={"score": 3}, headers={**theirs, **KEY})
    assert (first.status_code, second.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in second.headers


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
async def test_a_key_that_cannot_be_one_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(ORDERS, json={}, headers=[(b"Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"] == "Idempotency-Key"
