"""Pictures by Gemini, through the kit and in its own ways: a picture comes with the answer, and is kept until it is fetched."""

import base64
import gzip
import io
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from contract.conftest import FullDisk, OnDisk
from contract.fake_gemini import API_KEY, IMAGE_MODEL, FakeGemini, Line, error
from contract.fake_gemini_rules import checked_request
from madang.adapters.gemini.image_model import GeminiImageModel
from madang.adapters.gemini.kept import KeptPredictions, id_of
from madang.adapters.gemini.settings import GeminiSettings
from madang.adapters.gemini.sweeping import sweep
from madang.plugins.conformance.image_model import AskedOfPainter, ImageModelConformance
from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Arrived, Fault, Reply, serving
from madang.plugins.conformance.stage import EFFECT_ERRORS
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.image_model import PictureRequest, PredictionStatus, RemotePicture
from madang.ports.secret import Secret
from madang.ports.text_model import Picture

ASKED = PictureRequest("자연스러운 인물 사진", "picture-1", 40, timeout=20.0)


class TestGeminiPictures(ImageModelConformance):
    plugin = "madang.plugins.builtin.gemini"
    name = "gemini"
    at_once = True
    fetches = False  # this asks nobody: the tests below look at it
    unknown_id = id_of("nobody's")
    extra: ClassVar = {"generationConfig": {"topP": 0.5}}
    errors: ClassVar = {
        **EFFECT_ERRORS,
        # Google documents that nothing is charged for what fails with its own 500: nothing was bought.
        Fault.SERVER_ERROR: (Unavailable,),
    }

    def remote(self) -> FakeGemini:
        remote = FakeGemini()
        remote.small_pictures = True
        return remote

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": url, "api_key": API_KEY}

    def asked_of(self, request: Arrived) -> AskedOfPainter:
        read = checked_request(request.json)
        [content] = read["contents"]
        pictures = [part["inlineData"]["data"] for part in content["parts"] if "inlineData" in part]
        texts = [part["text"] for part in content["parts"] if "text" in part]
        seed = read["generationConfig"]["seed"]
        return AskedOfPainter("".join(texts), seed, next(iter(pictures), None), document=request.json)

    def refusal(self, reason: str) -> Reply:
        if reason == "content_policy":
            return Reply(200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}], "usageMetadata": {"promptTokenCount": 3}})
        return error(400, "INVALID_ARGUMENT")

    def made(self, remote: FakeGemini) -> Sequence[bytes]:
        return [remote.made[-1]]


@pytest.fixture
def gemini() -> Iterator[FakeGemini]:
    with serving(FakeGemini()) as service:
        service.small_pictures = True
        yield service


@pytest.fixture
def settings(gemini: FakeGemini) -> GeminiSettings:
    return GeminiSettings(Secret(API_KEY), base_url=gemini.url)


@pytest.fixture
async def model(settings: GeminiSettings, context: ProviderContext) -> AsyncIterator[GeminiImageModel]:
    provider = GeminiImageModel(settings, context)
    yield provider
    await provider.close()


async def test_the_photo_is_edited_into_a_portrait_of_the_asked_shape(
    gemini: FakeGemini, model: GeminiImageModel, portrait: bytes
) -> None:
    gemini.small_pictures, gemini.size = False, (90, 120)
    started = await model.start(replace(ASKED, picture=Picture(portrait), width=900, height=1200))
    assert (started.status, started.model) == (PredictionStatus.SUCCEEDED, IMAGE_MODEL)
    config = gemini.arrived[0].json["generationConfig"]
    assert config["imageConfig"] == {"aspectRatio": "3:4", "imageSize": "2K"}
    assert config["responseModalities"] == ["IMAGE"]
    made = await model.download(started.pictures[0])
    with Image.open(io.BytesIO(made.data)) as opened:
        assert opened.format == "JPEG"
        assert opened.width / opened.height == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("width", "height", "config"),
    [
        (None, None, None),
        (1024, 1024, {"aspectRatio": "1:1"}),
        (600, 800, {"aspectRatio": "3:4"}),
        (1000, 1333, {"aspectRatio": "3:4", "imageSize": "2K"}),
        (1920, 1080, {"aspectRatio": "16:9", "imageSize": "2K"}),
        (4096, 1755, {"aspectRatio": "21:9", "imageSize": "4K"}),
        (100, 300, {"aspectRatio": "9:16"}),
    ],
)
async def test_the_nearest_shape_and_at_least_the_size_is_asked_for(
    gemini: FakeGemini, model: GeminiImageModel, width: int | None, height: int | None, config: Any
) -> None:
    await model.start(replace(ASKED, width=width, height=height))
    assert gemini.arrived[0].json["generationConfig"].get("imageConfig") == config


