"""S3 and R2: whole objects or none, every refusal in our words, addresses that allow what was signed, and no thread held up."""

import asyncio
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeR2, FakeS3, error, query_of
from madang.adapters.s3 import mapping
from madang.adapters.s3.settings import R2Settings, S3Settings
from madang.adapters.s3.storage import S3Storage
from madang.adapters.s3.store import r2_store, s3_store
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply, closed_port, serving
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.secret import Secret
from madang.ports.storage import PresignGet, PresignPut, PutObject

HOUR = timedelta(hours=1)
MIB = 1024**2
PART = 5 * MIB
PHOTO = PutObject(
    "portraits/1/사진 (1).jpg", b"0123456789", "image/jpeg", metadata={"name": "나의 사진"}, cache_control="private"
)
DIGEST = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
KEYS: dict[str, Any] = {"access_key_id": Secret(ACCESS_KEY), "secret_access_key": Secret(SECRET_KEY)}


def an_s3(url: str, **changes: Any) -> S3Storage:
    given = {"bucket": BUCKET, "region": FakeS3.region, "part_bytes": PART, **KEYS, **changes}
    return S3Storage(s3_store(S3Settings(endpoint_url=url, **given)))


def an_r2(url: str, **changes: Any) -> S3Storage:
    given = {"account_id": "0" * 32, "bucket": BUCKET, "part_bytes": PART, **KEYS, **changes}
    return S3Storage(r2_store(R2Settings(endpoint_url=url, **given)))


@pytest.fixture
def remote() -> Iterator[FakeS3]:
    with serving(FakeS3()) as service:
        yield service


@pytest.fixture
async def s3(remote: FakeS3) -> AsyncIterator[S3Storage]:
    storage = an_s3(remote.url)
    yield storage
    await storage.close()


@pytest.fixture
async def patient(remote: FakeS3) -> AsyncIterator[S3Storage]:
    """With one thread and little time, already at work."""
    storage = an_s3(remote.url, connections=1, seconds=0.2)
    await storage._client._made()
    yield storage
    await storage.close()


