"""Storages, each with a bucket of its own."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from contract.fake_s3 import FakeR2, FakeS3
from contract.s3.buckets import an_r2, an_s3
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import serving


@pytest.fixture
def remote() -> Iterator[FakeS3]:
    with serving(FakeS3()) as service:
        yield service


@pytest.fixture
async def s3(remote: FakeS3) -> AsyncIterator[S3Storage]:
    storage = an_s3(remote.url)
    yield storage
    await storage.close()


@pytest.fixture
async def patient(remote: FakeS3) -> AsyncIterator[S3Storage]:
    """With one thread and little time, already at work."""
    storage = an_s3(remote.url, connections=1, seconds=0.2)
    await storage._client._sdk()
    yield storage
    await storage.close()


@pytest.fixture(params=["s3", "r2"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[tuple[FakeS3, S3Storage]]:
    service, build = (FakeS3(), an_s3) if request.param == "s3" else (FakeR2(), an_r2)
    with serving(service):
        storage = build(service.url)
        yield service, storage
        await storage.close()


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client
