"""The picture model: bought once for each key, found by it, and pictures that differ from one another and from the photo."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from madang.adapters.sandbox.image_model import SandboxImageModel
from madang.adapters.sandbox.looks import look_of
from madang.adapters.sandbox.world import World, world_path
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, Unavailable
from madang.ports.image_model import PictureRequest, PredictionStatus
from madang.ports.text_model import Picture

Build = Callable[..., Any]
AN_HOUR_LATER = ("predictions SET ready_at = ready_at - 3601", "inputs SET expires_at = expires_at - 3601")


@pytest.fixture
def request_(portrait: bytes) -> PictureRequest:
    return PictureRequest("a natural portrait", "picture-1", 40, Picture(portrait), width=240, height=320)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB").resize((96, 128), Image.Resampling.BOX)


def distance(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures in levels of 255."""
    return sum(ImageStat.Stat(ImageChops.difference(opened(one), opened(other))).mean) / 3


async def made(model: SandboxImageModel, request: PictureRequest) -> bytes:
    started = await model.start(request)
    for _ in range(200):
        now = await model.fetch(started.id)
        if now.status is PredictionStatus.SUCCEEDED:
            return (await model.download(now.pictures[0])).data
        await asyncio.sleep(0.01)
    raise AssertionError("the prediction never ended")


async def test_a_prediction_runs_and_then_has_its_pictures(sandbox: Build, request_: PictureRequest) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0.05)
    wanted = replace(request_, width=None, height=None)
    started = await model.start(wanted)
    assert (started.status, started.pictures, started.cost) == (PredictionStatus.RUNNING, (), None)
    data = await made(model, wanted)
    finished = await model.fetch(started.id)
    assert finished.id == started.id
    assert finished.cost is not None
    assert finished.pictures[0].expires_at is not None
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.size, picture.format) == ((960, 1280), "JPEG")
        assert "sandbox" in str(picture.getexif())


async def test_three_seeds_make_three_pictures_that_differ_visibly(sandbox: Build, request_: PictureRequest) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    assert request_.picture is not None
    pictures = [await made(model, replace(request_, seed=40 + n, idempotency_key=f"p-{n}")) for n in range(3)]
    for one, other in combinations([*pictures, request_.picture.data], 2):
        assert distance(one, other) > 6
    for picture in pictures:
        brightness = ImageStat.Stat(opened(picture).convert("L"))
        assert 40 < brightness.mean[0] < 230
        assert brightness.stddev[0] > 12


async def test_the_same_seed_makes_the_same_file_in_another_world(sandbox: Build, request_: PictureRequest) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    first = await made(model, request_)
    assert await made(model, replace(request_, idempotency_key="other")) == first
    assert await made(model, replace(request_, idempotency_key="third", seed=48)) != first


def test_seeds_in_a_row_have_different_looks() -> None:
    for seed in range(200):
        assert len({look_of(seed + n)[0] for n in range(3)}) == 3


async def test_a_key_is_good_for_one_wish(sandbox: Build, request_: PictureRequest) -> None:
    model = sandbox(SandboxImageModel)
    await model.start(request_)
    with pytest.raises(Rejected) as reused:
        await model.start(replace(request_, seed=1))
    assert reused.value.reason == "invalid_request"


async def test_cancelling_stops_what_runs_and_leaves_what_ended(sandbox: Build, request_: PictureRequest) -> None:
    slow = sandbox(SandboxImageModel, image_seconds=60)
    started = await slow.start(request_)
    assert (await slow.cancel(started.id)).status is PredictionStatus.CANCELLED
    assert (await slow.fetch(started.id)).status is PredictionStatus.CANCELLED
    quick = sandbox(SandboxImageModel, image_seconds=0)
    ended = await quick.start(replace(request_, idempotency_key="p-2"))
    assert (await quick.cancel(ended.id)).status is PredictionStatus.SUCCEEDED


async def test_files_are_gone_after_an_hour_and_the_photo_with_them(
    sandbox: Build, context: ProviderContext, request_: PictureRequest
) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    started = await model.start(request_)
    picture = (await model.fetch(started.id)).pictures[0]
    world = World(world_path(context.data_dir))
    await world.run(lambda c: [c.execute(f"UPDATE {column}") for column in AN_HOUR_LATER])
    with pytest.raises(Rejected) as gone:
        await model.download(picture)
    assert gone.value.reason == "not_found"
    assert await world.run(lambda c: c.execute("SELECT count(*) FROM inputs").fetchone()[0]) == 0
    await world.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"picture": Picture(b"GIF89a not a photo")}, "invalid_request"),
        ({"count": 9}, "invalid_request"),
        ({"prompt": "[sandbox:content_policy]"}, "content_policy"),
    ],
)
async def test_a_bad_request_is_rejected_with_its_reason(
    sandbox: Build, request_: PictureRequest, change: dict[str, Any], reason: str
) -> None:
    model = sandbox(SandboxImageModel)
    with pytest.raises(Rejected) as refused:
        await model.start(replace(request_, **change))
    assert refused.value.reason == reason
    assert await model.find("picture-1") is None


async def test_a_garbled_download_is_no_picture_and_a_broken_one_is_unavailable(
    sandbox: Build, request_: PictureRequest
) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0, faults="image_model.download:garbage, image_model.download:answer_lost")
    picture = (await model.start(request_)).pictures[0]
    assert not (await model.download(picture)).data.startswith(b"\xff\xd8")
    with pytest.raises(Unavailable):
        await model.download(picture)
    assert (await model.download(picture)).data.startswith(b"\xff\xd8")


async def test_the_wanted_size_and_count_are_made_also_without_a_photo(sandbox: Build) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    started = await model.start(PictureRequest("a quiet backdrop", "k", 5, width=300, count=2))
    one, two = [(await model.download(picture)).data for picture in started.pictures]
    high = await model.start(PictureRequest("a quiet backdrop", "k-2", 5, height=400))
    for made in (one, (await model.download(high.pictures[0])).data):
        with Image.open(io.BytesIO(made)) as picture:
            assert picture.size == (300, 400), "three by four, whichever side is named"
    assert distance(one, two) > 3


async def test_the_reference_is_an_address_that_serves_the_same_file(
    sandbox: Build, visit: Callable[[], httpx.AsyncClient], request_: PictureRequest
) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    picture = (await model.start(request_)).pictures[0]
    client = visit()
    served = await client.get(picture.reference)
    assert served.content == (await model.download(picture)).data
    assert served.headers["content-type"] == "image/jpeg"
    assert (await client.get(picture.reference.replace("/0.jpg", "/7.jpg"))).status_code == 404
    assert (await client.get(picture.reference.replace("/0.jpg", "/x.jpg"))).status_code == 404