@pytest.fixture(params=["s3", "r2"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[tuple[FakeS3, S3Storage]]:
    service, build = (FakeS3(), an_s3) if request.param == "s3" else (FakeR2(), an_r2)
    with serving(service):
        storage = build(service.url)
        yield service, storage
        await storage.close()


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_what_is_put_comes_back_with_its_properties(either: tuple[FakeS3, S3Storage]) -> None:
    remote, storage = either
    put = await storage.put(PHOTO)
    stored = await storage.get(PHOTO.key)
    found = await storage.head(PHOTO.key)
    assert found is not None
    assert abs(found.modified_at - put.modified_at) < timedelta(seconds=2)
    assert replace(put, modified_at=found.modified_at) == found == stored.info
    assert await stored.read() == b"0123456789"
    assert (put.size, put.content_type, put.sha256, dict(put.metadata)) == (10, "image/jpeg", DIGEST, {"name": "나의 사진"})
    sent = remote.acting[0]
    assert (sent.headers["content-type"], sent.headers["cache-control"]) == ("image/jpeg", "private")
    assert await storage.put(PHOTO) == replace(put, modified_at=(await storage.put(PHOTO)).modified_at)
    assert await storage.head("portraits/1/other.jpg") is None
    with pytest.raises(Rejected) as gone:
        await storage.get("portraits/1/other.jpg")
    assert (gone.value.reason, gone.value.code, gone.value.request_id) == ("not_found", "NoSuchKey", "REQUEST1")


@pytest.mark.parametrize(
    ("body", "size", "requests"),
    [
        (b"", None, 1),
        (bytes(PART), None, 1),
        (bytes(2 * PART + 1), None, 5),
        ((bytes(PART - 1), b"12", bytes(PART)), None, 5),
        ((b"a", b"", b"b"), None, 1),
        ((), 0, 1),
        ((bytes(2 * PART),), 2 * PART, 4),
    ],
    ids=["nothing", "one part", "bytes in parts", "a stream", "a short stream", "an empty stream", "two whole parts"],
)
async def test_a_body_goes_in_one_request_or_in_parts(
    either: tuple[FakeS3, S3Storage], body: bytes | tuple[bytes, ...], size: int | None, requests: int
) -> None:
    remote, storage = either
    sent = body if isinstance(body, bytes) else chunks(*body)
    info = await storage.put(PutObject("a", sent, "text/plain", size=size))
    stored = await storage.get("a")
    assert sum([len(chunk) async for chunk in stored.chunks]) == info.size == stored.info.size
    assert len(remote.acting) == requests
    assert (info.sha256 is not None) == (requests == 1 or isinstance(body, bytes))
    assert stored.info.sha256 == info.sha256
    assert remote.unfinished() == 0


async def test_a_large_stream_is_never_held_in_memory() -> None:
    with serving(_Abyss()) as remote:
        storage = an_s3(remote.url)
        await storage.check()
        piece = bytes(MIB)

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(80):
                yield piece

        tracemalloc.start()
        try:
            info = await storage.put(PutObject("a", endless(), "video/mp4", size=80 * MIB))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await storage.close()
    assert (info.size, remote.swallowed) == (80 * MIB, 80 * MIB)
    assert most < 40 * MIB, "a few parts on our side, and one on the other"


class _Abyss(RemoteService):
    """Takes parts and forgets them."""

    swallowed = 0

    def answer(self, request: Arrived) -> Reply:
        self.arrived.clear()
        if request.method == "GET":
            return Reply(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        if request.method == "PUT":
            self.swallowed += len(request.body)
            return Reply(200, "", {"etag": '"e"'})
        name = "InitiateMultipartUploadResult" if "uploads" in request.query else "CompleteMultipartUploadResult"
        return Reply(200, f"<{name}><UploadId>1</UploadId><ETag>&quot;e&quot;</ETag></{name}>")


async def broken() -> AsyncIterator[bytes]:
    yield bytes(2 * PART)
    raise ConnectionError("the client went away")


def at(method: str, query: str) -> Callable[[Arrived], bool]:
    return lambda request: request.method == method and query in request.query


@pytest.mark.parametrize(
    ("body", "faults", "expected"),
    [
        (broken(), [], ConnectionError),
        (bytes(2 * PART), [(Fault.UNAVAILABLE, at("PUT", "partNumber"))], Unavailable),
        (bytes(2 * PART), [(Fault.SERVER_ERROR, at("PUT", "partNumber"))], Unavailable),
        (bytes(2 * PART), [(Fault.ANSWER_LOST, at("PUT", "partNumber"))], Unavailable),
        (bytes(2 * PART), [(Fault.GARBAGE, at("PUT", "partNumber"))], Unavailable),
        (bytes(2 * PART), [(Fault.RATE_LIMITED, at("POST", "uploadId"))], RateLimited),
        (bytes(2 * PART), [(Fault.HUNG_UP_BEFORE, at("POST", "uploadId"))], OutcomeUnknown),
        (chunks(bytes(2 * PART), b"more than announced"), [], Rejected),
    ],
    ids=["client gone", "part refused", "part failed", "part lost", "no etag", "not completed", "hung up", "too long"],
)
async def test_an_upload_in_parts_that_fails_leaves_the_old_object_and_nothing_else(
    remote: FakeS3, s3: S3Storage, body: Any, faults: Any, expected: type[Exception]
) -> None:
    await s3.put(replace(PHOTO, key="a"))
    for fault, only in faults:
        remote.plan(fault, only=only)
    with pytest.raises(expected) as raised:
        await s3.put(PutObject("a", body, "video/mp4", size=2 * PART))
    assert type(raised.value) is expected
    assert remote.unfinished() == 0
    assert await (await s3.get("a")).read() == b"0123456789"


async def test_a_completion_whose_answer_is_lost_may_be_done(remote: FakeS3, s3: S3Storage) -> None:
    for fault in (Fault.ANSWER_LOST, Fault.SERVER_ERROR, Fault.GARBAGE):
        remote.plan(fault, only=at("POST", "uploadId"))
        with pytest.raises(OutcomeUnknown):
            await s3.put(PutObject(fault, bytes(2 * PART), "video/mp4"))
        assert (await s3.head(fault)).size == 2 * PART  # type: ignore[union-attr]
    remote.next.append(Reply(200, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"))
    remote.next.extend([Reply(200, "", {"etag": '"1"'}), Reply(200, "", {"etag": '"2"'}), replace(error(200, "InternalError"))])
    with pytest.raises(OutcomeUnknown):
        await s3.put(PutObject("a", bytes(2 * PART), "video/mp4"))


async def test_an_upload_whose_caller_goes_away_is_taken_back(remote: FakeS3, s3: S3Storage) -> None:
    arrived = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield bytes(2 * PART)
        arrived.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(s3.put(PutObject("a", stuck(), "video/mp4")))
    await arrived.wait()
    await asyncio.to_thread(remote.wait_until, lambda: any(at("POST", "uploads")(each) for each in remote.arrived))
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (remote.unfinished(), remote.keys()) == (0, [])


async def test_a_body_that_never_ends_is_waited_for_as_long_as_granted(remote: FakeS3, s3: S3Storage) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    with pytest.raises(Unavailable):
        await s3.put(PutObject("a", stuck(), "text/plain", timeout=0.1))
    assert remote.acting == []


async def test_a_put_is_bounded_and_must_be_as_long_as_announced(remote: FakeS3) -> None:
    storage = an_s3(remote.url, max_object_bytes=10)
    assert storage.capabilities.max_object_bytes == 10
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"body": b"x" * 11}, "too_large"),
        ({"body": chunks(b"x" * 6, b"x" * 6)}, "too_large"),
        ({"body": chunks(b"x"), "size": 11}, "too_large"),
        ({"body": chunks(b"x" * 6), "size": 5}, "too_large"),
        ({"body": chunks(b"x" * 6), "size": 7}, "invalid_request"),
        ({"body": b"x" * 6, "size": 7}, "invalid_request"),
        ({"content_type": "text/html\r\nx-amz-acl: public-read"}, "invalid_request"),
        ({"content_type": "한글"}, "invalid_request"),
        ({"cache_control": "private\r\nx-amz-acl: public-read"}, "invalid_request"),
        ({"metadata": {"X Y": "1"}}, "invalid_request"),
        ({"metadata": {"a\r\nx-amz-acl": "1"}}, "invalid_request"),
        ({"metadata": {"madang-sha256": "0" * 64}}, "invalid_request"),
    ]
    for changes, reason in refusals:
        with pytest.raises(Rejected) as refused:
            await storage.put(replace(PHOTO, **changes))
        assert refused.value.reason == reason, changes
    await storage.close()
    assert remote.acting == []


@settings(max_examples=100)
@given(st.text(max_size=50))
def test_any_text_survives_as_metadata(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    carried = mapping.encoded(value)
    assert mapping.decoded(carried) == value
    assert carried.isascii()
    assert carried.isprintable()
    assert carried == carried.strip() != ""


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", ".", "..", "a\x00b", "a\nb", "k" * 1025, "가" * 342, "\ud800"]
)
async def test_a_key_that_could_climb_or_confuse_is_refused(remote: FakeS3, s3: S3Storage, key: str) -> None:
    for refused in (
        s3.put(PutObject(key, b"x", "text/plain")),
        s3.get(key),
        s3.head(key),
        s3.presign_get(PresignGet(key, HOUR)),
        s3.presign_put(PresignPut(key, HOUR, "text/plain", 9)),
        s3.presign_post(PresignPut(key, HOUR, "text/plain", 9)),
    ):
        with pytest.raises(Rejected) as rejected:
            await refused
        assert rejected.value.reason == "invalid_key"
    assert (await s3.delete_many([key])).failed == {key: "invalid_key"}
    assert remote.arrived == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=60).filter(
            lambda part: part not in (".", "..")
        ),
        min_size=1,
        max_size=3,
    )
)
async def test_any_allowed_key_is_stored_listed_and_deleted(remote: FakeS3, s3: S3Storage, parts: list[str]) -> None:
    key = "/".join(parts)
    await s3.put(PutObject(key, key.encode(), "text/plain"))
    assert [info.key for info in (await s3.list(key)).objects] == [key]
    assert await (await s3.get(key)).read() == key.encode()
    assert (await s3.delete_many([key])).deleted == [key]
    assert remote.keys() == []


