"""Whole deployments side by side, each with a database, a Redis, a storage and a sandbox of its own.

In each, an API and a relay run as processes and outlive every worker. The buyer's steps are taken here, through the use cases
of a container of our own; the payment's webhook comes by HTTP, from the sandbox to the API.
"""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from PIL import Image

from embedded_stack import SANDBOX_ROUTES
from faults.harness import PATIENCE, Deployment
from faults.whole_deployment import COMPOSITION
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.adapters.redis.connection import connect
from madang.adapters.sandbox import knobs
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.world import World, world_path
from madang.core.portraits.model import PortraitStatus
from madang.core.portraits.ordering import OrderPortrait
from madang.entrypoints.container import Container, open_container
from madang.entrypoints.settings import Settings
from madang.entrypoints.supervisor.addresses import free_port
from plugins_once import load_plugins_once

LEASE_SECONDS = 1.0
_SMALL_PICTURES = """
CREATE TRIGGER small_pictures AFTER INSERT ON predictions BEGIN
    UPDATE predictions SET width = 72, height = 96 WHERE id = NEW.id;
END
"""
"""Hundreds of jobs in a minute: at the provider, not in our own code, a picture costs next to nothing."""
_NOTHING_TO_DO = """
SELECT NOT EXISTS (SELECT 1 FROM messages WHERE state = 'leased' OR (state = 'waiting' AND (attempts > 0 OR due_at < now())))
"""
_LOOK_EVERY = 0.04
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Order:
    """`phone` and `reference` are nobody else's: what belongs to the order can be told by them."""

    id: UUID
    phone: str
    reference: str

    @property
    def e164(self) -> str:
        return f"+82{self.phone[1:].replace('-', '')}"


@dataclass(frozen=True)
class Lane:
    deployment: Deployment
    container: Container
    world: World

    def worker(self, **given: Any) -> AbstractAsyncContextManager[Any]:
        return self.deployment.worker(**given)

    async def order(self) -> Order:
        number = next(_numbers)
        order = Order(uuid4(), f"010-2{number // 10_000:03}-{number % 10_000:04}", f"reference-{number}-of-the-buyer")
        await self.container.portraits.order(OrderPortrait(order.id, "192.0.2.44", "ko", order.reference))
        # The look-up that replaces a lost webhook has a test of its own; here it would reach boundaries of an earlier order.
        await self.change("UPDATE messages SET due_at = now() + interval '1 day' WHERE topic = 'billing.look_up'")
        return order

    async def pay(self, order: Order) -> None:
        """The person's click at the sandbox's checkout; the sandbox tells the API by webhook."""
        view = await self.container.portraits.view(order.id)
        async with httpx.AsyncClient(timeout=60) as browser:
            paid = await browser.post(f"{view.checkout_url}/pay", json={"action": "pay", "method": "card"})
        assert paid.json()["status"] == "paid"

    async def give_phone(self, order: Order) -> None:
        await self.until_status(order, PortraitStatus.PENDING_PHONE)
        await self.container.portraits.set_phone(order.id, order.phone)

    async def send_photo(self, order: Order) -> None:
        await self.container.portraits.submit_photo(order.id, PHOTO, None)

    async def buy(self, order: Order) -> None:
        """From the payment to the photo."""
        await self.pay(order)
        await self.give_phone(order)
        await self.send_photo(order)

    async def let_expire(self, order: Order) -> None:
        """Its day is over now."""
        await self.change("UPDATE portraits SET expires_at = now() WHERE id = $1", order.id)
        await self.change("UPDATE messages SET due_at = now() WHERE key = $1", f"portrait:{order.id}:expire")

    async def until_status(self, order: Order, *wanted: PortraitStatus) -> None:
        await self.until("SELECT status = ANY($2::text[]) FROM portraits WHERE id = $1", order.id, list(wanted))

    async def until_over(self, order: Order, *wanted: PortraitStatus) -> None:
        """Until the job is in one of the states, and neither work nor a webhook is under way.

        What is due at its own time, such as the job's end, does not count; nobody waits for the pause before another try.
        """
        await self.until_status(order, *wanted)
        await self.until(_NOTHING_TO_DO, hurried=True)
        async with asyncio.timeout(PATIENCE):
            while await self.remote("SELECT id FROM deliveries WHERE state = 'waiting'"):
                await asyncio.sleep(_LOOK_EVERY)
        await self.until(_NOTHING_TO_DO, hurried=True)

    async def until(self, question: str, *values: object, hurried: bool = False) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self.ask(question, *values):
                if hurried:
                    await self.hurry()
                await asyncio.sleep(_LOOK_EVERY)

    async def hurry(self) -> None:
        """What was tried and waits for its next try is due now."""
        await self.change("UPDATE messages SET due_at = now() WHERE state = 'waiting' AND attempts > 0 AND due_at > now()")

    async def set_knobs(self, **wanted: Any) -> None:
        await self.world.run(lambda world: knobs.change(world, SandboxSettings(), wanted))

    async def ask(self, question: str, *values: object) -> Any:
        rows = await self.container.database.fetch(question, *values)
        return rows[0][0]

    async def change(self, statement: str, *values: object) -> None:
        await self.container.database.execute(statement, *values)

    async def remote(self, question: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """Rows of the sandbox's own world."""
        return await self.world.run(lambda world: [tuple(row) for row in world.execute(question, values)])


@asynccontextmanager
async def open_lane(deployment: Deployment, settings: Settings) -> AsyncIterator[Lane]:
    load_plugins_once()
    async with AsyncExitStack() as opened:
        container = await opened.enter_async_context(open_container(settings))
        world = World(world_path(settings.data_dir))
        opened.push_async_callback(world.close)
        await world.run(lambda connection: connection.execute(_SMALL_PICTURES))
        lane = Lane(deployment, container, world)
        await lane.set_knobs(image_seconds=0.0)
        for process in (deployment.relay(), deployment.api()):
            await opened.enter_async_context(process)
        await _until_answers(settings)
        yield lane


async def _until_answers(settings: Settings) -> None:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=settings.base_url, timeout=60) as client:
        while True:
            try:
                response = await client.get("/health/live")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                assert response.status_code == httpx.codes.OK
                return


