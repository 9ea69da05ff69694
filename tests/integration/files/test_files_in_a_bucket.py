"""The whole deployment with its files in S3, and in R2 by other settings: no byte of them passes through us unasked."""

import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
import pytest

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeR2, FakeS3
from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.files.cabinet import MEGABYTE, SVG, Cabinet, form_of, large_picture, picture, told
from madang.core.files.cleaning import SWEEP_STORAGE, SWEEP_UPLOADS
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.plugins.conformance.remote import Fault, serving
from madang.ports.storage import PutObject

KEYS = {"bucket": BUCKET, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
SERVICES: Mapping[str, tuple[type[FakeS3], Mapping[str, Any]]] = {
    "s3": (FakeS3, {**KEYS, "region": FakeS3.region, "part_bytes": 5 * MEGABYTE}),
    "r2": (FakeR2, {**KEYS, "account_id": "0" * 32, "part_bytes": 5 * MEGABYTE}),
}


class Bucket:
    """A deployment, one member of it, and what lies in its bucket. Addresses of the storage are met by a plain client."""

    def __init__(self, remote: FakeS3, deployment: Deployment, cabinet: Cabinet, browser: httpx.AsyncClient) -> None:
        self.remote = remote
        self.deployment = deployment
        self.cabinet = cabinet
        self.browser = browser

    async def uploaded(self, content: bytes, **changes: Any) -> str:
        """Announced and sent to the bucket, not completed; the id."""
        announced = (await self.cabinet.announce(content, **changes)).json()["data"]
        assert (await self.send(announced["upload"], content)).status_code == 200
        return str(announced["file"]["id"])

    async def send(self, upload: Mapping[str, Any], content: bytes, **headers: str) -> httpx.Response:
        told = {**upload["headers"], **headers}
        return await self.browser.request(upload["method"], upload["url"], headers=told, content=content)

    async def download(self, file_id: str) -> httpx.Response:
        link = (await self.cabinet.call("GET", f"/files/{file_id}/url")).json()["data"]
        assert urlsplit(link["url"]).netloc == urlsplit(self.remote.url).netloc
        return await self.browser.get(link["url"])

    async def swept(self, topic: str) -> None:
        async with self.deployment.container.units() as uow:
            uow.send(NewMessage(topic))
        await self.deployment.work()


async def in_bucket(name: str, open_deployment: OpenDeployment) -> AsyncIterator[Bucket]:
    service, section = SERVICES[name]
    with serving(service()) as remote:
        chosen = {"routes": {**SANDBOX_ROUTES, "storage": [name]}, "plugins": {name: {**section, "endpoint_url": remote.url}}}
        async with open_deployment(**chosen) as deployment, httpx.AsyncClient(timeout=60) as browser:
            yield Bucket(remote, deployment, Cabinet(deployment, await deployment.member()), browser)


@pytest.fixture(params=list(SERVICES))
async def either(request: pytest.FixtureRequest, open_deployment: OpenDeployment) -> AsyncIterator[Bucket]:
    async for bucket in in_bucket(request.param, open_deployment):
        yield bucket


@pytest.fixture
async def bucket(open_deployment: OpenDeployment) -> AsyncIterator[Bucket]:
    async for found in in_bucket("s3", open_deployment):
        yield found


async def test_a_file_goes_straight_to_the_bucket_is_checked_comes_back_and_is_deleted(either: Bucket) -> None:
    content = large_picture()
    file_id = await either.uploaded(content, filename="여름.png", sha256=hashlib.sha256(content).hexdigest())
    file = (await either.cabinet.complete(file_id)).json()["data"]
    assert (file["status"], file["contentType"], file["size"]) == ("available", "image/png", len(content))
    await either.deployment.work()
    [key] = either.remote.stored()
    assert key.startswith(f"files/{either.cabinet.member.id}/{file_id}/")
    assert not key.endswith("/incoming"), "what was checked lies where no client ever had an address for"
    assert either.remote.unfinished() == 0
    downloaded = await either.download(file_id)
    assert downloaded.content == content
    assert downloaded.headers["content-type"] == "image/png"
    assert downloaded.headers["content-disposition"].startswith("attachment; ")
    assert quote("여름.png") in downloaded.headers["content-disposition"]
    assert (await either.cabinet.call("DELETE", f"/files/{file_id}")).status_code == 200
    await either.deployment.work()
    assert either.remote.stored() == []
    assert not either.cabinet.spooled()


async def test_what_is_not_as_announced_is_refused_and_leaves_the_bucket(bucket: Bucket) -> None:
    svg = await bucket.uploaded(SVG)
    assert told(await bucket.cabinet.complete(svg)) == (422, "FILE_TYPE_MISMATCH")
    longer = (await bucket.cabinet.announce(picture())).json()["data"]
    assert (await bucket.send(longer["upload"], picture() + os.urandom(5 * MEGABYTE))).status_code == 200
    answer = await bucket.cabinet.complete(longer["file"]["id"])
    assert told(answer) == (422, "FILE_SIZE_MISMATCH")
    typed = (await bucket.cabinet.announce(picture())).json()["data"]
    assert (await bucket.send(typed["upload"], picture(), **{"content-type": "text/html"})).status_code == 403
    assert told(await bucket.cabinet.complete(typed["file"]["id"])) == (409, "UPLOAD_NOT_ARRIVED")
    await bucket.deployment.work()
    assert bucket.remote.stored() == []


async def test_a_file_through_the_api_goes_on_in_parts(bucket: Bucket) -> None:
    content = large_picture()
    answer = await bucket.cabinet.post(form_of(content, purpose="picture"))
    assert answer.status_code == 201, answer.text
    assert len([each for each in bucket.remote.acting if "partNumber" in each.query]) == 2
    assert (await bucket.download(answer.json()["data"]["id"])).content == content


async def test_a_storage_that_is_away_is_told_and_nothing_is_lost(bucket: Bucket) -> None:
    file_id = await bucket.uploaded(picture())
    bucket.remote.plan(Fault.UNAVAILABLE, only=bucket.remote.acts)
    assert (await bucket.cabinet.complete(file_id)).status_code == 503
    assert (await bucket.cabinet.complete(file_id)).status_code == 200
    bucket.remote.plan(Fault.ANSWER_LOST, only=bucket.remote.acts)
    assert (await bucket.cabinet.call("DELETE", f"/files/{file_id}")).status_code == 200
    await bucket.deployment.work()
    await bucket.deployment.let_pass(hours=1)
    await bucket.deployment.work()
    assert bucket.remote.stored() == []
    assert await bucket.deployment.value("SELECT purged_at IS NOT NULL FROM files WHERE id = $1", UUID(file_id))


async def test_orphans_and_uploads_that_were_never_completed_are_swept_out_of_the_bucket(bucket: Bucket) -> None:
    kept = await bucket.uploaded(picture())
    assert (await bucket.cabinet.complete(kept)).status_code == 200
    await bucket.uploaded(picture())
    storage = bucket.deployment.container.providers.storage()
    orphan, foreign = f"files/{new_id()}/{new_id()}/x", "files/read-me.txt"
    for key in (orphan, foreign):
        await storage.put(PutObject(key, b"x", "text/plain"))
    await bucket.swept(SWEEP_STORAGE)
    assert orphan in bucket.remote.stored(), "young: its row may be just about to come"
    bucket.remote.age(timedelta(days=2))
    await bucket.swept(SWEEP_STORAGE)
    assert orphan not in bucket.remote.stored()
    await bucket.deployment.let_pass(hours=2)
    await bucket.swept(SWEEP_UPLOADS)
    assert sorted(key.split("/")[2] for key in bucket.remote.stored() if key != foreign) == [kept]
    assert foreign in bucket.remote.stored(), "named after no file of ours"
    assert (await bucket.download(kept)).content == picture()
