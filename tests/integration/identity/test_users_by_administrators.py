"""Everybody's accounts: seen and changed by administrators only, each look recorded, and never without an administrator."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deployment import Deployment, Member, OpenDeployment
from integration.identity.people import GENEROUS, PASSWORD, code_of, logged_in, registered, tried
from madang.core.identity.model import UserStatus
from madang.core.identity.roles import Role, permissions_of
from madang.core.kernel.ids import new_id
from madang.core.operations.audit import AuditAction

USERS = "/users"


async def changed(deployment: Deployment, by: Member, user_id: object, **change: Any) -> httpx.Response:
    if_match = change.pop("if_match", None)
    headers = {**by.headers, **({"If-Match": if_match} if if_match else {})}
    return await deployment.client.patch(f"{USERS}/{user_id}", json=change, headers=headers)


async def audited(deployment: Deployment, action: AuditAction) -> list[Any]:
    question = "SELECT subject, actor_id, details FROM audit_events WHERE action = $1 ORDER BY id"
    return list(await deployment.rows(question, action.value))


async def test_users_are_listed_by_role_and_status_and_the_look_is_recorded(deployment: Deployment) -> None:
    admin = await deployment.member(Role.ADMIN)
    first, second = await deployment.member(), await deployment.member()
    await deployment.execute("UPDATE users SET status = $1 WHERE id = $2", UserStatus.SUSPENDED.value, first.id)
    answer = await deployment.client.get(USERS, params={"role": "client", "limit": 1}, headers=admin.headers)
    body = answer.json()
    assert [(user["id"], user["email"]) for user in body["data"]] == [(str(second.id), second.email)]
    assert body["meta"]["pagination"] == {
        "page": 1, "limit": 1, "total": 2, "totalPages": 2, "hasNext": True, "hasPrev": False
    }  # fmt: skip
    shut = await deployment.client.get(USERS, params={"status": "suspended"}, headers=admin.headers)
    assert [user["id"] for user in shut.json()["data"]] == [str(first.id)]
    looks = await audited(deployment, AuditAction.SENSITIVE_DATA_ACCESSED)
    assert [(look["subject"], look["actor_id"], look["details"]["users"]) for look in looks] == [
        ("users", admin.id, [str(second.id)]),
        ("users", admin.id, [str(first.id)]),
    ]


async def test_nobody_else_sees_or_changes_them(deployment: Deployment) -> None:
    for role in (Role.CLIENT, Role.DEVELOPER, Role.PROJECT_MANAGER):
        member = await deployment.member(role)
        answers = [
            await deployment.client.get(USERS, headers=member.headers),
            await deployment.client.get(f"{USERS}/{member.id}", headers=member.headers),
            await changed(deployment, member, member.id, role="admin"),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403], role


async def test_a_key_gives_no_role_that_may_do_more_than_the_key(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member(Role.DEVELOPER)
    wanted = {"name": "roster", "permissions": ["users:read", "users:write", *sorted(permissions_of(Role.CLIENT))]}
    key = (await deployment.client.post("/api-keys", json=wanted, headers=admin.headers)).json()["data"]["key"]
    by_key = Member(admin.id, admin.email, {"X-API-Key": key})
    refused = await changed(deployment, by_key, member.id, role="admin")
    assert (refused.status_code, code_of(refused)) == (403, "INSUFFICIENT_PERMISSIONS")
    assert await audited(deployment, AuditAction.USER_ROLE_CHANGED) == []
    assert (await changed(deployment, by_key, member.id, role="client")).status_code == 200
    assert (await changed(deployment, by_key, member.id, status="suspended")).status_code == 200


async def test_a_user_is_read_and_changed_by_version(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    read = await deployment.client.get(f"{USERS}/{member.id}", headers=admin.headers)
    assert read.headers["ETag"] == '"1"'
    done = await changed(deployment, admin, member.id, role="pm", if_match='"1"')
    assert (done.status_code, done.headers["ETag"], done.json()["data"]["role"]) == (200, '"2"', "pm")
    stale = await changed(deployment, admin, member.id, role="developer", if_match='"1"')
    assert (stale.status_code, code_of(stale)) == (412, "STALE_VERSION")
    [event] = await audited(deployment, AuditAction.USER_ROLE_CHANGED)
    assert (event["subject"], event["actor_id"]) == (f"user:{member.id}", admin.id)
    assert event["details"] == {"before": "client", "after": "pm"}


WRONG_CHANGES: Sequence[dict[str, Any]] = (
    {"role": "owner"},
    {"role": None},
    {"status": "erased"},
    {"email": "other@example.com"},
    {"version": 7},
)


async def test_a_wrong_change_is_told(deployment: Deployment) -> None:
    admin = await deployment.member(Role.ADMIN)
    for change in WRONG_CHANGES:
        answer = await changed(deployment, admin, admin.id, **change)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR"), change


async def test_who_is_not_there_and_who_was_erased_are_told_apart(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    await deployment.execute(
        "UPDATE users SET status = 'erased', email = NULL, email_hash = NULL, name = NULL WHERE id = $1", member.id
    )
    unknown, erased = [await changed(deployment, admin, each, role="pm") for each in (new_id(), member.id)]
    assert (unknown.status_code, code_of(unknown)) == (404, "USER_NOT_FOUND")
    assert (erased.status_code, code_of(erased)) == (410, "GONE")
    read = await deployment.client.get(f"{USERS}/{member.id}", headers=admin.headers)
    assert (read.json()["data"]["email"], read.json()["data"]["name"]) == (None, None)


async def test_a_suspended_user_is_out_at_once_and_back_when_reinstated(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        admin, person = await deployment.member(Role.ADMIN), await registered(deployment)
        wish = {"name": "a key", "permissions": ["files:read"]}
        key = (await deployment.client.post("/api-keys", json=wish, headers=person["headers"])).json()["data"]["key"]
        assert (await changed(deployment, admin, person["user"]["id"], status="suspended")).status_code == 200
        assert (await deployment.client.get("/auth/me", headers=person["headers"])).status_code == 401
        refreshed = await deployment.client.post("/auth/refresh", json={"refreshToken": person["refreshToken"]})
        assert refreshed.status_code == 401
        assert (await deployment.client.get("/users", headers={"X-API-Key": key})).status_code == 401
        assert code_of(await tried(deployment, "somebody@example.com", PASSWORD)) == "ACCOUNT_SUSPENDED"
        assert (await changed(deployment, admin, person["user"]["id"], status="active")).status_code == 200
        assert await logged_in(deployment)
        assert (await deployment.client.get("/users", headers={"X-API-Key": key})).status_code == 401
        assert len(await audited(deployment, AuditAction.USER_SUSPENDED)) == 1
        assert len(await audited(deployment, AuditAction.USER_REINSTATED)) == 1


async def test_a_changed_role_ends_the_tokens_of_the_other_one(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        admin, person = await deployment.member(Role.ADMIN), await registered(deployment)
        await changed(deployment, admin, person["user"]["id"], role="admin")
        assert (await deployment.client.get("/auth/me", headers=person["headers"])).status_code == 401
        again = await logged_in(deployment)
        assert (await deployment.client.get(USERS, headers=again["headers"])).status_code == 200


async def test_the_last_administrator_stays_one(deployment: Deployment) -> None:
    admin = await deployment.member(Role.ADMIN)
    out = await deployment.member(Role.ADMIN)
    await deployment.execute("UPDATE users SET status = 'suspended' WHERE id = $1", out.id)
    for change in ({"role": "client"}, {"status": "suspended"}, {"role": "pm", "status": "suspended"}):
        answer = await changed(deployment, admin, admin.id, **change)
        assert (answer.status_code, code_of(answer)) == (409, "LAST_ADMIN"), change
    assert (await changed(deployment, admin, out.id, role="client")).status_code == 200


async def test_of_two_administrators_who_take_one_anothers_role_one_is_left(deployment: Deployment) -> None:
    first, second = await deployment.member(Role.ADMIN), await deployment.member(Role.ADMIN)
    answers = await asyncio.gather(
        changed(deployment, first, second.id, role="client"), changed(deployment, second, first.id, status="suspended")
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    left = "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'"
    assert await deployment.value(left) == 1


async def test_what_changes_nothing_leaves_no_trace(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    answer = await changed(deployment, admin, member.id, role="client", status="active")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')
    assert await audited(deployment, AuditAction.USER_ROLE_CHANGED) == []


async def test_an_operators_token_administers_and_is_nobody_in_particular(deployment: Deployment) -> None:
    over = datetime.now(UTC) + timedelta(hours=1)
    extra = {"userId": "operator", "role": "admin", "permissions": []}
    token = deployment.container.tokens.issue("api", "operator", expires_at=over, extra=extra)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await deployment.client.get(USERS, headers=headers)).status_code == 200
    for path in ("/auth/me", "/api-keys", "/notifications"):
        answer = await deployment.client.get(path, headers=headers)
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED"), path
