"""One person's whole way with marks in everything that is personal or secret, and then a search for the marks everywhere."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
import structlog
from redis.asyncio import Redis

from deployment import ADDRESS, Deployment, OpenDeployment
from madang.entrypoints.logs import configure_logs

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
EMAIL, NAME, PHONE = "canary-of-the-mail@example.com", "카나리아이름", "010-9876-5432"
PASSWORD, NEW_PASSWORD = "canary of the password", "canary of the new password"
WRONG = "canary of a wrong password"
HOOK = "https://127.0.0.1/canary-of-the-hook"
AGENT, FILE_NAME, CONTENT = "canary-of-the-agent/1.0", "카나리아파일.txt", "canary of the content"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that this process logs, down to `debug`."""
    root = logging.getLogger()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logs(level="debug", log_format="json", stream=stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Person:
    """Calls with everything that there is to slip, and keeps the secrets that it is given."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.headers: dict[str, str] = {}
        self.secrets: list[str] = []
        self.refused: list[str] = []

    async def call(self, method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
        headers = {"User-Agent": AGENT, **more.pop("by", self.headers)}
        answer = await self.deployment.client.request(method, path, headers=headers, **more)
        assert answer.status_code == expect, (method, path, answer.text)
        if not answer.is_success:
            self.refused.append(answer.text)
        return answer.json().get("data")

    def hold(self, tokens: Any) -> None:
        self.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        self.secrets += [tokens["accessToken"].rpartition(".")[2], tokens["refreshToken"]]

    async def go_all_the_way(self) -> None:
        """With a slip at each step, for refusals are logged too."""
        await self.sign_up()
        key = await self.two_factors_and_a_key()
        await self.webhook()
        await self.files(key)
        await self.mails()
        await self.deployment.work()

    async def sign_up(self) -> None:
        account = {"email": EMAIL, "password": PASSWORD}
        await self.call("POST", "/auth/register", expect=400, json={**account, "role": "admin"})
        self.hold(await self.call("POST", "/auth/register", expect=201, json={**account, "name": NAME}))
        await self.call("POST", "/auth/register", expect=409, json=account)
        await self.call("POST", "/auth/login", expect=401, json={"email": EMAIL, "password": WRONG})
        tokens = await self.call("POST", "/auth/login", json=account)
        self.hold(tokens)
        self.hold(await self.call("POST", "/auth/refresh", json={"refreshToken": tokens["refreshToken"]}))
        await self.call("PATCH", "/auth/me", json={"phone": PHONE})
        await self.call("PATCH", "/auth/me", expect=400, json={"phone": f"{PHONE}0000"})
        await self.call("POST", "/auth/password", json={"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD})
        await self.call("POST", "/auth/password", expect=400, json={"currentPassword": NEW_PASSWORD, "newPassword": EMAIL})

    async def two_factors_and_a_key(self) -> dict[str, str]:
        enrolment = await self.call("POST", "/auth/two-factor", expect=201, json={"password": NEW_PASSWORD})
        authenticator = pyotp.TOTP(enrolment["secret"])
        await self.call("POST", "/auth/two-factor/confirm", expect=403, json={"code": "000000"})
        confirmed = await self.call("POST", "/auth/two-factor/confirm", json={"code": authenticator.now()})
        asked = await self.call("POST", "/auth/login", json={"email": EMAIL, "password": NEW_PASSWORD})
        answer = {"challenge": asked["challenge"], "code": confirmed["recoveryCodes"][0]}
        self.hold(await self.call("POST", "/auth/login/two-factor", json=answer))
        key = await self.call("POST", "/api-keys", expect=201, json={"name": "k", "permissions": ["files:write"]})
        await self.call("GET", "/files", expect=401, by={"X-API-Key": f"{key['key']}x"})
        self.secrets += [enrolment["secret"], asked["challenge"], *confirmed["recoveryCodes"], key["key"]]
        return {"X-API-Key": key["key"]}

    async def webhook(self) -> None:
        """Nobody listens there: the refused connection is logged, too."""
        await self.call("POST", "/webhook-endpoints", expect=400, json={"url": HOOK.replace("https", "ftp")})
        endpoint = await self.call("POST", "/webhook-endpoints", expect=201, json={"url": HOOK})
        self.secrets.append(endpoint["secret"])

    async def files(self, key: dict[str, str]) -> None:
        form = {"data": {"purpose": "document"}, "files": {"file": (FILE_NAME, CONTENT.encode(), "text/plain")}}
        await self.call("POST", "/files", expect=201, by=key, **form)
        lying = {"data": {"purpose": "picture"}, "files": {"file": (FILE_NAME, CONTENT.encode(), "image/png")}}
        await self.call("POST", "/files", expect=422, **lying)
        upload = {"filename": FILE_NAME, "contentType": "text/plain", "size": 5, "purpose": "document"}
        await self.call("POST", "/files/uploads", expect=201, json=upload)

    async def mails(self) -> None:
        await self.call("POST", "/auth/password/forgot", expect=202, json={"email": EMAIL})
        await self.deployment.work()
        mails = await self.deployment.e_mails()
        links = [word for mail in mails for word in mail.text.split() if "#token=" in word]
        assert links
        self.secrets += [link.rpartition("#token=")[2] for link in links]


async def rows_as_text(deployment: Deployment) -> str:
    tables = [row["table_name"] for row in await deployment.rows(TABLES)]
    assert {"users", "sessions", "files", "notifications", "audit_events"} <= set(tables)
    found = [await deployment.rows(f"SELECT t::text AS row FROM {table} AS t") for table in tables]
    return "\n".join(row["row"] for rows in found for row in rows)


async def redis_as_text(redis: Redis) -> str:
    keys = [key async for key in redis.scan_iter()]
    written = [(key, await redis.dump(key)) for key in keys]
    return repr(written)


async def test_no_address_name_password_token_or_code_is_in_a_log_a_metric_a_row_redis_or_an_error(
    lines: io.StringIO, open_deployment: OpenDeployment
) -> None:
    async with open_deployment(outbound_networks=["127.0.0.0/8"]) as deployment:
        person = Person(deployment)
        await person.go_all_the_way()
        base_url = deployment.container.settings.base_url
        metrics = (await deployment.client.get(f"{base_url}/metrics")).text
        rows, redis = await rows_as_text(deployment), await redis_as_text(deployment.container.redis)
    places = {"log": lines.getvalue(), "metric": metrics, "row": rows, "redis": redis, "error": "\n".join(person.refused)}
    assert "/auth/login" in places["log"]
    assert len(person.refused) > 5
    marks = [EMAIL, EMAIL.partition("@")[0], NAME, PHONE, PHONE.replace("-", ""), "821098765432", PASSWORD, NEW_PASSWORD, WRONG]
    marks += [HOOK.rpartition("/")[2], AGENT, FILE_NAME, CONTENT, ADDRESS, *person.secrets]
    found = [
        (place, mark)
        for place, text in places.items()
        for mark in marks
        if mark in text or (place == "row" and mark.encode().hex() in text)
    ]
    assert found == []
