"""Dramatiq by itself, with its defaults: how many jobs that do nothing one worker process finishes a second.

Run as a process: `python -m bench.peers.dramatiq_noop REDIS_URL JOBS`; prints the rate.
"""

import sys
import threading
import time
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker


class Count(dramatiq.Middleware):
    """Tells when the last of the jobs is done."""

    def __init__(self, jobs: int) -> None:
        self.left = jobs
        self.lock = threading.Lock()
        self.finished = threading.Event()

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        with self.lock:
            self.left -= 1
            if not self.left:
                self.finished.set()


def measure(redis_url: str, jobs: int) -> float:
    client = redis.Redis(connection_pool=redis.ConnectionPool.from_url(redis_url))
    client.flushdb()
    count = Count(jobs)
    broker = RedisBroker(client=client)
    broker.add_middleware(count)

    @dramatiq.actor(broker=broker)
    def noop() -> None:
        """Nothing."""

    for _ in range(jobs):
        noop.send()
    worker = dramatiq.Worker(broker)
    started = time.perf_counter()
    worker.start()
    count.finished.wait(timeout=60)
    took = time.perf_counter() - started
    worker.stop()
    broker.close()
    return jobs / took


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
