"""What people hear of what is theirs: over real sockets, from several API processes on one Redis."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployment import Deployment, Member, OpenDeployment
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.core.kernel.events import Event
from madang.core.kernel.ids import new_id
from madang.core.kernel.live import channel_of
from madang.entrypoints.http.app import create_app
from madang.entrypoints.http.live.events import STATE
from madang.entrypoints.http.live.streams import OpenStreams
from madang.entrypoints.http.serve import run_http

Heard = tuple[str, str, dict[str, Any]]


class Api:
    """One API process of the deployment, behind a real socket."""

    def __init__(
        self, deployment: Deployment, streams: OpenStreams, stop: asyncio.Event, running: "asyncio.Task[None]"
    ) -> None:
        self.deployment = deployment
        self.streams = streams
        self.stop = stop
        self.running = running
        self.address = f"http://127.0.0.1:{deployment.container.settings.port}/api/v1"

    @asynccontextmanager
    async def events(self, member: Member, *, after: str | None = None, types: str | None = None) -> AsyncIterator["Stream"]:
        headers = {**member.headers, **({"Last-Event-ID": after} if after else {})}
        query = {"types": types} if types else {}
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", f"{self.address}/events", headers=headers, params=query) as answer,
        ):
            stream = Stream(answer)
            if answer.status_code == 200:
                assert await anext(stream.lines) == "retry: 3000"
            yield stream

    async def until_open(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.streams) != count:
                await asyncio.sleep(0.01)

    async def connect_and_never_read(self, member: Member) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.deployment.container.settings.port)
        transport: Any = writer.transport
        transport.pause_reading()
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {member.headers['Authorization']}\r\n\r\n"
        writer.write(head.encode())
        return reader, writer

    async def announce(self, owner: UUID, name: str = "files.completed", **payload: Any) -> None:
        async with self.deployment.container.units() as uow:
            uow.announce(Event(name, "file:1", payload, owner=owner))
        await self.deployment.work()


class Stream:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.aiter_lines()

    async def next(self) -> Heard:
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self.lines:
                name, _, value = line.partition(": ")
                fields[name] = value
                if not line and "data" in fields:
                    return fields["id"], fields["event"], json.loads(fields["data"])
                if not line:
                    fields = {}
        raise EOFError

    async def ended(self) -> bool:
        async with asyncio.timeout(60):
            return not [line async for line in self.lines if line.startswith("data")]


@asynccontextmanager
async def served(open_deployment: OpenDeployment, **settings: Any) -> AsyncIterator[Api]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with open_deployment(port=port, **settings) as deployment:
        stop, apps = asyncio.Event(), []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("madang.entrypoints.http.serve.create_app", lambda c: apps.append(create_app(c)) or apps[-1])
            running = asyncio.create_task(run_http(deployment.container, stop))
            await asyncio.sleep(0)
        try:
            async with httpx.AsyncClient(timeout=60) as client:
                while not running.done():
                    try:
                        await client.get(f"http://127.0.0.1:{port}/health/live")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.02)
            yield Api(deployment, apps[0].state[STATE], stop, running)
        finally:
            stop.set()
            await running


async def test_an_event_reaches_its_owner_at_every_api_process_and_nobody_else(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as one, served(open_deployment) as two:
        owner, other = await one.deployment.member(), await one.deployment.member()
        async with (
            one.events(owner, after="0") as here,
            two.events(owner, after="0") as there,
            two.events(other, after="0") as elsewhere,
        ):
            await one.announce(owner.id, fileId="f-1")
            await one.announce(other.id, fileId="f-2")
            (_, name, data), second, foreign = await here.next(), await there.next(), await elsewhere.next()
            assert (name, data["type"], data["data"]) == ("files.completed", "files.completed", {"fileId": "f-1"})
            assert data["timestamp"].endswith("+09:00")
            assert second[2] == data
            assert foreign[2]["data"] == {"fileId": "f-2"}
            assert UUID(data["id"]) == await one.deployment.value(
                "SELECT id FROM messages WHERE subject = 'file:1' ORDER BY id"
            )


async def test_who_comes_back_to_another_process_hears_what_was_missed_once(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as one, served(open_deployment) as two:
        owner = await one.deployment.member()
        async with one.events(owner, after="0") as stream:
            await one.announce(owner.id, n=1)
            last, _, first = await stream.next()
        for number in (2, 3):
            await one.announce(owner.id, n=number)
        async with two.events(owner, after=last) as stream:
            missed = [await stream.next() for _ in range(2)]
            await two.announce(owner.id, n=4)
            missed.append(await stream.next())
        assert [first["data"]["n"], *(data["data"]["n"] for _, _, data in missed)] == [1, 2, 3, 4]
        assert len({data["id"] for _, _, data in missed}) == 3


async def test_only_the_types_that_were_asked_for_are_heard(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as api:
        owner = await api.deployment.member()
        await api.announce(owner.id, "files.completed", n=1)
        await api.announce(owner.id, "credits.changed", n=2)
        async with api.events(owner, after="0", types="credits.changed,posts.published") as stream:
            assert (await stream.next())[2]["data"] == {"n": 2}


async def test_a_stream_outlives_a_redis_that_restarts_empty(open_deployment: OpenDeployment, server_folder: Path) -> None:
    redis = EmbeddedValkey(server_folder)
    redis.start()
    try:
        async with served(open_deployment, redis_url=redis.url(0)) as api:
            owner = await api.deployment.member()
            async with api.events(owner, after="0") as stream:
                await api.announce(owner.id, n=1)
                await stream.next()
                await asyncio.to_thread(redis.stop)
                await asyncio.to_thread(redis.start)
                await api.announce(owner.id, n=2)
                assert (await stream.next())[2]["data"] == {"n": 2}
    finally:
        redis.stop()


async def test_a_server_that_is_asked_to_stop_does_not_wait_for_who_only_listens(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as api:
        owner = await api.deployment.member()
        async with api.events(owner) as stream:
            api.stop.set()
            assert await stream.ended()
            async with asyncio.timeout(60):
                await api.running


async def test_a_stream_ends_with_its_token(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as api:
        owner = await api.deployment.member()
        container = api.deployment.container
        extra = {"userId": str(owner.id), "role": "client", "permissions": ["events:read"]}
        soon = container.clock.now() + timedelta(seconds=1)
        token = container.tokens.issue("api", str(owner.id), expires_at=soon, extra=extra)
        async with api.events(Member(owner.id, owner.email, {"Authorization": f"Bearer {token}"})) as stream:
            assert await stream.ended()


async def test_a_stream_ends_with_its_session(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment) as api:
        owner, session = await api.deployment.member(), new_id()
        container = api.deployment.container
        extra = {"userId": str(owner.id), "role": "client", "permissions": ["events:read"], "sid": str(session)}
        token = container.tokens.issue("api", str(owner.id), expires_at=container.clock.now() + timedelta(hours=1), extra=extra)
        async with api.events(Member(owner.id, owner.email, {"Authorization": f"Bearer {token}"})) as stream:
            container.revocations.hear(str(session))
            assert await stream.ended()


async def test_who_has_many_streams_open_must_close_one_first(open_deployment: OpenDeployment) -> None:
    async with served(open_deployment, live_streams_per_user=1, live_streams=2) as api:
        first, second, third = [await api.deployment.member() for _ in range(3)]
        async with api.events(first), api.events(second):
            for refused in (first, third):
                async with api.events(refused) as stream:
                    body = json.loads(await stream.answer.aread())
                    assert (stream.answer.status_code, body["error"]["code"]) == (429, "TOO_MANY_STREAMS")
        await api.until_open(0)
        async with api.events(first) as stream:
            assert stream.answer.status_code == 200


async def test_nothing_is_left_of_a_stream_whose_reader_is_gone_or_does_not_read(
    open_deployment: OpenDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.entrypoints.http.live.streams.PATIENCE", 0.2)
    async with served(open_deployment) as api:
        owner = await api.deployment.member()
        async with api.events(owner):
            await api.until_open(1)
        await api.until_open(0)
        _, writer = await api.connect_and_never_read(owner)
        await api.until_open(1)
        for number in range(150):
            await api.deployment.container.live.publish(
                channel_of(owner.id),
                "files.completed",
                {"timestamp": "2026-01-05T12:00:00+00:00", "n": "x" * 100_000, "i": number},
            )
        await api.until_open(0)
        writer.close()
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "live-wake-ups" not in names


async def test_a_silent_stream_says_that_it_is_still_there(
    open_deployment: OpenDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.entrypoints.http.live.streams.HEARTBEAT", 0.05)
    async with served(open_deployment) as api, api.events(await api.deployment.member()) as stream:
        assert [await anext(stream.lines) for _ in range(3)] == ["", ": still here", ""]


async def test_an_operators_token_has_no_events_of_its_own(deployment: Deployment) -> None:
    container = deployment.container
    token = container.tokens.issue(
        "api", "operator", expires_at=container.clock.now() + timedelta(hours=1), extra={"role": "admin"}
    )
    answer = await deployment.client.get("/events", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")


@pytest.mark.parametrize("types", ["", "Files.Completed", "a,", "a..b", "x" * 2000])
async def test_types_that_no_event_can_have_are_refused(deployment: Deployment, types: str) -> None:
    member = await deployment.member()
    answer = await deployment.client.get("/events", headers=member.headers, params={"types": types})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
