"""The audit trail over HTTP: for administrators, whole, filtered, page by page; and who reads it stands in it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployment import ADDRESS, Deployment, Member
from madang.core.identity.roles import Role
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.ids import new_id
from madang.core.operations.audit import AuditAction
from operator_shell import run_command

EVENTS = "/admin/audit-events"
AGENT = "Mozilla/5.0"
ENTRY = {
    "code": "SC900", "category": "skin", "titleKo": "가", "titleEn": "a", "descriptionKo": "가", "descriptionEn": "a",
    "weeksMin": 1, "weeksMax": 2, "costMin": 0, "costMax": 10,
}  # fmt: skip


async def recorded(deployment: Deployment, member: Member, action: AuditAction, subject: str = "user:1") -> None:
    caller = Caller(CallerKind.USER, member.id, address=ADDRESS, agent=AGENT)
    async with deployment.container.units() as uow:
        await deployment.container.audit_trail.record(uow, caller, action, subject)


async def read(deployment: Deployment, admin: Member, **query: Any) -> dict[str, Any]:
    answer = await deployment.client.get(EVENTS, params=query, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_administrators_read_who_did_what_from_where_until_the_person_is_erased(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    await recorded(deployment, member, AuditAction.USER_LOGIN, f"user:{member.id}")
    [event] = (await read(deployment, admin))["data"]
    assert (event["action"], event["actorId"], event["subject"]) == ("USER_LOGIN", str(member.id), f"user:{member.id}")
    assert (event["actorKind"], event["address"], event["agent"]) == ("user", ADDRESS, AGENT)
    async with deployment.container.units() as uow:
        await uow.personal_keys.destroy(member.id)
    [event] = (await read(deployment, admin, action="USER_LOGIN"))["data"]
    assert (event["address"], event["agent"]) == (None, None)


async def test_every_page_that_is_read_is_an_event_of_its_own(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    for _ in range(3):
        await recorded(deployment, member, AuditAction.USER_LOGIN)
    first = await read(deployment, admin, limit=2, action="USER_LOGIN")
    second = await read(deployment, admin, limit=2, action="USER_LOGIN", cursor=first["meta"]["pagination"]["nextCursor"])
    assert (len(first["data"]), len(second["data"]), second["meta"]["pagination"]["nextCursor"]) == (2, 1, None)
    readings = (await read(deployment, admin, action="SENSITIVE_DATA_ACCESSED"))["data"]
    assert [(event["actorId"], event["details"]) for event in readings] == [
        (str(admin.id), {"wanted": {"action": "USER_LOGIN"}, "events": 1}),
        (str(admin.id), {"wanted": {"action": "USER_LOGIN"}, "events": 2}),
    ]


async def test_the_trail_is_filtered_by_action_actor_subject_and_time(deployment: Deployment) -> None:
    admin, one, other = [await deployment.member(role) for role in (Role.ADMIN, Role.CLIENT, Role.CLIENT)]
    await recorded(deployment, one, AuditAction.USER_LOGIN, "user:1")
    await recorded(deployment, other, AuditAction.USER_LOGOUT, "user:2")
    now = datetime.now(UTC)
    filters: dict[str, dict[str, Any]] = {
        "action": {"action": "USER_LOGOUT"},
        "actor": {"actorId": str(other.id)},
        "subject": {"subject": "user:2"},
        "time": {"since": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat(), "limit": 2},
    }
    found = {name: (await read(deployment, admin, **query))["data"] for name, query in filters.items()}
    assert {name: {event["subject"] for event in found[name]} for name in ("action", "actor", "subject")} == {
        "action": {"user:2"}, "actor": {"user:2"}, "subject": {"user:2"},
    }  # fmt: skip
    assert len(found["time"]) == 2
    assert (await read(deployment, admin, until=(now - timedelta(hours=1)).isoformat()))["data"] == []


@pytest.mark.parametrize(
    "query", [{"cursor": "not-ours"}, {"action": "NOTHING"}, {"since": "2026-01-05T12:00:00"}, {"actorId": "me"}, {"x": "1"}]
)
async def test_a_wrong_question_is_told(deployment: Deployment, query: dict[str, str]) -> None:
    admin = await deployment.member(Role.ADMIN)
    answer = await deployment.client.get(EVENTS, params=query, headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_nobody_but_administrators_reads_the_trail(deployment: Deployment) -> None:
    for role in (Role.CLIENT, Role.PROJECT_MANAGER, Role.DEVELOPER):
        member = await deployment.member(role)
        assert (await deployment.client.get(EVENTS, headers=member.headers)).status_code == 403
    assert (await deployment.client.get(EVENTS)).status_code == 401


async def test_every_change_of_the_catalogue_is_recorded_with_its_editor(deployment: Deployment) -> None:
    admin, client = await deployment.member(Role.ADMIN), deployment.client
    fields = {name: value for name, value in ENTRY.items() if name != "code"}
    csv = "code,category,title_ko,title_en,description_ko,description_en,weeks_min,weeks_max,cost_min,cost_max\n"
    answers = [
        await client.post("/knowledge-base", json=ENTRY, headers=admin.headers),
        await client.post("/knowledge-base", json=ENTRY, headers=admin.headers),
        await client.put("/knowledge-base/SC900", json=fields, headers=admin.headers),
        await client.post("/knowledge-base/import", content=csv, headers={**admin.headers, "content-type": "text/csv"}),
        await client.delete("/knowledge-base/SC900", headers=admin.headers),
        await client.delete("/knowledge-base/SC900", headers=admin.headers),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 200, 200, 200, 404]
    events = (await read(deployment, admin, action="KNOWLEDGE_BASE_CHANGED"))["data"]
    assert {event["actorId"] for event in events} == {str(admin.id)}
    assert [(event["subject"], event["details"]["change"]) for event in reversed(events)] == [
        ("knowledge-base:SC900", "added"),
        ("knowledge-base:SC900", "replaced"),
        ("knowledge-base", "imported"),
        ("knowledge-base:SC900", "deleted"),
    ]


async def test_what_operators_do_by_command_is_recorded(
    deployment: Deployment, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    dead = new_id()
    await deployment.execute(
        "INSERT INTO messages (id, topic, lane, payload, state) VALUES ($1, 'notifications.send', 'short', '{}', 'dead')", dead
    )
    key = deployment.container.settings.secret_key
    assert key is not None
    servers = {
        "MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url, "MADANG_SECRET_KEY": key.get_secret_value(),
    }  # fmt: skip
    retried = run_command("jobs", "retry", str(dead), folder=tmp_path, **servers)
    issued = run_command("token", "issue", "--role", "admin", "--json", folder=tmp_path, **servers)
    assert (retried.returncode, issued.returncode) == (0, 0), retried.stderr + issued.stderr
    token = json.loads(issued.stdout)["token"]
    answer = await deployment.client.get(EVENTS, headers={"Authorization": f"Bearer {token}"})
    assert [(event["actorKind"], event["action"], event["subject"]) for event in answer.json()["data"]] == [
        ("operator", "ACCESS_TOKEN_ISSUED", "token"),
        ("operator", "JOB_RETRIED", f"job:{dead}"),
    ]
    assert token not in answer.text
