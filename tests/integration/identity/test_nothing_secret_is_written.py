"""Passwords, tokens and addresses stand in no log line, no table and no error."""

import logging

import pytest

from deployment import Deployment, OpenDeployment
from integration.identity.people import ANOTHER, GENEROUS, PASSWORD, logged_in, mailed_token, registered, tried

EMAIL = "canary.person@example.com"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"


async def everything_done(deployment: Deployment) -> list[str]:
    """What is secret or personal in it."""
    person = await registered(deployment, EMAIL, name="Canary Kim")
    await deployment.client.patch("/auth/me", json={"phone": "010-1234-5678"}, headers=person["headers"])
    verify = await mailed_token(deployment, "verify-email")
    await deployment.client.post("/auth/email/verify", json={"token": verify})
    await tried(deployment, EMAIL, "canary of a wrong password")
    await deployment.client.post(
        "/auth/register", json={"email": EMAIL, "password": PASSWORD}, headers={"Idempotency-Key": "k"}
    )
    again = await logged_in(deployment, EMAIL)
    headers = {"Idempotency-Key": "r"}
    refreshed = await deployment.client.post("/auth/refresh", json={"refreshToken": again["refreshToken"]}, headers=headers)
    await deployment.client.post("/auth/refresh", json={"refreshToken": again["refreshToken"]})
    await deployment.client.post("/auth/password/forgot", json={"email": EMAIL})
    reset = await mailed_token(deployment, "reset-password")
    await deployment.client.post("/auth/password/reset", json={"token": reset, "password": ANOTHER})
    await deployment.client.post("/auth/password/reset", json={"token": "canary-of-a-token", "password": "short"})
    await deployment.work()
    tokens = [found[name] for found in (person, again, refreshed.json()["data"]) for name in ("accessToken", "refreshToken")]
    spoken = [EMAIL, "Canary Kim", "821012345678", PASSWORD, ANOTHER, "canary of a wrong password", "canary-of-a-token"]
    return [*tokens, *spoken, verify, reset]


async def test_nothing_secret_or_personal_is_logged_or_stored_legibly(
    open_deployment: OpenDeployment, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_deployment(limits=GENEROUS) as deployment:
        secrets = await everything_done(deployment)
        stored = [
            (await deployment.value(f'SELECT string_agg(row::text, chr(10)) FROM "{table["table_name"]}" AS row')) or ""
            for table in await deployment.rows(TABLES)
        ]
    told = capfd.readouterr()
    written = "\n".join([caplog.text, *(str(record.__dict__) for record in caplog.records), told.out, told.err, *stored])
    assert "identity.mail_reset_link" in written
    assert [secret for secret in secrets if secret in written or secret.encode().hex() in written] == []
