"""Jobs as administrators see them, and another try of one."""

from uuid import UUID

import pytest

from deployment import Deployment, Member
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage

TOPIC = "notifications.send_sms"
FAILURE = {"kind": "unavailable", "message": "gone: token=test-canary", "provider": "sandbox", "operation": "send"}


async def job(deployment: Deployment, state: str = "waiting", **payload: str) -> UUID:
    """A message about nothing: its handler finds no notification and is done."""
    nothing = str(new_id())
    async with deployment.container.units() as uow:
        uow.send(NewMessage(TOPIC, {"notification_id": nothing, **payload}))
    row = await deployment.value(
        "UPDATE messages SET state = $1, failures = 3, lease_until = CASE WHEN $1 = 'leased' THEN now() + interval '1 h' END,"
        " last_failure = CASE WHEN $1 = 'dead' THEN $2::jsonb END WHERE payload->>'notification_id' = $3"
        " RETURNING id",
        state,
        FAILURE,
        nothing,
    )
    assert isinstance(row, UUID)
    return row


@pytest.fixture
async def admin(deployment: Deployment) -> Member:
    return await deployment.member(Role.ADMIN)


async def test_jobs_are_listed_by_state_and_topic_from_the_newest_on(deployment: Deployment, admin: Member) -> None:
    made = {state: await job(deployment, state) for state in ("waiting", "leased", "done", "dead")}
    named = {"waiting": "waiting", "leased": "running", "done": "done", "dead": "dead"}
    for state, shown in named.items():
        answer = await deployment.client.get(f"/admin/jobs?state={shown}&topic={TOPIC}", headers=admin.headers)
        assert [(item["id"], item["state"]) for item in answer.json()["data"]] == [(str(made[state]), shown)]
    everything = await deployment.client.get("/admin/jobs", headers=admin.headers)
    assert [item["id"] for item in everything.json()["data"]] == [str(each) for each in sorted(made.values(), reverse=True)]
    nothing = await deployment.client.get("/admin/jobs?topic=unheard.of", headers=admin.headers)
    assert nothing.json()["data"] == []


async def test_the_list_is_read_page_by_page(deployment: Deployment, admin: Member) -> None:
    made = [str(await job(deployment)) for _ in range(5)]
    read: list[str] = []
    cursor = ""
    while True:
        answer = (await deployment.client.get(f"/admin/jobs?limit=2{cursor}", headers=admin.headers)).json()
        read += [item["id"] for item in answer["data"]]
        following = answer["meta"]["pagination"]["nextCursor"]
        if following is None:
            break
        cursor = f"&cursor={following}"
    assert read == sorted(made, reverse=True)


async def test_what_a_job_works_with_and_secrets_in_its_failure_are_not_shown(deployment: Deployment, admin: Member) -> None:
    dead = await job(deployment, "dead", canary="test-canary")
    answer = await deployment.client.get(f"/admin/jobs/{dead}", headers=admin.headers)
    assert answer.json()["data"]["lastFailure"]["message"] == "gone: token=[hidden]"
    assert "test-canary" not in answer.text + (await deployment.client.get("/admin/jobs", headers=admin.headers)).text


@pytest.mark.parametrize("state", ["dead", "waiting"])
async def test_a_dead_or_waiting_job_is_tried_again_and_that_is_recorded(
    deployment: Deployment, admin: Member, state: str
) -> None:
    found = await job(deployment, state)
    answer = await deployment.client.post(f"/admin/jobs/{found}/retry", headers=admin.headers)
    assert (answer.status_code, answer.json()["data"]["state"], answer.json()["data"]["failures"]) == (200, "waiting", 0)
    await deployment.work()
    assert await deployment.value("SELECT state FROM messages WHERE id = $1", found) == "done"
    recorded = await deployment.rows("SELECT action, actor_id, subject, details FROM audit_events")
    assert [tuple(row) for row in recorded] == [
        ("JOB_RETRIED", admin.id, f"job:{found}", {"topic": TOPIC, "state": state}),
    ]


@pytest.mark.parametrize("state", ["leased", "done"])
async def test_a_job_that_runs_or_is_done_is_left_as_it_is(deployment: Deployment, admin: Member, state: str) -> None:
    found = await job(deployment, state)
    answer = await deployment.client.post(f"/admin/jobs/{found}/retry", headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "WRONG_STATE")
    assert await deployment.value("SELECT state FROM messages WHERE id = $1", found) == state
    assert await deployment.value("SELECT count(*) FROM audit_events") == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/admin/jobs/01997f2e-6c00-7a10-9c3e-0242ac120002", 404, "JOB_NOT_FOUND"),
        ("POST", "/admin/jobs/01997f2e-6c00-7a10-9c3e-0242ac120002/retry", 404, "JOB_NOT_FOUND"),
        ("GET", "/admin/jobs/nothing", 404, "NOT_FOUND"),
        ("GET", "/admin/jobs?cursor=nothing", 400, "VALIDATION_ERROR"),
        ("GET", "/admin/jobs?state=leased", 400, "VALIDATION_ERROR"),
    ],
)
async def test_what_is_not_there_or_not_understood_is_told(
    deployment: Deployment, admin: Member, method: str, path: str, status: int, code: str
) -> None:
    answer = await deployment.client.request(method, path, headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("role", [Role.CLIENT, Role.DEVELOPER, Role.PROJECT_MANAGER])
async def test_jobs_are_for_administrators(deployment: Deployment, role: Role) -> None:
    other = await deployment.member(role)
    for method, path in (("GET", "/admin/jobs"), ("GET", f"/admin/jobs/{new_id()}"), ("POST", f"/admin/jobs/{new_id()}/retry")):
        answer = await deployment.client.request(method, path, headers=other.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")
