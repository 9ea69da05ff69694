"""What every answer has (envelope, request id, headers, limits, language), and what every bad request gets."""

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from api.api_in_memory import PHONE, InMemoryContainer, MountedPlugin
from api.conftest import Buyer
from madang.core.kernel.ids import new_id
from madang.core.kernel.request_context import request_id
from madang.entrypoints.http.app import create_app

ORDERS = "/api/v1/portraits"


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


async def test_a_success_has_the_envelope(client: httpx.AsyncClient) -> None:
    body = (await client.post(ORDERS, json={})).json()
    assert list(body) == ["success", "data", "meta"]
    assert body["success"] is True
    assert set(body["meta"]) == {"timestamp", "version", "requestId"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+09:00", body["meta"]["timestamp"])
    assert UUID(body["data"]["id"]).version == 7


async def test_the_limits_of_plans_are_named_as_every_other_field(client: httpx.AsyncClient) -> None:
    plans = (await client.get("/api/v1/plans")).json()["data"]
    names = {name for plan in plans for name in plan["limits"]}
    assert names
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]*)*", name) for name in names), names


async def test_an_error_has_the_envelope(client: httpx.AsyncClient) -> None:
    body = (await client.get(f"{ORDERS}/{new_id()}")).json()
    assert list(body) == ["success", "error", "meta"]
    assert body["success"] is False
    assert body["error"] == {"code": "UNAUTHORIZED", "message": body["error"]["message"], "retryable": False, "details": None}


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/nothing", "/api/v1/portraits/not-a-uuid", "/api/v1/webhooks", "/assets/no"]
)
async def test_what_is_not_there_is_404_in_the_envelope(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path) if path != "/api/v1/webhooks" else await client.post(path)
    assert answer.status_code == 404
    assert code_of(answer) == "NOT_FOUND"


async def test_a_wrong_method_is_405_and_says_which_are_right(client: httpx.AsyncClient) -> None:
    answer = await client.delete(ORDERS)
    assert (answer.status_code, code_of(answer)) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["Allow"]


async def test_the_request_id_comes_back_everywhere(client: httpx.AsyncClient) -> None:
    answer = await client.post(ORDERS, json={}, headers={"X-Request-Id": "from-the-caller_1.2"})
    assert answer.headers["X-Request-Id"] == "from-the-caller_1.2"
    assert answer.json()["meta"]["requestId"] == "from-the-caller_1.2"


@pytest.mark.parametrize("written", ["", "x" * 129, "a b", "a\tb", "<script>", "é"])
async def test_a_request_id_that_could_harm_a_log_is_replaced(client: httpx.AsyncClient, written: str) -> None:
    headers = [(b"X-Request-Id", written.encode())]
    answer = await client.get("/health/live", headers=headers)
    assert UUID(answer.headers["X-Request-Id"]).version == 7


