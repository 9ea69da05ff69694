"""Our own webhooks: signed, tried again over a day, given up, disabled and told again, against a real receiver."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from deployment import Deployment, Member, OpenDeployment
from integration.webhooks.receiver import Receiver, receiving
from madang.core.kernel.events import Event

PATH = "/webhook-endpoints"


class Client:
    """A user with an endpoint at a receiver."""

    def __init__(self, deployment: Deployment, member: Member, receiver: Receiver) -> None:
        self.deployment = deployment
        self.member = member
        self.receiver = receiver
        self.id = ""

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        headers = {**self.member.headers, **options.pop("headers", {})}
        answer = await self.deployment.client.request(method, PATH + path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        body = answer.json()
        return body["data"] if body["success"] else body["error"]

    async def subscribe(self, *types: str) -> None:
        made = await self.call("POST", "", 201, json={"url": self.receiver.url, "eventTypes": list(types)})
        self.id, self.receiver.secret = made["id"], made["secret"]

    async def happen(self, name: str = "files.completed", **data: Any) -> None:
        async with self.deployment.container.units() as uow:
            uow.announce(Event(name, "file:1", data, owner=self.member.id))
        await self.deployment.work()

    async def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.call("GET", f"/{self.id}/deliveries")
        return found

    async def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/{self.id}")
        return found


@pytest.fixture
async def client(open_deployment: OpenDeployment, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Its parameter is how many seconds a receiver has."""
    seconds = getattr(request, "param", 30.0)
    settings = {"outbound_networks": ("127.0.0.0/8",), "outbound_plain_http": True, "webhook_timeout_seconds": seconds}
    async with receiving() as receiver, open_deployment(**settings) as deployment:
        yield Client(deployment, await deployment.member(), receiver)


async def test_an_event_is_told_once_signed_as_standard_webhooks_has_it(client: Client) -> None:
    await client.subscribe("files.*")
    await client.happen(fileId="f-1")
    await client.happen("credits.changed")
    (told,) = client.receiver.received
    assert client.receiver.verified() == told["body"]
    assert set(told["body"]) == {"type", "timestamp", "data"}
    assert told["body"]["timestamp"].endswith("+09:00")
    assert (told["body"]["type"], told["body"]["data"]) == ("files.completed", {"fileId": "f-1"})
    assert told["line"] == "POST /hook?token=not-a-secret HTTP/1.1"
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["attempts"], delivery["responseStatus"]) == ("delivered", 1, 204)
    assert delivery["eventId"] == told["headers"]["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        client.receiver.verified(secret="whsec_bm90IHRoZSBzZWNyZXQgYXQgYWxs")


async def test_the_secret_is_shown_once_and_kept_sealed(client: Client) -> None:
    await client.subscribe()
    assert "secret" not in await client.endpoint()
    assert all("secret" not in listed for listed in await client.call("GET", ""))
    rows = await client.deployment.rows("SELECT e::text AS row FROM webhook_endpoints AS e")
    hidden = (client.receiver.secret, client.receiver.url, "not-a-secret")
    assert not any(word.encode().hex() in row["row"] or word in row["row"] for row in rows for word in hidden)


async def test_a_delivery_whose_message_is_lost_is_named_and_goes_on_once(client: Client) -> None:
    await client.subscribe()
    deployment = client.deployment
    client.receiver.answers = [b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"]
    await client.happen()
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(minutes=11)
    [invariant] = [one for one in deployment.container.invariants if one.name == "every-webhook-delivery-goes-on"]
    [violation] = await invariant.violations()
    await asyncio.gather(invariant.mend(violation), invariant.mend(violation))
    assert await deployment.value("SELECT count(*) FROM messages") == 1
    await deployment.work()
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert await invariant.violations() == []


async def test_for_a_day_after_a_rotation_both_secrets_verify(client: Client) -> None:
    await client.subscribe()
    old = client.receiver.secret
    key = {"Idempotency-Key": "rotation-1"}
    new = (await client.call("POST", f"/{client.id}/rotate-secret", headers=key))["secret"]
    assert (await client.call("POST", f"/{client.id}/rotate-secret", headers=key))["secret"] == new != old
    await client.happen()
    assert client.receiver.verified(secret=old) == client.receiver.verified(secret=new)
    await client.deployment.let_pass(hours=25)
    await client.happen()
    client.receiver.verified(secret=new)
    with pytest.raises(WebhookVerificationError):
        client.receiver.verified(secret=old)


HUGE = b"HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/admin\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("client", "answer", "status", "failure"),
    [
        (30.0, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 500, None),
        (30.0, HUGE, 500, None),
        (30.0, REDIRECT, 302, None),
        (1.0, b"", None, "timeout"),
        (1.0, None, None, "timeout"),
        (30.0, b"not http at all\r\n\r\n", None, "connection_broke"),
    ],
    indirect=["client"],
)
async def test_what_is_not_taken_is_tried_again_with_the_same_id(
    client: Client, answer: bytes | None, status: int | None, failure: str | None
) -> None:
    await client.subscribe()
    client.receiver.answers = [answer]
    await client.happen(n=1)
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["responseStatus"], delivery["failure"]) == ("pending", status, failure)
    await client.deployment.let_pass(seconds=6)
    await client.deployment.work()
    first, second = client.receiver.received
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["body"]["data"] == second["body"]["data"] == {"n": 1}
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


