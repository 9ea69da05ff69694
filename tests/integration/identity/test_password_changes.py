"""A new password, by the old one or by a mailed link: once, and the end of every other session."""

import asyncio
from typing import Any

import httpx

from deployment import Deployment, OpenDeployment
from integration.identity.people import (
    ANOTHER,
    GENEROUS,
    PASSWORD,
    audited,
    code_of,
    logged_in,
    mailed_token,
    registered,
    tried,
)

THIRD = "a third quiet courtyard"


async def change(deployment: Deployment, person: dict[str, Any], current: str = PASSWORD, new: str = ANOTHER) -> httpx.Response:
    body = {"currentPassword": current, "newPassword": new}
    return await deployment.client.post("/auth/password", json=body, headers=person["headers"])


async def reset(deployment: Deployment, token: str, password: str = ANOTHER) -> httpx.Response:
    return await deployment.client.post("/auth/password/reset", json={"token": token, "password": password})


async def refresh(deployment: Deployment, person: dict[str, Any]) -> int:
    answer = await deployment.client.post("/auth/refresh", json={"refreshToken": person["refreshToken"]})
    return answer.status_code


async def asked_for_a_link(deployment: Deployment, email: str = "somebody@example.com") -> str:
    answer = await deployment.client.post("/auth/password/forgot", json={"email": email})
    assert answer.status_code == 202
    return await mailed_token(deployment, "reset-password")


async def test_a_change_ends_the_other_sessions_and_tells_the_person(deployment: Deployment) -> None:
    elsewhere = await registered(deployment)
    here = await logged_in(deployment)
    changed = await change(deployment, here)
    assert changed.json()["data"] == {"sessionsEnded": 1}
    assert (await refresh(deployment, elsewhere), await refresh(deployment, here)) == (401, 200)
    assert (await tried(deployment, "somebody@example.com", PASSWORD)).status_code == 401
    await logged_in(deployment, password=ANOTHER)
    await deployment.work()
    assert len(await deployment.e_mails()) == 2
    assert "PASSWORD_CHANGED" in await audited(deployment)


async def test_a_change_needs_the_present_password_and_is_not_for_guessing(deployment: Deployment) -> None:
    person = await registered(deployment)
    for _ in range(5):
        answer = await change(deployment, person, current="wrong, quite wrong")
        assert (answer.status_code, code_of(answer)) == (403, "PASSWORD_DOES_NOT_MATCH")
    shut = await change(deployment, person)
    assert (shut.status_code, code_of(shut)) == (429, "TOO_MANY_ATTEMPTS")
    await logged_in(deployment)


async def test_a_refused_new_password_names_the_rule_at_its_field(deployment: Deployment) -> None:
    person = await registered(deployment)
    for new in ("short", "password123", "somebody@example.com"):
        answer = await change(deployment, person, new=new)
        assert (answer.status_code, answer.json()["error"]["details"][0]["path"]) == (400, "newPassword")
    await logged_in(deployment)


async def test_of_two_changes_at_once_one_is_made(deployment: Deployment) -> None:
    person = await registered(deployment)
    answers = await asyncio.gather(change(deployment, person, new=ANOTHER), change(deployment, person, new=THIRD))
    won = [answer.status_code for answer in answers].index(200)
    assert answers[1 - won].status_code in (401, 403)
    await logged_in(deployment, password=(ANOTHER, THIRD)[won])


async def test_a_link_sets_a_new_password_once_and_ends_every_session(deployment: Deployment) -> None:
    person = await registered(deployment)
    token = await asked_for_a_link(deployment)
    refused = await reset(deployment, token, "password123")
    assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (400, "password")
    assert (await reset(deployment, token)).json()["data"] == {"passwordReset": True}
    again = await reset(deployment, token, THIRD)
    assert (again.status_code, code_of(again)) == (410, "LINK_NOT_VALID")
    assert await refresh(deployment, person) == 401
    await logged_in(deployment, password=ANOTHER)
    told = [action for action in await audited(deployment) if "PASSWORD" in action]
    assert told == ["PASSWORD_RESET_ASKED", "PASSWORD_CHANGED"]


async def test_a_used_link_takes_the_other_open_ones_with_it(deployment: Deployment) -> None:
    await registered(deployment)
    first, second = await asked_for_a_link(deployment), await asked_for_a_link(deployment)
    assert first != second
    assert (await reset(deployment, second)).status_code == 200
    assert (await reset(deployment, first, THIRD)).status_code == 410


