"""What Replicate is sent for a wish, and what each of its refusals means, over real HTTP."""

import base64
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from contract.fake_replicate import API_KEY, OFFICIAL, SECRET, VERSIONED, FakeReplicate, problem
from madang.adapters.replicate.client import ReplicateClient
from madang.adapters.replicate.image_model import ReplicateImageModel
from madang.adapters.replicate.settings import ReplicateSettings
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from madang.ports.image_model import PictureRequest, Prediction, PredictionStatus
from madang.ports.secret import Secret
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

WISH = PictureRequest("a natural portrait", "picture-1", 40)
REPAINTER = {
    "model": VERSIONED,
    "picture_input": "images",
    "picture_is_list": True,
    "seed_input": "random_seed",
    "width_input": "width",
    "height_input": "height",
    "aspect_input": "",
    "format_input": "",
    "count_input": "num_outputs",
    "max_count": 2,
}
Build = Callable[..., ReplicateImageModel]


@pytest.fixture
def replicate() -> Iterator[FakeReplicate]:
    with serving(FakeReplicate()) as service:
        yield service


@pytest.fixture
async def build(replicate: FakeReplicate, context: ProviderContext) -> AsyncIterator[Build]:
    built: list[ReplicateImageModel] = []

    def make(**changes: Any) -> ReplicateImageModel:
        usual = {"base_url": replicate.base_url, "delivery_hosts": (replicate.delivery_host,)}
        built.append(ReplicateImageModel(ReplicateSettings(Secret(API_KEY), **{**usual, **changes}), context))
        return built[-1]

    yield make
    for model in built:
        await model.close()


async def ended(model: ReplicateImageModel, started: Prediction) -> Prediction:
    while started.status in (PredictionStatus.PENDING, PredictionStatus.RUNNING):
        started = await model.fetch(started.id)
    return started


async def test_an_official_model_is_asked_at_its_own_address_and_nobody_waits(replicate: FakeReplicate, build: Build) -> None:
    await build().start(replace(WISH, width=768, height=1024))
    [asked] = replicate.arrived
    assert (asked.method, asked.path) == ("POST", f"/v1/models/{OFFICIAL}/predictions")
    assert asked.json == {
        "input": {"prompt": WISH.prompt, "seed": 40, "output_format": "jpg", "aspect_ratio": "3:4"},
    }
    assert asked.headers["cancel-after"] == "900"
    assert "prefer" not in asked.headers


class CountingDoors(FakeReplicate):
    """Counts the connections that are opened."""

    opened = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        super().process_request(request, client_address)


async def test_each_purchase_has_a_connection_of_its_own_and_looks_share_one(context: ProviderContext) -> None:
    with serving(CountingDoors()) as server:
        model = ReplicateImageModel(ReplicateSettings(Secret(API_KEY), base_url=server.base_url), context)
        bought = [await model.start(replace(WISH, idempotency_key=key)) for key in ("one", "two")]
        assert server.opened == 2
        for each in (*bought, *bought):
            await model.fetch(each.id)
        assert server.opened == 3
        await model.close()


async def test_any_other_model_is_asked_by_its_version_and_its_own_names(
    replicate: FakeReplicate, build: Build, portrait: bytes
) -> None:
    model = build(**REPAINTER, more_inputs='{"num_outputs": 1, "width": 64}')
    wish = replace(WISH, picture=Picture(portrait), width=96, count=2)
    finished = await ended(model, await model.start(wish))
    asked = replicate.acting[0]
    assert (asked.path, asked.json["version"]) == ("/v1/predictions", VERSIONED)
    photo = f"data:image/jpeg;base64,{base64.b64encode(portrait).decode()}"
    assert asked.json["input"] == {
        "prompt": WISH.prompt, "random_seed": 40, "images": [photo], "width": 96, "num_outputs": 2,
    }  # fmt: skip
    assert len(finished.pictures) == 2


async def test_a_photo_of_more_than_256_kib_is_uploaded_and_named_by_its_address(
    replicate: FakeReplicate, build: Build
) -> None:
    large = io.BytesIO()
    Image.effect_noise((600, 600), 90).save(large, "PNG")
    model = build()
    finished = await ended(model, await model.start(replace(WISH, picture=Picture(large.getvalue(), "image/png"))))
    assert list(replicate.files.values()) == [large.getvalue()]
    [identity] = replicate.files
    assert replicate.acting[0].json["input"]["input_image"] == f"{replicate.base_url}/files/{identity}"
    assert finished.status is PredictionStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("upset", "error"),
    [
        (problem(500, "Internal server error", ""), Unavailable),
        (Reply(201, "<html>"), Unavailable),
        (Reply(201, {"urls": {"get": 5}}), Unavailable),
        (problem(413, "Content too large", "Files must be less than 100MB in size"), Rejected),
        (problem(429, "Too many requests", ""), RateLimited),
        (Fault.ANSWER_LOST, Unavailable),
    ],
)
async def test_nothing_is_bought_when_the_upload_fails(
    replicate: FakeReplicate, build: Build, upset: Reply | Fault, error: type[PortError]
) -> None:
    if isinstance(upset, Reply):
        replicate.next.append(upset)
    else:
        replicate.plan(upset)
    with pytest.raises(error) as raised:
        await build().start(replace(WISH, picture=Picture(b"\xff\xd8\xff" + bytes(300_000))))
    assert type(raised.value) is error
    assert (raised.value.operation, replicate.acting) == ("start", [])