async def test_after_a_day_it_is_given_up_and_after_days_of_that_the_endpoint_is_disabled(client: Client) -> None:
    await client.subscribe()
    client.receiver.answers = [b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"] * 100
    for round_ in range(1, 3):
        await client.happen(n=round_)
        for _ in range(7):
            await client.deployment.let_pass(hours=9, minutes=1)
            await client.deployment.work()
        latest, *_ = await client.deliveries()
        assert (latest["status"], latest["attempts"]) == ("failed", 8)
        assert (await client.endpoint())["status"] == ("active" if round_ == 1 else "disabled")
    assert (await client.endpoint())["disabledBecause"] == "failing"
    assert any("127.0.0.1" in mail.text for mail in await client.deployment.e_mails())
    assert await client.deployment.value("SELECT count(*) FROM audit_events WHERE action = 'WEBHOOK_ENDPOINT_DISABLED'") == 1
    count = len(client.receiver.received)
    await client.happen(n=3)
    assert len(client.receiver.received) == count
    await client.call("PATCH", f"/{client.id}", json={"enabled": True})
    client.receiver.answers = []
    await client.happen(n=4)
    assert client.receiver.received[-1]["body"]["data"] == {"n": 4}


async def test_gone_disables_the_endpoint_at_once_and_what_waits_is_cancelled(client: Client) -> None:
    await client.subscribe()
    client.receiver.answers = [
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    ]
    await client.happen(n=1)
    await client.happen(n=2)
    assert (await client.endpoint())["disabledBecause"] == "gone"
    await client.deployment.let_pass(hours=1)
    await client.deployment.work()
    assert sorted(delivery["status"] for delivery in await client.deliveries()) == ["cancelled", "failed"]
    assert (await client.call("POST", f"/{client.id}/test", 409))["code"] == "WRONG_STATE"


async def test_a_receivers_wish_to_wait_is_granted(client: Client) -> None:
    await client.subscribe()
    client.receiver.answers = [b"HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"]
    await client.happen()
    await client.deployment.let_pass(minutes=50)
    await client.deployment.work()
    assert len(client.receiver.received) == 1
    await client.deployment.let_pass(minutes=11)
    await client.deployment.work()
    assert len(client.receiver.received) == 2


async def test_a_delivery_is_told_again_at_its_owners_wish_once_for_each_key(client: Client) -> None:
    await client.subscribe()
    await client.happen(n=1)
    (delivery,) = await client.deliveries()
    for _ in range(2):
        path, key = f"/{client.id}/deliveries/{delivery['id']}/redeliver", {"Idempotency-Key": "again-1"}
        assert (await client.call("POST", path, 202, headers=key))["status"] == "pending"
    await client.deployment.work()
    first, second = client.receiver.received
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert (await client.deliveries())[0]["status"] == "delivered"


async def test_a_test_event_arrives_whatever_types_are_wanted(client: Client) -> None:
    await client.subscribe("credits.changed")
    await client.call("POST", f"/{client.id}/test", 202)
    await client.deployment.work()
    assert client.receiver.verified()["type"] == "webhooks.test"


async def test_another_user_finds_no_endpoint_and_hears_nothing(client: Client) -> None:
    await client.subscribe()
    other = Client(client.deployment, await client.deployment.member(), client.receiver)
    await other.happen()
    assert client.receiver.received == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test"), ("POST", "/rotate-secret")):
        assert (await other.call(method, f"/{client.id}{path}", 404))["code"] == "WEBHOOK_ENDPOINT_NOT_FOUND"
    assert (await other.call("PATCH", f"/{client.id}", 404, json={"enabled": False}))["code"] == "WEBHOOK_ENDPOINT_NOT_FOUND"
    await client.call("DELETE", f"/{client.id}")
    assert await client.call("GET", "") == []


async def test_an_account_has_at_most_twenty_endpoints_also_when_it_asks_for_several_at_once(client: Client) -> None:
    for _ in range(18):
        await client.subscribe()
    body = {"url": client.receiver.url}
    asked = [client.deployment.client.post(PATH, headers=client.member.headers, json=body) for _ in range(4)]
    statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [201, 201, 409, 409]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]/", "https://u:p@example.com/"]
)
async def test_an_address_that_is_not_public_is_refused_when_it_is_named(client: Client, url: str) -> None:
    error = await client.call("POST", "", 400, json={"url": url})
    assert error["details"][0]["path"] == "url"


