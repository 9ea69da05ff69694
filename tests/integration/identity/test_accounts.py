"""Signing up and in, and what somebody says about themself."""

import pytest

from deployment import Deployment, OpenDeployment
from integration.identity.people import GENEROUS, PASSWORD, as_person, audited, code_of, logged_in, registered
from madang.core.identity.roles import Role, permissions_of


async def test_who_registers_is_signed_in_as_a_client(deployment: Deployment) -> None:
    person = await registered(deployment, "Some.Body@Example.com", name="홍길동", locale="en")
    me = await deployment.client.get("/auth/me", headers=person["headers"])
    assert me.json()["data"] == person["user"]
    shown = {name: person["user"][name] for name in ("email", "emailVerified", "name", "role", "locale", "twoFactor", "status")}
    assert shown == {
        "email": "Some.Body@example.com",
        "emailVerified": False,
        "name": "홍길동",
        "role": "client",
        "locale": "en",
        "twoFactor": False,
        "status": "active",
    }
    assert person["user"]["permissions"] == sorted(permissions_of(Role.CLIENT))
    assert (person["tokenType"], person["expiresIn"]) == ("Bearer", 3600)
    assert await audited(deployment) == ["USER_REGISTERED", "USER_LOGIN"]


async def test_the_access_token_says_who_and_what_they_may(deployment: Deployment) -> None:
    person = await registered(deployment)
    claims = deployment.container.tokens.verify("api", person["accessToken"])
    assert dict(claims.extra) == {
        "userId": person["user"]["id"],
        "role": "client",
        "permissions": person["user"]["permissions"],
        "sid": person["sessionId"],
    }
    assert (claims.expires_at - claims.issued_at).total_seconds() == pytest.approx(3600, abs=1)


async def test_nobody_gives_themself_what_is_not_theirs_to_give(deployment: Deployment) -> None:
    member = await deployment.member()
    body = {"email": "somebody@example.com", "password": PASSWORD}
    for extra in ({"role": "admin"}, {"status": "active"}, {"emailVerified": True}, {"permissions": ["users:write"]}):
        for answer in (
            await deployment.client.post("/auth/register", json={**body, **extra}),
            await deployment.client.patch("/auth/me", json={"name": "x", **extra}, headers=member.headers),
        ):
            assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    assert await deployment.value("SELECT array_agg(role) FROM users") == ["client"]


async def test_an_address_is_one_account_however_it_is_spelt(deployment: Deployment) -> None:
    person = await registered(deployment)
    for spelling in ("somebody@example.com", "SomeBody@EXAMPLE.com", " somebody@example.com ", "ｓｏｍｅｂｏｄｙ＠example.com"):
        taken = await deployment.client.post("/auth/register", json={"email": spelling, "password": PASSWORD})
        assert (taken.status_code, code_of(taken)) == (409, "EMAIL_TAKEN")
        assert (await logged_in(deployment, spelling))["user"]["id"] == person["user"]["id"]


NO_ADDRESSES = [
    "nobody", "a@b", "a b@example.com", "a@example.com\r\nBcc: b@example.com", "a@example.com\nX: y", '"a\\"b"@example.com',
    "a@[127.0.0.1]", "a@exa mple.com", "a@example.com, b@example.com", "<a@example.com>", "@example.com", "a@-.com",
    "a" * 300 + "@example.com", "a@example.com\u0000", "a@ex\u2028ample.com"
]  # fmt: skip


async def test_what_is_no_address_is_refused_with_a_reason(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        for address in NO_ADDRESSES:
            answer = await deployment.client.post("/auth/register", json={"email": address, "password": PASSWORD})
            assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), address
            assert [problem["path"] for problem in answer.json()["error"]["details"]] == ["email"]


REFUSED_PASSWORDS = {
    "short": "at least 10",
    "가나다라마바사아자": "at least 10",
    "ﷺ" * 100: "at most 256",
    "Password123": "common",
    "QWERTYUIOP": "common",
    "Somebody.Long@example.com": "e-mail",
    "somebody.long": "e-mail",
}


async def test_a_refused_password_names_the_rule(deployment: Deployment) -> None:
    for password, rule in REFUSED_PASSWORDS.items():
        body = {"email": "somebody.long@example.com", "password": password}
        answer = await deployment.client.post("/auth/register", json=body)
        assert answer.status_code == 400
        [problem] = answer.json()["error"]["details"]
        assert (problem["path"], rule in problem["message"]) == ("password", True), password


