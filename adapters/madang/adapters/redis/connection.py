"""Connecting to Redis or Valkey (redis-py 5: arq 0.28 wants it below 6)."""

from typing import TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from madang.ports.errors import Misconfigured

Client: TypeAlias = Redis

AWAY = (RedisError, OSError, TimeoutError)
"""What a Redis that is down, restarting, loading or too slow raises."""

_SCHEMES = frozenset({"redis", "rediss", "unix"})


def connect(url: str, *, timeout: float = 5.0, connections: int = 50) -> Client:
    """A client for `redis://`, `rediss://` or `unix:///path/valkey.sock?db=0`. Nothing is sent yet: a server may come later.
    `aclose` closes its connections, also those that others (arq, `limits`) use with it.

    Answers are bytes. Raises `Misconfigured` for an address of another kind, without repeating it: it may hold a password.
    """
    try:
        if urlsplit(url).scheme not in _SCHEMES:
            raise _misconfigured("a Redis address starts with redis://, rediss:// or unix://")
        pool = ConnectionPool.from_url(
            url,
            max_connections=connections,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[RedisConnectionError],
        )
    except ValueError:
        raise _misconfigured("the Redis address cannot be read: in a password, write / as %2F, # as %23 and ? as %3F") from None
    return Redis.from_pool(pool)


def _misconfigured(why: str) -> Misconfigured:
    return Misconfigured(why, provider="redis", operation="connect")