async def test_a_listing_goes_through_all_pages_in_key_order(either: tuple[FakeS3, S3Storage]) -> None:
    _, storage = either
    keys = sorted(f"jobs/{n % 3}/{n} 가" for n in range(25))
    for key in [*keys, "other/1", "jobs2"]:
        await storage.put(PutObject(key, b"x", "text/plain"))
    found: list[str] = []
    cursor = None
    while True:
        page = await storage.list("jobs/", cursor=cursor, limit=7)
        found += [info.key for info in page.objects]
        await storage.delete_many([info.key for info in page.objects])
        cursor = page.cursor
        if cursor is None:
            break
    assert found == keys
    assert (await storage.list("nothing/")).objects == []
    assert (await storage.list("", limit=5000)).cursor is None


async def test_deleting_takes_any_number_and_names_what_stays(remote: FakeS3, s3: S3Storage) -> None:
    keys = [f"portraits/1/{n}" for n in range(1001)]
    await s3.put(PutObject(keys[0], b"x", "image/jpeg"))
    await s3.put(PutObject("odd \uffff", b"x", "image/jpeg"))
    before = len(remote.acting)
    report = await s3.delete_many([*keys, *keys, "odd \uffff"])
    assert (list(report.deleted), dict(report.failed)) == ([*keys, "odd \uffff"], {})
    assert (len(remote.acting) - before, remote.keys()) == (3, [])
    assert (await s3.delete_many([])).deleted == []
    answer = "<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    remote.next.append(Reply(200, f"<DeleteResult>{answer}</DeleteResult>"))
    report = await s3.delete_many(["a", "b", "c"])
    assert (list(report.deleted), dict(report.failed)) == (["a"], {"b": "AccessDenied", "c": "no answer"})