async def test_a_retry_with_its_key_gives_the_first_answer_and_makes_no_second_account(deployment: Deployment) -> None:
    body = {"email": "somebody@example.com", "password": PASSWORD}
    first, second = [
        await deployment.client.post("/auth/register", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert second.json()["data"] == first.json()["data"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await deployment.value("SELECT count(*) FROM users") == 1
    kept = await deployment.value("SELECT string_agg(row::text, '') FROM idempotency_keys AS row")
    assert first.json()["data"]["refreshToken"] not in kept
    me = await deployment.client.get("/auth/me", headers=as_person(second)["headers"])
    assert me.json()["data"]["email"] == "somebody@example.com"


async def test_a_try_that_died_after_its_commit_is_found_by_the_next_one(deployment: Deployment) -> None:
    """Its answer was never kept: the next try, under the same subject id, finds the account and signs it in."""
    body = {"email": "somebody@example.com", "password": PASSWORD}
    headers = {"Idempotency-Key": "one"}
    first = await deployment.client.post("/auth/register", json=body, headers=headers)
    lost = "UPDATE idempotency_keys SET status = NULL, media_type = NULL, body = NULL, lease_until = now() - interval '1 s'"
    await deployment.execute(lost)
    second = await deployment.client.post("/auth/register", json=body, headers=headers)
    assert second.status_code == 201
    assert second.json()["data"]["user"]["id"] == first.json()["data"]["user"]["id"]
    assert await deployment.value("SELECT count(*) FROM users") == 1


async def test_logging_out_ends_the_session(deployment: Deployment) -> None:
    person = await registered(deployment)
    over = await deployment.client.post("/auth/logout", headers=person["headers"])
    assert over.json()["data"] == {"id": person["sessionId"]}
    again = await deployment.client.post("/auth/refresh", json={"refreshToken": person["refreshToken"]})
    assert again.status_code == 401


async def test_the_next_tokens_come_once_and_again_for_a_lost_answer(deployment: Deployment) -> None:
    person = await registered(deployment)
    body, headers = {"refreshToken": person["refreshToken"]}, {"Idempotency-Key": "one"}
    first = await deployment.client.post("/auth/refresh", json=body, headers=headers)
    lost = await deployment.client.post("/auth/refresh", json=body, headers=headers)
    assert lost.json()["data"] == first.json()["data"]
    reused = await deployment.client.post("/auth/refresh", json=body)
    assert (reused.status_code, code_of(reused)) == (401, "REFRESH_TOKEN_REUSED")
    after = await deployment.client.post("/auth/refresh", json={"refreshToken": first.json()["data"]["refreshToken"]})
    assert (after.status_code, code_of(after)) == (401, "UNAUTHORIZED")


async def test_a_token_that_never_was_is_refused(deployment: Deployment) -> None:
    for token in ("", "x", "ü", "a" * 43, "a" * 201, "a\nb", 7, None):
        answer = await deployment.client.post("/auth/refresh", json={"refreshToken": token})
        assert answer.status_code == (401 if token in ("x", "a" * 43) else 400), token


async def test_a_profile_is_changed_by_merge_patch(deployment: Deployment) -> None:
    member = await deployment.member()
    patch = {"phone": "010-1234-5678", "locale": "en"}
    changed = await deployment.client.patch(
        "/auth/me", json=patch, headers={**member.headers, "Content-Type": "application/merge-patch+json"}
    )
    assert changed.status_code == 200, changed.text
    data = changed.json()["data"]
    assert (data["phone"], data["locale"], data["name"]) == ("+821012345678", "en", "홍길동")
    emptied = await deployment.client.patch("/auth/me", json={"name": None, "phone": None}, headers=member.headers)
    assert (emptied.json()["data"]["name"], emptied.json()["data"]["phone"]) == (None, None)
    assert await audited(deployment) == ["USER_CHANGED", "USER_CHANGED"]
    details = await deployment.value("SELECT details FROM audit_events ORDER BY id LIMIT 1")
    assert details == {"fields": ["locale", "phone"]}


async def test_a_change_that_cannot_be_is_refused(deployment: Deployment) -> None:
    member = await deployment.member()
    patches: list[object] = [{"phone": "12"}, {"locale": None}, {"locale": "fr"}, {"name": ""}, {"name": "a\r\nBcc: b"}, []]
    for patch in patches:
        answer = await deployment.client.patch("/auth/me", json=patch, headers=member.headers)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), patch


async def test_who_changes_what_another_tab_has_changed_is_told(deployment: Deployment) -> None:
    member = await deployment.member()
    read = await deployment.client.get("/auth/me", headers=member.headers)
    tag = {"If-Match": read.headers["ETag"]}
    first = await deployment.client.patch("/auth/me", json={"name": "First"}, headers={**member.headers, **tag})
    second = await deployment.client.patch("/auth/me", json={"name": "Second"}, headers={**member.headers, **tag})
    assert (first.status_code, second.status_code, code_of(second)) == (200, 412, "STALE_VERSION")
    assert first.headers["ETag"] != read.headers["ETag"]
    for garbage in ("x", 'W/"2"', '"x"', '""'):
        refused = await deployment.client.patch(
            "/auth/me", json={"name": "Third"}, headers={**member.headers, "If-Match": garbage}
        )
        assert refused.status_code == 412
    anyhow = {"If-Match": f'"99", {first.headers["ETag"]}'}
    again = await deployment.client.patch("/auth/me", json={"name": "First"}, headers={**member.headers, **anyhow})
    assert (again.status_code, again.headers["ETag"]) == (200, first.headers["ETag"])


async def test_nobody_without_a_token_learns_of_an_account(deployment: Deployment) -> None:
    for method, path in (("GET", "/auth/me"), ("GET", "/auth/sessions"), ("POST", "/auth/logout")):
        assert (await deployment.client.request(method, path)).status_code == 401


async def test_new_accounts_from_one_address_are_limited(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={**GENEROUS, "register": "1/hour"}) as deployment:
        await registered(deployment)
        second = await deployment.client.post("/auth/register", json={"email": "b@example.com", "password": PASSWORD})
        assert (second.status_code, code_of(second)) == (429, "RATE_LIMIT_EXCEEDED")
