"""The transport beneath the providers' adapters: what becomes of a call on each bad day, over real HTTP."""

import asyncio
import gzip
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.adapters.provider_http.answers import Answer, document_in, object_in
from madang.adapters.provider_http.bounds import BoundedTransport, Counted
from madang.adapters.provider_http.certificates import trust
from madang.adapters.provider_http.client import MAX_ANSWER_BYTES, ProviderHttp
from madang.adapters.provider_http.failures import TooLong, port_errors
from madang.adapters.provider_http.hidden_address import HiddenAddress
from madang.plugins.conformance.leaks import listen_to_everything, texts_of_error, texts_of_record
from madang.plugins.conformance.remote import (
    Arrived,
    Elsewhere,
    Fault,
    RemoteService,
    Reply,
    closed_port,
    serving,
)
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable
from madang.ports.secret import Secret

SECONDS = 10.0
SHORT = 0.3
KEY = "test-key-not-secret"
ACTS_OR_ASKS = pytest.mark.parametrize(("acts", "lost"), [(True, OutcomeUnknown), (False, Unavailable)])
LOST = [Fault.HUNG_UP_BEFORE, Fault.ANSWER_LOST, Fault.SILENT, Fault.SLOW, Fault.CUT_OFF]
IMPOSSIBLE = [
    "https://provider.example:65536",
    "https://provider.example:0",
    "https://provider.example:-1",
    "https://provider.example:port",
    f"https://{'a' * 64}.example",
    "https://provider..example",
    "https://[::1",
    "https://",
    "ftp://provider.example",
    "provider.example",
    "",
]


class Provider(RemoteService):
    """Says what it was asked."""

    opened = 0

    def answer(self, request: Arrived) -> Reply:
        return Reply(200, {"method": request.method, "target": request.target})

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        super().process_request(request, client_address)


Build = Callable[..., ProviderHttp]


@pytest.fixture
def remote() -> Iterator[Provider]:
    with serving(Provider()) as service:
        yield service


@pytest.fixture
async def build(remote: Provider) -> AsyncIterator[Build]:
    built: list[ProviderHttp] = []

    def make(**changes: Any) -> ProviderHttp:
        built.append(ProviderHttp("acme", **{"base_url": f"{remote.url}/v1", **changes}))
        return built[-1]

    yield make
    for each in built:
        await each.close()


async def ask(http: ProviderHttp, path: str = "/things", timeout: float = SECONDS, **content: Any) -> Answer:
    return await http.call("fetch", "GET", path, timeout, **{"acts": False, **content})


async def act(http: ProviderHttp, path: str = "/things", timeout: float = SECONDS, **content: Any) -> Answer:
    return await http.call("send", "POST", path, timeout, acts=True, **content)


async def failed(call: Any) -> PortError:
    with pytest.raises(PortError) as error:
        await call
    return error.value


async def met(remote: Provider, fault: Fault, call: Callable[..., Any]) -> PortError:
    """What is raised by a call that meets the fault, in so much time as this machine needs to send it."""
    remote.plan(fault)
    arrived = len(remote.arrived)
    for seconds in (SHORT, 4 * SHORT, SECONDS):
        error = await failed(call(timeout=seconds))
        if not error.message.startswith("no connection"):
            break
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) > arrived)
    return error


@ACTS_OR_ASKS
@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_answer_leaves_open_what_an_act_did_and_nothing_of_a_question(
    remote: Provider, build: Build, fault: Fault, acts: bool, lost: type[PortError]
) -> None:
    error = await met(remote, fault, partial(build().call, "send", "POST", "/things", acts=acts))
    assert type(error) is lost
    assert (error.provider, error.operation, error.code) == ("acme", "send", None)
    assert error.message.startswith("the answer was lost: ")
    assert len(remote.arrived) == 1, "nothing is tried twice"


@ACTS_OR_ASKS
async def test_an_answer_without_end_is_a_lost_one(remote: Provider, build: Build, acts: bool, lost: type[PortError]) -> None:
    remote.next.append(Reply(200, itertools.repeat(b" " * 65_536)))
    error = await failed(build().call("send", "POST", "/things", SECONDS, acts=acts))
    assert (type(error), error.message) == (lost, "the answer was lost: TooLong")
    assert await asyncio.to_thread(remote.wait_until, lambda: not remote.connections)