async def test_the_use_case_sees_the_request_id(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(request_id.get())

    container.portraits.interrupt = look
    await client.post(ORDERS, json={}, headers={"X-Request-Id": "r-1"})
    assert seen == ["r-1"]
    assert request_id.get() == ""


async def test_a_trace_is_continued(client: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await client.get("/health/live", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    version, found, span, flags = answer.headers["traceparent"].split("-")
    assert (version, found, flags) == ("00", trace, "01")
    assert span != "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "written",
    [
        "garbage",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ],
)
async def test_a_broken_trace_starts_anew(client: httpx.AsyncClient, written: str) -> None:
    answer = await client.get("/health/live", headers={"traceparent": written})
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answer.headers["traceparent"])
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in answer.headers["traceparent"]


@pytest.mark.parametrize("path", ["/health/live", "/nothing", "/docs", "/assets/page.css", ORDERS])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_error_messages_speak_the_readers_language(client: httpx.AsyncClient) -> None:
    path = f"{ORDERS}/{new_id()}"
    korean = await client.get(path, headers={"Accept-Language": "fr;q=0.9, ko-KR;q=0.8, en;q=0.7"})
    english = await client.get(path, headers={"Accept-Language": "en-GB, ko;q=0.5"})
    neither = await client.get(path, headers={"Accept-Language": "fr"})
    assert korean.json()["error"]["message"] == "유효한 인증이 필요합니다."
    assert english.json()["error"]["message"] == neither.json()["error"]["message"] == "Valid credentials are needed."


async def test_a_listed_origin_may_read_the_answers(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    preflight = await client.options(ORDERS, headers={**asked, "Access-Control-Request-Headers": "Idempotency-Key"})
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    answer = await client.post(ORDERS, json={}, headers={"Origin": "https://app.example.com"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_another_origin_may_not(client: httpx.AsyncClient) -> None:
    answer = await client.post(ORDERS, json={}, headers={"Origin": "https://evil.example.com"})
    assert answer.headers.get("Access-Control-Allow-Origin") is None


async def test_limits_are_on_every_answer_of_the_api(client: httpx.AsyncClient, buyer: Buyer) -> None:
    for answer in (
        await client.post(ORDERS, json={}),
        await client.get(buyer.path, headers=buyer.headers),
        await client.get(buyer.path),
        await client.get("/api/v1/nothing"),
        await client.delete(ORDERS),
        await client.post(ORDERS, content=b"{", headers={"Content-Type": "application/json"}),
    ):
        assert [name for name in answer.headers if name.startswith("ratelimit-")] == [
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "ratelimit-policy",
        ]


async def test_beyond_the_limit_one_has_to_wait(client: httpx.AsyncClient, container: InMemoryContainer, buyer: Buyer) -> None:
    container.limiter.limits["default"] = 2
    answers = [await client.get(buyer.path, headers=buyer.headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert code_of(answers[2]) == "RATE_LIMIT_EXCEEDED"
    assert answers[2].headers["Retry-After"] == "31"
    assert answers[2].json()["error"]["retryable"] is True


async def test_guessing_tokens_is_counted_too(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    container.limiter.limits["default"] = 1
    path = f"{ORDERS}/{new_id()}"
    answers = [await client.get(path, headers={"Authorization": f"Bearer guess-{n}"}) for n in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]


async def test_callers_are_counted_apart_and_their_addresses_not_kept(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    await client.post(ORDERS, json={})
    assert not any("127.0.0.1" in caller for _, caller in container.limiter.counts)


async def speaking_from(app: Litestar, peer: str, forwarded: str, container: InMemoryContainer) -> str:
    transport = httpx.ASGITransport(app=app, client=(peer, 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        await client.post(ORDERS, json={}, headers={"X-Forwarded-For": forwarded})
    return container.portraits.accounts[-1]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.5", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "198.51.100.7, 10.0.0.6", "198.51.100.7"),
        ("10.0.0.5", "nonsense", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "2001:db8::1:2:3:4", "2001:db8::/64"),
        ("10.0.0.5", "::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
async def test_only_trusted_proxies_say_who_is_calling(peer: str, forwarded: str, expected: str) -> None:
    container = InMemoryContainer()
    container.settings.trusted_proxies = ["10.0.0.0/8"]
    assert await speaking_from(create_app(container), peer, forwarded, container) == f"address:{expected}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "MALFORMED_JSON"),
        (b'{"locale": "ko"} extra', "MALFORMED_JSON"),
        (b'{"locale": "\xff"}', "MALFORMED_JSON"),
        ('{"locale": "ko"}'.encode("utf-16"), "MALFORMED_JSON"),
        (b'{"locale": "\\ud800"}', "MALFORMED_JSON"),
        (b'{"locale": NaN}', "MALFORMED_JSON"),
        (b"[]", "VALIDATION_ERROR"),
        (b'"text"', "VALIDATION_ERROR"),
        (b'{"locale": "fr"}', "VALIDATION_ERROR"),
        (b'{"locale": 1}', "VALIDATION_ERROR"),
        (b'{"clientReference": ""}', "VALIDATION_ERROR"),
        (b'{"clientReference": "a\\u0000b"}', "VALIDATION_ERROR"),
        (b'{"status": "completed"}', "VALIDATION_ERROR"),
        (b'{"amount": {"amount": 1, "currency": "KRW"}}', "VALIDATION_ERROR"),
        (b'{"locale": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "VALIDATION_ERROR"),
        (b"[" * 60_000, "VALIDATION_ERROR"),
    ],
)
async def test_a_bad_body_gets_a_clear_error(client: httpx.AsyncClient, body: bytes, expected: str) -> None:
    answer = await client.post(ORDERS, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (400, expected)


async def test_the_wrong_field_is_named_by_its_path(client: httpx.AsyncClient) -> None:
    answer = await client.post(ORDERS, json={"locale": "fr"})
    assert answer.json()["error"]["details"] == [{"path": "locale", "message": "must be one of en, ko"}]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=euc-kr", ""])
async def test_another_content_type_is_refused(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(ORDERS, content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    large = b'{"clientReference": "' + b"x" * 70_000 + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(large), 5000):
            yield large[start : start + 5000]

    headers = {"Content-Type": "application/json"}
    for content in (large, pieces()):
        answer = await client.post(ORDERS, content=content, headers=headers)
        assert (answer.status_code, code_of(answer)) == (413, "PAYLOAD_TOO_LARGE")


async def test_another_ones_job_looks_like_none(client: httpx.AsyncClient, buyer: Buyer) -> None:
    other = (await client.post(ORDERS, json={})).json()["data"]
    for unknown in (other["id"], str(new_id())):
        answer = await client.get(f"{ORDERS}/{unknown}", headers=buyer.headers)
        assert (answer.status_code, code_of(answer)) == (404, "PORTRAIT_NOT_FOUND")
    put = await client.put(f"{ORDERS}/{other['id']}/phone", headers=buyer.headers, json={"phone": PHONE})
    assert put.status_code == 404


def forged(token: str) -> list[str]:
    head, claims, signature = token.split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    return [f"{head}.{claims}.{changed}", f"{none}.{claims}.", f"{head}.{claims}.", "a.b.c", "x" * 5000, "한글"]


async def test_forged_tokens_are_refused(client: httpx.AsyncClient, buyer: Buyer) -> None:
    for token in forged(buyer.headers["Authorization"].removeprefix("Bearer ")):
        answer = await client.get(buyer.path, headers=[(b"Authorization", b"Bearer " + token.encode())])
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Token abc"])
async def test_another_scheme_is_refused(client: httpx.AsyncClient, buyer: Buyer, header: str) -> None:
    assert (await client.get(buyer.path, headers={"Authorization": header})).status_code == 401


async def test_a_token_opens_what_it_is_for_and_nothing_else(
    client: httpx.AsyncClient, buyer: Buyer, completed: Buyer, container: InMemoryContainer
) -> None:
    assert (await client.get(f"{buyer.path}/result", headers=buyer.headers)).status_code == 401
    assert (await client.get(buyer.path, headers=completed.headers)).status_code == 401
    assert (await client.get("/api/v1/knowledge-base", headers=buyer.headers)).status_code == 401
    late = {"Authorization": f"Bearer {container.token('portrait', buyer.id, hours=-1)}"}
    assert (await client.get(buyer.path, headers=late)).status_code == 401


class BrokenLimiter:
    async def hit(self, policy: str, caller: str) -> Any:
        raise RuntimeError("password=hunter2")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "NOT_FOUND"),
        ("DELETE", ORDERS, 405, "METHOD_NOT_ALLOWED"),
        ("POST", ORDERS, 500, "INTERNAL_ERROR"),
    ],
)
async def test_a_limiter_that_breaks_takes_no_answer_its_envelope(
    container: InMemoryContainer, method: str, path: str, status: int, code: str
) -> None:
    container.limiter = BrokenLimiter()  # type: ignore[assignment]
    transport = httpx.ASGITransport(app=create_app(container), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        answer = await client.request(method, path, json={}, headers={"X-Request-Id": "r-9"})
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert (answer.headers["X-Request-Id"], answer.json()["meta"]["requestId"]) == ("r-9", "r-9")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "hunter2" not in answer.text


async def test_a_plugin_is_mounted_behind_our_edge(container: InMemoryContainer) -> None:
    async def plugin(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("fail"):
            raise RuntimeError("password=hunter2")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    container.registry.mounted.append(MountedPlugin("/acme", plugin))
    transport = httpx.ASGITransport(app=create_app(container), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        answer = await client.get("/acme/pages/one", headers={"X-Request-Id": "r-9"})
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (200, "r-9")
        assert answer.text == "/acme/pages/one"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        failed = await client.post("/acme/fail")
        assert (failed.status_code, code_of(failed)) == (500, "INTERNAL_ERROR")
        assert "hunter2" not in failed.text
        assert (await client.get("/acmeother")).status_code == 404


async def test_a_plugin_that_the_deployment_does_not_use_is_not_mounted(container: InMemoryContainer) -> None:
    async def plugin(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    container.settings.plugins = {"configured": {}}
    for name in ("sandbox", "configured", "stranger"):
        container.registry.mounted.append(MountedPlugin(f"/{name}", plugin, name))
    transport = httpx.ASGITransport(app=create_app(container))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        assert (await client.get("/sandbox")).status_code == 200
        assert (await client.get("/configured")).status_code == 200
        assert (await client.get("/stranger")).status_code == 404


async def test_a_product_that_is_not_named_has_no_route() -> None:
    container = InMemoryContainer()
    container.settings.products = []
    transport = httpx.ASGITransport(app=create_app(container))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://madang.test") as client:
        assert (await client.post(ORDERS, json={})).status_code == 404
        assert (await client.get(f"/result/{new_id()}")).status_code == 404
        assert (await client.get("/health/live")).status_code == 200