async def test_a_link_is_good_for_half_an_hour_and_for_one_purpose(deployment: Deployment) -> None:
    await registered(deployment)
    token = await asked_for_a_link(deployment)
    elsewhere = await deployment.client.post("/auth/email/verify", json={"token": token})
    assert (elsewhere.status_code, code_of(elsewhere)) == (410, "LINK_NOT_VALID")
    await deployment.let_pass(minutes=30, seconds=1)
    assert (await reset(deployment, token)).status_code == 410
    assert (await reset(deployment, "never-was")).status_code == 410


async def test_of_many_who_show_a_link_at_once_one_sets_the_password(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        await registered(deployment)
        token = await asked_for_a_link(deployment)
        tokens = [f"{number} quiet courtyards" for number in range(10)]
        answers = await asyncio.gather(*(reset(deployment, token, password) for password in tokens))
        codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [200, *[410] * 9]
        await logged_in(deployment, password=tokens[codes.index(200)])


async def test_a_new_password_ends_a_half_done_sign_in(deployment: Deployment) -> None:
    person = await registered(deployment)
    await deployment.execute("UPDATE users SET totp_confirmed_at = now()")
    await tried(deployment, "somebody@example.com", PASSWORD)
    await change(deployment, person)
    assert await deployment.value("SELECT count(*) FROM one_time_tokens WHERE purpose = 'two_factor'") == 0


async def test_a_sign_in_that_races_a_new_password_opens_no_session_that_outlives_it(deployment: Deployment) -> None:
    person = await registered(deployment)
    changed, *opened = await asyncio.gather(
        change(deployment, person), *(tried(deployment, "somebody@example.com", PASSWORD) for _ in range(3))
    )
    assert changed.status_code == 200
    for answer in opened:
        if answer.status_code == 200:
            assert await refresh(deployment, answer.json()["data"]) == 401


async def test_a_suspended_or_erased_person_gets_no_link_and_uses_none(deployment: Deployment) -> None:
    await registered(deployment)
    token = await asked_for_a_link(deployment)
    await deployment.execute("UPDATE users SET status = 'suspended'")
    assert (await reset(deployment, token)).status_code == 410
    before = len(await deployment.e_mails())
    await deployment.client.post("/auth/password/forgot", json={"email": "somebody@example.com"})
    await deployment.work()
    assert len(await deployment.e_mails()) == before


async def test_an_address_is_verified_once_by_its_link(deployment: Deployment) -> None:
    person = await registered(deployment)
    token = await mailed_token(deployment, "verify-email")
    for status in (200, 410):
        assert (await deployment.client.post("/auth/email/verify", json={"token": token})).status_code == status
    me = await deployment.client.get("/auth/me", headers=person["headers"])
    assert me.json()["data"]["emailVerified"] is True
    again = await deployment.client.post("/auth/email/verification", headers=person["headers"])
    assert (again.status_code, code_of(again)) == (409, "EMAIL_ALREADY_VERIFIED")
    assert (await audited(deployment)).count("EMAIL_VERIFIED") == 1


async def test_the_link_can_be_had_again_and_lasts_a_day(deployment: Deployment) -> None:
    person = await registered(deployment)
    first = await mailed_token(deployment, "verify-email")
    sent = await deployment.client.post("/auth/email/verification", headers=person["headers"])
    assert (sent.status_code, sent.json()["data"]) == (202, {"accepted": True})
    second = await mailed_token(deployment, "verify-email")
    assert second != first
    both = await asyncio.gather(*(deployment.client.post("/auth/email/verify", json={"token": t}) for t in (first, second)))
    assert sorted(answer.status_code for answer in both) == [200, 410]
    late = await registered(deployment, "late@example.com")
    third = await mailed_token(deployment, "verify-email")
    await deployment.let_pass(hours=24, seconds=1)
    assert (await deployment.client.post("/auth/email/verify", json={"token": third})).status_code == 410
    assert late["user"]["emailVerified"] is False


async def test_the_token_of_a_link_stands_in_its_fragment_and_in_no_table(open_deployment: OpenDeployment) -> None:
    async with open_deployment(account_url="https://people.example.com/account/") as deployment:
        await registered(deployment)
        token = await mailed_token(deployment, "verify-email")
        [mail] = await deployment.e_mails()
        assert f"https://people.example.com/account/verify-email#token={token}" in mail.text
        for table in ("one_time_tokens", "messages", "notifications", "audit_events"):
            assert token not in (await deployment.value(f"SELECT string_agg(row::text, '') FROM {table} AS row") or "")
