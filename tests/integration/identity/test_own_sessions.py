"""Where somebody is signed in, and the end of it: for their own eyes and hands."""

import asyncio

import httpx

from deployment import ADDRESS, Deployment
from integration.identity.people import PASSWORD, audited, code_of, logged_in, registered
from madang.core.kernel.ids import new_id


async def sessions_of(deployment: Deployment, headers: dict[str, str]) -> httpx.Response:
    return await deployment.client.get("/auth/sessions", headers=headers)


async def test_the_owner_sees_where_and_with_what_and_which_one_is_this(deployment: Deployment) -> None:
    first = await registered(deployment)
    deployment.client.headers["User-Agent"] = "Firefox on a bench " + "x" * 1000
    second = await logged_in(deployment)
    answer = await sessions_of(deployment, first["headers"])
    shown = [(each["id"], each["current"], each["address"], each["agent"][:18]) for each in answer.json()["data"]]
    assert shown == [
        (second["sessionId"], False, ADDRESS, "Firefox on a bench"),
        (first["sessionId"], True, ADDRESS, f"python-httpx/{httpx.__version__}"[:18]),
    ]
    assert answer.json()["meta"]["pagination"]["total"] == 2
    kept = await deployment.value("SELECT string_agg(row::text, '') FROM sessions AS row")
    assert "Firefox" not in kept
    assert ADDRESS not in kept


async def test_nobody_sees_or_ends_anothers(deployment: Deployment) -> None:
    mine, other = await registered(deployment), await registered(deployment, "other@example.com")
    assert [session["id"] for session in (await sessions_of(deployment, mine["headers"])).json()["data"]] == [mine["sessionId"]]
    for session_id in (other["sessionId"], new_id()):
        answer = await deployment.client.delete(f"/auth/sessions/{session_id}", headers=mine["headers"])
        assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")
    assert await deployment.value("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL") == 0


async def test_an_ended_session_is_over_everywhere_and_ends_once(deployment: Deployment) -> None:
    lost, here = await registered(deployment), await logged_in(deployment)
    path = f"/auth/sessions/{lost['sessionId']}"
    answers = await asyncio.gather(*(deployment.client.delete(path, headers=here["headers"]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]
    assert (await deployment.client.get("/auth/me", headers=lost["headers"])).status_code == 401
    refreshed = await deployment.client.post("/auth/refresh", json={"refreshToken": lost["refreshToken"]})
    assert (refreshed.status_code, code_of(refreshed)) == (401, "UNAUTHORIZED")
    assert (await audited(deployment)).count("SESSION_REVOKED") == 1
    assert len((await sessions_of(deployment, here["headers"])).json()["data"]) == 1


async def test_an_operators_token_is_nobodys_session(deployment: Deployment) -> None:
    token = deployment.container.tokens.issue(
        "api", "operator", expires_at=deployment.container.clock.now().replace(year=2100), extra={"role": "admin"}
    )
    for method, path in (("GET", "/auth/me"), ("GET", "/auth/sessions"), ("POST", "/auth/logout"), ("POST", "/auth/password")):
        body = {"currentPassword": PASSWORD, "newPassword": PASSWORD} if path == "/auth/password" else None
        answer = await deployment.client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED"), path