@pytest.mark.parametrize("acts", [True, False])
async def test_nothing_was_done_where_nobody_listens(build: Build, acts: bool) -> None:
    http = build(base_url=f"http://127.0.0.1:{closed_port()}")
    error = await failed(http.call("send", "POST", "/things", SECONDS, acts=acts))
    assert (type(error), error.message) == (Unavailable, "no connection: ConnectError")
    assert (error.provider, error.operation) == ("acme", "send")


@pytest.mark.parametrize("path", ["", "/hooks/1"])
async def test_nothing_was_done_where_nobody_answers_an_attempt_to_connect(deaf: str, path: str) -> None:
    hidden = HiddenAddress("acme", Secret(deaf + path), BoundedTransport("acme", 1000)) if path else None
    http = ProviderHttp("acme", base_url=deaf, transport=hidden)
    error = await failed(act(http, timeout=2 * SHORT))
    assert (type(error), error.message) == (Unavailable, "no connection: ConnectTimeout")


@pytest.mark.parametrize("never_sent", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError])
def test_what_was_never_sent_is_not_done_whoever_sends_it(never_sent: type[httpx.TransportError]) -> None:
    with pytest.raises(Unavailable, match=never_sent.__name__), port_errors("acme", "send", acts=True):
        raise never_sent("")


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_without_any_time_nothing_is_sent(remote: Provider, build: Build, seconds: float) -> None:
    error = await failed(act(build(), timeout=seconds))
    assert (type(error), error.code) == (Unavailable, "timeout")
    assert (error.provider, error.operation) == ("acme", "send")
    assert not remote.arrived


@pytest.mark.parametrize("status", [200, 201, 204, 299, 300, 307, 400, 401, 429, 500, 503])
async def test_whatever_is_answered_is_handed_over(remote: Provider, build: Build, status: int) -> None:
    remote.next.append(Reply(status, "" if status == 204 else {"id": "t1"}, {"X-Request-Id": "r1"}))
    answer = await act(build())
    assert (answer.status, answer.is_success) == (status, status < 300)
    assert answer.headers["x-request-id"] == "r1"
    assert answer.fields == ({} if status == 204 else {"id": "t1"})


@pytest.mark.parametrize(("most", "whole"), [(12, True), (11, False)])
async def test_an_answer_may_be_as_long_as_it_is_said_and_no_longer(
    remote: Provider, build: Build, most: int, whole: bool
) -> None:
    for body in (b"twelve bytes", iter([b"twelve", b" ", b"bytes"])):
        remote.next.append(Reply(200, body))
        http = build(max_answer_bytes=most)
        if whole:
            assert (await act(http)).body == b"twelve bytes"
        else:
            assert isinstance(await failed(act(http)), OutcomeUnknown)


async def test_unless_said_otherwise_an_answer_has_four_mebibytes(remote: Provider, build: Build) -> None:
    remote.next += [Reply(200, b"x" * MAX_ANSWER_BYTES), Reply(200, b"x" * (MAX_ANSWER_BYTES + 1))]
    assert MAX_ANSWER_BYTES == 4_194_304
    assert len((await ask(build())).body) == MAX_ANSWER_BYTES
    assert isinstance(await failed(ask(build())), Unavailable)


async def test_no_redirect_is_followed(remote: Provider, build: Build) -> None:
    with serving(Elsewhere()) as elsewhere:
        remote.next.append(Reply(307, "", {"location": f"{elsewhere.url}/things"}))
        assert (await act(build(headers={"authorization": KEY}))).status == 307
        assert not elsewhere.arrived


@pytest.mark.parametrize("packing", ["gzip", "GZIP", "br", "deflate, gzip"])
@pytest.mark.parametrize("status", [200, 429])
async def test_of_an_answer_that_is_packed_unasked_the_status_counts_and_nobody_unpacks_it(
    remote: Provider, build: Build, packing: str, status: int
) -> None:
    endless = itertools.repeat(gzip.compress(b'{"id": "t1"}'))
    remote.next.append(Reply(status, endless, {"content-encoding": packing, "retry-after": "7"}))
    answer = await act(build())
    assert (answer.status, answer.body, answer.document) == (status, b"", None)
    assert answer.headers["retry-after"] == "7"
    assert await asyncio.to_thread(remote.wait_until, lambda: not remote.connections)


