"""What Replicate answers and announces, read without a network; where its pictures lie; and which settings are taken."""

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_replicate import API_KEY, SECRET
from madang.adapters.replicate import delivery
from madang.adapters.replicate.capabilities import IMAGE_MODEL, as_configured
from madang.adapters.replicate.delivery import PictureDelivery
from madang.adapters.replicate.mapping import STATUSES, error_of, prediction_of, retry_after_of
from madang.adapters.replicate.settings import ReplicateSettings
from madang.plugins.conformance.image_model import FileHost
from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.ports.errors import Misconfigured, PortError, Rejected, Unavailable
from madang.ports.image_model import PredictionStatus, RemotePicture
from madang.ports.secret import Secret

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HELD = "https://replicate.delivery/xezq/abc/out-0.webp"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["https://a", "succeeded"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["id", "status", "output", "error", "model", "completed_at", "data_removed", "title", "detail", "retry_after"]
DOCUMENTS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON))


def answered(**fields: Any) -> dict[str, Any]:
    return {"id": "p1", "status": "succeeded", "model": "owner/name", "completed_at": "2026-03-01T12:00:00Z", **fields}


@pytest.mark.parametrize(
    ("output", "references"),
    [
        (HELD, [HELD]),
        ([HELD, "https://replicate.delivery/b.png"], [HELD, "https://replicate.delivery/b.png"]),
        ({"seed": 4, "images": [{"url": HELD}]}, [HELD]),
        (["data:image/png;base64,AAAA"], ["data:image/png;base64,AAAA"]),
        (["no address", 5, None, HELD], [HELD]),
    ],
)
def test_pictures_are_found_wherever_a_model_puts_them(output: Any, references: list[str]) -> None:
    read = prediction_of(answered(output=output))
    assert read.status is PredictionStatus.SUCCEEDED
    assert [picture.reference for picture in read.pictures] == references
    assert all(picture.expires_at == NOW + timedelta(hours=1) for picture in read.pictures)


def test_a_pictures_type_is_told_by_its_name_and_a_price_by_nothing() -> None:
    read = prediction_of(answered(output=[HELD, "data:image/png;base64,A", "https://a/x"], metrics={"predict_time": 3.5}))
    assert [picture.media_type for picture in read.pictures] == ["image/webp", "image/png", "application/octet-stream"]
    assert read.cost is None


@pytest.mark.parametrize(
    ("error", "why", "retryable"),
    [
        ("The input or output was flagged as sensitive. Please try again with different inputs. (E005) (x1)", "content", False),
        ("NSFW content detected. Try running it again, or try a different prompt.", "content", False),
        ("Request blocked by the safety system", "content", False),
        ("Rejected by content moderation", "content", False),
        ("Prediction failed (E1001)", "E1001", False),
        ("The input was invalid (E006)", "E006", False),
        ("ValueError: invalid literal", "failed", False),
        ("cannot identify image file", "failed", False),
        ("E1000: unknown", "E1000", True),
        ("Timeout starting prediction (E6716)", "E6716", True),
        ("Internal webhook URL empty (E4875)", "E4875", True),
        ("Service is currently unavailable due to high demand (E003)", "E003", True),
        ("CUDA error: device-side assert triggered", "failed", True),
        ("case-insensitive comparison went wrong", "failed", True),
        (None, "failed", True),
        ("", "failed", True),
    ],
)
def test_a_models_failure_may_be_tried_again_or_not(error: str | None, why: str, retryable: bool) -> None:
    read = prediction_of(answered(status="failed", error=error, output=None))
    assert (read.status, read.retryable) == (PredictionStatus.FAILED, retryable)
    assert why in (read.error or "")
    assert not error or error not in (read.error or ""), "a model's words may repeat the prompt"


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS)
def test_no_answer_breaks_the_reading_and_only_a_success_with_pictures_is_one(document: dict[str, Any]) -> None:
    try:
        read = prediction_of(document)
    except ValueError:
        return
    assert read.status is PredictionStatus.PENDING or document["status"] in STATUSES
    assert bool(read.pictures) == (read.status is PredictionStatus.SUCCEEDED)
    assert bool(read.error) == (read.status is PredictionStatus.FAILED)


@settings(max_examples=40, deadline=None)
@given(st.integers(300, 599), DOCUMENTS, st.booleans())
def test_every_refusal_is_an_error_that_repeats_nothing(status: int, document: dict[str, Any], acts: bool) -> None:
    secret = "a natural portrait of"
    error = error_of(status, {}, {**document, "detail": secret}, "start", acts=acts)
    assert isinstance(error, PortError)
    assert error.code
    assert secret not in str(error.context())


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=12), JSON)
def test_a_wait_is_at_most_a_day_and_never_negative(header: str, told: Any) -> None:
    wait = retry_after_of({"retry-after": header}, {"retry_after": told})
    assert wait is None or 0 <= wait <= 86_400


@pytest.fixture
def host() -> Iterator[FileHost]:
    with serving(FileHost()) as files:
        yield files


@pytest.fixture
async def fetching() -> AsyncIterator[Callable[..., PictureDelivery]]:
    opened: list[PictureDelivery] = []

    def make(**settings: Any) -> PictureDelivery:
        opened.append(PictureDelivery(ReplicateSettings(Secret(API_KEY), **settings)))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


