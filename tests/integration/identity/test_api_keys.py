"""API keys: made once, good for what they were given and their owner still may, and dead everywhere when revoked."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deployment import Deployment, Member, OpenDeployment
from madang.core.identity.roles import Role, permissions_of
from madang.core.kernel.clock import SystemClock
from madang.core.operations.audit import AuditAction

KEYS = "/api-keys"
GUARDED = "/knowledge-base"
EDITS = "knowledge-base:write"
NEVER = "01997f2e-6c00-7a10-9c3e-0242ac120002"


async def made(deployment: Deployment, owner: Member, *permissions: str, **more: Any) -> dict[str, Any]:
    body = {"name": "a key", "permissions": permissions or ("files:read",), **more}
    answer = await deployment.client.post(KEYS, json=body, headers=owner.headers)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()["data"]
    return key


def showing(key: Mapping[str, Any]) -> Mapping[str, str]:
    return {"X-API-Key": key["key"]}


async def shown(deployment: Deployment, key: Mapping[str, Any], path: str = GUARDED) -> httpx.Response:
    return await deployment.client.get(path, headers=showing(key))


async def change(deployment: Deployment, owner: Member, **columns: object) -> None:
    for column, value in columns.items():
        await deployment.execute(f"UPDATE users SET {column} = $1 WHERE id = $2", value, owner.id)


async def test_a_key_opens_what_it_was_given_and_nothing_else(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS)
    assert (await shown(deployment, key)).status_code == 200
    refused = await shown(deployment, key, "/admin/jobs")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "INSUFFICIENT_PERMISSIONS"


async def test_a_key_is_shown_once_and_kept_by_its_hash(deployment: Deployment) -> None:
    owner = await deployment.member()
    key = await made(deployment, owner, "files:read", "files:write", name="밤마다")
    assert key["key"].startswith(key["prefix"])
    assert key["prefix"].startswith("madang_")
    assert len(key["key"]) - len(key["prefix"]) > 30
    listed = (await deployment.client.get(KEYS, headers=owner.headers)).json()["data"]
    assert listed == [{name: value for name, value in key.items() if name != "key"}]
    assert (listed[0]["name"], listed[0]["permissions"]) == ("밤마다", ["files:read", "files:write"])
    kept = str([dict(row) for row in await deployment.rows("SELECT * FROM api_keys")])
    assert key["key"] not in kept


async def test_a_lost_answer_is_repeated_with_its_key_and_makes_no_second_one(deployment: Deployment) -> None:
    owner = await deployment.member()
    headers = {**owner.headers, "Idempotency-Key": "once"}
    body = {"name": "a key", "permissions": ["files:read"]}
    answers = [await deployment.client.post(KEYS, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len((await deployment.client.get(KEYS, headers=owner.headers)).json()["data"]) == 1


WRONG_WISHES: Sequence[tuple[dict[str, Any], str]] = (
    ({"permissions": ["users:write"]}, "permissions"),
    ({"permissions": ["nothing:known"]}, "permissions"),
    ({"permissions": []}, "permissions"),
    ({"permissions": "files:read"}, "permissions"),
    ({"name": ""}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    ({"expiresAt": "2030-01-01T00:00:00"}, "expiresAt"),
    ({"userId": NEVER}, ""),
)


async def test_a_wrong_wish_for_a_key_is_told_where_it_is_wrong(deployment: Deployment) -> None:
    owner = await deployment.member()
    for wrong, path in WRONG_WISHES:
        body = {"name": "a key", "permissions": ["files:read"], **wrong}
        answer = await deployment.client.post(KEYS, json=body, headers=owner.headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["path"].startswith(path)
    assert await deployment.value("SELECT count(*) FROM api_keys") == 0


async def test_no_key_opens_the_accounts_own_security(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, *permissions_of(Role.ADMIN))
    asked = [
        await shown(deployment, key, KEYS),
        await deployment.client.post(KEYS, json={"name": "x", "permissions": ["files:read"]}, headers=showing(key)),
        await deployment.client.delete(f"{KEYS}/{key['id']}", headers=showing(key)),
    ]
    assert [answer.status_code for answer in asked] == [401, 401, 401]


async def test_a_key_and_a_token_at_once_are_one_too_many(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS)
    answer = await deployment.client.get(GUARDED, headers={**owner.headers, **showing(key)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_REQUEST")


NO_KEYS = ("", "madang_", "madang_" + "A" * 43, "madang_" + "A" * 5000, "x" * 50, "madang_\xe9" + "A" * 42)


async def test_what_is_no_key_of_ours_is_refused(deployment: Deployment) -> None:
    for written in NO_KEYS:
        answer = await deployment.client.get(GUARDED, headers=[(b"X-API-Key", written.encode("latin-1"))])
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_a_revoked_key_is_refused_at_once_here_and_heard_of_everywhere(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as here, open_deployment() as there:
        owner = await here.member(Role.ADMIN)
        key, other = await made(here, owner, EDITS), await made(here, owner, EDITS)
        assert [(await shown(each, key)).status_code for each in (here, there)] == [200, 200]
        revoked = await here.client.delete(f"{KEYS}/{key['id']}", headers=owner.headers)
        assert revoked.json()["data"] == {"id": key["id"]}
        assert (await shown(here, key)).status_code == 401
        async with asyncio.timeout(60):
            while (await shown(there, key)).status_code != 401:
                await asyncio.sleep(0.01)
        assert [(await shown(each, other)).status_code for each in (here, there)] == [200, 200]
        assert (await here.client.delete(f"{KEYS}/{key['id']}", headers=owner.headers)).status_code == 404


async def test_another_persons_key_is_not_there(deployment: Deployment) -> None:
    owner, stranger = await deployment.member(Role.ADMIN), await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS)
    assert (await deployment.client.get(KEYS, headers=stranger.headers)).json()["data"] == []
    answer = await deployment.client.delete(f"{KEYS}/{key['id']}", headers=stranger.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "API_KEY_NOT_FOUND")
    assert (await shown(deployment, key)).status_code == 200


async def test_a_key_loses_what_its_owners_role_lost(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS)
    assert (await shown(deployment, key)).status_code == 200
    async with deployment.container.units() as uow:
        await uow.connection.execute("UPDATE users SET role = 'client'")
        await uow.api_keys.reconsider(owner.id)
    assert (await shown(deployment, key)).status_code == 403


async def test_the_key_of_an_owner_who_is_out_is_refused(deployment: Deployment) -> None:
    owners = [await deployment.member(Role.ADMIN) for _ in range(2)]
    keys = [await made(deployment, owner, EDITS) for owner in owners]
    await change(deployment, owners[0], status="suspended")
    await change(deployment, owners[1], email=None, email_hash=None, name=None, status="erased")
    assert [(await shown(deployment, key)).status_code for key in keys] == [401, 401]


async def test_revoking_all_keys_of_a_user_ends_those_that_are_remembered(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    keys = [await made(deployment, owner, EDITS) for _ in range(2)]
    assert [(await shown(deployment, key)).status_code for key in keys] == [200, 200]
    async with deployment.container.units() as uow:
        assert len(await uow.api_keys.revoke_all(owner.id, SystemClock().now())) == 2
    assert [(await shown(deployment, key)).status_code for key in keys] == [401, 401]


async def test_a_key_expires(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS, expiresAt=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    await deployment.let_pass(hours=1)
    assert (await shown(deployment, key)).status_code == 200
    deployment.container.api_key_check.forget(None)
    await deployment.let_pass(hours=2)
    assert (await shown(deployment, key)).status_code == 401


async def test_the_last_use_of_a_key_is_written_down_once_a_minute(deployment: Deployment) -> None:
    owner = await deployment.member(Role.ADMIN)
    key = await made(deployment, owner, EDITS)
    uses = "SELECT last_used_at FROM api_keys"
    assert await deployment.value(uses) is None
    await shown(deployment, key)
    first = await deployment.value(uses)
    deployment.container.api_key_check.forget(None)
    await shown(deployment, key)
    assert await deployment.value(uses) == first
    await deployment.let_pass(minutes=1)
    deployment.container.api_key_check.forget(None)
    await shown(deployment, key)
    assert await deployment.value(uses) >= first


async def test_an_account_has_a_bounded_number_of_keys(deployment: Deployment) -> None:
    owner = await deployment.member()
    await deployment.execute(
        "INSERT INTO api_keys (id, user_id, name, prefix, digest, permissions, created_at) "
        "SELECT gen_random_uuid(), $1, 'a key', 'madang_', sha256(number::text::bytea), '[]', now() "
        "FROM generate_series(1, 49) AS number",
        owner.id,
    )
    wish = {"name": "a key", "permissions": ["files:read"]}
    answers = await asyncio.gather(*(deployment.client.post(KEYS, json=wish, headers=owner.headers) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_making_and_revoking_a_key_is_in_the_audit_trail_without_the_key(deployment: Deployment) -> None:
    owner = await deployment.member()
    key = await made(deployment, owner)
    await deployment.client.delete(f"{KEYS}/{key['id']}", headers=owner.headers)
    events = await deployment.rows(
        "SELECT action, subject, actor_id, to_jsonb(audit_events)::text AS whole FROM audit_events ORDER BY id"
    )
    subject = f"api_key:{key['id']}"
    assert [(row["action"], row["subject"], row["actor_id"]) for row in events] == [
        (AuditAction.API_KEY_CREATED, subject, owner.id),
        (AuditAction.API_KEY_REVOKED, subject, owner.id),
    ]
    assert not any(key["key"] in row["whole"] for row in events)
    assert await deployment.value("SELECT template FROM notifications") == "identity.api_key_created"
