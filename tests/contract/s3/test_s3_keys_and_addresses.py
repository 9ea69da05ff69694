"""Keys, listings, deletions, and presigned addresses, where they are S3's own."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.fake_s3 import FakeS3, query_of
from contract.s3.buckets import HOUR, an_r2
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import Fault, Reply
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.storage import ObjectPage, PresignGet, PresignPut, PutObject


@pytest.mark.parametrize("key", ["a\nb", "\ud800", "a\x7fb", "a//b", "a/./b", "a/../b", "", "가" * 341 + "xx"])
async def test_a_key_that_could_climb_or_confuse_is_refused(remote: FakeS3, s3: S3Storage, key: str) -> None:
    upload = PresignPut(key, HOUR, "text/plain", 9)
    for operation, refused in {
        "put": s3.put(PutObject(key, b"x", "text/plain")),
        "get": s3.get(key),
        "head": s3.head(key),
        "presign_get": s3.presign_get(PresignGet(key, HOUR)),
        "presign_put": s3.presign_put(upload),
        "presign_post": s3.presign_post(upload),
    }.items():
        with pytest.raises(Rejected) as rejected:
            await refused
        assert (rejected.value.reason, rejected.value.provider, rejected.value.operation) == ("invalid_key", "s3", operation)
    assert (await s3.delete_many([key])).failed == {key: "invalid_key"}
    assert remote.arrived == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert remote.stored() == []


async def test_a_key_has_up_to_1024_bytes(s3: S3Storage) -> None:
    assert await s3.head("가" * 341 + "x") is None


async def test_a_cursor_stays_good_while_what_was_listed_is_deleted(s3: S3Storage) -> None:
    keys = sorted(f"jobs/{n} 가" for n in range(9))
    for key in keys:
        await s3.put(PutObject(key, b"x", "text/plain"))
    found: list[str] = []
    cursor = None
    for _ in range(3):
        page = await s3.list("jobs/", cursor=cursor, limit=4)
        found += [info.key for info in page.objects]
        await s3.delete_many([info.key for info in page.objects])
        cursor = page.cursor
    assert (found, cursor) == (keys, None)
    assert (await s3.list("", limit=5000)).cursor is None


async def test_deleting_takes_any_number_and_names_what_stays(remote: FakeS3, s3: S3Storage) -> None:
    keys = [f"portraits/1/{n}" for n in range(1001)]
    await s3.put(PutObject(keys[0], b"x", "image/jpeg"))
    await s3.put(PutObject("odd \uffff", b"x", "image/jpeg"))
    before = len(remote.acting)
    report = await s3.delete_many([*keys, *keys, "odd \uffff"])
    assert (list(report.deleted), dict(report.failed)) == ([*keys, "odd \uffff"], {})
    assert (len(remote.acting) - before, remote.stored()) == (3, [])
    assert (await s3.delete_many([])).deleted == []
    assert not [name for each in remote.acting for name in each.headers if "checksum" in name], "every storage knows MD5"
    answer = "<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error><Error><Key>d</Key></Error>"
    remote.next.append(Reply(200, f"<DeleteResult>{answer}</DeleteResult>"))
    report = await s3.delete_many(["a", "b", "c", "d"])
    assert (list(report.deleted), dict(report.failed)) == (["a"], {"b": "AccessDenied", "c": "no answer", "d": "refused"})
    remote.next.append(Reply(200, "<DeleteResult></DeleteResult>"))
    with pytest.raises(OutcomeUnknown) as unknown:
        await s3.delete_many(["a"])
    assert (unknown.value.provider, unknown.value.operation) == ("s3", "delete_many")


@pytest.mark.parametrize("key", ["a", "odd \uffff"])
async def test_a_deletion_that_broke_down_may_be_done(remote: FakeS3, s3: S3Storage, key: str) -> None:
    remote.plan(Fault.SERVER_ERROR)
    with pytest.raises(OutcomeUnknown):
        await s3.delete_many([key])


async def test_an_upload_address_takes_its_key_and_type_only(remote: FakeS3, s3: S3Storage, browser: httpx.AsyncClient) -> None:
    storage = s3
    upload = await storage.presign_put(PresignPut("사진 1.jpg", HOUR, "image/jpeg", 10))
    assert (upload.method, dict(upload.headers)) == ("PUT", {"content-type": "image/jpeg"})
    assert not storage.capabilities.enforces_size, "nothing in an address to PUT to can bound its size"

    async def send(url: str = upload.url, **headers: str) -> int:
        return (await browser.put(url, content=b"x" * 10, headers={**upload.headers, **headers})).status_code

    assert await send(**{"content-type": "text/html"}) == 403
    assert await send(**{"x-amz-acl": "public-read"}) == 403
    assert await send(upload.url.replace("1.jpg", "2.jpg")) == 403
    assert remote.stored() == []
    assert await send() == 200
    info = await storage.head("사진 1.jpg")
    assert info is not None
    assert (info.size, info.content_type, info.sha256) == (10, "image/jpeg", None)


async def test_a_form_takes_its_key_type_and_size_only(remote: FakeS3, s3: S3Storage, browser: httpx.AsyncClient) -> None:
    form = await s3.presign_post(PresignPut("forms/a 가.png", HOUR, "image/png", 10))
    assert ["content-length-range", 0, 10] in json.loads(base64.b64decode(form.fields["policy"]))["conditions"]

    async def send(body: bytes = b"x" * 10, **changes: str) -> httpx.Response:
        fields = {**form.fields, **changes}
        return await browser.post(form.url, data=fields, files={"file": ("a.png", body, "image/png")})

    for changes in ({"key": "forms/b.png"}, {"Content-Type": "text/html"}, {"acl": "public-read"}, {"policy": "e30="}):
        assert (await send(**changes)).status_code == 403
    assert "EntityTooLarge" in (await send(b"x" * 11)).text
    assert remote.stored() == []
    assert (await send()).status_code == 204
    info = await s3.head("forms/a 가.png")
    assert info is not None
    assert (info.size, info.content_type) == (10, "image/png")
    assert HOUR - timedelta(minutes=1) < form.expires_at - datetime.now(UTC) <= HOUR


async def test_a_name_that_is_no_text_makes_an_address_all_the_same(s3: S3Storage) -> None:
    address = await s3.presign_get(PresignGet("a", HOUR, filename="\ud800%.jpg"))
    assert "filename*=UTF-8''%3F%25.jpg" in query_of(address.url)["response-content-disposition"]


async def test_r2_takes_no_forms_and_says_so() -> None:
    storage = an_r2("http://127.0.0.1:9")
    assert not storage.capabilities.presigned_post
    with pytest.raises(Unsupported) as refused:
        await storage.presign_post(PresignPut("a", HOUR, "image/png", 10))
    assert (refused.value.provider, refused.value.operation) == ("r2", "presign_post")
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


async def test_a_page_holds_from_one_to_a_thousand_keys(remote: FakeS3, s3: S3Storage) -> None:
    for number in range(3):
        await s3.put(PutObject(f"jobs/{number}", b"x", "text/plain"))
    await s3.check()
    for asked, sent in ((None, 1000), (0, 1), (-1, 1), (1, 1), (2, 2), (1000, 1000), (1001, 1000)):
        page = await (s3.list("jobs/") if asked is None else s3.list("jobs/", limit=asked))
        assert remote.arrived[-1].query["max-keys"] == str(sent)
        assert (len(page.objects), page.cursor) == ((sent, f"jobs/{sent - 1}") if sent < 3 else (3, None))
    assert [each.query["max-keys"] for each in remote.arrived if "prefix" not in each.query and "max-keys" in each.query] == [
        "1"
    ]
    odd = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>"
    remote.next.append(Reply(200, odd))
    with pytest.raises(Unavailable, match="no listing") as refused:
        await s3.list("")
    assert (refused.value.provider, refused.value.operation) == ("s3", "list")
    remote.next.append(Reply(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"))
    assert await s3.list("") == ObjectPage([], None), "no key, so nothing to go on from"
