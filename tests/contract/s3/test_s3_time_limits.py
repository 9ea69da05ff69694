"""A call ends with its time or with its caller, and gives back its thread and its connection."""

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from threading import enumerate as enumerate_threads
from types import SimpleNamespace

import httpx
import pytest

from contract.fake_s3 import FakeS3
from contract.s3.buckets import DIGEST, HOUR, MIB, PHOTO, an_s3, chunks
from madang.adapters.s3.downloads import Chunks, _closing
from madang.adapters.s3.exchange import _UNDER_WAY, Abandoned, Exchange
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import Fault, Reply, closed_port
from madang.ports.errors import Misconfigured, OutcomeUnknown, Unavailable
from madang.ports.storage import PresignGet


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SLOW])
async def test_a_call_ends_with_its_time_and_gives_its_thread_back(remote: FakeS3, patient: S3Storage, fault: Fault) -> None:
    remote.plan(fault)
    with pytest.raises((OutcomeUnknown, Unavailable)):  # by whether this machine was fast enough to send it at all
        await patient.put(replace(PHOTO, timeout=0.2))
    remote.clear()
    for name, ask in (("list", lambda: patient.list("")), ("head", lambda: patient.head("a"))):
        remote.plan(fault)
        with pytest.raises(Unavailable) as late:
            await ask()
        assert late.value.operation == name
        remote.clear()
    again = await patient.put(PHOTO)
    assert again.sha256 == DIGEST


async def test_a_call_whose_caller_goes_away_lets_its_connection_and_thread_go(remote: FakeS3, patient: S3Storage) -> None:
    remote.plan(Fault.SILENT)
    putting = asyncio.create_task(patient.put(PHOTO))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)
    assert (await patient.put(PHOTO)).sha256 == DIGEST


async def test_who_waits_too_long_for_a_thread_has_done_nothing(remote: FakeS3, patient: S3Storage) -> None:
    remote.plan(Fault.SILENT)
    first = asyncio.create_task(patient.put(PHOTO))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    with pytest.raises(Unavailable):
        await patient.put(replace(PHOTO, key="b", timeout=0.1))
    address = await patient.presign_get(PresignGet("b", HOUR))
    assert address.url, "signing waits for nobody"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(remote.arrived) == 1


async def test_without_a_connection_it_is_surely_not_done(remote: FakeS3) -> None:
    storage = an_s3(f"http://127.0.0.1:{closed_port()}")
    asking = {"put": storage.put(PHOTO), "check": storage.check(), "delete_many": storage.delete_many(["a"])}
    for operation, ask in asking.items():
        with pytest.raises(Unavailable, match="no connection") as refused:
            await ask
        assert (refused.value.provider, refused.value.operation) == ("s3", operation)
    await storage.close()
    with pytest.raises(Unavailable):
        await storage.check()


async def test_a_connection_may_take_half_of_the_time() -> None:
    timeouts: list[dict[str, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"])
        return httpx.Response(200, content=chunks(b""))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        exchange = Exchange(http, 100.0, stream=False)
        request = SimpleNamespace(method="GET", url="http://storage.example", headers={}, body=None)
        await asyncio.to_thread(exchange.run, lambda: exchange.carry(request))
    assert 40 < timeouts[0]["connect"] <= 50


async def test_a_storage_that_is_closed_waits_for_nobody_and_leaves_no_thread(remote: FakeS3) -> None:
    others = set(enumerate_threads())
    storage = an_s3(remote.url, connections=1)
    await asyncio.gather(*(storage.presign_get(PresignGet("a", HOUR)) for _ in range(4)))
    remote.plan(Fault.SILENT)
    under_way = asyncio.ensure_future(storage.put(PHOTO))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    waiting = asyncio.ensure_future(storage.put(PHOTO))
    await asyncio.sleep(0)
    threads = {each for each in enumerate_threads() if each.name.startswith(("s3_", "s3-sign_"))} - others
    assert sorted(each.name for each in threads) == ["s3-sign_0", "s3_0"], "as many as calls may be under way, and one signs"
    await storage.close()
    assert next(each for each in threads if each.name == "s3_0").is_alive()
    with pytest.raises(OutcomeUnknown):
        await under_way
    with pytest.raises(Unavailable):
        await waiting
    for each in threads:
        await asyncio.to_thread(each.join, 10)
        assert not each.is_alive()
    assert len(remote.arrived) == 1


async def test_as_many_connections_are_kept_as_calls_may_be_under_way(remote: FakeS3) -> None:
    storage = an_s3(remote.url, connections=1)
    await storage.put(PHOTO)
    both = [await storage.get(PHOTO.key) for _ in range(2)]
    assert remote.connections == 2
    assert [await each.read() for each in both] == [PHOTO.body] * 2
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.connections == 1)
    await storage.close()
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.connections == 0)


def _endless(stopped: Event) -> Iterator[bytes]:
    try:
        while True:
            yield bytes(64 * 1024)
    finally:
        stopped.set()


def _pouring(stopped: Event, length: int) -> Reply:
    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Reply(200, _endless(stopped), {"content-length": str(length), "etag": '"e"', "last-modified": modified})


