"""The real container behind the real server on a socket: a whole journey, and each misuse answered without a trace."""

import asyncio
import io
import json
import socket
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from integration.portraits.shop import E164, FAST, PHONE, SANDBOX, Shop, encoded, opened, opened_picture, photo, scene
from madang.core.kernel.ids import new_id
from madang.entrypoints.http.serve import run_http

ORDERS = "/api/v1/portraits"
NO_LIMIT = dict.fromkeys(("default", "order", "photo", "phone_check", "webhook"), "100000/minute")
SNAPSHOT = ["portraits", "portrait_pictures", "portrait_surveys", "payments", "refunds", "notifications", "inbox"]
MESSAGES = "SELECT t::text AS row FROM messages AS t WHERE topic <> 'billing.look_up' ORDER BY 1"
AT_REST = "SELECT NOT EXISTS (SELECT 1 FROM messages WHERE state = 'leased' OR (state = 'waiting' AND due_at <= now()))"


@dataclass
class Site:
    """The shop as its buyers reach it. The worker works all the time."""

    client: httpx.AsyncClient
    shop: Shop

    async def order(self) -> "Job":
        data = (await self.client.post(ORDERS, json={"locale": "en"})).json()["data"]
        return Job(self, data["id"], {"Authorization": f"Bearer {data['token']}"}, data["checkout"]["url"])

    async def snapshot(self) -> list[list[str]]:
        """All rows of what misuse must not touch, and all stored files, once the worker has nothing to do. Questions about a
        payment come by the clock and not by misuse."""
        await self.shop.until(AT_REST)
        rows = [await self.shop.rows(f"SELECT t::text AS row FROM {table} AS t ORDER BY 1") for table in SNAPSHOT]
        rows.append(await self.shop.rows(MESSAGES))
        files = (await self.shop.container.providers.storage().list("portraits/")).objects
        return [*([row["row"] for row in each] for each in rows), [file.key for file in files]]


@dataclass
class Job:
    site: Site
    id: str
    headers: dict[str, str]
    checkout: str

    async def call(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        return await self.site.client.request(method, f"{ORDERS}/{self.id}{path}", **{"headers": self.headers, **more})

    async def until(self, status: str) -> dict[str, Any]:
        async with asyncio.timeout(90):
            while (data := (await self.call("GET")).json()["data"])["status"] != status:
                await asyncio.sleep(0.02)
        found: dict[str, Any] = data
        return found

    async def pay(self) -> None:
        """On the sandbox's page, as a person would: its webhook comes back to us over HTTP."""
        assert (await self.site.client.post(f"{self.checkout}/pay", json={"action": "pay"})).status_code == 200
        await self.until("pending_phone")

    async def send_photo(self, upload: bytes, crop: object = None) -> httpx.Response:
        files: dict[str, Any] = {"photo": ("photo.jpg", upload, "image/jpeg")}
        if crop is not None:
            files["crop"] = (None, json.dumps(crop))
        return await self.call("PUT", "/photo", files=files)

    async def reach_photo(self) -> None:
        await self.pay()
        assert (await self.call("PUT", "/phone", json={"phone": PHONE})).status_code == 200

    async def finish(self) -> None:
        """With the result's token from here on."""
        await self.reach_photo()
        assert (await self.send_photo(photo())).status_code in (200, 202)
        await self.until("completed")

    async def open_result(self) -> dict[str, str]:
        opened_up = await self.call("POST", "/access", json={"phone": E164})
        return {"Authorization": f"Bearer {opened_up.json()['data']['resultToken']}"}


@pytest.fixture
async def site(make_settings: Callable[..., Any]) -> AsyncIterator[Site]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    chosen = make_settings(port=port, base_url=address, limits=NO_LIMIT, plugins={SANDBOX: dict(FAST)})
    async with opened(chosen) as shop, shop.worker(), httpx.AsyncClient(base_url=address, timeout=60) as client:
        stop = asyncio.Event()
        serving = asyncio.create_task(run_http(shop.container, stop))
        async with asyncio.timeout(90):
            while not serving.done() and not await answers(client):
                await asyncio.sleep(0.02)
        yield Site(client, shop)
        stop.set()
        await serving


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).status_code == 200
    except httpx.TransportError:
        return False