async def test_three_seeds_make_three_pictures_that_differ_from_one_another_and_from_the_photo(
    build: Build, portrait: bytes
) -> None:
    model = build()
    pictures = [Picture(portrait)]
    for seed in (4, 5, 6):
        finished = await ended(model, await model.start(replace(WISH, seed=seed, picture=pictures[0])))
        pictures.append(await model.download(finished.pictures[0]))
    small = [Image.open(io.BytesIO(each.data)).convert("RGB").resize((48, 64)) for each in pictures]
    for number, one in enumerate(small):
        for other in small[number + 1 :]:
            assert sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) > 20


@pytest.mark.parametrize(
    ("settings", "change", "error"),
    [
        ({}, {"prompt": "  "}, Rejected),
        ({}, {"width": 0, "height": 5}, Rejected),
        ({}, {"width": 768}, Unsupported),
        ({}, {"width": 5, "height": 1001}, Unsupported),
        ({"aspect_input": ""}, {"width": 3, "height": 4}, Unsupported),
        ({}, {"picture": Picture(b"")}, Rejected),
        ({}, {"picture": Picture(bytes(100 * 1024**2 + 1))}, Rejected),
        ({"picture_input": ""}, {"picture": Picture(b"photo")}, Unsupported),
        ({}, {"webhook_url": "https://madang.example/hook"}, Unsupported),
        ({"webhook_secret": Secret(SECRET)}, {"webhook_url": "http://madang.example/hook"}, Rejected),
        ({}, {"count": 2}, Rejected),
        ({"webhook_secret": Secret(SECRET)}, {"timeout": 0.0}, Unavailable),
    ],
)
async def test_what_cannot_be_asked_never_leaves(
    replicate: FakeReplicate, build: Build, settings: dict[str, Any], change: dict[str, Any], error: type[PortError]
) -> None:
    with pytest.raises(error) as raised:
        await build(**settings).start(replace(WISH, **change))
    assert (raised.value.provider, raised.value.operation) == ("replicate", "start")
    assert replicate.arrived == []


ROWS = [
    (problem(400, "Bad request", ""), Rejected, "invalid_request"),
    (problem(401, "Unauthenticated", "You did not pass a valid authentication token"), Misconfigured, None),
    (problem(402, "Insufficient credit", "You have insufficient credit to run this model."), Misconfigured, None),
    (problem(402, "Monthly spend limit reached", "You've hit your monthly spend limit."), Misconfigured, None),
    (problem(403, "Forbidden", "portrait"), Misconfigured, None),
    (problem(404, "Not found", "The requested resource could not be found."), Misconfigured, None),
    (Reply(405, "<html>"), Misconfigured, None),
    (problem(413, "Content too large", ""), Rejected, "too_large"),
    (problem(422, "Input validation failed", "- input.seed: Invalid type. Expected: integer"), Rejected, "invalid_request"),
    (problem(422, "Invalid version or not permitted", "The specified version does not exist"), Misconfigured, None),
    (problem(422, "Input validation failed", "NSFW content in a natural portrait"), Rejected, "content_policy"),
    (problem(429, "Throttled", "Request was throttled.", retry_after=5), RateLimited, 5.0),
    (Reply(429, "<html>", {"retry-after": "9"}), RateLimited, 9.0),
    (problem(429, "Throttled", "Request was throttled.", retry_after="soon"), RateLimited, None),
    (problem(429, "Throttled", "", retry_after=10**8), RateLimited, 86_400.0),
    (problem(500, "Internal server error", ""), OutcomeUnknown, None),
    (Reply(502, "<html>bad gateway"), OutcomeUnknown, None),
    (problem(503, "Service unavailable", ""), OutcomeUnknown, None),
    (Reply(504, ""), OutcomeUnknown, None),
    (Reply(408, ""), OutcomeUnknown, None),
    (Reply(302, "", {"location": "https://elsewhere.example"}), Misconfigured, None),
    (Reply(201, "no json"), OutcomeUnknown, None),
    (Reply(201, {"id": "", "status": "starting"}), OutcomeUnknown, None),
    (Reply(201, [1, 2]), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "error", "detail"), ROWS)