async def test_a_body_that_nobody_reads_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    stored = await s3.get("a")
    assert stored.info.size == 100 * MIB
    del stored
    assert await asyncio.to_thread(stopped.wait, 60)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {"etag": '"e"', "last-modified": "yesterday"}), (200, {"etag": '"e"'}), (403, {})],
    ids=["unreadable", "no object", "refused"],
)
async def test_an_answer_that_is_of_no_use_keeps_no_connection(
    remote: FakeS3, s3: S3Storage, status: int, headers: dict[str, str]
) -> None:
    stopped = Event()
    remote.next.append(Reply(status, _endless(stopped), headers))
    with pytest.raises((Unavailable, Misconfigured)):
        await s3.get("a")
    assert await asyncio.to_thread(stopped.wait, 10)


async def test_a_body_that_was_closed_is_not_read_as_an_empty_one(s3: S3Storage) -> None:
    await s3.put(PHOTO)
    stored = await s3.get(PHOTO.key)
    await stored.chunks.aclose()  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await stored.read()


def test_a_body_that_outlives_its_loop_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    async def got() -> Chunks:
        return Chunks(httpx.Response(200, stream=_Leisurely()), "s3", 1.0, 1)

    chunks = asyncio.run(got())
    del chunks
    assert told == []


async def test_the_closing_of_a_body_is_not_forgotten_before_it_is_done() -> None:
    stream = _Leisurely()
    chunks = Chunks(httpx.Response(200, stream=stream), "s3", 1.0, 1)
    del chunks
    await stream.begun.wait()
    gc.collect()
    assert len(_closing) == 1
    held = stream.leave()
    assert held is not None, "only who closes waits for this"
    held.set_result(None)
    await stream.closed.wait()
    await asyncio.sleep(0)
    assert len(_closing) == 0


class _Leisurely(httpx.AsyncByteStream):
    """Takes its time to close; nobody else holds what it waits for."""

    def __init__(self) -> None:
        self.begun, self.closed = asyncio.Event(), asyncio.Event()
        self.leave: Callable[[], asyncio.Future[None] | None] = lambda: None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""

    async def aclose(self) -> None:
        leave = asyncio.get_running_loop().create_future()
        self.leave = weakref.ref(leave)
        self.begun.set()
        await leave
        self.closed.set()


async def test_a_body_that_is_left_in_the_middle_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    async for chunk in (await s3.get("a")).chunks:
        assert chunk
        break
    assert await asyncio.to_thread(stopped.wait, 60)


async def test_a_reader_that_is_cancelled_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")

    def body() -> Iterator[bytes]:
        yield b"half"
        remote.ended.wait(10)

    remote.next.append(Reply(200, body(), {"content-length": "9", "etag": '"e"', "last-modified": modified}))
    stored = await s3.get("a")
    assert await anext(aiter(stored.chunks)) == b"half"
    reading = asyncio.ensure_future(anext(aiter(stored.chunks)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert stored.chunks._response.is_closed  # type: ignore[attr-defined]


async def test_an_exchange_that_is_over_sends_nothing(remote: FakeS3) -> None:
    loop = asyncio.get_running_loop()
    request = SimpleNamespace(method="GET", url=remote.url, headers={}, body=None)
    called: list[str] = []
    async with httpx.AsyncClient() as http:
        exchange = Exchange(http, 5.0, stream=False)

        def call() -> object:
            called.append("call")
            asyncio.run_coroutine_threadsafe(exchange.end(), loop).result()
            return exchange.carry(request)

        for _ in range(2):
            with pytest.raises(Abandoned):
                await asyncio.to_thread(exchange.run, call)
    assert (remote.arrived, exchange.sent, called) == ([], False, ["call"])


def test_a_call_whose_loop_has_ended_is_abandoned() -> None:
    async def begun() -> Exchange:
        async with httpx.AsyncClient() as http:
            return Exchange(http, 5.0, stream=False)

    exchange = asyncio.run(begun())
    with pytest.raises(Abandoned):
        exchange.carry(SimpleNamespace())
    gc.collect()  # a coroutine that nobody awaited would be told of now


async def test_a_thread_keeps_nothing_of_a_call_that_is_done() -> None:
    async with httpx.AsyncClient() as http:
        exchange = Exchange(http, 5.0, stream=False)

        def run() -> object:
            exchange.run(lambda: None)
            return _UNDER_WAY.get(None)

        assert await asyncio.to_thread(run) is None


@pytest.mark.parametrize("fault", [Fault.CUT_OFF, Fault.SLOW])
async def test_a_body_that_does_not_come_whole_is_unavailable(remote: FakeS3, patient: S3Storage, fault: Fault) -> None:
    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"etag": '"e"', "last-modified": modified, "content-length": "10"}
    if fault is Fault.CUT_OFF:
        remote.next.append(Reply(200, iter([b"half"]), headers))
    else:
        remote.next.append(Reply(200, _trickle(remote), headers))
    stored = await patient.get("a")
    with pytest.raises(Unavailable) as refused:
        await stored.read()
    assert (refused.value.provider, refused.value.operation) == ("s3", "get")
    assert stored.chunks._response.is_closed  # type: ignore[attr-defined]


def _trickle(remote: FakeS3) -> Iterator[bytes]:
    """A byte at a time, each in time and all of them not."""
    while not remote.ended.wait(0.05):
        yield b"x"
