"""A child of the supervisor between its start and its end."""

import asyncio
import sys

from madang.entrypoints.supervisor.children import Child, ChildSpec
from madang.entrypoints.supervisor.gate import Gate


async def test_a_child_that_is_told_to_stop_while_it_is_being_started_does_not_run_on() -> None:
    gate = Gate()
    gate.open()
    child = Child(ChildSpec("worker", (sys.executable, "-c", "import time; time.sleep(600)"), {}), gate, lambda *_: None)
    running = asyncio.create_task(child.run())
    await asyncio.sleep(0)
    assert child.pid is None, "there is no process yet that could be told"
    await child.stop()
    async with asyncio.timeout(60):
        await running
