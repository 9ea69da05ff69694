"""Signing in by an external identity: found by issuer and subject, joined by an address that both sides verified, made once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.identity import foreign_issuer
from integration.identity.foreign_issuer import token
from integration.identity.people import GENEROUS, PASSWORD, as_person, code_of, logged_in, mailed_token, registered, tried
from madang.core.identity.model import UserStatus
from madang.core.operations.audit import AuditAction

ADDRESS = "somebody@example.com"


@pytest.fixture
async def with_issuer(open_deployment: OpenDeployment) -> AsyncIterator[Deployment]:
    routes = {**SANDBOX_ROUTES, "identity": [foreign_issuer.NAME]}
    async with open_deployment(routes=routes, plugin_modules=(foreign_issuer.MODULE,), limits=GENEROUS) as opened:
        yield opened


async def arrives(deployment: Deployment, written: str, **more: Any) -> httpx.Response:
    body = {"provider": foreign_issuer.NAME, "token": written, **more}
    return await deployment.client.post("/auth/external", json=body)


async def verified_member(deployment: Deployment) -> dict[str, Any]:
    person = await registered(deployment, ADDRESS)
    page = await mailed_token(deployment, "verify-email")
    assert (await deployment.client.post("/auth/email/verify", json={"token": page})).status_code == 200
    return person


async def test_who_comes_first_gets_an_account_and_finds_it_again(with_issuer: Deployment) -> None:
    written = token(email=ADDRESS, email_verified=True, name="홍길동")
    first, again = [await arrives(with_issuer, written) for _ in range(2)]
    assert [first.status_code, again.status_code] == [200, 200]
    user = first.json()["data"]["user"]
    assert (user["email"], user["emailVerified"], user["name"], user["role"]) == (ADDRESS, True, "홍길동", "client")
    assert again.json()["data"]["user"]["id"] == user["id"]
    me = await with_issuer.client.get("/auth/me", headers=as_person(again)["headers"])
    assert me.json()["data"]["id"] == user["id"]
    assert code_of(await tried(with_issuer, ADDRESS, PASSWORD)) == "INVALID_CREDENTIALS"
    actions = [row["action"] for row in await with_issuer.rows("SELECT action FROM audit_events ORDER BY id")]
    assert actions[:2] == [AuditAction.USER_REGISTERED, AuditAction.EXTERNAL_IDENTITY_LINKED]


async def test_two_first_sign_ins_at_once_make_one_user(with_issuer: Deployment) -> None:
    for written in (token("u1", email=ADDRESS, email_verified=True), token("u2")):
        answers = await asyncio.gather(*(arrives(with_issuer, written) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["data"]["user"]["id"] for answer in answers}) == 1
    assert await with_issuer.value("SELECT count(*) FROM users") == 2


async def test_an_address_that_both_sides_verified_joins_the_accounts(with_issuer: Deployment) -> None:
    person = await verified_member(with_issuer)
    answer = await arrives(with_issuer, token(email="Somebody@Example.com", email_verified=True))
    assert answer.json()["data"]["user"]["id"] == person["user"]["id"]
    assert (await logged_in(with_issuer, ADDRESS))["user"]["id"] == person["user"]["id"]


async def test_an_address_that_we_did_not_verify_joins_nothing(with_issuer: Deployment) -> None:
    await registered(with_issuer, ADDRESS)
    answer = await arrives(with_issuer, token(email=ADDRESS, email_verified=True))
    assert (answer.status_code, code_of(answer)) == (409, "EMAIL_TAKEN")
    assert await with_issuer.value("SELECT count(*) FROM external_identities") == 0


async def test_an_address_that_the_issuer_did_not_verify_joins_nothing(with_issuer: Deployment) -> None:
    await verified_member(with_issuer)
    answer = await arrives(with_issuer, token(email=ADDRESS))
    assert (answer.status_code, code_of(answer)) == (409, "EMAIL_TAKEN")


async def test_an_unverified_address_of_a_new_user_is_to_be_verified(with_issuer: Deployment) -> None:
    answer = await arrives(with_issuer, token(email=ADDRESS))
    assert answer.json()["data"]["user"]["emailVerified"] is False
    page = await mailed_token(with_issuer, "verify-email")
    assert (await with_issuer.client.post("/auth/email/verify", json={"token": page})).status_code == 200


async def test_what_is_no_address_is_left_out(with_issuer: Deployment) -> None:
    for email in ("no address", "a\r\nBcc: b@example.com", ""):
        written = token(f"u{len(email)}", email=email, email_verified=True)
        answer = await arrives(with_issuer, written.replace(" ", "\\u0020"))
        assert answer.status_code == 200
        assert answer.json()["data"]["user"]["email"] is None


async def test_a_suspended_user_is_refused(with_issuer: Deployment) -> None:
    await arrives(with_issuer, token())
    await with_issuer.execute("UPDATE users SET status = $1", UserStatus.SUSPENDED.value)
    answer = await arrives(with_issuer, token())
    assert (answer.status_code, code_of(answer)) == (403, "ACCOUNT_SUSPENDED")
    assert await with_issuer.value("SELECT count(*) FROM sessions") == 1


async def test_who_has_two_factors_is_asked_for_the_second(with_issuer: Deployment) -> None:
    await arrives(with_issuer, token())
    await with_issuer.execute("UPDATE users SET totp_confirmed_at = now(), totp_secret = ''")
    data = (await arrives(with_issuer, token())).json()["data"]
    assert data["twoFactorRequired"] is True
    assert "accessToken" not in data


async def test_who_proves_an_address_by_a_link_shuts_out_who_only_claimed_it(with_issuer: Deployment) -> None:
    client = with_issuer.client
    intruder = as_person(await arrives(with_issuer, token(email=ADDRESS)))
    wanted = {"name": "stays", "permissions": ["profile:read", "files:read"]}
    key = (await client.post("/api-keys", json=wanted, headers=intruder["headers"])).json()["data"]["key"]
    await client.post("/auth/password/forgot", json={"email": ADDRESS})
    link = await mailed_token(with_issuer, "reset-password")
    assert (await client.post("/auth/password/reset", json={"token": link, "password": PASSWORD})).status_code == 200
    owner = await logged_in(with_issuer, ADDRESS)
    assert owner["user"]["emailVerified"] is True
    assert (await client.get("/files", headers={"X-API-Key": key})).status_code == 401
    again = await arrives(with_issuer, token(email=ADDRESS))
    assert (again.status_code, code_of(again)) == (409, "EMAIL_TAKEN")
    theirs = await arrives(with_issuer, token("u2", email=ADDRESS, email_verified=True))
    assert theirs.json()["data"]["user"]["id"] == owner["user"]["id"]


async def test_a_link_to_a_verified_address_leaves_keys_and_identities(with_issuer: Deployment) -> None:
    client, person = with_issuer.client, as_person(await arrives(with_issuer, token(email=ADDRESS, email_verified=True)))
    key = (await client.post("/api-keys", json={"name": "k", "permissions": ["files:read"]}, headers=person["headers"])).json()
    await client.post("/auth/password/forgot", json={"email": ADDRESS})
    link = await mailed_token(with_issuer, "reset-password")
    assert (await client.post("/auth/password/reset", json={"token": link, "password": PASSWORD})).status_code == 200
    assert (await client.get("/files", headers={"X-API-Key": key["data"]["key"]})).status_code == 200
    assert (await arrives(with_issuer, token(email=ADDRESS))).json()["data"]["user"]["id"] == person["user"]["id"]


async def test_the_answer_to_a_sign_in_is_not_repeated_to_who_was_forgotten(with_issuer: Deployment) -> None:
    written = token(email=ADDRESS, email_verified=True)
    await arrives(with_issuer, written)
    body = {"provider": foreign_issuer.NAME, "token": written}
    again = await with_issuer.client.post("/auth/external", json=body, headers={"Idempotency-Key": "second"})
    asked = {"confirm": True}
    gone = await with_issuer.client.request("DELETE", "/privacy/me", json=asked, headers=as_person(again)["headers"])
    assert gone.status_code == 202, gone.text
    await with_issuer.work()
    assert await with_issuer.value("SELECT count(*) FROM idempotency_keys") == 0


REFUSED: Sequence[tuple[str, str, int, str]] = (
    (foreign_issuer.NAME, "forged", 401, "EXTERNAL_TOKEN_NOT_VALID"),
    (foreign_issuer.NAME, foreign_issuer.AWAY, 503, "FOREIGN_API_ERROR"),
    ("nobody", "whatever", 404, "PROVIDER_NOT_FOUND"),
    ("sandbox", "whatever", 404, "PROVIDER_NOT_FOUND"),
    ("../x", "whatever", 400, "VALIDATION_ERROR"),
    (foreign_issuer.NAME, "", 400, "VALIDATION_ERROR"),
)


async def test_what_does_not_prove_anybody_is_refused(with_issuer: Deployment) -> None:
    for provider, written, status, code in REFUSED:
        answer = await arrives(with_issuer, written, provider=provider)
        assert (answer.status_code, code_of(answer)) == (status, code), (provider, written)
    assert await with_issuer.value("SELECT count(*) FROM users") == 0


async def test_a_role_in_the_body_is_an_error(with_issuer: Deployment) -> None:
    answer = await arrives(with_issuer, token(), role="admin")
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