def told(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"]


async def test_a_buyer_gets_everything_over_http_and_nothing_after_the_end(site: Site) -> None:
    job = await site.order()
    await job.finish()
    result = await job.open_result()
    data = (await job.call("GET", "/result", headers=result)).json()["data"]
    links = [picture[form]["url"] for picture in data["pictures"] for form in ("full", "webp", "thumbnail")]
    assert len(links) == 9
    for link in links:
        picture = await site.client.get(link)
        assert picture.status_code == 200
        assert opened_picture(picture.content).width >= 360
    archive = zipfile.ZipFile(io.BytesIO((await job.call("GET", "/download", headers=result)).content))
    assert sum(name.startswith("portrait-") for name in archive.namelist()) == 3
    once = {**result, "Idempotency-Key": "survey"}
    for _ in range(2):
        assert (await job.call("POST", "/survey", headers=once, json={"score": 5, "comment": "yes"})).status_code == 201

    await site.shop.let_pass(hours=24)
    await job.until("expired")
    await site.shop.until("SELECT purged_at IS NOT NULL FROM portraits")
    receipt = (await job.call("GET")).json()["data"]["deletionReceipt"]
    assert len(receipt["objects"]) == 10
    assert {(await site.client.get(link)).status_code for link in links} == {404}
    assert (await site.snapshot())[-1] == []
    assert await site.shop.value("SELECT count(*) FROM idempotency_keys") == receipt["rows"]["idempotency_keys"] - 1 == 0


BAD_PHOTOS: dict[str, tuple[bytes, object, int, str]] = {
    "gif": (encoded(scene(), "GIF"), None, 422, "PHOTO_TYPE_NOT_SUPPORTED"),
    "eleven megabytes": (photo() + bytes(11 * 1024 * 1024), None, 413, "PHOTO_TOO_LARGE"),
    "small": (encoded(scene(511, 800)), None, 422, "PHOTO_TOO_SMALL"),
    "truncated": (photo()[:3000], None, 422, "PHOTO_UNREADABLE"),
    "crop outside": (photo(), {"x": 400, "y": 0, "width": 384, "height": 512}, 400, "VALIDATION_ERROR"),
    "crop not 3:4": (photo(), {"x": 0, "y": 0, "width": 500, "height": 512}, 400, "VALIDATION_ERROR"),
    "crop of words": (photo(), {"x": "left"}, 400, "VALIDATION_ERROR"),
    "crop before the corner": (photo(), {"x": -1, "y": 0, "width": 384, "height": 512}, 400, "VALIDATION_ERROR"),
}


async def test_bad_photos_crops_and_numbers_are_told_and_leave_nothing_and_the_right_ones_are_taken(site: Site) -> None:
    job = await site.order()
    await job.pay()
    before = await site.snapshot()
    for written in ("not a number", "123", "+82 2", ""):
        assert told(await job.call("PUT", "/phone", json={"phone": written})) == (400, "VALIDATION_ERROR")
    assert await site.snapshot() == before
    assert (await job.call("PUT", "/phone", json={"phone": PHONE})).status_code == 200
    before = await site.snapshot()
    for name, (upload, crop, status, code) in BAD_PHOTOS.items():
        assert told(await job.send_photo(upload, crop)) == (status, code), name
        assert await site.snapshot() == before, name
    good = {"x": 10, "y": 20, "width": 384, "height": 512}
    assert (await job.send_photo(photo(), good)).json()["data"]["status"] == "processing"
    await job.until("completed")


async def test_a_step_in_the_wrong_state_is_a_conflict_and_changes_nothing(site: Site) -> None:
    job = await site.order()
    before = await site.snapshot()
    assert told(await job.call("PUT", "/phone", json={"phone": PHONE})) == (409, "WRONG_STATE")
    assert told(await job.send_photo(photo())) == (409, "WRONG_STATE")
    assert told(await job.call("POST", "/access", json={"phone": PHONE})) == (409, "WRONG_STATE")
    assert await site.snapshot() == before
    await job.finish()
    before = await site.snapshot()
    assert told(await job.call("PUT", "/phone", json={"phone": PHONE})) == (409, "WRONG_STATE")
    assert told(await job.send_photo(encoded(scene(900, 1200)))) == (409, "WRONG_STATE")
    assert await site.snapshot() == before


async def test_forged_and_foreign_tokens_open_nothing_and_change_nothing(site: Site) -> None:
    job, other = await site.order(), await site.order()
    for each in (job, other):
        await each.reach_photo()
    before = await site.snapshot()
    head, claims, signature = job.headers["Authorization"].removeprefix("Bearer ").split(".")
    forged = [f"{head}.{claims}.{signature[::-1]}", f"eyJhbGciOiJub25lIn0.{claims}.", f"{head}.e30.{signature}", "a.b.c"]
    for token in forged:
        headers = {"Authorization": f"Bearer {token}"}
        for answer in await every_call(job, headers):
            assert told(answer) == (401, "UNAUTHORIZED")
    for answer in await every_call(job, other.headers):
        assert told(answer) in ((401, "UNAUTHORIZED"), (404, "PORTRAIT_NOT_FOUND"))
    nobody = Job(site, str(new_id()), job.headers, "")
    assert told(await nobody.call("GET")) == (404, "PORTRAIT_NOT_FOUND")
    assert await site.snapshot() == before


async def every_call(job: Job, headers: dict[str, str]) -> list[httpx.Response]:
    """Everything that asks for a token."""
    return [
        await job.call("GET", headers=headers),
        await job.call("PUT", "/phone", headers=headers, json={"phone": "010-9999-0000"}),
        await job.call("PUT", "/photo", headers=headers, files={"photo": photo()}),
        await job.call("GET", "/result", headers=headers),
        await job.call("GET", "/download", headers=headers),
        await job.call("POST", "/survey", headers=headers, json={"score": 1}),
    ]


async def test_an_expired_job_is_gone_for_every_step_and_nothing_of_it_comes_back(site: Site) -> None:
    job = await site.order()
    await job.finish()
    result = await job.open_result()
    await site.shop.let_pass(hours=24)
    await site.shop.until("SELECT purged_at IS NOT NULL FROM portraits")
    before = await site.snapshot()
    assert before[-1] == []
    assert told(await job.call("PUT", "/phone", json={"phone": PHONE})) == (410, "PORTRAIT_EXPIRED")
    assert told(await job.send_photo(photo())) == (410, "PORTRAIT_EXPIRED")
    assert told(await job.call("POST", "/access", json={"phone": PHONE})) == (410, "PORTRAIT_EXPIRED")
    for method, path, more in (("GET", "/result", {}), ("GET", "/download", {}), ("POST", "/survey", {"json": {"score": 1}})):
        assert told(await job.call(method, path, headers=result, **more)) == (410, "PORTRAIT_EXPIRED")
    assert (await job.call("GET")).json()["data"]["status"] == "expired"
    assert await site.snapshot() == before
