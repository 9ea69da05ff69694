"""The fixtures that other tests stand on."""

import socket

import asyncpg
import pytest
import redis.asyncio


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(database_url: str, turn: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE TABLE mine (turn int)")
        assert await connection.fetchval("SELECT count(*) FROM mine") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_an_empty_redis(redis_url: str, turn: int) -> None:
    client = redis.asyncio.from_url(redis_url)
    assert await client.dbsize() == 0
    await client.set("mine", turn)
    await client.aclose()


def test_a_test_that_reaches_for_the_network_fails() -> None:
    with pytest.raises(RuntimeError, match="tests talk to this machine only"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="tests talk to this machine only"):
        socket.getaddrinfo("example.com", 80)