async def test_every_refusal_of_a_purchase_is_one_of_the_taxonomy(
    replicate: FakeReplicate, build: Build, reply: Reply, error: type[PortError], detail: str | float | None
) -> None:
    replicate.next.append(reply)
    with pytest.raises(error) as raised:
        await build().start(WISH)
    assert type(raised.value) is error
    assert (raised.value.provider, raised.value.operation) == ("replicate", "start")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert WISH.prompt not in str(raised.value.context())
    assert len(replicate.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (problem(401, "Unauthenticated", ""), Misconfigured),
        (problem(404, "Not found", ""), Rejected),
        (problem(429, "Throttled", "", retry_after=1), RateLimited),
        (problem(500, "Internal server error", ""), Unavailable),
        (Reply(502, "<html>"), Unavailable),
        (problem(503, "Service unavailable", ""), Unavailable),
        (Reply(504, ""), Unavailable),
        (Reply(200, "no json"), Unavailable),
    ],
)
async def test_every_refusal_of_a_look_is_one_of_the_taxonomy_and_is_not_tried_again_by_the_sdk(
    replicate: FakeReplicate, build: Build, reply: Reply, error: type[PortError]
) -> None:
    replicate.next.append(reply)
    with pytest.raises(error) as raised:
        await build().fetch("gm3qorzdhgbfurvj0000000000")
    assert type(raised.value) is error
    assert getattr(raised.value, "reason", "not_found") == "not_found"
    assert len(replicate.arrived) == 1


def test_without_a_secret_nothing_announced_is_read(context: ProviderContext) -> None:
    model = ReplicateImageModel(ReplicateSettings(Secret(API_KEY)), context)
    with pytest.raises(Unsupported, match="webhook_secret"):
        model.read_webhook(WebhookRequest({}, b"{}", datetime.now(UTC)))


async def test_an_sdk_that_sends_nothing_is_unavailable(replicate: FakeReplicate) -> None:
    client = ReplicateClient(ReplicateSettings(Secret(API_KEY), base_url=replicate.base_url))

    async def ask(sdk: object) -> None:
        """Nothing."""

    with pytest.raises(Unavailable, match="sent nothing"):
        await client.call("check", 1.0, ask)
    await client.close()


async def test_a_check_needs_the_account_to_be_there(replicate: FakeReplicate, build: Build) -> None:
    assert (await build().check()).reachable
    replicate.next.append(problem(404, "Not found", ""))
    with pytest.raises(Misconfigured):
        await build().check()


async def test_a_cancellation_that_replicate_refuses_is_answered_by_a_look(replicate: FakeReplicate, build: Build) -> None:
    model = build()
    finished = await ended(model, await model.start(WISH))
    replicate.next.append(problem(422, "Cannot cancel", "The prediction has ended"))
    assert await model.cancel(finished.id) == finished


async def test_a_cancellation_whose_answer_is_lost_is_unknown_and_one_of_nothing_is_not_found(
    replicate: FakeReplicate, build: Build
) -> None:
    model = build()
    started = await model.start(WISH)
    replicate.plan(Fault.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await model.cancel(started.id)
    assert (await model.fetch(started.id)).status is PredictionStatus.CANCELLED
    for unknown in ("nobody", "../../account"):
        with pytest.raises(Rejected) as raised:
            await model.cancel(unknown)
        assert raised.value.reason == "not_found"


async def test_a_deadline_that_passes_ends_a_prediction_which_may_be_bought_again(
    replicate: FakeReplicate, build: Build
) -> None:
    model = build(cancel_after=5)
    for status in ("canceled", "aborted"):
        started = await model.start(WISH)
        replicate.stop(started.id, status)
        now = await model.fetch(started.id)
        assert (now.status, now.retryable) == (PredictionStatus.CANCELLED, True)


async def test_after_an_hour_the_output_is_gone_and_may_be_bought_again(replicate: FakeReplicate, build: Build) -> None:
    model = build()
    finished = await ended(model, await model.start(WISH))
    until = finished.pictures[0].expires_at
    assert until is not None
    replicate.forget(finished.id)
    with pytest.raises(Rejected) as raised:
        await model.download(finished.pictures[0])
    assert raised.value.reason == "not_found"
    later = await model.fetch(finished.id)
    assert (later.status, later.retryable) == (PredictionStatus.FAILED, True)


async def test_nothing_that_replicate_lists_tells_whose_key_bought_it(replicate: FakeReplicate, build: Build) -> None:
    model = build(webhook_secret=Secret(SECRET))
    for number in range(3):
        await model.start(
            replace(
                WISH, idempotency_key=f"our-key-{number}", webhook_url=f"https://madang.example/hook?about=our-key-{number}"
            )
        )
    page, listed = f"{replicate.base_url}/predictions", []
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {API_KEY}"}, trust_env=False, timeout=60) as client:
        while page:
            answer = (await client.get(page)).json()
            listed, page = [*listed, *answer["results"]], answer["next"]
    assert len(listed) == 3
    assert not [each for each in listed if "our-key" in str(each)]
    with pytest.raises(Unsupported):
        await model.find("our-key-1")


async def test_the_environment_of_the_process_says_nothing(
    replicate: FakeReplicate, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "REPLICATE_API_TOKEN": "another-key",
        "REPLICATE_BASE_URL": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    assert (await build().start(WISH)).status is PredictionStatus.PENDING
    assert replicate.arrived[0].headers["authorization"] == f"Bearer {API_KEY}"
