"""What identity hands over about a person, what it forgets on demand, and what by itself."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from deployment import ADDRESS, Deployment, OpenDeployment
from integration.identity.people import GENEROUS, PASSWORD, code_of, logged_in, registered, tried
from madang.core.kernel.personal_data import PersonalData

NOW = datetime.now(UTC)
GIVEN = (
    "UPDATE users SET totp_confirmed_at = now(), totp_last_step = 1, totp_secret = '\\x01' WHERE id = $1",
    "INSERT INTO recovery_codes (user_id, digest) VALUES ($1, '\\x01')",
    """INSERT INTO external_identities (issuer, subject, user_id, provider, created_at)
    VALUES ('https://issuer.example.com', 'canary-subject', $1, 'clerk', now())""",
    """INSERT INTO api_keys (id, user_id, name, prefix, digest, permissions, created_at)
    VALUES (gen_random_uuid(), $1, 'canary key', 'mk_canary', '\\x02', '["files:read"]', now())""",
)


def of_identity(deployment: Deployment) -> PersonalData[object]:
    [found] = [part for part in deployment.container.personal_data if part.name == "identity"]
    return found


async def somebody_with_everything(deployment: Deployment) -> tuple[dict[str, object], UUID]:
    person = await registered(deployment, "Canary@example.com", name="Canary Kim")
    headers = person["headers"]
    await deployment.client.patch("/auth/me", json={"phone": "010-1234-5678"}, headers=headers)
    await tried(deployment, "canary@example.com")
    user_id = UUID(person["user"]["id"])
    for statement in GIVEN:
        await deployment.execute(statement, user_id)
    return person, user_id


async def test_the_export_says_everything_and_no_secret(deployment: Deployment) -> None:
    person, user_id = await somebody_with_everything(deployment)
    async with deployment.container.units() as uow:
        found = await of_identity(deployment).export(uow, user_id)
    assert found["profile"]["email"] == "Canary@example.com"
    assert (found["profile"]["name"], found["profile"]["phone"]) == ("Canary Kim", "+821012345678")
    assert [session["address"] for session in found["sessions"]] == [ADDRESS]
    assert [(key["name"], key["permissions"]) for key in found["apiKeys"]] == [("canary key", ["files:read"])]
    assert [identity["subject"] for identity in found["externalIdentities"]] == ["canary-subject"]
    assert found["recoveryCodesLeft"] == 1
    written = msgspec.json.encode(found).decode()
    for secret in (person["refreshToken"], person["accessToken"], "$argon2", "digest", "hash", "secret"):
        assert str(secret) not in written


async def test_erasure_leaves_an_empty_row_and_nothing_else(deployment: Deployment) -> None:
    person, user_id = await somebody_with_everything(deployment)
    async with deployment.container.units() as uow:
        erased = await of_identity(deployment).erase(uow, user_id, NOW)
    assert all(erased[table] >= 1 for table in of_identity(deployment).tables), erased
    async with deployment.container.units() as uow:
        assert not any((await of_identity(deployment).erase(uow, user_id, NOW)).values())
    row = dict((await deployment.rows("SELECT * FROM users"))[0])
    kept = {name for name, value in row.items() if value is not None}
    assert kept == {"id", "role", "status", "locale", "created_at", "updated_at", "version"}
    for table in ("refresh_tokens", "one_time_tokens", "recovery_codes", "api_keys", "external_identities"):
        assert await deployment.value(f"SELECT count(*) FROM {table}") == 0
    told_of = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL OR num_nonnulls(agent, address) > 0"
    assert await deployment.value(told_of) == 0
    headers = {"Authorization": f"Bearer {person['accessToken']}"}
    assert (await deployment.client.get("/auth/me", headers=headers)).status_code == 401
    assert (await tried(deployment, "canary@example.com", PASSWORD)).status_code == 401


async def test_an_erased_address_is_free_again(deployment: Deployment) -> None:
    _, user_id = await somebody_with_everything(deployment)
    async with deployment.container.units() as uow:
        await of_identity(deployment).erase(uow, user_id, NOW)
    again = await registered(deployment, "canary@example.com")
    assert again["user"]["id"] != str(user_id)


async def test_nothing_is_known_about_who_never_was(deployment: Deployment) -> None:
    async with deployment.container.units() as uow:
        assert await of_identity(deployment).export(uow, UUID(int=7)) == {}
        assert await of_identity(deployment).erase(uow, UUID(int=7), NOW) == {}


async def test_what_is_over_for_a_day_goes_and_what_is_not_stays(deployment: Deployment) -> None:
    await registered(deployment)
    await tried(deployment, "nobody@example.com")
    await deployment.let_pass(days=8, hours=1)
    await registered(deployment, "new@example.com")
    await deployment.container.schedule_recurring_work()
    await deployment.let_pass(hours=1)
    await deployment.work()
    left = {
        table: await deployment.value(f"SELECT count(*) FROM {table}")
        for table in ("users", "sessions", "refresh_tokens", "one_time_tokens", "sign_in_attempts")
    }
    assert left == {"users": 2, "sessions": 1, "refresh_tokens": 1, "one_time_tokens": 1, "sign_in_attempts": 0}


async def test_while_the_master_key_changes_people_still_sign_in_and_addresses_stay_taken(
    open_deployment: OpenDeployment,
) -> None:
    async with open_deployment() as before:
        person = await registered(before)
    old = "test-key-not-secret-test-key-not-secret"
    async with open_deployment(
        secret_key="another-test-key-not-secret-another-key", older_secret_keys=[old], limits=GENEROUS
    ) as after:
        assert (await logged_in(after))["user"]["id"] == person["user"]["id"]
        taken = await after.client.post("/auth/register", json={"email": "somebody@example.com", "password": PASSWORD})
        assert (taken.status_code, code_of(taken)) == (409, "EMAIL_TAKEN")
        me = await after.client.get("/auth/me", headers=person["headers"])
        assert me.json()["data"]["email"] == "somebody@example.com"
        refreshed = await after.client.post("/auth/refresh", json={"refreshToken": person["refreshToken"]})
        assert refreshed.status_code == 200
