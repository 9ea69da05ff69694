"""Conformance of a storage."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.presigned import PresignedAddresses
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, outcome, raised
from madang.plugins.conformance.suite import AT_ONCE, Read
from madang.ports.errors import PortError, Rejected, Unavailable
from madang.ports.provider import ProviderKind
from madang.ports.storage import ObjectInfo, PresignGet, PresignPut, PutObject, Storage

BODY: Final = bytes(range(256)) * 3 + "마당".encode()
OBJECT: Final = PutObject("portraits/1/photo.jpg", BODY, "image/jpeg", metadata={"made-by": "madang"})
KEYS: Final = (
    "사진/나의 리즈 시절 (1).jpg",
    "a+b & c=d?e#f;g,h.txt",
    "100% sure/%2F/%20.txt",
    "it's “quoted”/[x]{y}~!@$^*().txt",
    "emoji/👩🏽‍🚀.png",
    "..hidden/..../a..b",
    "k" * 1024,
)
NO_KEYS: Final = ("", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", ".", "..", "a\x00b", "k" * 1025, "가" * 342)
HOUR: Final = timedelta(hours=1)
NEIGHBOURS: Final = ("jobs", "jobs.txt", "jobs0", "job", "other/jobs/1", "Jobs/1")
"""Beside `jobs/`, and not below it."""


class StorageConformance(PresignedAddresses):
    """Objects by key; `PresignedAddresses` has the rest of it."""

    kind = ProviderKind.STORAGE
    operation = "put"
    large: ClassVar[int] = 1_500_003
    """Bytes of a stream that the provider does not send in one piece."""

    async def act(self, provider: Storage, key: str, timeout: float = 20.0) -> ObjectInfo:
        return await provider.put(replace(OBJECT, key=f"acts/{key}.jpg", timeout=timeout))

    async def reads(self, provider: Storage) -> Mapping[str, Read]:
        await provider.put(OBJECT)

        async def whole() -> bytes:
            return await (await provider.get(OBJECT.key)).read()

        return {
            **await super().reads(provider),
            "get": whole,
            "head": lambda: provider.head(OBJECT.key),
            "list": lambda: provider.list("portraits/"),
        }

    @must("Keep body, type and metadata as they come, and describe an object alike in put(), get() and head().")
    @pytest.mark.parametrize("body", [BODY, b""])
    async def test_what_is_put_comes_back_as_it_was(self, provider: Storage, body: bytes) -> None:
        started = datetime.now(UTC) - timedelta(seconds=2)
        put = await provider.put(replace(OBJECT, body=body))
        stored, head = await provider.get(OBJECT.key), await provider.head(OBJECT.key)
        assert await stored.read() == body
        assert head is not None
        for info in (put, stored.info, head):
            assert (info.key, info.size, info.content_type) == (OBJECT.key, len(body), "image/jpeg")
            assert dict(info.metadata) == {"made-by": "madang"}
            assert info.sha256 in (None, sha256(body).hexdigest())
            assert info.etag == put.etag
            assert info.etag
            assert started <= info.modified_at <= datetime.now(UTC) + timedelta(seconds=2)

    @must("A second put() of a key replaces the object as a whole: body, type and metadata.")
    async def test_putting_again_replaces_and_the_same_again_changes_nothing(self, stage: Stage, provider: Storage) -> None:
        first = await provider.put(OBJECT)
        assert (await stage.build().put(OBJECT)).etag == first.etag
        second = await provider.put(PutObject(OBJECT.key, b"other", "text/plain; charset=utf-8"))
        stored = await provider.get(OBJECT.key)
        assert await stored.read() == b"other"
        assert (stored.info.content_type, dict(stored.info.metadata)) == ("text/plain; charset=utf-8", {})
        assert second.etag != first.etag
        assert [info.key for info in (await provider.list("")).objects] == [OBJECT.key]

    @must("Take any relative key of up to 1024 bytes of UTF-8, and encode it once where it travels in an address.")
    async def test_any_relative_key_is_a_key(self, provider: Storage) -> None:
        for key in KEYS:
            assert (await provider.put(replace(OBJECT, key=key, body=key.encode()))).key == key
        assert [info.key for info in (await provider.list("")).objects] == sorted(KEYS)
        for key in KEYS:
            assert await (await provider.get(key)).read() == key.encode()
            assert [info.key for info in (await provider.list(key)).objects] == [key]
        assert list((await provider.delete_many(KEYS)).deleted) == list(KEYS)
        assert not (await provider.list("")).objects

    @must("Keys are names, not folders: one may be the beginning of another, and deleting it leaves the other.")
    async def test_a_key_and_keys_below_it_live_side_by_side(self, provider: Storage) -> None:
        keys = ["a", "a%2Fb", "a/b", "a/b/c", "a@meta"]
        for key in keys:
            await provider.put(replace(OBJECT, key=key, body=key.encode()))
        assert [info.key for info in (await provider.list("a")).objects] == keys
        await provider.delete_many(["a", "a/b"])
        assert [info.key for info in (await provider.list("")).objects] == ["a%2Fb", "a/b/c", "a@meta"]
        assert await (await provider.get("a/b/c")).read() == b"a/b/c"

    @must('Refuse it yourself as Rejected(reason="invalid_key"), in every method, before anything is sent.')
    @pytest.mark.parametrize("key", NO_KEYS, ids=[ascii(key[:12]) for key in NO_KEYS])
    async def test_a_key_that_could_climb_or_confuse_is_refused(self, stage: Stage, provider: Storage, key: str) -> None:
        assert await self._reason("put", provider.put(replace(OBJECT, key=key))) == "invalid_key"
        assert await self._reason("get", provider.get(key)) == "invalid_key"
        assert await self._reason("head", provider.head(key)) == "invalid_key"
        able, upload = provider.capabilities, PresignPut(key, HOUR, "text/plain", 9)
        if able.presigned_get:
            assert await self._reason("presign_get", provider.presign_get(PresignGet(key, HOUR))) == "invalid_key"
        if able.presigned_put:
            assert await self._reason("presign_put", provider.presign_put(upload)) == "invalid_key"
        if able.presigned_post:
            assert await self._reason("presign_post", provider.presign_post(upload)) == "invalid_key"
        assert dict((await provider.delete_many([key])).failed) == {key: "invalid_key"}
        assert stage.service is None or not stage.service.arrived

    @must("Pass a stream on piece by piece, with its announced size.")
    async def test_a_stream_is_stored_whole(self, provider: Storage) -> None:
        info = await provider.put(replace(OBJECT, body=pieces(self.large), size=self.large))
        assert info.size == self.large
        digest = sha256()
        async for chunk in (await provider.get(OBJECT.key)).chunks:
            digest.update(chunk)
        assert digest.hexdigest() == sha256(b"".join(cut(self.large))).hexdigest()

    @must("Count a stream: longer than announced is too_large, shorter is invalid_request, and neither leaves an object.")
    @pytest.mark.parametrize(("size", "reason"), [(999, "too_large"), (1001, "invalid_request")])
    async def test_a_stream_of_another_length_is_refused(self, provider: Storage, size: int, reason: str) -> None:
        await provider.put(OBJECT)
        assert await self._reason("put", provider.put(replace(OBJECT, body=pieces(1000), size=size))) == reason
        assert await self._reason("put", provider.put(replace(OBJECT, key="new", body=pieces(1000), size=size))) == reason
        assert await (await provider.get(OBJECT.key)).read() == BODY
        assert await provider.head("new") is None

    @must("A body of bytes that is not as long as announced is refused as a stream is.")
    @pytest.mark.parametrize(("size", "reason"), [(len(BODY) - 1, "too_large"), (len(BODY) + 1, "invalid_request")])
    async def test_bytes_of_another_length_are_refused(self, provider: Storage, size: int, reason: str) -> None:
        assert await self._reason("put", provider.put(replace(OBJECT, size=size))) == reason
        assert await provider.head(OBJECT.key) is None

    @must("A stream that fails half-way stores nothing, and what was there before stays whole.")
    async def test_a_stream_that_fails_leaves_the_old_object(self, provider: Storage) -> None:
        await provider.put(OBJECT)

        async def broken() -> AsyncIterator[bytes]:
            yield b"new"
            raise ConnectionError("whoever sends it went away")

        result = await outcome(provider.put(replace(OBJECT, body=broken(), size=10_000)))
        assert isinstance(result, ConnectionError | PortError), f"it answered {result!r}"
        assert await (await provider.get(OBJECT.key)).read() == BODY

    @must('An object beyond max_object_bytes is Rejected(reason="too_large") before it is sent.')
    async def test_an_object_beyond_the_limit_is_too_large(self, stage: Stage, provider: Storage) -> None:
        size = provider.capabilities.max_object_bytes + 1
        assert await self._reason("put", provider.put(replace(OBJECT, body=pieces(10), size=size))) == "too_large"
        assert stage.service is None or not stage.service.acting

    @must("Answer pages of at most `limit` objects in the order of their keys, and a cursor until the last.")
    async def test_a_listing_goes_through_all_pages_in_key_order(self, stage: Stage, provider: Storage) -> None:
        keys = sorted([*(f"jobs/{number % 3}/{number}" for number in range(14)), "jobs/가", "jobs/Z", "jobs/a b", "jobs/é"])
        for key in (*keys, *NEIGHBOURS):
            await provider.put(replace(OBJECT, key=key, body=key.encode()))
        found: list[ObjectInfo] = []
        cursor, pages = None, 0
        while pages < len(keys):
            page = await stage.build().list("jobs/", cursor=cursor, limit=5)
            assert len(page.objects) <= 5
            found, cursor, pages = [*found, *page.objects], page.cursor, pages + 1
            if cursor is None:
                break
        assert [info.key for info in found] == keys
        assert [info.size for info in found] == [len(key.encode()) for key in keys]
        assert pages == 4
        exactly = await provider.list("jobs/", limit=len(keys))
        assert (len(exactly.objects), exactly.cursor) == (len(keys), None)
        assert [info.key for info in (await provider.list("jobs/1")).objects] == [
            key for key in keys if key.startswith("jobs/1")
        ]
        assert [info.key for info in (await provider.list("")).objects] == sorted([*keys, *NEIGHBOURS])
        nothing = await provider.list("nothing/")
        assert (list(nothing.objects), nothing.cursor) == ([], None)

    @must('get() of a key that is not there is Rejected(reason="not_found"), head() answers None.')
    async def test_what_is_not_there_is_not_found(self, provider: Storage) -> None:
        await provider.put(OBJECT)
        for key in ("portraits/1", "portraits/1/photo", "portraits/1/photo.jpg/2", "nothing"):
            assert await self._reason("get", provider.get(key)) == "not_found"
            assert await provider.head(key) is None

    @must("Delete any number of keys in as many calls as that takes; one that is gone counts as deleted.")
    async def test_any_number_is_deleted_also_of_what_is_gone(self, provider: Storage) -> None:
        for key in ("a", "b/c", "stays"):
            await provider.put(replace(OBJECT, key=key))
        keys = ["a", *(f"never/{number}" for number in range(1100)), "b/c"]
        for _ in range(2):
            report = await provider.delete_many(keys)
            assert (sorted(report.deleted), dict(report.failed)) == (sorted(keys), {})
        assert [info.key for info in (await provider.list("")).objects] == ["stays"]
        assert await provider.head("a") is None

    @must("Delete what can be deleted, and tell of each key that could not be why not.")
    async def test_a_key_that_cannot_be_deleted_keeps_no_other(self, provider: Storage) -> None:
        await provider.put(OBJECT)
        report = await provider.delete_many(["../climbs", OBJECT.key])
        assert (list(report.deleted), dict(report.failed)) == ([OBJECT.key], {"../climbs": "invalid_key"})
        assert await provider.head(OBJECT.key) is None
        nothing = await provider.delete_many([])
        assert (list(nothing.deleted), dict(nothing.failed)) == ([], {})

    @must("A deletion that did not happen is told: by an error of the taxonomy, or in the report. Never as deleted.")
    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.WRONG_KEY, Fault.HUNG_UP_BEFORE])
    async def test_a_deletion_that_fails_is_told(self, stage: Stage, provider: Storage, fault: Fault) -> None:
        self._needs(fault)
        await provider.put(OBJECT)
        await self.inject(stage, fault, "delete_many")
        result: Any = await outcome(provider.delete_many([OBJECT.key]))
        if isinstance(result, Exception):
            assert isinstance(result, self.errors[fault]), repr(result)
        else:
            assert (list(result.deleted), list(result.failed)) == ([], [OBJECT.key])
        assert await provider.head(OBJECT.key) is not None
        assert list((await provider.delete_many([OBJECT.key])).deleted) == [OBJECT.key]

    @must("Writers of one key leave one of their objects, whole.")
    async def test_many_writers_leave_one_whole_object(self, provider: Storage) -> None:
        bodies = [bytes([number]) * 50_000 for number in range(AT_ONCE)]
        await asyncio.gather(*(provider.put(replace(OBJECT, body=body)) for body in bodies))
        assert await (await provider.get(OBJECT.key)).read() in bodies

    @must("A body that breaks off while it is read is Unavailable: half of an object is none.")
    async def test_a_body_that_breaks_off_is_no_body(self, stage: Stage, provider: Storage) -> None:
        if stage.service is None:
            pytest.skip("there is no wire that could break")
        await provider.put(OBJECT)
        stage.service.plan(Fault.CUT_OFF)

        async def whole() -> bytes:
            return await (await provider.get(OBJECT.key)).read()

        await raised(self.name, "get", whole(), (Unavailable,))
        assert await whole() == BODY

    async def _reason(self, operation: str, call: Any) -> str:
        return str(getattr(await raised(self.name, operation, call, (Rejected,)), "reason", ""))


def cut(size: int) -> Iterator[bytes]:
    """As many bytes, in pieces of odd lengths."""
    for start in range(0, size, 65_537):
        yield bytes([start % 251]) * min(65_537, size - start)


async def pieces(size: int) -> AsyncIterator[bytes]:
    for piece in cut(size):
        yield piece
