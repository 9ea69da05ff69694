"""Five wrong tries, and the account and the network address are shut for a quarter of an hour; also with a hundred at once."""

import asyncio
from collections import Counter

import pytest

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

ELSEWHERE = "203.0.113.{}"


def from_elsewhere(deployment: Deployment, number: int) -> None:
    """The next calls come by a proxy that we trust, for somebody else."""
    deployment.client.headers["X-Forwarded-For"] = ELSEWHERE.format(number)


@pytest.mark.parametrize("email", ["somebody@example.com", "nobody@example.com"])
async def test_the_sixth_try_at_an_account_is_refused_wherever_it_comes_from(
    open_deployment: OpenDeployment, email: str
) -> None:
    async with open_deployment(limits=GENEROUS, trusted_proxies=["198.51.100.7"]) as deployment:
        await registered(deployment)
        for number in range(5):
            from_elsewhere(deployment, number)
            answer = await tried(deployment, email)
            assert (answer.status_code, code_of(answer)) == (401, "INVALID_CREDENTIALS")
        from_elsewhere(deployment, 100)
        for password in (PASSWORD, "wrong, quite wrong"):
            answer = await tried(deployment, email, password)
            assert (answer.status_code, code_of(answer)) == (429, "TOO_MANY_ATTEMPTS")
            assert 895 < int(answer.headers["Retry-After"]) <= 900
        await deployment.let_pass(minutes=15, seconds=1)
        assert (await tried(deployment, "somebody@example.com", PASSWORD)).status_code == 200
        assert (await audited(deployment)).count("USER_LOCKED_OUT") == 1


async def test_the_sixth_try_from_an_address_is_refused_whatever_account_it_is_for(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS, trusted_proxies=["198.51.100.7"]) as deployment:
        await registered(deployment)
        from_elsewhere(deployment, 1)
        for number in range(5):
            assert (await tried(deployment, f"nobody{number}@example.com")).status_code == 401
        assert (await tried(deployment, "somebody@example.com", PASSWORD)).status_code == 429
        from_elsewhere(deployment, 2)
        await logged_in(deployment)


@pytest.mark.parametrize("email", ["somebody@example.com", "nobody@example.com"])
async def test_a_hundred_guesses_at_once_get_five_answers(open_deployment: OpenDeployment, email: str) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        await registered(deployment)
        answers = await asyncio.gather(*(tried(deployment, email) for _ in range(100)))
        assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 95}
        assert (await audited(deployment)).count("USER_LOCKED_OUT") == 1
        after = await tried(deployment, email, PASSWORD)
        assert (after.status_code, int(after.headers["Retry-After"]) > 60) == (429, True)


async def test_a_success_clears_what_was_counted_for_the_account(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS, trusted_proxies=["198.51.100.7"]) as deployment:
        await registered(deployment)
        for address in range(3):
            from_elsewhere(deployment, address)
            for _ in range(4):
                assert (await tried(deployment, "somebody@example.com")).status_code == 401
            await logged_in(deployment)


async def test_many_right_sign_ins_at_once_shut_nobody_out(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        await registered(deployment)
        answers = await asyncio.gather(*(tried(deployment, "somebody@example.com", PASSWORD) for _ in range(12)))
        assert {answer.status_code for answer in answers} <= {200, 429}
        assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 429} <= {"1"}
        await logged_in(deployment)


async def test_a_mailed_link_opens_a_shut_account_and_its_owner_was_told(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS, trusted_proxies=["198.51.100.7"]) as deployment:
        await registered(deployment)
        await deployment.work()
        before = len(await deployment.e_mails())
        for _ in range(5):
            await tried(deployment, "somebody@example.com")
        await deployment.work()
        assert len(await deployment.e_mails()) == before + 1
        from_elsewhere(deployment, 1)
        await deployment.client.post("/auth/password/forgot", json={"email": "somebody@example.com"})
        body = {"token": await mailed_token(deployment, "reset-password"), "password": ANOTHER}
        assert (await deployment.client.post("/auth/password/reset", json=body)).status_code == 200
        await logged_in(deployment, password=ANOTHER)


async def test_no_address_is_legible_in_what_is_counted(deployment: Deployment) -> None:
    await tried(deployment, "nobody@example.com")
    kept = await deployment.value("SELECT string_agg(row::text || encode(key, 'escape'), '') FROM sign_in_attempts AS row")
    assert "nobody" not in kept
    assert "198.51.100.7" not in kept