@pytest.mark.parametrize("packing", ["identity", "Identity"])
async def test_an_answer_that_says_it_is_not_packed_is_read(remote: Provider, build: Build, packing: str) -> None:
    remote.next.append(Reply(200, {"id": "t1"}, {"content-encoding": packing}))
    assert (await act(build())).fields == {"id": "t1"}


async def test_nothing_of_the_environment_is_used(
    remote: Provider, build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    nowhere = f"http://127.0.0.1:{closed_port()}"
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    trust.cache_clear()
    assert (await ask(build())).is_success
    assert "authorization" not in remote.arrived[0].headers


def test_certificates_are_read_once_and_those_of_strangers_are_not_believed() -> None:
    trust.cache_clear()
    assert trust() is trust()
    assert (trust().verify_mode, trust().check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_a_proxy_of_the_settings_is_the_only_way_out(remote: Provider, build: Build) -> None:
    with serving(Elsewhere()) as proxy:
        through = build(proxy=Secret(proxy.url))
        assert (await act(through)).is_success
        assert (proxy.arrived[0].method, proxy.arrived[0].target) == ("POST", f"{remote.url}/v1/things")
        proxy.next.append(Reply(502))
        tunnel = build(base_url="https://127.0.0.1:1", proxy=Secret(proxy.url))
        error = await failed(act(tunnel))
        assert (type(error), error.message) == (Unavailable, "no connection: ProxyError")
        assert proxy.arrived[-1].method == "CONNECT"
    assert not remote.arrived


@pytest.mark.parametrize(
    "address", ["http://user:hidden-word@proxy.example:70000", "hidden-word://proxy", "http://proxy:hidden-word"]
)
def test_a_proxy_that_cannot_be_used_is_misconfigured_and_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        ProviderHttp("acme", base_url="https://provider.example", proxy=Secret(address))
    assert (refused.value.provider, refused.value.operation) == ("acme", "connect")
    assert "proxy" in refused.value.message
    assert "hidden-word" not in str(refused.value)


@pytest.mark.parametrize("address", IMPOSSIBLE)
async def test_an_address_that_cannot_be_is_misconfigured(address: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        http = ProviderHttp("acme", base_url=address)
        await act(http)
    assert (refused.value.provider, refused.value.operation) in (("acme", "connect"), ("acme", "send"))


@pytest.mark.parametrize("address", IMPOSSIBLE)
async def test_an_address_of_a_single_call_that_cannot_be_is_misconfigured(address: str) -> None:
    error = await failed(act(ProviderHttp("acme"), address))
    assert (type(error), error.provider, error.operation) == (Misconfigured, "acme", "send")


@pytest.mark.parametrize("address", ["http://127.0.0.1:65535", "http://127.0.0.1:1", "http://[::1]:1"])
async def test_an_address_that_can_be_is_tried(address: str) -> None:
    assert isinstance(await failed(act(ProviderHttp("acme", base_url=address))), Unavailable)


async def test_a_call_may_name_its_whole_address(remote: Provider) -> None:
    http = ProviderHttp("acme")
    assert (await ask(http, f"{remote.url}/keys.json?v=1")).fields["target"] == "/keys.json?v=1"
    await http.close()


@pytest.mark.parametrize(
    "content",
    [
        {"json": {"amount": float("nan")}},
        {"json": {"amount": Decimal(1)}},
        {"json": {"text": "\ud800"}},
        {"form": {"text": "\ud800"}},
        {"params": {"text": "\ud800"}},
    ],
)
async def test_a_value_that_cannot_be_sent_is_refused_before_anything_is(remote: Provider, build: Build, content: Any) -> None:
    error = await failed(act(build(), **content))
    assert isinstance(error, Rejected)
    assert (error.reason, error.provider, error.operation) == ("invalid_request", "acme", "send")
    assert not remote.arrived


async def test_what_is_sent_is_what_was_given(remote: Provider, build: Build) -> None:
    http = build(headers={"accept": "application/vnd.api+json", "x-key": KEY})
    await act(http, json={"text": "마당"}, params={"wait": "true"}, headers={"x-once": "1"})
    await act(http, form={"To": "+82 10"})
    await act(http, content=b"<as it is>", headers={"content-type": "text/plain"})
    await ask(http)
    documented, filled, plain, asked = remote.arrived
    assert (documented.json, documented.target) == ({"text": "마당"}, "/v1/things?wait=true")
    assert documented.headers["content-type"] == "application/json"
    assert (documented.headers["x-key"], documented.headers["x-once"]) == (KEY, "1")
    assert filled.form == {"To": "+82 10"}
    assert (plain.body, plain.headers["content-type"]) == (b"<as it is>", "text/plain")
    assert (asked.method, asked.body) == ("GET", b"")
    for each in remote.arrived:
        told = [each.headers[name] for name in ("user-agent", "accept", "accept-encoding")]
        assert told == ["madang", "application/vnd.api+json", "identity"]
    assert "x-once" not in filled.headers


async def test_a_provider_is_asked_for_json_by_a_name_and_a_password(remote: Provider, build: Build) -> None:
    await ask(build(auth=("user", "pass")))
    assert remote.arrived[0].headers["authorization"] == "Basic dXNlcjpwYXNz"
    assert remote.arrived[0].headers["accept"] == "application/json"


async def test_no_connection_is_kept_between_calls_unless_it_is_said(remote: Provider, build: Build) -> None:
    http = build()
    for _ in range(2):
        await act(http)
    assert remote.opened == 2
    keeping = build(transport=BoundedTransport("acme", 1000, kept=1))
    for _ in range(3):
        await ask(keeping)
    assert remote.opened == 3
    await keeping.close()
    assert await asyncio.to_thread(remote.wait_until, lambda: not remote.connections)


async def test_a_call_that_is_given_up_gives_its_connection_back(remote: Provider, build: Build) -> None:
    remote.plan(Fault.SILENT)
    call = asyncio.create_task(act(build()))
    assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.arrived) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)


async def test_a_third_of_the_time_is_for_the_connection_and_a_third_for_a_place_in_the_pool(remote: Provider) -> None:
    async with httpx.AsyncClient(transport=BoundedTransport("acme", 1000), timeout=6.0) as client:
        answer = await client.get(remote.url)
        assert answer.request.extensions["timeout"] == {"connect": 2.0, "pool": 2.0, "read": 6.0, "write": 6.0}
        unlimited = await client.get(remote.url, timeout=None)
        assert set(unlimited.request.extensions["timeout"].values()) == {None}


async def test_no_key_shows_in_an_error_or_in_a_log(remote: Provider, build: Build, caplog: pytest.LogCaptureFixture) -> None:
    listen_to_everything(caplog)
    http = build(headers={"authorization": KEY})
    told = [repr(http), repr(await act(http, headers={"x-also": KEY}))]
    for fault in (Fault.ANSWER_LOST, Fault.SILENT):
        told += texts_of_error(await met(remote, fault, partial(act, http)))
    told += [text for record in caplog.records for text in texts_of_record(record)]
    assert [text for text in told if "things" in text], "the log was listened to"
    assert not [text for text in told if KEY in text]


class Pieces(httpx.AsyncByteStream):
    """A stream whose pieces come as they are, and after them an error."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        raise EOFError


@pytest.mark.parametrize(("most", "read"), [(1, b"a"), (2, b"ab"), (3, b"abc"), (4, b"abcd")])
async def test_a_transport_that_cuts_waits_for_nothing_behind_the_cut(most: int, read: bytes) -> None:
    pieces = Counted(Pieces(b"ab", b"cd"), most, True)
    assert b"".join([piece async for piece in pieces]) == read


@pytest.mark.parametrize(("most", "end"), [(3, TooLong), (4, EOFError), (5, EOFError)])
@pytest.mark.parametrize("pieces", [(b"abcd",), (b"ab", b"cd"), (b"abcd", b"", b"")])
async def test_a_transport_that_does_not_cut_reads_on_to_the_end(
    most: int, end: type[Exception], pieces: tuple[bytes, ...]
) -> None:
    read = bytearray()
    with pytest.raises(end):
        async for piece in Counted(Pieces(*pieces), most, False):
            read += piece
    assert b"abcd".startswith(read)


@pytest.mark.parametrize(("size", "pieces"), [(9, [b"x" * 10]), (9, [b"x" * 9, b"more"]), (9, [b"x" * 4] * 3), (9, [b"x" * 9])])
async def test_a_transport_that_cuts_takes_the_beginning_of_a_long_answer(
    remote: Provider, build: Build, size: int, pieces: list[bytes]
) -> None:
    http = build(transport=BoundedTransport("acme", size, cut=True))
    remote.next.append(Reply(200, iter(pieces)))
    assert (await act(http)).body == b"x" * size
    remote.next.append(Reply(200, itertools.repeat(b"x" * 7)))
    assert (await act(http)).body == b"x" * size


@pytest.mark.parametrize("query", ["", "?thread_id=7"])
async def test_an_address_that_is_a_secret_is_used_and_never_shown(
    remote: Provider, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    listen_to_everything(caplog)
    address = Secret(f"{remote.url}/hooks/{KEY}{query}")
    hidden = HiddenAddress("acme", address, BoundedTransport("acme", 1000))
    assert hidden.shown == f"{remote.url}/"
    with_a_part = Secret(f"{address.reveal()}#{KEY}")
    assert HiddenAddress("acme", with_a_part, BoundedTransport("acme", 1000)).shown == f"{remote.url}/"
    http = ProviderHttp("acme", base_url=hidden.shown, transport=hidden)
    await act(http, "", json={"text": "hello"})
    await act(http, "", params={"wait": "true"})
    assert [each.target for each in remote.arrived] == [
        f"/hooks/{KEY}{query}",
        f"/hooks/{KEY}{query}&wait=true" if query else f"/hooks/{KEY}?wait=true",
    ]
    assert remote.arrived[0].json == {"text": "hello"}
    remote.plan(Fault.ANSWER_LOST)
    told = list(texts_of_error(await failed(act(http, ""))))
    told += [text for record in caplog.records for text in texts_of_record(record)]
    assert [text for text in told if remote.url in text], "the log was listened to"
    assert not [text for text in told if KEY in text]
    await http.close()


def test_a_hidden_address_that_cannot_be_used_is_misconfigured() -> None:
    with pytest.raises(Misconfigured) as refused:
        HiddenAddress("acme", Secret("https://hooks:hidden-word"), BoundedTransport("acme", 1000))
    assert (refused.value.provider, refused.value.operation) == ("acme", "connect")
    assert "hidden-word" not in str(refused.value)


async def test_closing_a_client_closes_what_its_transport_keeps(remote: Provider) -> None:
    hidden = HiddenAddress("acme", Secret(f"{remote.url}/hooks"), BoundedTransport("acme", 1000, kept=1))
    http = ProviderHttp("acme", base_url=hidden.shown, transport=hidden)
    await act(http, "")
    assert remote.connections == 1
    await http.close()
    await http.close()
    assert await asyncio.to_thread(remote.wait_until, lambda: not remote.connections)


@pytest.mark.parametrize(("status", "succeeded"), [(199, False), (200, True), (299, True), (300, False)])
def test_an_answer_of_two_hundred_and_something_is_a_success(status: int, succeeded: bool) -> None:
    assert Answer(status, {}, b"", None).is_success is succeeded


async def test_fractions_are_read_as_the_provider_needs_them(remote: Provider, build: Build) -> None:
    remote.next += [Reply(200, "[1.10]"), Reply(200, "[1.10]")]
    assert [type(each) for each in (await ask(build())).document] == [float]
    assert str((await ask(build(parse_float=Decimal))).document[0]) == "1.10"


@pytest.mark.parametrize(
    ("body", "document", "fields"),
    [
        (b'{"a": 1}', {"a": 1}, {"a": 1}),
        (b"[1]", [1], {}),
        (b"null", None, {}),
        (b"", None, {}),
        (b"<html>\xff", None, {}),
        (b"[" * 100_000, None, {}),
        (b"1" * 5000, None, {}),
    ],
)
async def test_a_body_is_json_or_nothing(remote: Provider, build: Build, body: bytes, document: object, fields: object) -> None:
    remote.next.append(Reply(200, body))
    answer = await ask(build())
    assert (answer.document, answer.fields, answer.body) == (document, fields, body)
    assert (document_in(body), object_in(body)) == (document, fields)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_any_body_is_an_object_or_nothing(body: bytes) -> None:
    assert isinstance(object_in(body), dict)
