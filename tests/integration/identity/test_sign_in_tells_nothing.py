"""Nobody learns from an answer whether there is an account, nor what state it is in, before they know its password."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from pwdlib.hashers.bcrypt import BcryptHasher

from deployment import Deployment, OpenDeployment
from integration.identity.people import GENEROUS, PASSWORD, audited, code_of, logged_in, mailed_token, registered, tried


def shape(value: Any) -> Any:
    """What of an answer's body may differ from call to call is left out: its id and its time."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items() if name not in ("requestId", "timestamp")}
    return value


def told(answer: httpx.Response) -> tuple[int, Any, list[str]]:
    return answer.status_code, shape(answer.json()), sorted(answer.headers)


async def test_a_wrong_password_looks_like_no_account_whatever_its_state(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS, trusted_proxies=["198.51.100.7"]) as deployment:
        answers = []
        states = ["password_hash = password_hash", "status = 'suspended'", "password_hash = NULL", "email_verified_at = now()"]
        for number, state in enumerate(states):
            deployment.client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
            email = f"person{number}@example.com"
            person = await registered(deployment, email)
            await deployment.execute(f"UPDATE users SET {state} WHERE id = $1", person["user"]["id"])
            answers.append(told(await tried(deployment, email)))
        answers.append(told(await tried(deployment, "nobody@example.com")))
        assert all(answer == answers[-1] for answer in answers)
        assert answers[-1][:2] != (200, None)
        assert answers[-1][1]["error"]["code"] == "INVALID_CREDENTIALS"


async def test_only_who_knows_the_password_learns_of_a_suspension(deployment: Deployment) -> None:
    await registered(deployment)
    await deployment.execute("UPDATE users SET status = 'suspended'")
    assert code_of(await tried(deployment, "somebody@example.com")) == "INVALID_CREDENTIALS"
    answer = await tried(deployment, "somebody@example.com", PASSWORD)
    assert (answer.status_code, code_of(answer)) == (403, "ACCOUNT_SUSPENDED")
    assert await deployment.value("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == 1


async def test_a_refusal_waits_until_its_time_tells_nothing(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS, sign_in_seconds=0.3) as deployment:
        await registered(deployment)
        for email in ("somebody@example.com", "nobody@example.com"):
            began = time.monotonic()
            assert (await tried(deployment, email)).status_code == 401
            assert time.monotonic() - began >= 0.3


async def test_asking_for_a_link_answers_the_same_and_writes_to_who_is_there(deployment: Deployment) -> None:
    await registered(deployment)
    await deployment.work()
    before = len(await deployment.e_mails())
    answers = [
        told(await deployment.client.post("/auth/password/forgot", json={"email": email}))
        for email in ("somebody@example.com", "nobody@example.com", "no address at all")
    ]
    assert answers[0][0] == 202
    assert all(answer[:2] == answers[0][:2] for answer in answers)
    assert all(answer[2] == answers[0][2] for answer in answers)
    await deployment.work()
    mails = await deployment.e_mails()
    assert (len(mails), mails[-1].recipient) == (before + 1, "somebody@example.com")


async def test_nobody_fills_anothers_mailbox(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        await registered(deployment)
        await deployment.work()
        before = len(await deployment.e_mails())
        for _ in range(8):
            await deployment.client.post("/auth/password/forgot", json={"email": "somebody@example.com"})
        await deployment.work()
        assert len(await deployment.e_mails()) == before + 5


async def test_a_sign_in_with_two_factors_opens_nothing_yet(deployment: Deployment) -> None:
    await registered(deployment)
    await deployment.execute("UPDATE users SET totp_confirmed_at = now()")
    answer = await tried(deployment, "somebody@example.com", PASSWORD)
    data = answer.json()["data"]
    assert sorted(data) == ["challenge", "challengeExpiresAt", "twoFactorRequired"]
    assert await deployment.value("SELECT count(*) FROM sessions") == 1
    assert await deployment.value("SELECT count(*) FROM one_time_tokens WHERE purpose = 'two_factor'") == 1


def by_others(password: str, prefix: str) -> str:
    """As a system with bcrypt stored it, which looked at 72 bytes and wrote its own version."""
    return BcryptHasher(rounds=4).hash(password.encode()[:72]).replace("$2b$", prefix, 1)


@pytest.mark.parametrize("prefix", ["$2b$", "$2y$", "$2a$"])
async def test_a_bcrypt_hash_is_taken_once_and_becomes_argon2id(deployment: Deployment, prefix: str) -> None:
    password = "마당이 넓은 조용한 집에서 살고 싶다" * 2
    await registered(deployment)
    await deployment.execute("UPDATE users SET password_hash = $1", by_others(password, prefix))
    assert (await tried(deployment, "somebody@example.com", password[:12])).status_code == 401
    await logged_in(deployment, password=password)
    stored = await deployment.value("SELECT password_hash FROM users")
    assert stored.startswith("$argon2id$")
    await logged_in(deployment, password=password)
    assert await deployment.value("SELECT password_hash FROM users") == stored
    assert (await tried(deployment, "somebody@example.com", password[:30])).status_code == 401


async def test_two_upgrades_at_once_leave_one_hash_and_both_signed_in(deployment: Deployment) -> None:
    await registered(deployment)
    await deployment.execute("UPDATE users SET password_hash = $1", by_others(PASSWORD, "$2b$"))
    answers = await asyncio.gather(*(tried(deployment, "somebody@example.com", PASSWORD) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    await logged_in(deployment)


async def test_a_hash_that_nobody_knows_lets_nobody_in_and_a_link_helps(deployment: Deployment) -> None:
    await registered(deployment)
    await deployment.execute("UPDATE users SET password_hash = 'md5:0123456789'")
    assert (await tried(deployment, "somebody@example.com", PASSWORD)).status_code == 401
    await deployment.client.post("/auth/password/forgot", json={"email": "somebody@example.com"})
    token = await mailed_token(deployment, "reset-password")
    await deployment.client.post("/auth/password/reset", json={"token": token, "password": PASSWORD})
    await logged_in(deployment)


async def test_what_was_tried_is_audited_with_where_it_came_from(deployment: Deployment) -> None:
    await registered(deployment)
    await tried(deployment, "somebody@example.com")
    await tried(deployment, "nobody@example.com")
    assert await audited(deployment) == ["USER_REGISTERED", "USER_LOGIN", "USER_LOGIN_FAILED", "USER_LOGIN_FAILED"]
    [known, unknown] = await deployment.rows(
        "SELECT subject, origin IS NOT NULL AS placed FROM audit_events WHERE action = 'USER_LOGIN_FAILED' ORDER BY id"
    )
    assert (known["subject"].startswith("user:0"), known["placed"]) == (True, True)
    assert (unknown["subject"], unknown["placed"]) == ("user:unknown", False)
