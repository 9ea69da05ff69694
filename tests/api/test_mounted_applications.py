"""Plugins' applications hear of the process's start and end, and none of them can stop the API."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from api.api_in_memory import InMemoryBilling, InMemoryContainer, MountedPlugin
from api.test_serving_over_a_socket import SocketContainer, serving
from madang.adapters.local import pages as local_pages
from madang.adapters.local.settings import LocalSettings
from madang.adapters.sandbox import pages as sandbox_pages
from madang.adapters.sandbox.gate import Gate
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.webhooks import recent_deliveries, schedule
from madang.entrypoints.http import lifespans
from madang.entrypoints.http.app import create_app
from madang.ports.context import ProviderContext
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest


class NotedPlugin:
    """An application that notes what it is told; `waits` holds its answers to requests back."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.asked = asyncio.Event()
        self.waits = asyncio.Event()
        self.waits.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while self.told[-1:] != ["lifespan.shutdown"]:
                self.told.append((await receive())["type"])
                scope["state"]["key"] = "kept from the start"
                await send({"type": f"{self.told[-1]}.complete"})
            return
        self.asked.set()
        await self.waits.wait()
        self.told.append("answered")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(scope["state"].get("key")).encode()})


async def answer(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def knows_no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await answer(send)


async def fails_to_start(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no room left"})
        return
    await answer(send)


async def breaks_at_the_start(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        raise RuntimeError("password=hunter2")
    await answer(send)


async def hangs_at_the_start(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await asyncio.Event().wait()
    await answer(send)


async def hangs_at_the_end(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.Event().wait()
    await answer(send)


async def breaks_in_between(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("password=hunter2")
    await answer(send)


async def test_under_the_server_an_application_hears_of_the_start_and_of_the_end_after_the_last_answer() -> None:
    container, plugin = SocketContainer(), NotedPlugin()
    plugin.waits.clear()
    container.registry.mounted.append(MountedPlugin("/acme", plugin))
    async with serving(container) as stop, httpx.AsyncClient(timeout=60) as client:
        assert plugin.told == ["lifespan.startup"]
        visit = asyncio.create_task(client.get(f"{container.address}/acme"))
        await plugin.asked.wait()
        stop.set()
        await asyncio.sleep(0.1)
        plugin.waits.set()
        assert (await visit).text == "kept from the start"
    assert plugin.told == ["lifespan.startup", "answered", "lifespan.shutdown"]


async def test_a_server_that_passes_no_lifespan_events_on_serves_it_too(container: InMemoryContainer) -> None:
    plugin = NotedPlugin()
    container.registry.mounted.append(MountedPlugin("/acme", plugin))
    transport = httpx.ASGITransport(app=create_app(container))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        assert (await client.get("/acme")).text == "None"
    assert plugin.told == ["answered"]


async def test_what_one_request_puts_into_the_state_is_not_there_for_the_next(container: InMemoryContainer) -> None:
    async def forgetful(scope: Any, receive: Any, send: Any) -> None:
        found = scope["state"].get("mark", "none")
        scope["state"]["mark"] = "left behind"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": found.encode()})

    container.registry.mounted.append(MountedPlugin("/acme", forgetful))
    transport = httpx.ASGITransport(app=create_app(container))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        assert [(await client.get("/acme")).text for _ in range(2)] == ["none", "none"]


@pytest.mark.parametrize(
    ("plugin", "reasons"),
    [
        (knows_no_lifespan, []),
        (fails_to_start, ["no room left"]),
        (breaks_at_the_start, ["it ended without an answer (RuntimeError)"]),
        (hangs_at_the_start, ["no answer in time"]),
        (hangs_at_the_end, ["no answer in time"]),
        (breaks_in_between, ["it had ended already (RuntimeError)"]),
    ],
)
async def test_one_that_fails_or_hangs_is_served_and_stops_neither_the_api_nor_another(
    plugin: Callable[..., Any], reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifespans, "PATIENCE", 0.5 if "no answer in time" in reasons else 60.0)
    container, healthy = SocketContainer(), NotedPlugin()
    container.registry.mounted += [MountedPlugin("/acme", plugin), MountedPlugin("/healthy", healthy)]
    with structlog.testing.capture_logs() as lines:
        async with serving(container), httpx.AsyncClient(timeout=60) as client:
            assert (await client.get(f"{container.address}/acme")).text == "served"
            assert (await client.get(f"{container.address}/healthy")).text == "kept from the start"
            assert (await client.get(f"{container.address}/health/live")).status_code == 200
    warnings = [(line["path"], line["reason"]) for line in lines if line["log_level"] == "warning"]
    assert warnings == [("/acme", reason) for reason in reasons]
    assert healthy.told == ["lifespan.startup", "answered", "lifespan.shutdown"]


class TakingBilling(InMemoryBilling):
    """Takes what the sandbox sends, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = asyncio.Event()

    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool:
        self.deliveries.append(request)
        self.taken.set()
        return True


async def test_webhooks_that_an_earlier_process_left_are_sent_without_anybody_visiting_the_sandbox(tmp_path: Path) -> None:
    container = SocketContainer()
    container.billing = TakingBilling()
    settings = SandboxSettings()
    context = ProviderContext(container.address, tmp_path, Secret("test-key-not-secret"), "test")
    await _leave_a_delivery(settings, context)
    container.registry.mounted += [
        MountedPlugin("/sandbox", sandbox_pages.create_app(settings, context)),
        MountedPlugin("/local-storage", local_pages.create_app(LocalSettings(), context), "local"),
    ]
    async with serving(container):
        async with asyncio.timeout(60):
            await container.billing.taken.wait()
    assert [request.headers["webhook-id"] for request in container.billing.deliveries] == ["evt_1"]


async def _leave_a_delivery(settings: SandboxSettings, context: ProviderContext) -> None:
    gate = Gate(settings, context)
    url = f"{context.base_url}/api/v1/webhooks/sandbox"

    def leave(connection: Any) -> Any:
        schedule(connection, settings, url=url, event_id="evt_1", kind="payment.paid", subject="p", data={}, due_at=time.time())
        return recent_deliveries(connection)

    (left,) = await gate.world.run(leave)
    assert left["state"] == "waiting"
    await gate.close()
