"""A portrait whose photo is checked by OpenCV and whose pictures come from a Replicate on this machine, over HTTP both ways."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from uuid import UUID

import httpx
import pytest
from PIL import Image, ImageOps

from contract.fake_replicate import API_KEY, SECRET, FakeReplicate
from integration.portraits.conftest import OpenShop
from integration.portraits.shop import FAST, SANDBOX, Shop, encoded
from madang.core.portraits.model import PortraitStatus
from madang.entrypoints.http.app import create_app
from madang.entrypoints.http.serve import run_http
from madang.plugins.conformance.remote import Fault, closed_port, serving
from madang.ports.image_model import PredictionStatus

ONE = [SANDBOX]
REST = {"text_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}
PUBLIC = "https://madang.example"


@pytest.fixture(scope="module")
def person() -> Image.Image:
    data = files("madang.entrypoints.demo_data").joinpath("astronaut.png").read_bytes()
    return Image.open(io.BytesIO(data)).convert("RGB")


async def put_photo(shop: Shop, client: httpx.AsyncClient, job: UUID, photo: Image.Image) -> httpx.Response:
    token = shop.container.tokens.issue("portrait", str(job), expires_at=datetime.now(UTC) + timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return await client.put(f"/api/v1/portraits/{job}/photo", headers=headers, files={"photo": encoded(photo)})


@asynccontextmanager
async def speaking(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(shop.container), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=shop.container.settings.base_url) as client:
        yield client


async def test_a_photo_is_taken_only_with_exactly_one_face(open_shop: OpenShop, person: Image.Image) -> None:
    two = Image.new("RGB", (1200, 1600), (90, 90, 90))
    for place in (100, 700):
        two.paste(ImageOps.crop(person, (100, 0, 162, 262)).resize((450, 450)), (place, 500))
    async with open_shop(routes={**REST, "image_model": ONE, "faces": ["opencv"]}) as shop, speaking(shop) as client:
        job = await shop.with_phone()
        for photo, code in ((Image.linear_gradient("L").resize((600, 800)), "FACE_NOT_FOUND"), (two, "SEVERAL_FACES")):
            answer = await put_photo(shop, client, job, photo)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert await shop.objects(job) == []
        answer = await put_photo(shop, client, job, person)
        assert (answer.status_code, answer.json()["data"]["status"]) == (202, "processing")


async def test_pictures_are_bought_from_replicate_and_a_lost_answer_is_known_by_its_announcement(
    open_shop: OpenShop, person: Image.Image
) -> None:
    port = closed_port()
    with serving(FakeReplicate()) as replicate:
        replicate.reached_at[PUBLIC] = f"http://127.0.0.1:{port}"
        replicate.looks = 2
        settings = {
            "api_key": API_KEY,
            "base_url": replicate.base_url,
            "webhook_secret": SECRET,
            "delivery_hosts": [replicate.delivery_host],
        }
        plugins = {SANDBOX: dict(FAST), "replicate": settings}
        routes = {**REST, "image_model": ["replicate"]}
        async with open_shop(plugins=plugins, routes=routes, base_url=PUBLIC, host="127.0.0.1", port=port) as shop:
            job = await shop.with_phone()
            await shop.portraits.submit_photo(job, encoded(person), None)
            replicate.plan(Fault.ANSWER_LOST, only=replicate.acts)
            stop = asyncio.Event()
            server = asyncio.create_task(run_http(shop.container, stop))
            await shop.work()
            for identity in list(replicate.made):
                await asyncio.to_thread(replicate.end, identity)
            await shop.work()
            await shop.let_pass(seconds=5)
            await shop.work()
            stop.set()
            await server
            assert await shop.status(job) is PortraitStatus.COMPLETED
            told = await shop.rows("SELECT outcome FROM inbox WHERE provider = 'image:replicate'")
    assert len(replicate.made) == 3, "nothing was bought twice"
    assert sorted({row["outcome"] for row in told}) == ["known", "purchase_settled"]
    assert [status for _, status in replicate.announced] == [200] * 3
    assert all(made.body["status"] == PredictionStatus.SUCCEEDED for made in replicate.made.values())
    assert len(replicate.delivery.arrived) == 3
    seen = [f"{request.headers} {request.target}" for request in replicate.delivery.arrived]
    assert not [each for each in seen if API_KEY in each], "the key is for the API alone"