class Stack:
    """Opens lanes on the servers of the test run."""

    def __init__(self, postgres: EmbeddedPostgres, template: str, valkey: EmbeddedValkey, folder: Path) -> None:
        self._postgres = postgres
        self._template = template
        self._valkey = valkey
        self._folder = folder

    @asynccontextmanager
    async def lanes(self, count: int) -> AsyncIterator[Sequence[Lane]]:
        async with AsyncExitStack() as opened:
            async with asyncio.TaskGroup() as group:
                lanes = [group.create_task(opened.enter_async_context(self.lane(number + 1))) for number in range(count)]
            yield [lane.result() for lane in lanes]

    @asynccontextmanager
    async def lane(self, number: int = 1) -> AsyncIterator[Lane]:
        folder = self._folder / f"lane-{number}"
        folder.mkdir()
        async with self._database(f"lane_{number}") as database_url, self._redis(63 - number) as redis_url:
            values = _values(folder, database_url, redis_url)
            deployment = Deployment(COMPOSITION, database_url, redis_url, folder, _environment(values))
            async with open_lane(deployment, Settings(**values)) as lane:
                yield lane

    @asynccontextmanager
    async def _database(self, name: str) -> AsyncIterator[str]:
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        try:
            yield self._postgres.url(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def _redis(self, number: int) -> AsyncIterator[str]:
        url = self._valkey.url(number)
        redis = connect(url)
        await redis.flushdb()
        await redis.aclose()
        yield url

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _values(folder: Path, database_url: str, redis_url: str) -> dict[str, Any]:
    port = free_port()
    return {
        "database_url": database_url,
        "redis_url": redis_url,
        "data_dir": folder / "madang",
        "base_url": f"http://127.0.0.1:{port}",
        "port": port,
        "secret_key": "test-key-not-secret-test-key-not-secret",
        "routes": SANDBOX_ROUTES,
        "lease_seconds": LEASE_SECONDS,
        "sweep_seconds": 0.2,
        "log_format": "json",
    }


def _environment(values: Mapping[str, Any]) -> Mapping[str, str]:
    written = {name: json.dumps(value) if isinstance(value, Mapping) else str(value) for name, value in values.items()}
    return {f"MADANG_{name.upper()}": value for name, value in written.items()}


def _photo() -> bytes:
    written = io.BytesIO()
    Image.radial_gradient("L").resize((512, 512)).convert("RGB").save(written, "JPEG")
    return written.getvalue()


PHOTO = _photo()
