"""Two factors: no code is good twice, wrong ones are counted, and nothing is turned on or off without proof."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp
import pytest

from deployment import Deployment, OpenDeployment
from integration.identity.people import GENEROUS, PASSWORD, code_of, registered, tried
from madang.core.operations.audit import AuditAction

EMAIL = "somebody@example.com"
SETUP = "/auth/two-factor"


@pytest.fixture
async def generous(open_deployment: OpenDeployment) -> AsyncIterator[Deployment]:
    async with open_deployment(limits={**GENEROUS, "two_factor": "100000/hour"}) as opened:
        yield opened


@dataclass
class Person:
    """With an authenticator: `code(0)` is of the time step in which the test began, `code(1)` of the next one; both count for
    half a minute from then on."""

    deployment: Deployment
    headers: dict[str, str]
    totp: pyotp.TOTP
    began: int
    recovery_codes: Sequence[str] = ()

    def code(self, later: int = 0) -> str:
        return self.totp.generate_otp(self.began + later)

    async def challenge(self) -> str:
        answer = await tried(self.deployment, EMAIL, PASSWORD)
        data = answer.json()["data"]
        assert data["twoFactorRequired"] is True
        assert "accessToken" not in data
        challenge: str = data["challenge"]
        return challenge

    async def answer(self, code: str, challenge: str | None = None) -> httpx.Response:
        body = {"challenge": challenge or await self.challenge(), "code": code}
        return await self.deployment.client.post("/auth/login/two-factor", json=body)

    async def turn_off(self, **proof: Any) -> httpx.Response:
        return await self.deployment.client.request("DELETE", SETUP, json=proof, headers=self.headers)


async def with_secret(deployment: Deployment) -> Person:
    headers = (await registered(deployment, EMAIL))["headers"]
    answer = await deployment.client.post(SETUP, json={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 201, answer.text
    totp = pyotp.parse_uri(answer.json()["data"]["otpauthUrl"])
    assert isinstance(totp, pyotp.TOTP)
    assert totp.secret == answer.json()["data"]["secret"]
    return Person(deployment, headers, totp, int(time.time()) // 30)


async def confirmed(person: Person, code: str | None = None) -> httpx.Response:
    body = {"code": code or person.code()}
    return await person.deployment.client.post(f"{SETUP}/confirm", json=body, headers=person.headers)


async def enrolled(deployment: Deployment) -> Person:
    person = await with_secret(deployment)
    answer = await confirmed(person)
    assert answer.status_code == 200, answer.text
    person.recovery_codes = answer.json()["data"]["recoveryCodes"]
    return person


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_second_factor_is_set_up_confirmed_and_asked_for(generous: Deployment) -> None:
    person = await with_secret(generous)
    assert (await tried(generous, EMAIL, PASSWORD)).json()["data"]["twoFactorRequired"] is False
    data = (await confirmed(person)).json()["data"]
    assert data["twoFactor"] is True
    assert len(set(data["recoveryCodes"])) == 10
    signed_in = await person.answer(person.code(1))
    assert signed_in.status_code == 200
    me = {"Authorization": f"Bearer {signed_in.json()['data']['accessToken']}"}
    assert (await generous.client.get("/auth/me", headers=me)).json()["data"]["twoFactor"] is True


async def test_a_code_is_good_once(generous: Deployment) -> None:
    person = await enrolled(generous)
    assert code_of(await person.answer(person.code())) == "INVALID_CODE"
    assert (await person.answer(person.code(1))).status_code == 200
    assert code_of(await person.answer(person.code(1))) == "INVALID_CODE"


async def test_a_code_is_good_once_also_at_once(generous: Deployment) -> None:
    person = await enrolled(generous)
    challenges = [await person.challenge() for _ in range(4)]
    answers = await asyncio.gather(*(person.answer(person.code(1), challenge) for challenge in challenges))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_a_code_of_an_earlier_step_is_nothing_after_a_newer_one(generous: Deployment) -> None:
    person = await with_secret(generous)
    assert (await confirmed(person, person.code(1))).status_code == 200
    assert code_of(await person.answer(person.code())) == "INVALID_CODE"


async def test_a_challenge_is_good_once_and_for_five_minutes(generous: Deployment) -> None:
    person = await enrolled(generous)
    challenge = await person.challenge()
    assert (await person.answer(person.recovery_codes[0], challenge)).status_code == 200
    late = await person.challenge()
    await generous.let_pass(minutes=5)
    for spent in (challenge, late, "nothing-of-ours"):
        answer = await person.answer(person.recovery_codes[1], spent)
        assert (answer.status_code, code_of(answer)) == (401, "CHALLENGE_NOT_VALID")


async def test_a_recovery_code_is_good_once_and_is_told(generous: Deployment) -> None:
    person = await enrolled(generous)
    written = person.recovery_codes[3]
    assert (await person.answer(written.lower().replace("-", " "))).status_code == 200
    assert code_of(await person.answer(written)) == "INVALID_CODE"
    assert await generous.value("SELECT details->>'left' FROM audit_events WHERE action = 'RECOVERY_CODE_USED'") == "9"
    await generous.work()
    kinds = "SELECT count(*) FROM notifications WHERE template = 'identity.recovery_code_used'"
    assert await generous.value(kinds) == 1


async def test_a_recovery_code_is_good_once_also_at_once(generous: Deployment) -> None:
    person = await enrolled(generous)
    challenges = [await person.challenge() for _ in range(4)]
    answers = await asyncio.gather(*(person.answer(person.recovery_codes[0], challenge) for challenge in challenges))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_five_wrong_codes_void_the_challenge_and_shut_the_account(generous: Deployment) -> None:
    person = await enrolled(generous)
    challenge = await person.challenge()
    answers = await asyncio.gather(*(person.answer(wrong(person.code(1)), challenge) for _ in range(20)))
    codes = [code_of(answer) for answer in answers]
    assert codes.count("INVALID_CODE") == 5
    assert set(codes) <= {"INVALID_CODE", "TOO_MANY_ATTEMPTS", "CHALLENGE_NOT_VALID"}
    assert (await tried(generous, EMAIL, PASSWORD)).status_code == 429
    await generous.execute("DELETE FROM sign_in_attempts")
    assert code_of(await person.answer(person.code(1), challenge)) == "CHALLENGE_NOT_VALID"
    assert AuditAction.USER_LOCKED_OUT in [row["action"] for row in await generous.rows("SELECT action FROM audit_events")]


async def test_the_right_password_does_not_forgive_wrong_codes(generous: Deployment) -> None:
    person = await enrolled(generous)
    for _ in range(5):
        assert (await person.answer(wrong(person.code(1)))).status_code == 401
    assert (await tried(generous, EMAIL, PASSWORD)).status_code == 429


async def test_a_suspended_user_does_not_get_past_the_second_step(generous: Deployment) -> None:
    person = await enrolled(generous)
    challenge = await person.challenge()
    await generous.execute("UPDATE users SET status = 'suspended'")
    assert code_of(await person.answer(person.code(1), challenge)) == "ACCOUNT_SUSPENDED"


@pytest.mark.parametrize("proof", ["password", "code", "recovery code"])
async def test_it_is_turned_off_by_a_proof(generous: Deployment, proof: str) -> None:
    person = await enrolled(generous)
    body = {"password": {"password": PASSWORD}, "code": {"code": person.code(1)}}.get(proof, {"code": person.recovery_codes[0]})
    challenge = await person.challenge()
    assert (await person.turn_off(**body)).json()["data"] == {"twoFactor": False}
    assert (await tried(generous, EMAIL, PASSWORD)).json()["data"]["twoFactorRequired"] is False
    assert code_of(await person.answer(person.recovery_codes[1], challenge)) == "CHALLENGE_NOT_VALID"
    assert code_of(await person.turn_off(**body)) == "TWO_FACTOR_NOT_ON"
    kept = (await generous.rows("SELECT totp_secret, totp_confirmed_at, totp_last_step FROM users"))[0]
    assert tuple(kept) == (None, None, None)
    assert await generous.value("SELECT count(*) FROM recovery_codes") == 0


NO_PROOFS: Sequence[tuple[dict[str, Any], int, str]] = (
    ({}, 400, "VALIDATION_ERROR"),
    ({"password": "wrong, quite wrong"}, 403, "PASSWORD_DOES_NOT_MATCH"),
    ({"code": "ABCD-EFGH-JKLM-NPQR"}, 403, "CODE_DOES_NOT_MATCH"),
    ({"password": PASSWORD, "code": "123456"}, 400, "VALIDATION_ERROR"),
    ({"code": "12345"}, 400, "VALIDATION_ERROR"),
    ({"force": True}, 400, "VALIDATION_ERROR"),
)


async def test_without_a_proof_it_stays_on(generous: Deployment) -> None:
    person = await enrolled(generous)
    for proof, status, code in NO_PROOFS:
        answer = await person.turn_off(**proof)
        assert (answer.status_code, code_of(answer)) == (status, code), proof
    assert (await tried(generous, EMAIL, PASSWORD)).json()["data"]["twoFactorRequired"] is True


async def test_codes_cannot_be_guessed_in_a_stolen_session(generous: Deployment) -> None:
    person = await enrolled(generous)
    guesses = await asyncio.gather(*(person.turn_off(code=wrong(person.code(1))) for _ in range(10)))
    assert {answer.status_code for answer in guesses} <= {403, 429}
    assert [answer.status_code for answer in guesses].count(403) <= 5
    assert (await person.turn_off(code=wrong(person.code(1)))).status_code in (403, 429)


async def test_nothing_is_set_up_without_the_password(generous: Deployment) -> None:
    headers = (await registered(generous, EMAIL))["headers"]
    bodies = [{}, *[{"password": "wrong, quite wrong"}] * 6]
    asked, *answers = [await generous.client.post(SETUP, json=body, headers=headers) for body in bodies]
    assert asked.json()["error"]["details"] == [{"path": "password", "message": "the account has a password: send it"}]
    assert [code_of(answer) for answer in answers] == ["PASSWORD_DOES_NOT_MATCH"] * 5 + ["TOO_MANY_ATTEMPTS"]
    assert await generous.value("SELECT totp_secret FROM users") is None


async def test_who_has_no_password_proves_it_by_a_sign_in_that_is_not_old(generous: Deployment) -> None:
    headers = (await registered(generous, EMAIL))["headers"]
    await generous.execute("UPDATE users SET password_hash = NULL")
    assert (await generous.client.post(SETUP, headers=headers)).status_code == 201
    await generous.let_pass(minutes=10)
    answer = await generous.client.post(SETUP, headers=headers)
    assert (answer.status_code, code_of(answer)) == (403, "RECENT_SIGN_IN_NEEDED")


async def test_each_step_has_its_time(generous: Deployment) -> None:
    headers = (await registered(generous, EMAIL))["headers"]
    confirm = await generous.client.post(f"{SETUP}/confirm", json={"code": "123456"}, headers=headers)
    assert (confirm.status_code, code_of(confirm)) == (409, "TWO_FACTOR_NOT_BEGUN")


async def test_what_is_on_is_not_set_up_again(generous: Deployment) -> None:
    person = await enrolled(generous)
    begun = await generous.client.post(SETUP, json={"password": PASSWORD}, headers=person.headers)
    assert (begun.status_code, code_of(begun)) == (409, "TWO_FACTOR_ALREADY_ON")
    assert code_of(await confirmed(person, person.code(1))) == "TWO_FACTOR_ALREADY_ON"


async def test_a_wrong_code_confirms_nothing(generous: Deployment) -> None:
    person = await with_secret(generous)
    assert code_of(await confirmed(person, wrong(person.code()))) == "CODE_DOES_NOT_MATCH"
    assert (await tried(generous, EMAIL, PASSWORD)).json()["data"]["twoFactorRequired"] is False


async def test_neither_the_secret_nor_a_recovery_code_is_legible_in_the_database(generous: Deployment) -> None:
    person = await enrolled(generous)
    rows = [*await generous.rows("SELECT * FROM users"), *await generous.rows("SELECT * FROM recovery_codes")]
    kept = str([dict(row) for row in rows])
    assert person.totp.secret not in kept
    assert not any(code in kept or code.replace("-", "") in kept for code in person.recovery_codes)


async def test_turning_it_on_and_off_is_audited_and_told(generous: Deployment) -> None:
    person = await enrolled(generous)
    await person.turn_off(password=PASSWORD)
    await generous.work()
    actions = [row["action"] for row in await generous.rows("SELECT action FROM audit_events ORDER BY id")]
    assert actions[-2:] == [AuditAction.TWO_FACTOR_ENABLED, AuditAction.TWO_FACTOR_DISABLED]
    told = {row["template"] for row in await generous.rows("SELECT template FROM notifications")}
    assert {"identity.two_factor_enabled", "identity.two_factor_disabled"} <= told