async def test_an_address_that_is_no_longer_allowed_is_refused_when_it_is_due(
    client: Client, open_deployment: OpenDeployment
) -> None:
    await client.subscribe()
    async with open_deployment(outbound_plain_http=True) as strict:
        await Client(strict, client.member, client.receiver).happen()
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["failure"], client.receiver.received) == ("pending", "address_refused", [])


async def test_a_try_whose_record_was_lost_is_made_again_with_the_same_id_and_recorded_once(client: Client) -> None:
    await client.subscribe()
    await client.happen(n=1)
    await client.deployment.execute("UPDATE webhook_deliveries SET status='pending', next_attempt_at=now(), attempts=0")
    await client.deployment.execute(
        "UPDATE messages SET state = 'waiting', due_at = now(), done_at = NULL WHERE topic = 'webhooks.deliver'"
    )
    await client.deployment.work()
    first, second = client.receiver.received
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    (delivery,) = await client.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)


async def test_everything_about_endpoints_is_exported_and_erased(client: Client) -> None:
    await client.subscribe()
    await client.happen()
    (ours,) = [part for part in client.deployment.container.personal_data if part.name == "webhooks"]
    async with client.deployment.container.units() as uow:
        exported = await ours.export(uow, client.member.id)
        erased = await ours.erase(uow, client.member.id, client.deployment.container.clock.now())
    assert exported["endpoints"][0]["url"] == client.receiver.url
    assert client.receiver.secret not in str(exported)
    assert erased == {"webhook_deliveries": 1, "webhook_endpoints": 1}


async def test_old_deliveries_are_forgotten(client: Client) -> None:
    await client.subscribe()
    await client.happen()
    await client.deployment.container.schedule_recurring_work()
    await client.deployment.let_pass(days=31)
    await client.deployment.work()
    assert await client.deliveries() == []
