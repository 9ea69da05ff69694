"""Pictures by OpenAI: what is asked for them, and that what was paid for is neither lost nor bought again nor kept for long."""

import io
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from contract.conftest import FullDisk, OnDisk
from contract.fake_openai import API_KEY, DRAWING, MODERATION, FakeOpenAI
from madang.adapters.openai.image_model import OpenAIImageModel
from madang.adapters.openai.images import payload_of, size_of
from madang.adapters.openai.kept import KeptPictures, id_of
from madang.adapters.openai.settings import OpenAISettings
from madang.plugins.builtin.openai import register_jobs
from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Arrived, Reply, serving
from madang.plugins.declarations import JobDeclaration
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected
from madang.ports.image_model import PictureRequest, PredictionStatus, RemotePicture
from madang.ports.secret import Secret
from madang.ports.text_model import Picture

REQUEST = PictureRequest("부드러운 빛의 인물 사진", "portrait:1:picture:0:openai:0", 7, Picture(JPEG), timeout=20.0)
Models = Callable[..., OpenAIImageModel]


@pytest.fixture
def openai() -> Iterator[FakeOpenAI]:
    with serving(FakeOpenAI()) as server:
        yield server


@pytest.fixture
async def model_with(openai: FakeOpenAI, context: ProviderContext) -> AsyncIterator[Models]:
    """Each is as another process of the machine would have it."""
    built: list[OpenAIImageModel] = []

    def build(**changes: Any) -> OpenAIImageModel:
        told = {"api_key": Secret(API_KEY), "base_url": f"{openai.url}/v1", **changes}
        built.append(OpenAIImageModel(OpenAISettings(**told), context))
        return built[-1]

    yield build
    for model in built:
        await model.close()


def kept_in(context: ProviderContext) -> list[Path]:
    return sorted((context.data_dir / "openai").iterdir())


def age(context: ProviderContext, seconds: float) -> None:
    """As if they had been made so long ago."""
    for file in kept_in(context):
        os.utime(file, (time.time() - seconds, time.time() - seconds))


async def test_pictures_outlive_the_process_that_bought_them(openai: FakeOpenAI, model_with: Models) -> None:
    bought = await model_with().start(replace(REQUEST, count=3))
    later = model_with()
    found = await later.fetch(bought.id)
    assert found == bought
    assert (found.status, found.model) == (PredictionStatus.SUCCEEDED, "gpt-image-2.5-flare")
    downloaded = [await later.download(picture) for picture in found.pictures]
    assert [picture.data for picture in downloaded] == openai.drawn[0]
    assert {picture.media_type for picture in downloaded} == {"image/jpeg"}
    assert await later.download(found.pictures[0]) == downloaded[0], "as often as it is asked for"


async def test_the_same_key_buys_once_on_this_machine_and_another_key_buys_again(
    openai: FakeOpenAI, model_with: Models
) -> None:
    first = await model_with().start(REQUEST)
    again = await model_with().start(REQUEST)
    other = await model_with().start(replace(REQUEST, idempotency_key="portrait:1:picture:0:openai:1"))
    assert first == again
    assert first.id != other.id
    assert len(openai.drawn) == 2


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "결제/1", "k" * 5000, "a\x00b"])
async def test_any_key_has_a_name_on_the_disk(model_with: Models, key: str) -> None:
    model = model_with()
    bought = await model.start(replace(REQUEST, idempotency_key=key))
    assert await model.fetch(bought.id) == bought


async def test_what_a_process_left_half_written_is_nothing_and_goes(
    openai: FakeOpenAI, model_with: Models, context: ProviderContext
) -> None:
    model = model_with()
    bought = await model.start(REQUEST)
    listing = context.data_dir / "openai" / f"{bought.id}.json"
    listing.unlink()
    with pytest.raises(Rejected) as unknown:
        await model.fetch(bought.id)
    assert unknown.value.reason == "not_found"
    with pytest.raises(Rejected):
        await model.download(bought.pictures[0])
    assert [file.name for file in kept_in(context)] == [f"{bought.id}.0"]
    age(context, 3601)
    await model.start(replace(REQUEST, idempotency_key="another"))
    assert not [file for file in kept_in(context) if file.name.startswith(bought.id)]


async def test_pictures_are_for_the_services_user_alone_and_not_for_long(
    openai: FakeOpenAI, model_with: Models, context: ProviderContext
) -> None:
    model = model_with(keep_pictures=120)
    bought = await model.start(REQUEST)
    modes = {file.stat().st_mode & 0o777 for file in kept_in(context)}
    assert (modes, (context.data_dir / "openai").stat().st_mode & 0o777) == ({0o600}, 0o700)
    expires = bought.pictures[0].expires_at
    assert expires is not None
    assert 60 < expires.timestamp() - time.time() <= 121
    age(context, 121)
    for ask in (model.fetch(bought.id), model.download(bought.pictures[0])):
        with pytest.raises(Rejected) as gone:
            await ask
        assert gone.value.reason == "not_found"
    await model.start(REQUEST)
    assert len(openai.drawn) == 2, "it is bought again once it is gone"


