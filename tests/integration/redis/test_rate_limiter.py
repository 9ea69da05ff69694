"""Rate limits on a real Valkey, and without one."""

import asyncio
from pathlib import Path

import pytest

from madang.adapters.redis.connection import connect
from madang.adapters.redis.limits import RedisRateLimiter
from madang.ports.errors import Misconfigured

POLICIES = {"default": "100/minute", "phone": "3/hour"}


async def spend(limiter: RedisRateLimiter, policy: str, calls: int, caller: str = "alice") -> int:
    """How many were allowed."""
    return sum([(await limiter.hit(policy, caller)).allowed for _ in range(calls)])


async def test_a_caller_gets_exactly_the_limit(redis_url: str) -> None:
    redis = connect(redis_url)
    limiter = RedisRateLimiter(redis, POLICIES)
    assert await spend(limiter, "phone", 10) == 3
    assert await spend(limiter, "default", 150) == 100
    await redis.aclose()


async def test_calls_of_one_moment_lose_no_permits(redis_url: str) -> None:
    redis = connect(redis_url)
    limiter = RedisRateLimiter(redis, POLICIES)
    allowances = await asyncio.gather(*(limiter.hit("default", "alice") for _ in range(40)))
    assert all(allowance.allowed for allowance in allowances)
    assert await spend(limiter, "default", 100) == 60
    await redis.aclose()


async def test_the_answer_counts_down_and_says_when_the_window_ends(redis_url: str) -> None:
    redis = connect(redis_url)
    limiter = RedisRateLimiter(redis, POLICIES)
    first, second = await limiter.hit("default", "a"), await limiter.hit("default", "a")
    assert (first.limit, first.remaining, second.remaining) == (100, 99, 98)
    assert 0 < second.reset_after <= 60
    await redis.aclose()


async def test_callers_and_policies_do_not_share(redis_url: str) -> None:
    redis = connect(redis_url)
    limiter = RedisRateLimiter(redis, POLICIES)
    assert await spend(limiter, "phone", 5, "a") == 3
    assert await spend(limiter, "phone", 5, "b") == 3
    assert await spend(limiter, "default", 5, "a") == 5
    await redis.aclose()


async def test_two_processes_together_allow_no_more_than_the_limit(redis_url: str) -> None:
    redis = connect(redis_url)
    limiters = [RedisRateLimiter(redis, POLICIES) for _ in range(2)]
    allowed = await asyncio.gather(*(spend(limiter, "default", 90) for limiter in limiters))
    assert 90 <= sum(allowed) <= 100
    await redis.aclose()


async def test_without_redis_each_process_limits_by_itself(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/nobody.sock")
    limiter = RedisRateLimiter(redis, POLICIES)
    assert await spend(limiter, "phone", 10) == 3
    assert await spend(limiter, "default", 150) == 100
    await redis.aclose()


async def test_a_limit_that_cannot_be_read_is_named(redis_url: str) -> None:
    redis = connect(redis_url)
    with pytest.raises(Misconfigured, match=r"limits\.order"):
        RedisRateLimiter(redis, {"order": "often"})
    await redis.aclose()


def test_an_address_of_another_kind_is_refused_without_repeating_it() -> None:
    with pytest.raises(Misconfigured) as refused:
        connect("http://user:test-key-not-secret@host")
    assert "test-key" not in str(refused.value)
