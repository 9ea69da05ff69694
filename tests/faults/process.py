"""`python -m faults.process worker|relay module:function`: a process as `madang worker` is one, on a test's composition."""

import asyncio
import importlib
import logging
import signal
import sys
from typing import Any

import uvloop

from faults.harness import READY
from madang.entrypoints.logs import configure_logs
from madang.entrypoints.worker import run_relay, run_worker


async def _main(role: str, composition: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    module, _, function = composition.partition(":")
    compose: Any = getattr(importlib.import_module(module), function)
    async with compose() as container:
        print(READY, flush=True)
        await (run_worker if role == "worker" else run_relay)(container, stop)


if __name__ == "__main__":
    configure_logs(level="info", log_format="json", process=sys.argv[1])
    logging.getLogger("arq").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1], sys.argv[2]))
