"""Replicate at its edges: the exact bounds of what is asked, answers that are none, and addresses that are not asked."""

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from contract.fake_replicate import API_KEY, SECRET, FakeReplicate
from madang.adapters.replicate.delivery import PictureDelivery
from madang.adapters.replicate.image_model import ReplicateImageModel
from madang.adapters.replicate.mapping import error_of, file_url_of, prediction_of, retry_after_of
from madang.adapters.replicate.payload import MAX_DATA_URI_BYTES, check_photo, inputs_of, webhook_of, with_photo
from madang.adapters.replicate.settings import ReplicateSettings
from madang.plugins.conformance.pictures import PNG
from madang.plugins.conformance.remote import Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    SignatureInvalid,
    Unavailable,
    Unsupported,
)
from madang.ports.image_model import PictureRequest, PredictionStatus, RemotePicture
from madang.ports.secret import Secret
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SETTINGS = ReplicateSettings(Secret(API_KEY), webhook_secret=Secret(SECRET))
WISH = PictureRequest("a natural portrait", "picture-1", 40, timeout=5.0)


@pytest.fixture
def replicate() -> Iterator[FakeReplicate]:
    with serving(FakeReplicate()) as service:
        yield service


@pytest.fixture
async def model(replicate: FakeReplicate, context: ProviderContext) -> AsyncIterator[ReplicateImageModel]:
    settings = replace(SETTINGS, base_url=replicate.base_url, delivery_hosts=(replicate.delivery_host,))
    model = ReplicateImageModel(settings, context)
    yield model
    await model.close()


@pytest.mark.parametrize(("size", "calls"), [(MAX_DATA_URI_BYTES, 1), (MAX_DATA_URI_BYTES + 1, 2)])
async def test_a_photo_is_uploaded_only_beyond_256_kib(
    replicate: FakeReplicate, model: ReplicateImageModel, size: int, calls: int
) -> None:
    await model.start(replace(WISH, picture=Picture(PNG.ljust(size, b"\0"), "image/png")))
    assert len(replicate.arrived) == calls


@pytest.mark.parametrize(("body", "status"), [({}, 200), ({"id": "p1"}, 200), ({"id": 7, "status": "starting"}, 201)])
async def test_an_answer_that_is_no_prediction_leaves_a_change_open(
    replicate: FakeReplicate, model: ReplicateImageModel, body: dict[str, Any], status: int
) -> None:
    for call, error, operation in (
        (lambda: model.start(WISH), OutcomeUnknown, "start"),
        (lambda: model.cancel("p1"), OutcomeUnknown, "cancel"),
        (lambda: model.fetch("p1"), Unavailable, "fetch"),
    ):
        replicate.next.append(Reply(status, body))
        with pytest.raises(error) as odd:
            await call()
        assert (odd.value.operation, odd.value.provider) == (operation, "replicate")


async def test_an_id_that_replicate_gives_nobody_is_not_asked_for(replicate: FakeReplicate, model: ReplicateImageModel) -> None:
    for identity in ("", "a/b", "x" * 101, "가"):
        for operation in ("fetch", "cancel"):
            with pytest.raises(Rejected) as refused:
                await getattr(model, operation)(identity)
            assert (refused.value.reason, refused.value.operation) == ("not_found", operation)
    with pytest.raises(Unavailable, match="time was over"):
        await model.start(replace(WISH, timeout=0.0))
    assert not replicate.arrived
    with pytest.raises(Unsupported) as by_key:
        await model.find("picture-1")
    assert by_key.value.operation == "find"


def announced(body: bytes, context: ProviderContext) -> Any:
    signature = Webhook(SECRET).sign("msg_1", NOW, body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}
    return ReplicateImageModel(SETTINGS, context).read_webhook(WebhookRequest(headers, body, NOW))


def test_an_announcement_is_a_prediction(context: ProviderContext) -> None:
    assert announced(b'{"id": "p1", "status": "canceled"}', context).status is PredictionStatus.CANCELLED
    for body in (b"{}", b"[]", b"{", b'{"id": "", "status": "starting"}', b'{"id": "p1"}'):
        with pytest.raises(SignatureInvalid) as odd:
            announced(body, context)
        assert (odd.value.operation, odd.value.provider) == ("read_webhook", "replicate")


