"""Somebody with a browser: what the tests of accounts do by HTTP calls."""

import re
from typing import Any

import httpx

from deployment import Deployment

PASSWORD = "a very quiet courtyard"
ANOTHER = "another quiet courtyard"
GENEROUS = {"register": "100000/hour", "sign_in": "100000/hour", "mailed_link": "100000/hour", "default": "100000/hour"}
"""Limits that do not stand in the way of what a test looks at."""


async def registered(deployment: Deployment, email: str = "somebody@example.com", **fields: Any) -> dict[str, Any]:
    """The answer's data, with `headers` to call as this person."""
    answer = await deployment.client.post("/auth/register", json={"email": email, "password": PASSWORD, **fields})
    assert answer.status_code == 201, answer.text
    return as_person(answer)


async def logged_in(deployment: Deployment, email: str = "somebody@example.com", password: str = PASSWORD) -> dict[str, Any]:
    answer = await tried(deployment, email, password)
    assert answer.status_code == 200, answer.text
    return as_person(answer)


async def tried(deployment: Deployment, email: str, password: str = "wrong, quite wrong") -> httpx.Response:
    return await deployment.client.post("/auth/login", json={"email": email, "password": password})


def as_person(answer: httpx.Response) -> dict[str, Any]:
    data: dict[str, Any] = answer.json()["data"]
    return {**data, "headers": {"Authorization": f"Bearer {data['accessToken']}"}}


def code_of(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


async def mailed_token(deployment: Deployment, page: str) -> str:
    """Out of the newest mail with a link to this page."""
    await deployment.work()
    for mail in reversed(await deployment.e_mails()):
        if found := re.search(rf"/{page}#token=([\w-]+)", mail.text):
            return found[1]
    raise AssertionError(f"no mail leads to {page}")


async def audited(deployment: Deployment) -> list[str]:
    return [row["action"] for row in await deployment.rows("SELECT action FROM audit_events ORDER BY id")]
