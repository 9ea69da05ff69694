"""What the S3 API answers, read at the bounds of each rule, and what its addresses say."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from contract.s3.buckets import HOUR
from madang.adapters.s3.mapping import (
    SHA256,
    date_of,
    decoded,
    disposition_of,
    encoded,
    error_of,
    info_of,
    is_header,
    listed_info_of,
    metadata_of,
    request_id_of,
)
from madang.adapters.s3.storage import S3Storage
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.storage import ObjectInfo, PresignGet, PresignPut

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(days=1)
OBJECT: dict[str, Any] = {"ETag": '"1"', "ContentLength": 7, "LastModified": NOON}


def refused(status: int, headers: dict[str, str] | None = None, code: object = None) -> dict[str, Any]:
    return {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}}


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        *((status, Misconfigured, None) for status in (0, 302, 399, 401, 403, 404, 405)),
        *((status, Rejected, "invalid_request") for status in (400, 402, 409, 499)),
        (408, Unavailable, None),
        (413, Rejected, "too_large"),
        (429, RateLimited, None),
        *((status, OutcomeUnknown, None) for status in (500, 503, 599)),
    ],
)
@pytest.mark.parametrize("code", [None, 7, "two words", ""])
def test_without_a_code_the_status_decides(status: int, kind: type[PortError], reason: str | None, code: object) -> None:
    told = error_of("s3", "put", refused(status, {"x-amz-request-id": "r1"}, code), effect=True)
    assert (type(told), getattr(told, "reason", None), told.code, told.request_id) == (kind, reason, str(status), "r1")
    asked = error_of("r2", "head", refused(status, None, code), effect=False)
    assert type(asked) is (Unavailable if kind is OutcomeUnknown else kind)
    assert (asked.provider, asked.operation, asked.request_id) == ("r2", "head", None)
    assert error_of("s3", "put", {}, effect=True).code == "0"


def test_a_failure_is_one_whatever_its_status() -> None:
    for status in (200, 400, 500):
        assert type(error_of("s3", "put", refused(status, code="InternalError"), effect=True)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("999999999", 86_400.0), ("soon", None), ("-1", None), ("", None)]
)
def test_a_busy_storage_says_when_to_come_again(header: str, seconds: float | None) -> None:
    told = error_of("s3", "put", refused(503, {"retry-after": header}, "SlowDown"), effect=True)
    assert isinstance(told, RateLimited)
    assert told.retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-amz-request-id": "r1", "cf-ray": "c1"}, "r1"),
        ({"cf-ray": "c1"}, "c1"),
        ({"x-amz-request-id": "two words", "cf-ray": "c1"}, "c1"),
        ({"x-amz-request-id": "r" * 200}, "r" * 200),
        ({"x-amz-request-id": "r" * 201}, None),
        ({"x-amz-request-id": ""}, None),
        (None, None),
    ],
)
def test_a_call_has_the_id_that_the_storage_gives_it(headers: dict[str, str] | None, told: str | None) -> None:
    assert request_id_of({"ResponseMetadata": {"HTTPHeaders": headers}}) == told


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, ObjectInfo("a", 7, "application/octet-stream", '"1"', NOON)),
        ({"ContentType": "image/png"}, ObjectInfo("a", 7, "image/png", '"1"', NOON)),
        ({"ContentRange": "bytes 0-0/10"}, ObjectInfo("a", 10, "application/octet-stream", '"1"', NOON)),
        (
            {"LastModified": NOON.astimezone(timezone(timedelta(hours=9)))},
            ObjectInfo("a", 7, "application/octet-stream", '"1"', NOON),
        ),
        (
            {"Metadata": {SHA256: "0" * 64, "name": "UTF-8''%EA%B0%80"}},
            ObjectInfo("a", 7, "application/octet-stream", '"1"', NOON, "0" * 64, {"name": "가"}),
        ),
        (
            {"Metadata": {SHA256: "0" * 63, "name": "b"}},
            ObjectInfo("a", 7, "application/octet-stream", '"1"', NOON, None, {"name": "b"}),
        ),
    ],
)
def test_an_object_is_described_by_its_answer(answer: dict[str, Any], expected: ObjectInfo) -> None:
    found = info_of("a", {**OBJECT, **answer})
    assert found == expected
    assert found.modified_at.tzinfo is UTC


@pytest.mark.parametrize(
    "answer",
    [{"ETag": None}, {"ContentLength": None}, {"ContentLength": "7"}, {"ContentRange": "bytes 0-0/*"}, {"LastModified": "now"}],
)
def test_an_answer_without_its_properties_is_no_object(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no object"):
        info_of("a", {**OBJECT, **answer})


def test_an_answer_without_a_date_came_now() -> None:
    for header, expected in (("Sun, 01 Mar 2026 21:00:00 +0900", NOON), ("yesterday", NOW), (None, NOW)):
        headers = {"date": header} if header else {}
        found = date_of({"ResponseMetadata": {"HTTPHeaders": headers}}, NOW)
        assert found == expected
        assert found.tzinfo is expected.tzinfo
    assert date_of({}, NOON) is NOON


def test_an_entry_of_a_listing_tells_neither_type_nor_metadata() -> None:
    seoul = NOON.astimezone(timezone(timedelta(hours=9)))
    listed = listed_info_of({"Key": "a", "Size": 7, "ETag": '"1"', "LastModified": seoul})
    assert (listed, listed.modified_at.tzinfo) == (ObjectInfo("a", 7, "", '"1"', NOON), UTC)
    with pytest.raises(KeyError):
        listed_info_of({"Key": "a"})


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        ("plain text", "plain text"),
        ("", "UTF-8''"),
        (" leading", "UTF-8''%20leading"),
        ("trailing ", "UTF-8''trailing%20"),
        ("two\nlines", "UTF-8''two%0Alines"),
        ("가/나", "UTF-8''%EA%B0%80%2F%EB%82%98"),
        ("UTF-8''a", "UTF-8''UTF-8%27%27a"),
    ],
)
def test_a_header_carries_printable_ascii(value: str, carried: str) -> None:
    assert encoded(value) == carried
    assert decoded(carried) == value


def test_metadata_has_names_that_come_back_as_they_are() -> None:
    assert metadata_of({"name": "가"}, "0" * 64) == {"name": "UTF-8''%EA%B0%80", SHA256: "0" * 64}
    assert metadata_of({"x" * 128: "a"}, None) == {"x" * 128: "a"}
    for name in ("x" * 129, "Upper", "", "two words", SHA256):
        with pytest.raises(ValueError, match="names of metadata"):
            metadata_of({name: "a"}, None)
    assert [is_header(value) for value in ("a", "", "x" * 255, "x" * 256, "a\n", "가")] == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]


def test_a_browser_saves_under_any_name() -> None:
    assert disposition_of('a"\\%가/.jpg') == "attachment; filename=\"a____/.jpg\"; filename*=UTF-8''a%22%5C%25%EA%B0%80%2F.jpg"


def lives(url: str) -> str:
    return parse_qs(urlsplit(url).query)["X-Amz-Expires"][0]


async def test_an_address_lives_for_whole_seconds_and_at_least_one(s3: S3Storage) -> None:
    for asked, seconds in ((timedelta(milliseconds=300), 1), (timedelta(seconds=2, milliseconds=900), 2), (HOUR, 3600)):
        before = datetime.now(UTC).replace(microsecond=0)
        address = await s3.presign_get(PresignGet("a", asked))
        assert lives(address.url) == str(seconds)
        assert address.method == "GET"
        left = address.expires_at - timedelta(seconds=seconds)
        assert before <= left <= datetime.now(UTC)
        assert lives((await s3.presign_put(PresignPut("a", asked, "a/b", 1))).url) == str(seconds)
        form = await s3.presign_post(PresignPut("a", asked, "a/b", 1))
        assert before <= form.expires_at - timedelta(seconds=seconds) <= datetime.now(UTC)
        assert form.method == "POST"


async def test_an_address_says_what_it_answers_with(s3: S3Storage) -> None:
    plain = parse_qs(urlsplit((await s3.presign_get(PresignGet("a", HOUR))).url).query)
    assert not [name for name in plain if name.startswith("response-")]
    named = await s3.presign_get(PresignGet("a", HOUR, content_type="image/png", filename="b.png"))
    query = parse_qs(urlsplit(named.url).query)
    assert query["response-content-type"] == ["image/png"]
    assert query["response-content-disposition"] == [disposition_of("b.png")]


@pytest.mark.parametrize("operation", ["presign_get", "presign_put", "presign_post"])
async def test_an_address_that_cannot_be_is_refused_with_its_operation(s3: S3Storage, operation: str) -> None:
    def asked(key: str = "a", lives: timedelta = HOUR, kind: str = "a/b", size: int = 1) -> Any:
        if operation == "presign_get":
            return PresignGet(key, lives, content_type=kind)
        return PresignPut(key, lives, kind, size)

    wrong = [({"key": ""}, "invalid_key"), ({"lives": timedelta(0)}, "invalid_request"), ({"kind": "a\n"}, "invalid_request")]
    if operation != "presign_get":
        wrong += [({"size": 0}, "too_large"), ({"size": s3.capabilities.max_object_bytes + 1}, "too_large")]
        await getattr(s3, operation)(asked(size=s3.capabilities.max_object_bytes, lives=s3.capabilities.max_presign))
    for changes, reason in wrong:
        with pytest.raises(Rejected) as refusal:
            await getattr(s3, operation)(asked(**changes))
        assert (refusal.value.reason, refusal.value.provider, refusal.value.operation) == (reason, "s3", operation)
