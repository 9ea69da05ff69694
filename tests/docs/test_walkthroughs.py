"""The scripts of the documentation, run as a reader would: against a whole deployment, over HTTP and nothing else."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from madang.entrypoints.container import Container, open_container
from madang.entrypoints.http.serve import run_http
from madang.entrypoints.supervisor.addresses import free_port
from madang.entrypoints.worker import run_relay, run_worker
from source_tree import ROOT

PEOPLE = ROOT / "docs" / "people.py"
STEPS = (
    "signed up",
    "turned on two factors",
    "signed in with both",
    "made an API key",
    "uploaded 10 MB straight to the storage",
    "heard of it live",
    "uploaded 10 MB through the API",
    "exported",
    "erased",
)


@asynccontextmanager
async def at_work(container: Container) -> AsyncIterator[None]:
    """API, worker and relay, as three processes would be."""
    stop = asyncio.Event()
    parts = [run_http(container, stop), run_worker(container, stop), run_relay(container, stop)]
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await until_it_answers(container.settings.base_url)
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def until_it_answers(base_url: str) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as client, asyncio.timeout(120):
        while True:
            try:
                if (await client.get("/health/live")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def told_by(*arguments: str) -> tuple[int, str]:
    script = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(120):
        said, _ = await script.communicate()
    return script.returncode or 0, said.decode()


async def test_a_persons_way_through_everything_by_http_alone(make_settings: Callable[..., Any]) -> None:
    port = free_port()
    settings = make_settings(base_url=f"http://127.0.0.1:{port}", port=port)
    async with open_container(settings) as container, at_work(container):
        code, said = await told_by(str(PEOPLE), settings.base_url)
    assert code == 0, said
    assert tuple(line.partition(":")[0] for line in said.splitlines()) == STEPS
