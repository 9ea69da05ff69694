"""Who has an account with a password proves once more who they are before it is ended."""

import time
from typing import Any

import pyotp

from deployment import Deployment, Member
from madang.core.identity.roles import Role

PASSWORD = "four plain words together"


async def registered(deployment: Deployment) -> Member:
    body = {"email": "dami@example.com", "password": PASSWORD}
    data = (await deployment.client.post("/auth/register", json=body)).json()["data"]
    return Member(data["user"]["id"], "dami@example.com", {"Authorization": f"Bearer {data['accessToken']}"})


async def asked(deployment: Deployment, member: Member, **body: Any) -> Any:
    answer = await deployment.client.request("DELETE", "/privacy/me", json={"confirm": True, **body}, headers=member.headers)
    return answer.status_code, answer.json().get("error", {}).get("code")


async def test_without_the_password_or_with_a_wrong_one_nothing_is_ended_and_guessing_is_shut(deployment: Deployment) -> None:
    member = await registered(deployment)
    assert await asked(deployment, member) == (400, "VALIDATION_ERROR")
    assert await asked(deployment, member, code="123456") == (403, "PASSWORD_DOES_NOT_MATCH")
    for _ in range(2):
        assert await asked(deployment, member, password="something else entirely") == (403, "PASSWORD_DOES_NOT_MATCH")
        elsewhere = {"currentPassword": "something else entirely", "newPassword": "five other words put together"}
        changing = await deployment.client.post("/auth/password", json=elsewhere, headers=member.headers)
        assert (changing.status_code, changing.json()["error"]["code"]) == (403, "PASSWORD_DOES_NOT_MATCH")
    assert await asked(deployment, member, password=PASSWORD) == (429, "TOO_MANY_ATTEMPTS")
    assert await deployment.value("SELECT count(*) FROM erasures") == 0
    await deployment.let_pass(minutes=16)
    assert await asked(deployment, member, password=PASSWORD) == (202, None)


async def test_once_it_is_asked_for_no_token_and_no_password_opens_the_account(deployment: Deployment) -> None:
    member = await registered(deployment)
    assert await asked(deployment, member, password=PASSWORD) == (202, None)
    signing_in = await deployment.client.post("/auth/login", json={"email": member.email, "password": PASSWORD})
    assert signing_in.status_code in (401, 403)
    await deployment.work()
    again = await deployment.client.post("/auth/register", json={"email": member.email, "password": PASSWORD})
    assert again.status_code == 201


async def test_a_code_of_the_second_factor_is_proof_and_a_wrong_one_is_none(deployment: Deployment) -> None:
    member = await registered(deployment)
    enrolled = await deployment.client.post("/auth/two-factor", json={"password": PASSWORD}, headers=member.headers)
    totp = pyotp.TOTP(enrolled.json()["data"]["secret"])
    now = int(time.time())
    confirmed = await deployment.client.post("/auth/two-factor/confirm", json={"code": totp.at(now)}, headers=member.headers)
    assert confirmed.status_code == 200
    assert await asked(deployment, member, code=totp.at(now)) == (403, "PASSWORD_DOES_NOT_MATCH")
    assert await asked(deployment, member, code=totp.at(now + 30)) == (202, None)


async def test_no_administrator_brings_back_who_asked_to_be_forgotten(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await registered(deployment)
    assert await asked(deployment, member, password=PASSWORD) == (202, None)
    answer = await deployment.client.patch(f"/users/{member.id}", json={"status": "active"}, headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "GONE")
    assert await deployment.value("SELECT status FROM users WHERE role = 'client'") == "erasing"