@pytest.mark.parametrize(
    ("reference", "error", "why"),
    [
        ("http://[", Rejected, "no address"),
        ("https:///a.png", Rejected, "no address"),
        ("https://replicate.delivery/a\n.png", Rejected, "no address"),
        ("a.png", Rejected, "no address"),
        ("ftp://replicate.delivery/a.png", Rejected, "no address"),
        ("http://replicate.delivery/a.png", Rejected, "no address"),
        ("https://user@replicate.delivery/a.png", Rejected, "no address"),
        ("https://replicate.delivery:65536/a.png", Rejected, "no address"),
        ("https://notreplicate.delivery/a.png", Misconfigured, "delivery_hosts"),
        ("https://replicate.delivery.example/a.png", Misconfigured, "delivery_hosts"),
        ("data:image/png;base64,?", Unavailable, "no picture"),
        ("data:image/png,AAAA", Unavailable, "no picture"),
    ],
)
async def test_an_address_of_elsewhere_is_not_asked(reference: str, error: type[PortError], why: str) -> None:
    delivery = PictureDelivery(SETTINGS)
    with pytest.raises(error, match=why) as refused:
        await delivery.fetch(RemotePicture(reference, "image/png"))
    assert (refused.value.operation, getattr(refused.value, "reason", "not_found")) == ("download", "not_found")
    await delivery.close()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
    ],
)
async def test_a_picture_is_known_by_its_first_bytes(data: bytes, media_type: str | None) -> None:
    delivery = PictureDelivery(SETTINGS)
    reference = RemotePicture(f"data:text/plain;base64,{base64.b64encode(data).decode()}", "image/png")
    if media_type is None:
        with pytest.raises(Unavailable):
            await delivery.fetch(reference)
    else:
        assert await delivery.fetch(reference) == Picture(data, media_type)
    await delivery.close()


@pytest.mark.parametrize(
    ("status", "operation", "document", "error", "reason"),
    [
        (429, "start", {}, RateLimited, None),
        (499, "start", {}, Rejected, "invalid_request"),
        (500, "start", {}, OutcomeUnknown, None),
        (408, "start", {}, OutcomeUnknown, None),
        (402, "start", {}, Misconfigured, None),
        (404, "start", {}, Misconfigured, None),
        (404, "fetch", {}, Rejected, "not_found"),
        (404, "cancel", {}, Rejected, "not_found"),
        (404, "check", {}, Misconfigured, None),
        (399, "start", {}, Misconfigured, None),
        (400, "start", {}, Rejected, "invalid_request"),
        *((status, "start", {}, Misconfigured, None) for status in (401, 403, 405)),
        (413, "start", {}, Rejected, "too_large"),
        (422, "start", {"title": "Invalid version or not permitted"}, Misconfigured, None),
        (422, "start", {"title": "Input validation failed"}, Rejected, "invalid_request"),
        (400, "start", {"detail": "NSFW content"}, Rejected, "content_policy"),
    ],
)
def test_a_refusal_is_one_of_the_taxonomy(
    status: int, operation: str, document: dict[str, Any], error: type[PortError], reason: str | None
) -> None:
    told = error_of(status, {}, document, operation, acts=True)
    assert (type(told), getattr(told, "reason", None), told.code) == (error, reason, str(status))
    assert (told.operation, told.provider) == (operation, "replicate")
    coded = error_of(status, {}, {**document, "title": f"{document.get('title', '')} E1234"}, operation, acts=True)
    assert coded.code == "E1234"
    assert type(error_of(500, {}, {}, operation)) is Unavailable


@pytest.mark.parametrize(
    ("header", "told", "seconds"),
    [
        ("3", 9, 3.0),
        ("soon", 9, 9.0),
        ("", 0, 0.0),
        ("", 99_999, 86_400.0),
        ("999999", None, 86_400.0),
        ("", True, None),
        ("", -1, None),
        ("", 10**400, 86_400.0),
        ("", float("nan"), None),
        ("", "9", None),
    ],
)
def test_a_refusal_says_when_to_come_again(header: str, told: Any, seconds: float | None) -> None:
    assert retry_after_of({"retry-after": header}, {"retry_after": told}) == seconds