ROWS: list[tuple[Reply, type[PortError], str | float | None]] = [
    *((error(404, code), Rejected, "not_found") for code in ("NoSuchKey", "NoSuchVersion")),
    *((error(400, code), Rejected, "too_large") for code in ("EntityTooLarge", "MaxMessageLengthExceeded")),
    *((error(400, code), Rejected, "invalid_key") for code in ("KeyTooLongError", "InvalidURI", "InvalidObjectName")),
    *((error(400, code), Rejected, why) for code, why in mapping.REASONS.items() if why == "invalid_request"),
    *((error(403, code), Misconfigured, None) for code in sorted(mapping.WRONG_SETTINGS)),
    *((error(400, code), Unavailable, None) for code in sorted(mapping.NOTHING_DONE)),
    (error(503, "SlowDown"), RateLimited, None),
    (error(429, "TooManyRequests", **{"retry-after": "3"}), RateLimited, 3.0),
    (error(429, "TooManyRequests", **{"retry-after": "soon"}), RateLimited, None),
    (error(400, "KMS.DisabledException"), Misconfigured, None),
    (error(500, "InternalError"), OutcomeUnknown, None),
    (error(503, "SomethingNew"), OutcomeUnknown, None),
    (error(400, "SomethingNew"), Rejected, "invalid_request"),
    (error(409, "SomethingNew"), Rejected, "invalid_request"),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(503, ""), OutcomeUnknown, None),
    (Reply(429, "<html>", {"retry-after": "9"}), RateLimited, 9.0),
    (Reply(408, ""), Unavailable, None),
    (Reply(413, "<html>"), Rejected, "too_large"),
    (Reply(403, "error code: 1010"), Misconfigured, None),
    (Reply(404, "<html>"), Misconfigured, None),
    (error(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-west-1"}), Misconfigured, None),
    (error(400, "AuthorizationHeaderMalformed", {"Region": "eu-west-1"}), Misconfigured, None),
    (Reply(307, "", {"location": "https://evil.example/"}), Misconfigured, None),
    (error(307, "TemporaryRedirect", location="https://evil.example/"), Unavailable, None),
    (Reply(200, "not xml, and no etag"), OutcomeUnknown, None),
]


@pytest.mark.parametrize(("reply", "kind", "detail"), ROWS)
async def test_every_refusal_is_one_of_the_taxonomy_and_nothing_is_tried_twice(
    remote: FakeS3, s3: S3Storage, reply: Reply, kind: type[PortError], detail: str | float | None
) -> None:
    remote.next.append(reply)
    with pytest.raises(PortError) as raised:
        await s3.put(PHOTO)
    assert type(raised.value) is kind
    assert (raised.value.provider, raised.value.operation) == ("s3", "put")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert len(remote.arrived) == 1


def test_every_code_has_its_row() -> None:
    told = {str(row[0].body).partition("<Code>")[2].partition("</Code>")[0] for row in ROWS}
    known = {*mapping.REASONS, *mapping.WRONG_SETTINGS, *mapping.NOTHING_DONE, *mapping.LIMITS, mapping.FAILED}
    assert known <= told


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(500, "InternalError"), Unavailable),
        (error(503, "ServiceUnavailable"), Unavailable),
        (error(503, "SlowDown"), RateLimited),
        (error(404, "NoSuchBucket"), Misconfigured),
        (Reply(200, "not xml"), Unavailable),
        (Reply(200, "<html><body>Sign in to the hotel's network</body></html>"), Unavailable),
        (Reply(200, "<x>" + "x" * (9 * MIB)), Unavailable),
    ],
)
async def test_a_question_that_fails_may_be_asked_again_and_is_never_an_empty_page(
    remote: FakeS3, s3: S3Storage, reply: Reply, kind: type[PortError]
) -> None:
    for name, ask in (("list", lambda: s3.list("")), ("check", s3.check), ("get", lambda: s3.get("a"))):
        remote.next.append(reply)
        with pytest.raises(PortError) as raised:
            await ask()  # type: ignore[operator]
        assert (type(raised.value), raised.value.operation) == (kind, name)


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ([Reply(404)], None),
        ([Reply(404), error(404, "NoSuchBucket")], Misconfigured),
        ([Reply(404), error(500, "InternalError")], Unavailable),
        ([Reply(403)], Misconfigured),
        ([Reply(400)], Misconfigured),
        ([Reply(429)], RateLimited),
        ([Reply(503)], Unavailable),
        ([Reply(200)], Unavailable),
    ],
)
async def test_a_head_without_words_tells_a_missing_object_from_a_missing_bucket(
    remote: FakeS3, s3: S3Storage, replies: list[Reply], kind: type[PortError] | None
) -> None:
    remote.next.extend(replies)
    if kind is None:
        assert await s3.head("a") is None
        return
    with pytest.raises(PortError) as raised:
        await s3.head("a")
    assert (type(raised.value), raised.value.operation) == (kind, "head")