async def test_the_plugins_job_deletes_what_waited_long_enough(model_with: Models, context: ProviderContext) -> None:
    declared: list[JobDeclaration] = []
    register_jobs(declared.append)
    [job] = declared
    sweep = job.factory(OpenAISettings(Secret(API_KEY)), context)
    await sweep()
    await model_with().start(REQUEST)
    await sweep()
    assert len(kept_in(context)) == 2
    age(context, 3601)
    await sweep()
    assert kept_in(context) == []


async def test_nothing_is_bought_where_nothing_can_be_kept(
    openai: FakeOpenAI, model_with: Models, context: ProviderContext
) -> None:
    (context.data_dir / "openai").write_text("in the way")
    for ask in (model_with().start(REQUEST), model_with().check()):
        with pytest.raises(Misconfigured, match="cannot be kept"):
            await ask
    assert openai.arrived == []


async def test_a_model_that_is_closed_buys_nothing_more(openai: FakeOpenAI, model_with: Models) -> None:
    model = model_with()
    await model.close()
    with pytest.raises((PortError, RuntimeError)):
        await model.start(REQUEST)
    assert openai.arrived == []


async def test_a_picture_outlives_a_loss_of_power(model_with: Models, context: ProviderContext, on_disk: OnDisk) -> None:
    await model_with().start(REQUEST)
    kept = kept_in(context)
    assert [on_disk(file) for file in kept] == [file.stat().st_size for file in kept]
    assert on_disk(kept[0].parent) == {file.name for file in kept}


def test_of_a_disk_that_is_full_nothing_is_told(tmp_path: Path, full_disk: FullDisk) -> None:
    kept = KeptPictures(tmp_path, 60.0)
    kept.make_ready()
    with full_disk(), pytest.raises(OSError, match="too large"):
        kept.keep(id_of("picture-1"), "gpt-image-2.5-flare", [Picture(bytes(100_000), "image/png")])
    assert kept.find(id_of("picture-1")) is None
    with pytest.raises(OSError, match="gone at once"):
        KeptPictures(tmp_path, 0.0).keep(id_of("picture-2"), "gpt-image-2.5-flare", [])


def test_a_file_that_goes_while_it_is_looked_for_is_gone(tmp_path: Path) -> None:
    kept = KeptPictures(tmp_path, 60.0)
    kept.forget_old()
    kept.make_ready()
    bought = kept.keep(id_of("picture-1"), "gpt-image-2.5-flare", [Picture(PNG, "image/png"), Picture(JPEG, "image/jpeg")])
    (tmp_path / f"{bought.id}.0").unlink()
    assert [kept.read(each.reference) for each in bought.pictures] == [None, Picture(JPEG, "image/jpeg")]


