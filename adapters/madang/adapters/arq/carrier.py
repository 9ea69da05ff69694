"""How arq is used here: two queues, wake-ups with fresh ids, and nothing in Redis that anybody would miss.

What of arq 0.28 shapes this:

- A killed worker's in-progress key blocks its job id until the job's time-out: ids carry the attempt and a time bucket, so the
  same message gets a new id every few seconds for as long as it is due.
- The default serializer is pickle, which would let whoever writes to Redis run code here: ours is JSON.
- arq's worker ends at the first error of Redis: `ArqWorker` starts it again.
- Kept results and retries would only repeat what the outbox knows better: both are off.
"""

import json
import time
from typing import Any, Final

from arq.connections import ArqRedis
from redis.asyncio import Redis

from madang.core.kernel.messages import Lane
from madang.core.kernel.outbox import DueMessage

QUEUES: Final = {Lane.SHORT: "madang:short", Lane.LONG: "madang:long"}
DRAIN: Final = "drain"
DELIVER: Final = "deliver"
_EXPIRES_SECONDS: Final = 3600


def serialize(value: dict[str, Any]) -> bytes:
    """arq hands us its own records; an exception in one is written by its name."""
    return json.dumps(value, default=lambda other: type(other).__name__).encode()


def deserialize(value: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(value)
    return decoded


def arq_client(redis: Redis) -> ArqRedis:
    """On the same connections as `redis`, which must answer bytes."""
    return ArqRedis(
        redis.connection_pool,
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=QUEUES[Lane.SHORT],
    )


async def announce_short(arq: ArqRedis) -> None:
    await arq.enqueue_job(DRAIN, _queue_name=QUEUES[Lane.SHORT], _expires=_EXPIRES_SECONDS)


async def announce_long(arq: ArqRedis, due: DueMessage, *, bucket_seconds: float) -> None:
    """Once for each attempt and time bucket, whichever relay says it."""
    job_id = f"{due.id}:{due.attempt}:{int(time.time() / bucket_seconds)}"
    await arq.enqueue_job(DELIVER, str(due.id), _job_id=job_id, _queue_name=QUEUES[Lane.LONG], _expires=_EXPIRES_SECONDS)


async def waiting(arq: ArqRedis, lane: Lane) -> int:
    """Announcements that no worker has taken, or that are being worked on."""
    return int(await arq.zcard(QUEUES[lane]))