async def test_an_object_that_appears_between_two_questions_is_there(remote: FakeS3, s3: S3Storage) -> None:
    await s3.put(PHOTO)
    remote.next.append(Reply(404))
    found = await s3.head(PHOTO.key)
    assert found is not None
    assert found.sha256 == DIGEST


def _mishaps() -> list[tuple[Exception, type[PortError]]]:
    from botocore import exceptions as sdk

    return [
        (sdk.NoCredentialsError(), Misconfigured),
        (sdk.PartialCredentialsError(provider="env", cred_var="x"), Misconfigured),
        (sdk.CredentialRetrievalError(provider="x", error_msg="x"), Misconfigured),
        (sdk.ProfileNotFound(profile="x"), Misconfigured),
        (sdk.ConfigParseError(path="x"), Misconfigured),
        (sdk.SSOTokenLoadError(error_msg="x"), Misconfigured),
        (sdk.UnauthorizedSSOTokenError(), Misconfigured),
        (sdk.TokenRetrievalError(provider="x", error_msg="x"), Misconfigured),
        (sdk.InvalidConfigError(error_msg="x"), Misconfigured),
        (sdk.UnknownCredentialError(name="x"), Misconfigured),
        (sdk.NoRegionError(), Misconfigured),
        (sdk.InvalidRegionError(region_name="x"), Misconfigured),
        (sdk.EndpointResolutionError(msg="x"), Misconfigured),
        (sdk.ParamValidationError(report="x"), Rejected),
        (sdk.EndpointConnectionError(endpoint_url="x"), Unavailable),
        (sdk.ConnectTimeoutError(endpoint_url="x"), Unavailable),
        (sdk.ProxyConnectionError(proxy_url="x"), Unavailable),
        (sdk.SSLError(endpoint_url="x", error="x"), Unavailable),
        (sdk.ReadTimeoutError(endpoint_url="x"), OutcomeUnknown),
        (sdk.ConnectionClosedError(endpoint_url="x"), OutcomeUnknown),
        (sdk.HTTPClientError(error="x"), OutcomeUnknown),
    ]


def test_what_the_sdk_raises_by_itself_is_one_of_the_taxonomy() -> None:
    seen = set()
    for mishap, kind in _mishaps():
        found = mapping.mishap_of("s3", "put", mishap, effect=True, sent=True)
        assert type(found) is kind, type(mishap).__name__
        assert found.code == type(mishap).__name__
        seen |= {each.__name__ for each in type(mishap).__mro__}
        if kind is OutcomeUnknown:
            assert type(mapping.mishap_of("s3", "put", mishap, effect=True, sent=False)) is Unavailable
            assert type(mapping.mishap_of("s3", "get", mishap, effect=False, sent=True)) is Unavailable
    assert set(mapping.MISHAPS) <= seen


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SLOW])
async def test_a_call_ends_with_its_time_and_gives_its_thread_back(remote: FakeS3, patient: S3Storage, fault: Fault) -> None:
    remote.plan(fault)
    with pytest.raises(OutcomeUnknown):
        await patient.put(replace(PHOTO, timeout=0.2))
    for name, ask in (("list", lambda: patient.list("")), ("head", lambda: patient.head("a"))):
        remote.plan(fault)
        with pytest.raises(Unavailable) as late:
            await ask()  # type: ignore[operator]
        assert late.value.operation == name
    again = await patient.put(PHOTO)
    assert again.sha256 == DIGEST


async def test_a_call_whose_caller_goes_away_lets_its_connection_and_thread_go(remote: FakeS3, patient: S3Storage) -> None:
    remote.plan(Fault.SILENT)
    putting = asyncio.create_task(patient.put(PHOTO))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)
    assert (await patient.put(PHOTO)).sha256 == DIGEST


