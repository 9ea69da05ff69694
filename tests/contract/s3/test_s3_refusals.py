"""Every refusal of the S3 API and every mishap of its SDK, in our words."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from contract.fake_s3 import FakeS3, error
from contract.s3.buckets import PHOTO, an_s3
from madang.adapters.s3 import exchange, mapping
from madang.adapters.s3.storage import S3Storage
from madang.plugins.conformance.remote import Arrived, RemoteService, Reply, serving
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.storage import PutObject

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
    (Reply(200, ""), OutcomeUnknown, None),
]


def _code_in(row: int) -> str:
    reply = ROWS[row][0]
    return str(reply.body)[:200].partition("<Code>")[2].partition("<")[0] or str(reply.status)


Met: TypeAlias = list[tuple[PortError, int]]


@pytest.fixture(scope="module")
def met() -> Met:
    """What `put` raised for each row, and how many requests that took: all over one wire, each row is then a test."""
    return asyncio.run(_meet())


async def _meet() -> Met:
    found = []
    with serving(_Refusing()) as remote:
        storage = an_s3(remote.url)
        for reply, _, _ in ROWS:
            remote.next.append(reply)
            before = len(remote.arrived)
            try:
                await storage.put(PHOTO)
            except PortError as error:
                found.append((error, len(remote.arrived) - before))
        await storage.close()
    return found


class _Refusing(RemoteService):
    def answer(self, request: Arrived) -> Reply:
        return Reply(200, "", {"etag": '"it was tried twice"'})


@pytest.mark.parametrize("row", range(len(ROWS)), ids=_code_in)
def test_every_refusal_is_one_of_the_taxonomy_and_nothing_is_tried_twice(met: Met, row: int) -> None:
    (error, requests), (_, kind, detail) = met[row], ROWS[row]
    assert len(met) == len(ROWS)
    assert type(error) is kind
    assert (error.provider, error.operation) == ("s3", "put")
    assert getattr(error, "reason", getattr(error, "retry_after", None)) == detail
    assert requests == 1


def test_every_code_has_its_row() -> None:
    told = {_code_in(row) for row in range(len(ROWS))}
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
    ],
)
async def test_a_question_that_fails_may_be_asked_again_and_is_never_an_empty_page(
    remote: FakeS3, s3: S3Storage, reply: Reply, kind: type[PortError]
) -> None:
    asking: dict[str, Callable[[], Awaitable[object]]] = {
        "list": lambda: s3.list(""),
        "check": s3.check,
        "get": lambda: s3.get("a"),
        "head": lambda: s3.head("a"),
    }
    for name, ask in asking.items():
        remote.next.append(reply)
        with pytest.raises(PortError) as raised:
            await ask()
        assert (type(raised.value), raised.value.provider, raised.value.operation) == (kind, "s3", name)


async def test_an_answer_may_be_so_long_and_no_longer(remote: FakeS3, s3: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    for spare in (0, -1):
        monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", len(answer) + spare)
        remote.next.append(Reply(200, answer))
        if spare < 0:
            with pytest.raises(Unavailable) as long:
                await s3.list("")
            assert long.value.code == "TooLong"
        else:
            assert (await s3.list("")).objects == []


async def test_an_object_is_described_without_fetching_it(remote: FakeS3, s3: S3Storage) -> None:
    await s3.put(PHOTO)
    await s3.head(PHOTO.key)
    assert remote.arrived[-1].headers["range"] == "bytes=0-0"
    before = len(remote.arrived)
    remote.next.append(error(400, "InvalidRequest"))
    with pytest.raises(Rejected):
        await s3.head(PHOTO.key)
    assert len(remote.arrived) == before + 1, "asked again only for what has no first byte"


async def test_an_answer_without_a_body_is_no_object(remote: FakeS3, s3: S3Storage) -> None:
    remote.next.append(Reply(204, ""))
    with pytest.raises(Unavailable, match="no body") as refused:
        await s3.get("a")
    assert (refused.value.provider, refused.value.operation) == ("s3", "get")


async def test_an_empty_object_is_described_too(remote: FakeS3, s3: S3Storage) -> None:
    await s3.put(PutObject("empty", b"", "text/plain"))
    found = await s3.head("empty")
    assert found is not None
    assert (found.size, found.content_type) == (0, "text/plain")


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
        assert (found.provider, found.operation, found.code) == ("s3", "put", type(mishap).__name__)
        assert getattr(found, "reason", "invalid_request") == "invalid_request"
        seen |= {each.__name__ for each in type(mishap).__mro__}
        if kind is OutcomeUnknown:
            unasked = mapping.mishap_of("s3", "put", mishap, effect=True, sent=False)
            unread = mapping.mishap_of("s3", "get", mishap, effect=False, sent=True)
            assert type(unasked) is type(unread) is Unavailable
            assert ("could not be asked" in str(unasked), "cannot be read" in str(unread)) == (True, True)
        if kind is Misconfigured:
            assert "no keys were found" in str(found)
    assert set(mapping.MISHAPS) <= seen
