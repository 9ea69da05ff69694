"""The application on the process's own container: real PostgreSQL, real Valkey, the sandbox's payment provider."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.entrypoints.container import open_container
from madang.entrypoints.http.app import create_app

ORDERS = "/api/v1/portraits"
MakeSettings = Callable[..., Any]


@asynccontextmanager
async def speaking_to(settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    async with open_container(settings) as container:
        transport = httpx.ASGITransport(app=create_app(container), raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as client:
            yield client, container


@pytest.fixture
async def stack(make_settings: MakeSettings) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    async with speaking_to(make_settings()) as found:
        yield found


async def count(container: Any, table: str) -> int:
    row = await container.database.fetchrow(f"SELECT count(*) AS found FROM {table}")
    found: int = row["found"]
    return found


async def test_an_order_is_stored_and_read_back(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, _ = stack
    order = (await client.post(ORDERS, json={"locale": "en", "clientReference": "r-1"})).json()["data"]
    headers = {"Authorization": f"Bearer {order['token']}"}
    read = (await client.get(f"{ORDERS}/{order['id']}", headers=headers)).json()["data"]
    assert (read["status"], read["awaiting"], read["amount"]) == (
        "pending_payment",
        "payment",
        {"amount": 9900, "currency": "KRW"},
    )
    assert read["checkoutUrl"] == order["checkout"]["url"]
    assert read["expiresAt"] == order["expiresAt"]
    again = await client.post(ORDERS, json={"clientReference": "r-1"})
    assert (again.status_code, again.json()["error"]["details"]) == (409, {"id": order["id"]})


async def test_of_many_orders_at_once_with_one_key_one_is_stored(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    key = {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(*(client.post(ORDERS, json={}, headers=key) for _ in range(12)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await count(container, "portraits") == 1
    last = await client.post(ORDERS, json={}, headers=key)
    assert (last.status_code, last.headers["Idempotency-Replayed"]) == (201, "true")


async def test_a_kept_answer_outlives_the_process_and_is_not_readable_in_the_table(make_settings: MakeSettings) -> None:
    settings, key = make_settings(), {"Idempotency-Key": "k-1"}
    async with speaking_to(settings) as (client, _):
        first = await client.post(ORDERS, json={}, headers=key)
    async with speaking_to(settings) as (client, container):
        again = await client.post(ORDERS, json={}, headers=key)
        row = await container.database.fetchrow("SELECT scope, body FROM idempotency_keys")
    assert again.content == first.content
    assert first.json()["data"]["token"].encode() not in row["body"]
    assert "127.0.0.1" not in row["scope"]


async def test_of_many_orders_with_one_client_reference_one_is_stored(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    answers = await asyncio.gather(*(client.post(ORDERS, json={"clientReference": "r-1"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await count(container, "portraits") == 1


async def test_a_limit_is_counted_in_redis(make_settings: MakeSettings) -> None:
    settings = make_settings(limits={"order": "3/minute"})
    async with speaking_to(settings) as (client, _):
        first = [(await client.post(ORDERS, json={})).status_code for _ in range(2)]
    async with speaking_to(settings) as (client, _):
        then = [await client.post(ORDERS, json={}) for _ in range(2)]
    assert [*first, *(answer.status_code for answer in then)] == [201, 201, 201, 429]
    assert then[-1].headers["RateLimit-Limit"] == "3"
    assert 0 < int(then[-1].headers["Retry-After"]) <= 60


async def test_without_worker_and_relay_the_deployment_is_not_ready(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    answer = await client.get("/health/ready")
    checks = answer.json()["data"]["checks"]
    assert answer.status_code == 503
    assert {name for name, check in checks.items() if not check["ok"]} == {"worker", "relay"}
    for kind in ("worker", "relay"):
        await container.heartbeats.beat(f"test-{kind}", kind, "test-host", {})
    assert (await client.get("/health/ready")).status_code == 200


AFTER = "now() - make_interval(secs => $1)"
BROKEN = {
    "worker": f"UPDATE heartbeats SET beat_at = {AFTER} WHERE kind = 'worker'",
    "relay": f"UPDATE heartbeats SET beat_at = {AFTER} WHERE kind = 'relay'",
    "leases": f"UPDATE messages SET state = 'leased', lease_until = {AFTER}",
    "messages": f"UPDATE messages SET due_at = {AFTER}",
}


@pytest.mark.parametrize(
    ("check", "borne", "too_long"), [("worker", 5, 11), ("relay", 5, 11), ("leases", 1, 6), ("messages", 20, 31)]
)
async def test_a_stale_worker_relay_lease_or_message_turns_readiness_red(
    stack: tuple[httpx.AsyncClient, Any], check: str, borne: float, too_long: float
) -> None:
    client, container = stack
    for kind in ("worker", "relay"):
        await container.heartbeats.beat(f"test-{kind}", kind, "test-host", {})
    async with container.units() as uow:
        uow.send(NewMessage("portraits.make_picture", {}))
    for seconds, status, wrong in ((borne, 200, []), (too_long, 503, [check])):
        await container.database.execute(BROKEN[check], seconds)
        answer = await client.get("/health/ready")
        assert answer.status_code == status
        assert [name for name, found in answer.json()["data"]["checks"].items() if not found["ok"]] == wrong


async def test_a_process_that_beats_makes_up_for_one_that_was_killed(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    for name, kind in (("killed", "worker"), ("relay", "relay")):
        await container.heartbeats.beat(name, kind, "test-host", {})
    await container.database.execute(BROKEN["worker"], 3600.0)
    assert (await client.get("/health/ready")).status_code == 503
    await container.heartbeats.beat("another", "worker", "test-host", {})
    assert (await client.get("/health/ready")).status_code == 200


async def test_metrics_show_what_waits(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, _ = stack
    await client.post(ORDERS, json={})
    text = (await client.get("/metrics")).text
    waiting = next(line for line in text.splitlines() if line.startswith('madang_messages{state="waiting"}'))
    assert float(waiting.split()[-1]) >= 1


async def test_a_forged_webhook_stores_nothing(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,Zm9yZ2Vk"}
    answer = await client.post("/api/v1/webhooks/sandbox", content=b'{"type": "payment.paid"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "SIGNATURE_INVALID")
    assert await count(container, "inbox") == 0
    assert (await client.post("/api/v1/webhooks/nobody", content=b"{}")).status_code == 404


async def test_the_care_catalogue_is_edited_for_good(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    expires = container.clock.now() + timedelta(days=365)
    token = container.tokens.issue("api", str(new_id()), expires_at=expires, extra={"role": "admin", "permissions": []})
    headers = {"Authorization": f"Bearer {token}"}
    entry = {
        "code": "ZZ999", "category": "skin", "titleKo": "가", "titleEn": "a", "descriptionKo": "나", "descriptionEn": "b",
        "weeksMin": 1, "weeksMax": 2, "costMin": 0, "costMax": 1,
    }  # fmt: skip
    path = "/api/v1/knowledge-base"
    assert (await client.post(path, json=entry, headers=headers)).status_code == 201
    assert (await client.post(path, json=entry, headers=headers)).status_code == 409
    assert (await client.get(f"{path}/ZZ999", headers=headers)).json()["data"] == entry
    listed = (await client.get(f"{path}?limit=100", headers=headers)).json()
    assert "ZZ999" in [found["code"] for found in listed["data"]]
    assert listed["meta"]["pagination"]["total"] == len(listed["data"])
    changed = {**{name: value for name, value in entry.items() if name != "code"}, "titleEn": "c"}
    assert (await client.put(f"{path}/ZZ999", json=changed, headers=headers)).json()["data"]["titleEn"] == "c"
    assert (await client.delete(f"{path}/ZZ999", headers=headers)).status_code == 200
    assert (await client.delete(f"{path}/ZZ999", headers=headers)).status_code == 404


async def test_a_database_that_is_away_is_told_as_such(stack: tuple[httpx.AsyncClient, Any]) -> None:
    client, container = stack
    order = (await client.post(ORDERS, json={})).json()["data"]
    await container.database.close()
    headers = {"Authorization": f"Bearer {order['token']}"}
    answer = await client.get(f"{ORDERS}/{order['id']}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATABASE_ERROR")
    assert answer.json()["error"]["retryable"] is True
    ready = (await client.get("/health/ready")).json()["data"]
    assert ready["checks"]["database"]["ok"] is False