async def test_a_picture_on_a_host_that_is_not_named_is_not_asked_for(
    host: FileHost, fetching: Callable[..., PictureDelivery]
) -> None:
    for reference in (host.address, "https://replicate.delivery.evil.example/a.png", "https://evilreplicate.delivery/a.png"):
        with pytest.raises(Misconfigured, match="delivery_hosts"):
            await fetching().fetch(RemotePicture(reference, "image/png"))
    assert host.arrived == []


async def test_a_picture_at_the_apis_own_address_is_asked_for_with_the_key(
    host: FileHost, fetching: Callable[..., PictureDelivery]
) -> None:
    picture = await fetching(base_url=f"{host.url}/v1").fetch(RemotePicture(host.address, "image/png"))
    assert (picture.data, picture.media_type) == (PNG, "image/png")
    assert host.arrived[0].headers["authorization"] == f"Bearer {API_KEY}"


async def test_a_picture_is_asked_for_by_name_and_without_the_key(
    host: FileHost, fetching: Callable[..., PictureDelivery]
) -> None:
    await fetching(delivery_hosts=("127.0.0.1",)).fetch(RemotePicture(host.address, ""))
    [asked] = host.arrived
    assert (asked.method, asked.headers["user-agent"], asked.headers["accept-encoding"]) == ("GET", "madang", "identity")
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("status", "error"),
    [*((status, Rejected) for status in (403, 404, 410)), *((status, Unavailable) for status in (201, 302, 400, 429, 500))],
)
async def test_a_host_of_pictures_has_it_or_has_it_no_more_or_is_asked_again(
    host: FileHost, fetching: Callable[..., PictureDelivery], status: int, error: type[PortError]
) -> None:
    host.next.append(Reply(status, PNG))
    with pytest.raises(error) as raised:
        await fetching(delivery_hosts=("127.0.0.1",)).fetch(RemotePicture(host.address, ""))
    told = (raised.value.operation, raised.value.code, getattr(raised.value, "reason", None))
    assert told == ("download", *((str(status), "not_found") if error is Rejected else (None, None)))


async def test_a_picture_that_comes_a_byte_at_a_time_is_given_up(
    host: FileHost, fetching: Callable[..., PictureDelivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SECONDS", 0.3)
    host.plan(Fault.SLOW)
    with pytest.raises(Unavailable, match="TimeoutError"):
        await fetching(delivery_hosts=("127.0.0.1",)).fetch(RemotePicture(host.address, ""))


async def test_the_proxy_of_the_settings_carries_the_pictures(fetching: Callable[..., PictureDelivery]) -> None:
    with serving(FileHost()) as proxy:
        proxy.next.append(Reply(200, PNG))
        delivered = fetching(delivery_hosts=("127.0.0.1",), proxy=Secret(proxy.url))
        assert (await delivered.fetch(RemotePicture("http://127.0.0.1:1/a.png", ""))).data == PNG
        assert proxy.arrived[0].target == "http://127.0.0.1:1/a.png"


async def test_a_picture_is_what_its_first_bytes_say(host: FileHost, fetching: Callable[..., PictureDelivery]) -> None:
    served = fetching(delivery_hosts=("127.0.0.1",))
    for data, media_type in (
        (JPEG, "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
    ):
        host.next.append(Reply(200, data, {"content-type": "text/plain"}))
        assert (await served.fetch(RemotePicture(host.address, ""))).media_type == media_type
    host.next.append(Reply(200, "<html>", {"content-type": "image/png"}))
    with pytest.raises(Unavailable, match="no picture"):
        await served.fetch(RemotePicture(host.address, ""))


async def test_a_picture_may_come_in_its_own_address(fetching: Callable[..., PictureDelivery]) -> None:
    inline = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert (await fetching().fetch(RemotePicture(inline, "image/png"))).data == PNG
    for reference in ("data:image/png,plain", "data:image/png;base64,%%%"):
        with pytest.raises(Unavailable):
            await fetching().fetch(RemotePicture(reference, "image/png"))


async def test_a_picture_that_is_too_large_is_refused(
    host: FileHost, fetching: Callable[..., PictureDelivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_PICTURE_BYTES", len(PNG) - 1)
    with pytest.raises(Rejected) as raised:
        await fetching(delivery_hosts=("127.0.0.1",)).fetch(RemotePicture(host.address, ""))
    assert raised.value.reason == "too_large"


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": Secret("with a space")},
        {"model": "only-a-name"},
        {"model": "owner/name:v1"},
        {"model": "owner/../account"},
        {"prompt_input": ""},
        {"width_input": "width"},
        {"aspects": ("wide",)},
        {"max_count": 2},
        {"max_count": 0},
        {"more_inputs": "[1]"},
        {"more_inputs": "{"},
        {"cancel_after": 4},
        {"webhook_secret": Secret("whsec_%%")},
        {"webhook_secret": Secret("whsec_AAAA")},
        {"base_url": "http://api.replicate.com/v1"},
        {"base_url": "nowhere"},
        {"delivery_hosts": ("https://replicate.delivery",)},
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        ReplicateSettings(**{"api_key": Secret(API_KEY), **wrong})


def test_the_capabilities_follow_the_models_inputs_and_the_secret() -> None:
    assert as_configured(ReplicateSettings(Secret(API_KEY), webhook_secret=Secret(SECRET))) == IMAGE_MODEL
    bare = as_configured(ReplicateSettings(Secret(API_KEY), picture_input="", seed_input="", count_input="n", max_count=4))
    assert (bare.edits_pictures, bare.seed, bare.webhooks, bare.max_count) == (False, False, False, 4)