async def test_who_waits_too_long_for_a_thread_has_done_nothing(remote: FakeS3, patient: S3Storage) -> None:
    remote.plan(Fault.SILENT)
    first = asyncio.create_task(patient.put(PHOTO))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    with pytest.raises(Unavailable):
        await patient.put(replace(PHOTO, key="b", timeout=0.1))
    address = await patient.presign_get(PresignGet("b", HOUR))
    assert address.url, "signing waits for nobody"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(remote.arrived) == 1


async def test_without_a_connection_it_is_surely_not_done(remote: FakeS3) -> None:
    storage = an_s3(f"http://127.0.0.1:{closed_port()}")
    for ask in (storage.put(PHOTO), storage.check(), storage.delete_many(["a"])):
        with pytest.raises(Unavailable):
            await ask
    await storage.close()
    with pytest.raises(Unavailable):
        await storage.check()


def _pouring(stopped: Event, length: int) -> Reply:
    def body() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            stopped.set()

    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Reply(200, body(), {"content-length": str(length), "etag": '"e"', "last-modified": modified})


async def test_a_body_that_nobody_reads_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    stored = await s3.get("a")
    assert stored.info.size == 100 * MIB
    del stored
    assert await asyncio.to_thread(stopped.wait, 10)


async def test_a_body_that_is_left_in_the_middle_keeps_no_connection(remote: FakeS3, s3: S3Storage) -> None:
    stopped = Event()
    remote.next.append(_pouring(stopped, 100 * MIB))
    async for chunk in (await s3.get("a")).chunks:
        assert chunk
        break
    assert await asyncio.to_thread(stopped.wait, 10)


@pytest.mark.parametrize("fault", [Fault.CUT_OFF, Fault.SLOW])
async def test_a_body_that_does_not_come_whole_is_unavailable(remote: FakeS3, patient: S3Storage, fault: Fault) -> None:
    modified = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"etag": '"e"', "last-modified": modified, "content-length": "10"}
    if fault is Fault.CUT_OFF:
        remote.next.append(Reply(200, iter([b"half"]), headers))
    else:
        remote.next.append(Reply(200, _trickle(remote), headers))
    stored = await patient.get("a")
    with pytest.raises(Unavailable):
        await stored.read()


def _trickle(remote: FakeS3) -> Iterator[bytes]:
    """A byte at a time, each in time and all of them not."""
    while not remote.ended.wait(0.05):
        yield b"x"


async def test_an_address_reads_one_object_as_a_download(either: tuple[FakeS3, S3Storage], browser: httpx.AsyncClient) -> None:
    _, storage = either
    await storage.put(PHOTO)
    await storage.put(replace(PHOTO, key="portraits/2/photo.jpg"))
    before = datetime.now(UTC)
    address = await storage.presign_get(PresignGet(PHOTO.key, HOUR, filename='나의 "리즈"\r\n.jpg', content_type="image/webp"))
    assert HOUR - timedelta(seconds=2) < address.expires_at - before <= HOUR
    answer = await browser.get(address.url)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"0123456789", "image/webp")
    kind, said = parse_options_header(answer.headers["content-disposition"])
    assert (kind, said["filename"]) == ("attachment", '나의 "리즈"\r\n.jpg')
    query = query_of(address.url)
    for changed in (
        address.url.replace("portraits/1", "portraits/2"),
        address.url.replace(f"X-Amz-Expires={query['X-Amz-Expires']}", "X-Amz-Expires=604800"),
        address.url.replace("attachment", "inline"),
        address.url.replace("webp", "html"),
        address.url.replace(query["X-Amz-Signature"], "0" * 64),
        address.url.partition("?")[0],
    ):
        assert changed != address.url
        assert (await browser.get(changed)).status_code == 403
    assert (await browser.put(address.url, content=b"x")).status_code == 403
    assert (await browser.delete(address.url)).status_code == 403


async def test_an_expired_address_is_refused(
    either: tuple[FakeS3, S3Storage], browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.auth

    remote, storage = either
    await storage.put(PHOTO)
    earlier = datetime.now(UTC) - timedelta(seconds=11)
    with monkeypatch.context() as patched:
        patched.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: earlier.replace(tzinfo=None))
        old = [await storage.presign_get(PresignGet(PHOTO.key, timedelta(seconds=seconds))) for seconds in (10, 3600)]
    assert abs(old[0].expires_at - (earlier + timedelta(seconds=10))) < timedelta(seconds=1)
    code, status = remote.expired
    expired = await browser.get(old[0].url)
    assert (expired.status_code, f"<Code>{code}</Code>" in expired.text) == (status, True)
    assert (await browser.get(old[1].url)).status_code == 200


