"""A whole deployment for one test: the real container on real servers, its API spoken to over ASGI, its worker in this process.

Nothing happens by itself: the test calls, lets the worker work, and lets time pass.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar

from apps_once import application
from madang.adapters.arq.runner import Runner, RunnerSettings
from madang.adapters.pwdlib import hasher
from madang.adapters.sandbox import knobs, messages
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.world import World, world_path
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, User, UserStatus
from madang.core.identity.roles import Role, permissions_of
from madang.core.kernel.ids import new_id
from madang.entrypoints.container import Container, open_container
from plugins_once import load_plugins_once
from retries_held import HELD, LET_GO, HoldingOutbox
from signatures_once import parse_signatures_once

API = "/api/v1"
ADDRESS = "198.51.100.7"
_PATIENCE = 60.0
_CLOCKS = """
SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns
WHERE table_schema = current_schema() AND data_type = 'timestamp with time zone'
  AND table_name NOT IN ('deletion_receipts', 'audit_events', 'credit_transactions', 'invoices')
  AND column_name <> 'lease_until'
GROUP BY table_name
"""
_BUSY = "SELECT count(*) FROM messages WHERE state = 'leased' OR (state = 'waiting' AND due_at <= clock_timestamp())"
"""By the clock and not by `now()`: what is committed between this question's beginning and its snapshot is due, too."""


@dataclass(frozen=True)
class Member:
    """A user who is signed in, by a token made here and not by the sign-in."""

    id: UUID
    email: str
    headers: Mapping[str, str]


class Deployment:
    def __init__(self, container: Container, app: "LazyApi", client: httpx.AsyncClient) -> None:
        self.container = container
        self.app = app
        self.client = client
        self.world = World(world_path(container.settings.data_dir))

    # People

    async def member(self, role: Role = Role.CLIENT, *, email: str | None = None, locale: str = "ko") -> Member:
        """A user with a verified address; `email` must be new."""
        user_id = new_id()
        address = email or f"{user_id.hex[-12:]}@example.com"
        cipher, now = self.container.cipher, datetime.now(UTC)
        user = User(
            id=user_id,
            role=role,
            status=UserStatus.ACTIVE,
            locale=locale,
            created_at=now,
            updated_at=now,
            email=cipher.encrypt(address, purpose=EMAIL_PURPOSE),
            email_hash=cipher.keyed_hash(address, purpose=EMAIL_PURPOSE),
            email_verified_at=now,
            name=cipher.encrypt("홍길동", purpose=NAME_PURPOSE),
        )
        async with self.container.units() as uow:
            assert await uow.users.add(user)
        return Member(user_id, address, {"Authorization": f"Bearer {self.token(user_id, role)}"})

    def token(self, user_id: UUID, role: Role = Role.CLIENT) -> str:
        permissions = sorted(permissions_of(role))
        extra = {"userId": str(user_id), "role": role.value, "permissions": permissions, "sid": str(new_id())}
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        return self.container.tokens.issue("api", str(user_id), expires_at=expires_at, extra=extra)

    def foreign_token(self, audience: str) -> str:
        """For a thing of its own that is not there."""
        return self.container.tokens.issue(audience, str(new_id()), expires_at=datetime.now(UTC) + timedelta(hours=1))

    # Work, time and what is stored

    async def work(self) -> None:
        """Until nothing is due and nobody is at work."""
        async with self.worker(holds=True) as runner, asyncio.timeout(_PATIENCE):
            while await self.value(_BUSY):
                runner.wake()
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def worker(self, *, holds: bool = False, **settings: Any) -> AsyncIterator[Runner[Any]]:
        """What fails is tried again as soon as in a deployment, unless it `holds` that until its time is let pass."""
        chosen = RunnerSettings(**{"poll": 0.02, "grace": 5.0, **settings})
        outbox: Any = HoldingOutbox(self.container.outbox) if holds else self.container.outbox
        runner: Runner[Any] = Runner(outbox, self.container.handlers, "worker-in-the-test", chosen)
        await runner.start()
        try:
            yield runner
        finally:
            await runner.stop()

    async def let_pass(self, **time: float) -> None:
        """Everything that is written down, but what is only added to, happened that much earlier: `let_pass(hours=24)`."""
        for row in await self.rows(_CLOCKS):
            changes = ", ".join(f"{column} = {column} - $1::interval" for column in row["columns"])
            await self.execute(f"UPDATE {row['table_name']} SET {changes}", timedelta(**time))
        await self.execute(LET_GO, HELD)

    async def until(self, question: str, *values: Any) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not await self.value(question, *values):
                await asyncio.sleep(0.01)

    async def rows(self, question: str, *values: Any) -> Sequence[Any]:
        return await self.container.database.fetch(question, *values)

    async def value(self, question: str, *values: Any) -> Any:
        row = await self.container.database.fetchrow(question, *values)
        return None if row is None else row[0]

    async def execute(self, statement: str, *values: Any) -> None:
        await self.container.database.execute(statement, *values)

    # The simulated companies outside

    async def told_to(self, faults: str) -> None:
        """Faults of the sandbox's providers from now on: `email.send:unavailable@2`."""
        await self.world.run(lambda c: knobs.change(c, SandboxSettings(), {"faults": faults}))

    async def e_mails(self) -> Sequence[messages.SentMessage]:
        """Those that arrived, the oldest first."""
        return list(reversed(await self.world.run(lambda c: messages.recent(c, "email"))))

    async def texts(self) -> Sequence[messages.SentMessage]:
        """The SMS that arrived, the oldest first."""
        return list(reversed(await self.world.run(lambda c: messages.recent(c, "sms"))))


@asynccontextmanager
async def deployed(settings: Any) -> AsyncIterator[Deployment]:
    """A deployment on these settings; calls come from `ADDRESS`."""
    load_plugins_once()
    parse_signatures_once()
    async with cheap_passwords(), open_container(settings) as container, AsyncExitStack() as ending:
        app = LazyApi(container, ending)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ADDRESS, 4321))
        async with httpx.AsyncClient(transport=transport, base_url=container.settings.base_url + API) as client:
            deployment = Deployment(container, app, client)
            try:
                yield deployment
            finally:
                await deployment.world.close()


@asynccontextmanager
async def cheap_passwords() -> AsyncIterator[None]:
    """Argon2id with next to nothing to do; in its full strength it is tested by itself."""
    strength = hasher.MEMORY_KIB, hasher.PASSES
    hasher.MEMORY_KIB, hasher.PASSES = 64, 1  # type: ignore[misc]
    try:
        yield
    finally:
        hasher.MEMORY_KIB, hasher.PASSES = strength  # type: ignore[misc]


class LazyApi:
    """The deployment's application, composed and begun at the first call: most tests of use cases make none, and composing it
    costs more than everything else of a deployment."""

    def __init__(self, container: Container, ending: AsyncExitStack) -> None:
        self._container = container
        self._ending = ending
        self._first = asyncio.Lock()
        self._app: Litestar | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._first:
            if self._app is None:
                app = self._ending.enter_context(application(self._container))
                await self._ending.enter_async_context(_begun(app))
                self._app = app
        await self._app(scope, receive, send)


@asynccontextmanager
async def _begun(app: Litestar) -> AsyncIterator[None]:
    """The application's lifespan in a task of its own: a fixture ends in another task than it began in."""
    started, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await over.wait()

    living = asyncio.create_task(live())
    starting = asyncio.create_task(started.wait())
    await asyncio.wait({living, starting}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    try:
        yield
    finally:
        over.set()
        await living


OpenDeployment = Callable[..., AbstractAsyncContextManager[Deployment]]
