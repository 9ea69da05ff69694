"""What routing, breaker, limits, log, metering and accounts add to one call of an AI provider that answers at once."""

import asyncio
import os
import statistics
import time
from pathlib import Path

from rich.console import Console

from bench.stack import Stack
from madang.entrypoints.container import Container, open_container
from madang.entrypoints.logs import configure_logs
from madang.entrypoints.settings import Settings
from madang.ports.provider import ProviderKind
from madang.ports.text_model import PromptMessage, Role, TextModel, TextRequest

CALLS = 500
TARGET_MS = 0.3
REQUEST = TextRequest([PromptMessage(Role.USER, "hello")], "bench")


def compare(stack: Stack, *, rounds: int) -> None:
    """Interleaved rounds on the provider alone and behind the route; the median difference counts."""
    settings = Settings(
        database_url=stack.database_url,
        redis_url=stack.redis_url,
        data_dir=stack.folder / "calls",
        routes={"text_model": ["memory"]},
        secret_key="bench-key-not-secret-bench-key-not-secret",
    )
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logs(log_format="json", stream=nowhere)
        own = statistics.median(asyncio.run(_differences(settings, rounds)))
    verdict = "reached" if own <= TARGET_MS else "NOT reached"
    Console(width=118).print(f"around one AI call: {own:.3f} ms of our own, to reach ≤ {TARGET_MS:g} ms: {verdict}\n")


async def _differences(settings: Settings, rounds: int) -> list[float]:
    async with open_container(settings) as container:
        alone = container.registry.build(ProviderKind.TEXT_MODEL, "memory")
        return [await _routed(container) - await _milliseconds(alone) for _ in range(rounds + 1)][1:]  # type: ignore[arg-type]


async def _routed(container: Container) -> float:
    (model,) = container.providers.text_models()
    spent = await _milliseconds(model)
    await container.call_ledger.flush()
    return spent


async def _milliseconds(model: TextModel) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        await model.generate(REQUEST)
    return (time.perf_counter() - started) * 1000 / CALLS