async def test_an_upload_address_takes_its_key_and_type_only(
    either: tuple[FakeS3, S3Storage], browser: httpx.AsyncClient
) -> None:
    remote, storage = either
    upload = await storage.presign_put(PresignPut("사진 1.jpg", HOUR, "image/jpeg", 10))
    assert (upload.method, dict(upload.headers)) == ("PUT", {"content-type": "image/jpeg"})
    assert not storage.capabilities.enforces_size, "nothing in an address to PUT to can bound its size"

    async def send(url: str = upload.url, **headers: str) -> int:
        return (await browser.put(url, content=b"x" * 10, headers={**upload.headers, **headers})).status_code

    assert await send(**{"content-type": "text/html"}) == 403
    assert await send(**{"x-amz-acl": "public-read"}) in (403, 501)
    assert await send(upload.url.replace("1.jpg", "2.jpg")) == 403
    assert remote.keys() == []
    assert await send() == 200
    info = await storage.head("사진 1.jpg")
    assert info is not None
    assert (info.size, info.content_type, info.sha256) == (10, "image/jpeg", None)


async def test_a_form_takes_its_key_type_and_size_only(remote: FakeS3, s3: S3Storage, browser: httpx.AsyncClient) -> None:
    form = await s3.presign_post(PresignPut("forms/a 가.png", HOUR, "image/png", 10))

    async def send(body: bytes = b"x" * 10, **changes: str) -> httpx.Response:
        fields = {**form.fields, **changes}
        return await browser.post(form.url, data=fields, files={"file": ("a.png", body, "image/png")})

    for changes in ({"key": "forms/b.png"}, {"Content-Type": "text/html"}, {"acl": "public-read"}, {"policy": "e30="}):
        assert (await send(**changes)).status_code == 403
    assert "EntityTooLarge" in (await send(b"x" * 11)).text
    assert remote.keys() == []
    assert (await send()).status_code == 204
    info = await s3.head("forms/a 가.png")
    assert info is not None
    assert (info.size, info.content_type) == (10, "image/png")
    assert HOUR - timedelta(minutes=1) < form.expires_at - datetime.now(UTC) <= HOUR


async def test_r2_takes_no_forms_and_says_so() -> None:
    storage = an_r2("http://127.0.0.1:9")
    assert not storage.capabilities.presigned_post
    with pytest.raises(Unsupported):
        await storage.presign_post(PresignPut("a", HOUR, "image/png", 10))
    await storage.close()


@pytest.mark.parametrize(
    ("settings_", "host", "path"),
    [
        (s3_store(S3Settings("my-bucket", "us-east-1", **KEYS)), "my-bucket.s3.us-east-1.amazonaws.com", "/a%20b"),
        (s3_store(S3Settings("my-bucket", "ap-northeast-2", **KEYS)), "my-bucket.s3.ap-northeast-2.amazonaws.com", "/a%20b"),
        (s3_store(S3Settings("my.bucket", "eu-west-1", **KEYS)), "s3.eu-west-1.amazonaws.com", "/my.bucket/a%20b"),
        (
            s3_store(S3Settings("my-bucket", endpoint_url="https://minio.example", **KEYS)),
            "my-bucket.minio.example",
            "/a%20b",
        ),
        (
            s3_store(S3Settings("my-bucket", "eu-west-1", path_style=True, **KEYS)),
            "s3.eu-west-1.amazonaws.com",
            "/my-bucket/a%20b",
        ),
        (
            s3_store(S3Settings("my-bucket", endpoint_url="https://minio.example", path_style=True, **KEYS)),
            "minio.example",
            "/my-bucket/a%20b",
        ),
        (r2_store(R2Settings("a" * 32, "my-bucket", **KEYS)), f"{'a' * 32}.r2.cloudflarestorage.com", "/my-bucket/a%20b"),
        (
            r2_store(R2Settings("a" * 32, "my-bucket", jurisdiction="eu", **KEYS)),
            f"{'a' * 32}.eu.r2.cloudflarestorage.com",
            "/my-bucket/a%20b",
        ),
    ],
)
async def test_the_address_is_made_of_the_settings(settings_: Any, host: str, path: str) -> None:
    storage = S3Storage(settings_)
    url = httpx.URL((await storage.presign_get(PresignGet("a b", HOUR))).url)
    assert (url.scheme, url.host, url.raw_path.decode().partition("?")[0]) == ("https", host, path)
    assert f"/{settings_.region}/s3/" in query_of(str(url))["X-Amz-Credential"]
    await storage.close()


@pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(seconds=-1), timedelta(days=7, seconds=1)])
async def test_an_address_lives_at_most_a_week(s3: S3Storage, expires_in: timedelta) -> None:
    with pytest.raises(Rejected):
        await s3.presign_get(PresignGet("a", expires_in))
    for wrong in (PresignPut("a", expires_in, "text/plain", 1), PresignPut("a", HOUR, "text/plain", 0)):
        with pytest.raises(Rejected):
            await s3.presign_put(wrong)
    with pytest.raises(Rejected):
        await s3.presign_post(PresignPut("a", HOUR, "text/plain\r\n", 1))


AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "another-key-not-secret",
    "AWS_SECRET_ACCESS_KEY": "another-secret-not-secret",
    "AWS_SESSION_TOKEN": "another-token-not-secret",
    "AWS_PROFILE": "there-is-no-such-profile",
    "AWS_ENDPOINT_URL": "https://evil.example",
    "AWS_ENDPOINT_URL_S3": "https://evil.example",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_MAX_ATTEMPTS": "5",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_CA_BUNDLE": "/there/is/no/such/file",
    "HTTP_PROXY": "http://evil.example:1",
    "HTTPS_PROXY": "http://evil.example:1",
}


async def test_nothing_of_the_environment_is_used(
    remote: FakeS3, s3: S3Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await s3.close()
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n[nonsense")
    for name, value in {**AWS_VARIABLES, "AWS_CONFIG_FILE": str(tmp_path / "config")}.items():
        monkeypatch.setenv(name, value)
    storage = an_s3(remote.url)
    await storage.put(PHOTO)
    [sent] = remote.arrived
    assert f"Credential={ACCESS_KEY}/" in sent.headers["authorization"]
    assert not [name for name in sent.headers if "checksum" in name or "security-token" in name or "trailer" in name]
    await storage.close()


async def test_keys_of_the_environment_are_found_when_it_is_told_so(
    remote: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from madang.adapters.s3 import session

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    chosen: dict[str, Any] = {"credentials": "environment", "access_key_id": None, "secret_access_key": None}
    session._session.cache_clear()
    without = an_s3(remote.url, **chosen)
    with pytest.raises(Misconfigured) as nothing:
        await without.check()
    assert nothing.value.code == "NoCredentialsError", "and no instance was asked for keys: the tests refuse such calls"
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    session._session.cache_clear()
    storage = an_s3(remote.url, **chosen)
    assert (await storage.check()).reachable
    for each in (without, storage):
        await each.close()
    session._session.cache_clear()


async def test_keys_that_were_lent_for_a_time_carry_their_token(remote: FakeS3) -> None:
    storage = an_s3(remote.url, session_token=Secret("test-token-not-secret"))
    await storage.put(PHOTO)
    assert remote.arrived[0].headers["x-amz-security-token"] == "test-token-not-secret"
    assert query_of((await storage.presign_get(PresignGet("a", HOUR))).url)["X-Amz-Security-Token"] == "test-token-not-secret"
    await storage.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"bucket": "No_Bucket"},
        {"bucket": "ab"},
        {"region": "eu west 1"},
        {"access_key_id": None},
        {"access_key_id": Secret("key\r\nx-evil: 1")},
        {"secret_access_key": Secret("")},
        {"credentials": "nowhere"},
        {"credentials": "environment"},
        {"endpoint_url": "http://minio.example"},
        {"endpoint_url": "minio.example"},
        {"endpoint_url": "https://user:password@minio.example"},
        {"part_bytes": 5 * MIB - 1},
        {"max_object_bytes": 5 * 1024**3 + 1},
        {"connections": 0},
        {"seconds": 0.0},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))) as refused:
        S3Settings(**{"bucket": BUCKET, **KEYS, **wrong})
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [{"account_id": "https://x"}, {"jurisdiction": "kr"}, {"bucket": ""}, {"endpoint_url": "http://r2.example"}]
)
def test_wrong_settings_of_r2_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        R2Settings(**{"account_id": "0" * 32, "bucket": BUCKET, **KEYS, **wrong})


def test_a_network_of_ones_own_may_be_plain_http() -> None:
    assert S3Settings(BUCKET, endpoint_url="http://minio:9000", plain_http=True, **KEYS).plain_http


def test_the_sdk_is_not_loaded_before_a_provider_is_built() -> None:
    program = (
        "import sys, madang.plugins.builtin.s3, madang.plugins.builtin.r2, madang.adapters.s3.mapping\n"
        "sys.exit(bool({'boto3', 'botocore', 'httpx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
