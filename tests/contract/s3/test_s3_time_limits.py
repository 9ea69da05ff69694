"""A call ends with its time or with its caller, and gives back its thread and its connection."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace

import httpx
import pytest

from contract.fake_s3 import FakeS3
from contract.s3.buckets import DIGEST, HOUR, MIB, PHOTO, an_s3
from madang.adapters.s3.exchange import Abandoned, Exchange
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import Fault, Reply, closed_port
from madang.ports.errors import OutcomeUnknown, Unavailable
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
    for ask in (storage.put(PHOTO), storage.check(), storage.delete_many(["a"])):
        with pytest.raises(Unavailable):
            await ask
    await storage.close()
    with pytest.raises(Unavailable):
        await storage.check()


def _pouring(stopped: Event, length: int) -> Reply:
    def body() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            stopped.set()

    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Reply(200, body(), {"content-length": str(length), "etag": '"e"', "last-modified": modified})


async def test_a_body_that_nobody_reads_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    stored = await s3.get("a")
    assert stored.info.size == 100 * MIB
    del stored
    assert await asyncio.to_thread(stopped.wait, 10)


async def test_a_body_that_is_left_in_the_middle_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    async for chunk in (await s3.get("a")).chunks:
        assert chunk
        break
    assert await asyncio.to_thread(stopped.wait, 10)


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
    loop, exchange = asyncio.get_running_loop(), Exchange(5.0, stream=False)
    request = SimpleNamespace(method="GET", url=remote.url, headers={}, body=None)

    def call() -> object:
        asyncio.run_coroutine_threadsafe(exchange.end(), loop).result()
        return exchange.carry(request)

    async with httpx.AsyncClient() as http:
        for over in (call, lambda: exchange.carry(request)):
            with pytest.raises(Abandoned):
                await asyncio.to_thread(exchange.run, http, over)
    assert (remote.arrived, exchange.sent) == ([], False)


@pytest.mark.parametrize("fault", [Fault.CUT_OFF, Fault.SLOW])
async def test_a_body_that_does_not_come_whole_is_unavailable(remote: FakeS3, patient: S3Storage, fault: Fault) -> None:
    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"etag": '"e"', "last-modified": modified, "content-length": "10"}
    if fault is Fault.CUT_OFF:
        remote.next.append(Reply(200, iter([b"half"]), headers))
    else:
        remote.next.append(Reply(200, _trickle(remote), headers))
    with pytest.raises(Unavailable):
        await (await patient.get("a")).read()


def _trickle(remote: FakeS3) -> Iterator[bytes]:
    """A byte at a time, each in time and all of them not."""
    while not remote.ended.wait(0.05):
        yield b"x"