@pytest.mark.parametrize(
    "change",
    [
        {"width": 100},
        {"height": 100},
        {"width": 0, "height": 100},
        {"width": -3, "height": -4},
        {"width": 4097, "height": 4097},
        {"width": 100, "height": 301},
        {"prompt": ""},
        {"prompt": "half a character: \ud800"},
        {"picture": Picture(b"GIF89a", "image/gif")},
    ],
)
async def test_a_picture_that_no_model_makes_is_rejected_before_it_is_bought(
    gemini: FakeGemini, model: GeminiImageModel, change: dict[str, Any]
) -> None:
    with pytest.raises(Rejected) as rejected:
        await model.start(replace(ASKED, **change))
    assert (rejected.value.reason, rejected.value.operation) == ("invalid_request", "start")
    assert not gemini.arrived


async def test_another_process_fetches_what_was_bought(
    gemini: FakeGemini, model: GeminiImageModel, settings: GeminiSettings, context: ProviderContext
) -> None:
    started = await model.start(ASKED)
    other = GeminiImageModel(settings, context)
    fetched = await other.fetch(started.id)
    assert fetched == started
    assert (await other.download(fetched.pictures[0])).data == gemini.made[0]
    await other.close()


async def test_the_same_key_is_not_bought_again_on_the_same_machine(gemini: FakeGemini, model: GeminiImageModel) -> None:
    first, again = await model.start(ASKED), await model.start(ASKED)
    assert first == again
    assert (await model.start(replace(ASKED, idempotency_key="picture-2"))).id != first.id
    assert len(gemini.acting) == 2


@pytest.mark.parametrize("finish", ["NO_IMAGE", "IMAGE_OTHER", "STOP", "MAX_TOKENS", "SOMETHING_NEW"])
async def test_an_answer_without_a_picture_is_a_prediction_that_failed_and_may_be_tried_again(
    gemini: FakeGemini, model: GeminiImageModel, finish: str
) -> None:
    gemini.lines.append(Line("I would rather talk about it.", finish))
    started = await model.start(ASKED)
    assert (started.status, started.retryable, started.pictures) == (PredictionStatus.FAILED, True, ())
    assert finish in (started.error or "")
    assert "rather talk" not in (started.error or "")
    assert await model.fetch(started.id) == started


@pytest.mark.parametrize(
    "line",
    [
        Line(blocked="PROHIBITED_CONTENT"),
        Line("", "IMAGE_SAFETY"),
        Line("I cannot make that.", "IMAGE_PROHIBITED_CONTENT"),
        Line("", "IMAGE_RECITATION"),
    ],
)
async def test_a_picture_that_was_withheld_is_rejected(gemini: FakeGemini, model: GeminiImageModel, line: Line) -> None:
    gemini.lines.append(line)
    with pytest.raises(Rejected) as withheld:
        await model.start(ASKED)
    assert (withheld.value.reason, withheld.value.code) == ("content_policy", line.blocked or line.finish)
    with pytest.raises(Rejected):
        await model.fetch(id_of(ASKED.idempotency_key))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(500, "INTERNAL"), Unavailable),
        (error(503, "UNAVAILABLE"), Unavailable),
        (error(504, "DEADLINE_EXCEEDED"), Unavailable),
        (Reply(502, b"<html>"), OutcomeUnknown),
        (Reply(500, b""), OutcomeUnknown),
        (Reply(200, b"{}"), OutcomeUnknown),
        (
            Reply(200, {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "#"}}]}}]}),
            OutcomeUnknown,
        ),
    ],
)
async def test_a_failure_in_googles_own_words_bought_nothing_and_any_other_leaves_it_open(
    gemini: FakeGemini, model: GeminiImageModel, reply: Reply, expected: type[PortError]
) -> None:
    gemini.next.append(reply)
    with pytest.raises(expected) as failed:
        await model.start(ASKED)
    assert type(failed.value) is expected


async def test_a_packed_answer_is_not_unpacked_for_nobody_asked_for_one_and_it_has_no_bound(
    gemini: FakeGemini, model: GeminiImageModel
) -> None:
    made = {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}}]}
    gemini.next.append(Reply(200, gzip.compress(json.dumps(made).encode()), {"content-encoding": "gzip"}))
    with pytest.raises(OutcomeUnknown, match="DecodingError"):
        await model.start(ASKED)
    assert gemini.arrived[0].headers["accept-encoding"] == "identity"


async def test_a_packed_refusal_counts_by_its_status(gemini: FakeGemini, model: GeminiImageModel) -> None:
    gemini.next.append(Reply(429, gzip.compress(b'{"error": {}}'), {"content-encoding": "gzip"}))
    with pytest.raises(RateLimited):
        await model.start(ASKED)


@pytest.mark.parametrize("kind", ["image/png", "image/webp"])
async def test_the_type_of_the_picture_is_what_google_says(gemini: FakeGemini, model: GeminiImageModel, kind: str) -> None:
    part = {"inlineData": {"mimeType": kind, "data": base64.b64encode(PNG).decode()}}
    gemini.lines.append(Line(parts=[{"text": "Here it is:"}, part]))
    started = await model.start(ASKED)
    assert [each.media_type for each in started.pictures] == [kind]
    assert await model.download(started.pictures[0]) == Picture(PNG, kind)


