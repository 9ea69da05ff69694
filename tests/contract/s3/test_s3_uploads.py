"""What is put: whole or not at all, in one request or in parts, and never more in memory than a few of them."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fake_s3 import FakeS3, error
from contract.s3.buckets import DIGEST, MIB, PART, PHOTO, an_s3, chunks
from madang.adapters.s3 import mapping
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply, serving
from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.storage import PutObject

LONG = bytes(range(256)) * (2 * PART // 256 - 1) + b"1" * 256
"""Two parts, neither like the other."""


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
    assert (await storage.put(PHOTO)).etag == put.etag
    assert await storage.head("portraits/1/other.jpg") is None
    with pytest.raises(Rejected) as gone:
        await storage.get("portraits/1/other.jpg")
    assert (gone.value.reason, gone.value.code, gone.value.request_id) == ("not_found", "NoSuchKey", "REQUEST1")


@pytest.mark.parametrize(
    ("body", "size", "requests"),
    [
        (b"", None, 1),
        (LONG[:PART], None, 1),
        (LONG[: PART + 1], None, 4),
        ((LONG[: PART - 1], b"12", LONG[:PART]), None, 5),
        ((b"a", b"", b"b"), None, 1),
        ((), 0, 1),
        ((LONG,), 2 * PART, 4),
    ],
    ids=["nothing", "one part", "bytes in parts", "a stream", "a short stream", "an empty stream", "two whole parts"],
)
async def test_a_body_goes_in_one_request_or_in_parts(
    remote: FakeS3, s3: S3Storage, body: bytes | tuple[bytes, ...], size: int | None, requests: int
) -> None:
    sent = body if isinstance(body, bytes) else chunks(*body)
    info = await s3.put(PutObject("a", sent, "text/plain", size=size))
    stored = await s3.get("a")
    whole = body if isinstance(body, bytes) else b"".join(body)
    assert await stored.read() == whole
    assert info.size == stored.info.size == len(whole)
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
    yield bytes(PART + 1)
    raise ConnectionError("the client went away")


def at(method: str, query: str) -> Callable[[Arrived], bool]:
    return lambda request: request.method == method and query in request.query


@pytest.mark.parametrize(
    ("body", "faults", "expected"),
    [
        (broken(), [], ConnectionError),
        (broken(), [(Fault.SERVER_ERROR, at("DELETE", "uploadId"))], ConnectionError),
        (bytes(PART + 9), [(Fault.UNAVAILABLE, at("PUT", "partNumber"))], Unavailable),
        (bytes(PART + 9), [(Fault.SERVER_ERROR, at("PUT", "partNumber"))], Unavailable),
        (bytes(PART + 9), [(Fault.ANSWER_LOST, at("PUT", "partNumber"))], Unavailable),
        (bytes(PART + 9), [(Fault.GARBAGE, at("PUT", "partNumber"))], Unavailable),
        (bytes(PART + 9), [(Fault.RATE_LIMITED, at("POST", "uploadId"))], RateLimited),
        (bytes(PART + 9), [(Fault.HUNG_UP_BEFORE, at("POST", "uploadId"))], OutcomeUnknown),
        (chunks(bytes(PART), b"more than announced"), [], Rejected),
    ],
    ids=[
        "client gone",
        "not taken back",
        "part refused",
        "part failed",
        "part lost",
        "no etag",
        "not completed",
        "hung up",
        "too long",
    ],
)
async def test_an_upload_in_parts_that_fails_leaves_the_old_object_and_nothing_else(
    remote: FakeS3, s3: S3Storage, body: Any, faults: Any, expected: type[Exception]
) -> None:
    await s3.put(replace(PHOTO, key="a"))
    for fault, only in faults:
        remote.plan(fault, only=only)
    with pytest.raises(expected) as raised:
        await s3.put(PutObject("a", body, "video/mp4", size=PART + 9))
    assert type(raised.value) is expected
    assert remote.unfinished() == 0
    assert await (await s3.get("a")).read() == b"0123456789"


async def test_an_upload_in_parts_that_is_given_no_id_has_stored_nothing(remote: FakeS3, s3: S3Storage) -> None:
    remote.next.append(Reply(200, "<InitiateMultipartUploadResult><Key>a</Key></InitiateMultipartUploadResult>"))
    with pytest.raises(Unavailable) as refused:
        await s3.put(PutObject("a", bytes(PART + 1), "text/plain"))
    assert (refused.value.provider, refused.value.operation) == ("s3", "put")
    assert (len(remote.arrived), remote.stored()) == (1, [])


async def test_a_part_that_is_not_taken_ends_the_upload(remote: FakeS3, s3: S3Storage) -> None:
    upload = "<InitiateMultipartUploadResult><UploadId>u-1</UploadId></InitiateMultipartUploadResult>"
    remote.next += [Reply(200, upload), Reply(200, ""), Reply(204, "")]
    with pytest.raises(Unavailable, match="not taken") as refused:
        await s3.put(PutObject("a", bytes(PART + 1), "text/plain"))
    assert (refused.value.provider, refused.value.operation) == ("s3", "put")
    assert [each.method for each in remote.arrived] == ["POST", "PUT", "DELETE"]


async def test_a_time_out_of_the_bodys_own_is_the_callers(remote: FakeS3, s3: S3Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise TimeoutError("the body's own")

    with pytest.raises(TimeoutError, match="own"):
        await s3.put(PutObject("a", broken(), "text/plain"))
    assert remote.acting == []


async def test_nothing_is_sent_once_the_time_is_over(remote: FakeS3, s3: S3Storage) -> None:
    with pytest.raises(Unavailable) as late:
        await s3.put(PutObject("a", b"x", "text/plain", timeout=0.0))
    assert (late.value.provider, late.value.operation) == ("s3", "put")
    assert remote.arrived == []


async def test_a_completion_whose_answer_is_lost_may_be_done(remote: FakeS3, s3: S3Storage) -> None:
    for fault in (Fault.ANSWER_LOST, Fault.SERVER_ERROR, Fault.GARBAGE):
        remote.plan(fault, only=at("POST", "uploadId"))
        with pytest.raises(OutcomeUnknown):
            await s3.put(PutObject(fault, bytes(PART + 1), "video/mp4"))
        assert (await s3.head(fault)).size == PART + 1  # type: ignore[union-attr]
    remote.next.append(Reply(200, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"))
    remote.next.extend([Reply(200, "", {"etag": '"1"'}), Reply(200, "", {"etag": '"2"'}), replace(error(200, "InternalError"))])
    with pytest.raises(OutcomeUnknown):
        await s3.put(PutObject("a", bytes(PART + 1), "video/mp4"))


async def test_an_upload_whose_caller_goes_away_is_taken_back(remote: FakeS3, s3: S3Storage) -> None:
    sent = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield bytes(2 * PART)
        sent.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(s3.put(PutObject("a", stuck(), "video/mp4")))
    await sent.wait()
    assert [each.method for each in remote.arrived] == ["POST", "PUT", "PUT"]
    assert remote.unfinished() == 1
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (remote.unfinished(), remote.stored()) == (0, [])


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
        assert (refused.value.reason, refused.value.provider, refused.value.operation) == (reason, "s3", "put"), changes
    assert remote.acting == []
    for fits in ({"body": b"x" * 10}, {"body": chunks(b"x" * 10), "size": 10}, {"body": chunks(b"x" * 6, b"x" * 4)}):
        assert (await storage.put(replace(PHOTO, **fits))).size == 10
    await storage.close()


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