def test_predictions_are_read_as_far_as_they_go() -> None:
    done = {"id": "p1", "status": "succeeded", "model": "owner/name", "completed_at": "2026-03-01T12:00:00Z"}
    many = prediction_of({**done, "output": [f"https://a.example/{number}.JPG" for number in range(17)]})
    assert (len(many.pictures), many.model, many.pictures[0].media_type) == (16, "owner/name", "image/jpeg")
    assert many.pictures[0].expires_at == NOW + timedelta(hours=1)
    for moment in ("2026-03-01T12:00:00", "soon", 7):
        undated = prediction_of({**done, "output": "https://a.example/a.gif", "completed_at": moment})
        assert (undated.pictures[0].expires_at, undated.pictures[0].media_type) == (None, "image/gif")
    removed = prediction_of({**done, "data_removed": True})
    assert (removed.status, removed.error, removed.retryable) == (PredictionStatus.FAILED, "the output was removed", True)
    none = prediction_of({**done, "output": "ftp://a"})
    assert (none.status, none.error, none.retryable) == (PredictionStatus.FAILED, "the output holds no picture", False)
    for words, error, retryable in (
        ("E005 no", "the model refused the content", False),
        ("flagged as sensitive", "the model refused the content", False),
        ("E006 no", "the model failed (E006)", False),
        ("E1001", "the model failed (E1001)", False),
        ("E1000 invalid", "the model failed (E1000)", True),
        ("invalid input", "the model failed", False),
        ("CUDA", "the model failed", True),
        (None, "the model failed", True),
    ):
        failed = prediction_of({"id": "p1", "status": "failed", "error": words})
        assert (failed.error, failed.retryable, failed.model) == (error, retryable, "")
    for status, retryable in (("aborted", True), ("canceled", True), ("starting", False), ("new", False)):
        assert prediction_of({"id": "p1", "status": status}).retryable is retryable


def test_a_file_has_its_address() -> None:
    for url in ("https://a.example/1", "http://127.0.0.1/1"):
        assert file_url_of({"urls": {"get": url}}) == url
    for document in ({}, {"urls": "x"}, {"urls": {}}, {"urls": {"get": 7}}, {"urls": {"get": "ftp://a"}}):
        with pytest.raises(ValueError, match="no address"):
            file_url_of(document)


def test_a_wish_is_written_as_the_model_names_it() -> None:
    sized = replace(SETTINGS, width_input="w", height_input="h", count_input="n", max_count=3, format_input="", seed_input="")
    assert inputs_of(replace(WISH, width=1, height=None, count=3), sized) == {"prompt": WISH.prompt, "w": 1, "n": 3}
    assert inputs_of(replace(WISH, extra={"prompt": "other"}), SETTINGS)["prompt"] == "other"
    assert inputs_of(replace(WISH, width=1000, height=1000), SETTINGS)["aspect_ratio"] == "1:1"
    assert with_photo({"a": 1}, None, SETTINGS) == {"a": 1}
    assert with_photo({"input_image": "own"}, "https://a", SETTINGS) == {"input_image": "own"}
    assert with_photo({}, "https://a", replace(SETTINGS, picture_is_list=True)) == {"input_image": ["https://a"]}
    announcing = webhook_of(replace(WISH, webhook_url="https://a"), SETTINGS)
    assert announcing == {"webhook": "https://a", "webhook_events_filter": ["completed"]}
    check_photo(None, replace(SETTINGS, picture_input=""))
    for changes, error in (
        ({"prompt": " "}, Rejected),
        ({"count": 0}, Rejected),
        ({"count": 2}, Rejected),
        ({"width": 0, "height": 1}, Rejected),
        ({"width": 1, "height": 0}, Rejected),
        ({"width": 1}, Unsupported),
        ({"width": 7, "height": 100}, Unsupported),
    ):
        with pytest.raises(error) as refused:
            inputs_of(replace(WISH, **changes), SETTINGS)
        assert (refused.value.operation, getattr(refused.value, "reason", "invalid_request")) == ("start", "invalid_request")
    with pytest.raises(Rejected, match="https only"):
        webhook_of(replace(WISH, webhook_url="http://a"), SETTINGS)
    with pytest.raises(Unsupported):
        webhook_of(replace(WISH, webhook_url="https://a"), replace(SETTINGS, webhook_secret=None))
    with pytest.raises(Unsupported):
        check_photo(Picture(b"x", "image/png"), replace(SETTINGS, picture_input=""))
    with pytest.raises(Rejected, match="empty"):
        check_photo(Picture(b"", "image/png"), SETTINGS)