@pytest.mark.parametrize(
    "reference", ["", "gem_", "../gem_", f"{id_of('picture-1')}/7", f"{id_of('picture-1')}/..", f"{id_of('x')}/0"]
)
async def test_what_was_never_kept_is_not_found(model: GeminiImageModel, reference: str) -> None:
    await model.start(ASKED)
    with pytest.raises(Rejected) as unknown:
        await model.download(RemotePicture(reference, "image/png"))
    assert unknown.value.reason == "not_found"


async def test_pictures_go_after_a_while_whether_fetched_or_not(
    model: GeminiImageModel, settings: GeminiSettings, context: ProviderContext
) -> None:
    old, fresh = await model.start(ASKED), await model.start(replace(ASKED, idempotency_key="picture-2"))
    (context.data_dir / "gemini" / "of-a-dead-process.half").mkdir()
    long_ago = time.time() - settings.keep_pictures - 1
    for name in (old.id, "of-a-dead-process.half"):
        os.utime(context.data_dir / "gemini" / name, (long_ago, long_ago))
    for gone in (model.fetch(old.id), model.download(old.pictures[0])):
        with pytest.raises(Rejected):
            await gone
    await sweep(settings, context)()
    assert [folder.name for folder in (context.data_dir / "gemini").iterdir()] == [fresh.id]
    assert await model.fetch(fresh.id) == fresh


async def test_what_is_kept_is_for_this_user_alone(model: GeminiImageModel, context: ProviderContext) -> None:
    await model.start(ASKED)
    kept = list((context.data_dir / "gemini").rglob("*"))
    assert len(kept) == 3
    assert not [path for path in kept if path.stat().st_mode & 0o077]
    listing = next(path for path in kept if path.suffix == ".json")
    assert ASKED.prompt not in listing.read_text()
    assert json.loads(listing.read_text())["model"] == IMAGE_MODEL


async def test_a_model_that_is_closed_buys_nothing_more(gemini: FakeGemini, model: GeminiImageModel) -> None:
    await model.close()
    with pytest.raises(RuntimeError, match="closed"):
        await model.start(ASKED)
    assert not gemini.arrived


async def test_a_picture_outlives_a_loss_of_power(model: GeminiImageModel, context: ProviderContext, on_disk: OnDisk) -> None:
    bought = await model.start(ASKED)
    folder = context.data_dir / "gemini" / bought.id
    kept = sorted(folder.iterdir())
    assert [on_disk(file) for file in kept] == [file.stat().st_size for file in kept]
    assert on_disk(folder) == {file.name for file in kept}
    assert on_disk(folder.parent) == {bought.id}


def test_of_a_disk_that_is_full_nothing_is_left(tmp_path: Path, full_disk: FullDisk) -> None:
    kept = KeptPredictions(tmp_path, 60.0)
    with full_disk(), pytest.raises(OSError, match="too large"):
        kept.keep(id_of("picture-1"), IMAGE_MODEL, [Picture(bytes(100_000), "image/png")])
    assert list((tmp_path / "gemini").iterdir()) == []


def test_what_is_kept_twice_at_once_is_kept_once(tmp_path: Path) -> None:
    kept = KeptPredictions(tmp_path, 60.0)
    first = kept.keep(id_of("picture-1"), IMAGE_MODEL, [Picture(PNG, "image/png")])
    again = kept.keep(id_of("picture-1"), "another model", [Picture(b"another", "image/png")])
    assert again == first
    assert [folder.name for folder in (tmp_path / "gemini").iterdir()] == [first.id]
    with pytest.raises(OSError, match="gone at once"):
        KeptPredictions(tmp_path, 0.0).keep(id_of("picture-2"), IMAGE_MODEL, [])


def test_a_file_that_goes_while_it_is_looked_for_is_gone(tmp_path: Path) -> None:
    kept = KeptPredictions(tmp_path, 60.0)
    bought = kept.keep(id_of("picture-1"), IMAGE_MODEL, [Picture(PNG, "image/png"), Picture(JPEG, "image/jpeg")])
    folder = tmp_path / "gemini" / bought.id
    (folder / "0").unlink()
    assert [kept.read(each.reference) for each in bought.pictures] == [None, Picture(JPEG, "image/jpeg")]
    (folder / "prediction.json").unlink()
    assert (kept.find(bought.id), kept.read(bought.pictures[1].reference)) == (None, None)


class DiskThatFails(FakeGemini):
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
    with serving(DiskThatFails(context.data_dir / "gemini")) as service:
        model = GeminiImageModel(GeminiSettings(Secret(API_KEY), base_url=service.url), context)
        with pytest.raises(OutcomeUnknown, match="could not be kept"):
            await model.start(ASKED)
        await model.close()


async def test_nothing_is_bought_that_could_not_be_kept(gemini: FakeGemini, settings: GeminiSettings, tmp_path: Path) -> None:
    (tmp_path / "gemini").write_text("a file where the folder should be")
    context = ProviderContext("http://127.0.0.1:8000", tmp_path, Secret("test-key-not-secret"), "test")
    model = GeminiImageModel(settings, context)
    for call in (model.start(ASKED), model.check()):
        with pytest.raises(Misconfigured, match="data_dir"):
            await call
    assert not gemini.arrived
    await model.close()