class DiskThatFails(FakeOpenAI):
    """While it draws, the folder goes away."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def answer(self, request: Arrived) -> Reply:
        reply = super().answer(request)
        shutil.rmtree(self._folder)
        self._folder.write_text("in the way")
        return reply


async def test_what_was_bought_and_could_not_be_kept_is_for_a_person_to_judge(context: ProviderContext) -> None:
    with serving(DiskThatFails(context.data_dir / "openai")) as server:
        model = OpenAIImageModel(OpenAISettings(Secret(API_KEY), base_url=f"{server.url}/v1"), context)
        with pytest.raises(OutcomeUnknown, match="could not be kept") as lost:
            await model.start(REQUEST)
        assert lost.value.request_id == "req_000001"
        await model.close()


@pytest.mark.parametrize(
    "data",
    [
        [],
        None,
        [{"url": "https://files.example/1.png"}],
        [{"b64_json": "not base64!"}],
        [{"b64_json": "aGVsbG8="}],
        [{"b64_json": "UklGRgAAAABXQVZF"}],
        [{"b64_json": "bm9uZQAAAABXRUJQ"}],
        [{"b64_json": 1}],
        ["x"],
    ],
)
async def test_an_answer_without_a_picture_leaves_the_outcome_open(openai: FakeOpenAI, model_with: Models, data: Any) -> None:
    model = model_with()
    openai.next.append(Reply(200, {"created": 1, "data": data}))
    with pytest.raises(OutcomeUnknown):
        await model.start(REQUEST)
    with pytest.raises(Rejected):
        await model.fetch(id_of(REQUEST.idempotency_key))


async def test_a_photo_is_edited_and_without_one_a_picture_is_made(openai: FakeOpenAI, model_with: Models) -> None:
    model = model_with()
    await model.start(replace(REQUEST, picture=Picture(PNG, "image/png")))
    await model.start(replace(REQUEST, idempotency_key="another", picture=None))
    assert [request.path for request in openai.arrived] == ["/v1/images/edits", "/v1/images/generations"]
    assert openai.arrived[1].json == {
        "model": "gpt-image-2.5-flare",
        "prompt": REQUEST.prompt,
        "n": 1,
        "size": "auto",
        "output_format": "jpeg",
    }


@pytest.mark.parametrize(("image_format", "media_type"), [("png", "image/png"), ("webp", "image/webp"), ("jpeg", "image/jpeg")])
async def test_pictures_come_in_the_format_of_the_settings(model_with: Models, image_format: str, media_type: str) -> None:
    model = model_with(image_format=image_format, image_quality="high")
    bought = await model.start(replace(REQUEST, width=160, height=192))
    picture = await model.download(bought.pictures[0])
    assert picture.media_type == media_type
    assert Image.open(io.BytesIO(picture.data)).size == (160, 192)


@pytest.mark.parametrize(
    ("model", "wide", "high", "size"),
    [
        ("gpt-image-2.5-flare", None, None, None),
        ("gpt-image-2.5-flare", 768, 1024, "768x1024"),
        ("gpt-image-2.5-flare", 750, 1000, "752x1008"),
        ("gpt-image-2", 9000, 9000, "2880x2880"),
        ("gpt-image-2", 20, 58, "16x48"),
        ("gpt-image-2", 4, 4, "16x16"),
        ("gpt-image-2", 480, 1440, "480x1440"),
        ("gpt-image-2", 1440, 480, "1440x480"),
        ("gpt-image-1.5", 768, 1024, "1024x1536"),
        ("gpt-image-1.5", 1920, 1080, "1536x1024"),
        ("gpt-image-1-mini", 500, 500, "1024x1024"),
        ("chatgpt-image-latest", 300, 400, "1024x1536"),
        ("flux-dev", 750, 1000, "750x1000"),
    ],
)
def test_a_size_is_the_nearest_that_the_model_makes(model: str, wide: int | None, high: int | None, size: str | None) -> None:
    assert size_of(replace(REQUEST, width=wide, height=high), model) == size


@given(wide=st.integers(1, 20_000), shape=st.floats(0.34, 2.9), model=st.sampled_from(DRAWING))
def test_every_size_is_one_that_openai_takes(wide: int, shape: float, model: str) -> None:
    high = max(1, round(wide * shape))
    assume(1 / 3 <= wide / high <= 3)
    size = size_of(replace(REQUEST, width=wide, height=high), model)
    assert size is not None
    made_wide, made_high = map(int, size.split("x"))
    if model.startswith("gpt-image-1"):
        assert size in ("1024x1024", "1536x1024", "1024x1536")
        return
    assert made_wide % 16 == made_high % 16 == 0
    assert max(made_wide, made_high) <= 3840
    assert made_wide * made_high <= 3840 * 2160
    assert 1 / 3 <= made_wide / made_high <= 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": " "}, "invalid_request"),
        ({"prompt": "k" * 32_001}, "invalid_request"),
        ({"count": 11}, "invalid_request"),
        ({"width": 100}, "invalid_request"),
        ({"height": 100}, "invalid_request"),
        ({"width": 0, "height": 0}, "invalid_request"),
        ({"width": 100, "height": 301}, "invalid_request"),
        ({"picture": Picture(b"GIF89a", "image/gif")}, "invalid_request"),
        ({"picture": Picture(b"")}, "too_large"),
        ({"picture": Picture(bytes(50 * 1000**2))}, "too_large"),
    ],
)
async def test_a_wish_that_cannot_be_is_rejected_before_it_leaves(
    openai: FakeOpenAI, model_with: Models, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await model_with().start(replace(REQUEST, **change))
    assert rejected.value.reason == reason
    assert openai.arrived == []


async def test_a_picture_that_may_not_be_made_is_rejected_for_its_content(openai: FakeOpenAI, model_with: Models) -> None:
    with pytest.raises(Rejected) as refused:
        await model_with().start(replace(REQUEST, prompt=MODERATION))
    assert (refused.value.reason, refused.value.code) == ("content_policy", "moderation_blocked")
    assert "example.com" not in str(refused.value)
    assert openai.drawn == []


def test_another_makers_model_is_asked_for_base64_and_for_nothing_that_only_openai_knows() -> None:
    told = OpenAISettings(base_url="http://127.0.0.1:8080/v1", image_model="flux-dev")
    assert payload_of(replace(REQUEST, picture=None), told) == {
        "model": "flux-dev",
        "prompt": REQUEST.prompt,
        "n": 1,
        "response_format": "b64_json",
    }


@pytest.mark.parametrize(
    "reference", ["", "/etc/passwd", "img_0/0", f"{id_of('x')}/../0", f"{id_of('x')}/0", f"{id_of('x')}/999"]
)
async def test_what_is_not_kept_is_not_found(model_with: Models, reference: str) -> None:
    with pytest.raises(Rejected) as unknown:
        await model_with().download(RemotePicture(reference, "image/jpeg"))
    assert unknown.value.reason == "not_found"


class CountingDoors(FakeOpenAI):
    """Counts the connections that are opened."""

    opened = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        super().process_request(request, client_address)


async def test_each_paid_call_has_a_connection_of_its_own(context: ProviderContext) -> None:
    with serving(CountingDoors()) as server:
        model = OpenAIImageModel(OpenAISettings(Secret(API_KEY), base_url=f"{server.url}/v1"), context)
        for key in ("one", "two"):
            await model.start(replace(REQUEST, idempotency_key=key))
        assert server.opened == 2
        await model.close()
