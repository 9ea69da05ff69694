"""Rate limits of one's own: set by an administrator, counted instead of the deployment's, and part of one's data."""

import pytest

from deployment import Deployment, OpenDeployment
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id


async def test_a_users_own_limit_counts_instead_of_the_deployments(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "2/minute"}) as deployment:
        user, other, admin = await deployment.member(), await deployment.member(), await deployment.member(Role.ADMIN)
        changed = await deployment.client.patch(
            f"/admin/limits/{user.id}", json={"limits": {"default": "4/minute"}}, headers=admin.headers
        )
        assert (changed.status_code, changed.json()["data"]["own"]) == (200, {"default": "4/minute"})
        assert changed.json()["data"]["effective"]["api_key"] == "1000/day"
        for member, allowed in ((user, 4), (other, 2)):
            answers = [await deployment.client.get("/admin/jobs", headers=member.headers) for _ in range(5)]
            assert [answer.status_code for answer in answers] == [403] * allowed + [429] * (5 - allowed)


async def test_null_takes_a_limit_of_ones_own_away_and_what_is_not_named_stays(deployment: Deployment) -> None:
    user, admin = await deployment.member(), await deployment.member(Role.ADMIN)
    path = f"/admin/limits/{user.id}"
    for limits in ({"default": "4/minute", "api_key": "9/day"}, {"default": None}):
        answer = await deployment.client.patch(path, json={"limits": limits}, headers=admin.headers)
        assert answer.status_code == 200
    shown = (await deployment.client.get(path, headers=admin.headers)).json()["data"]
    assert (shown["own"], shown["effective"]["default"]) == ({"api_key": "9/day"}, "100/minute")
    recorded = await deployment.rows("SELECT actor_id, subject, details FROM audit_events WHERE action = 'LIMITS_CHANGED'")
    assert [(row["actor_id"], row["subject"]) for row in recorded] == [(admin.id, f"user:{user.id}")] * 2
    assert recorded[-1]["details"] == {"limits": {"default": None}}


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ({"defualt": "4/minute"}, "limits.defualt"),
        ({"default": "often"}, "limits"),
        ({"default": "0/minute"}, "limits"),
        ({"default": 4}, "limits"),
        ({}, "limits"),
    ],
)
async def test_a_limit_that_does_not_exist_or_cannot_be_read_is_told(
    deployment: Deployment, limits: dict[str, object], path: str
) -> None:
    user, admin = await deployment.member(), await deployment.member(Role.ADMIN)
    answer = await deployment.client.patch(f"/admin/limits/{user.id}", json={"limits": limits}, headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"].startswith(path)
    assert await deployment.value("SELECT count(*) FROM user_limits") == 0


async def test_limits_of_others_are_administrators_affair_and_of_nobody_there_are_none(deployment: Deployment) -> None:
    user, admin = await deployment.member(), await deployment.member(Role.ADMIN)
    body = {"limits": {"default": "1000/minute"}}
    own = await deployment.client.patch(f"/admin/limits/{user.id}", json=body, headers=user.headers)
    nobodys = await deployment.client.patch(f"/admin/limits/{new_id()}", json=body, headers=admin.headers)
    assert (own.status_code, nobodys.status_code, nobodys.json()["error"]["code"]) == (403, 404, "USER_NOT_FOUND")


async def test_they_are_exported_with_and_erased_with_the_person(deployment: Deployment) -> None:
    user, admin = await deployment.member(), await deployment.member(Role.ADMIN)
    body = {"limits": {"default": "7/minute"}}
    await deployment.client.patch(f"/admin/limits/{user.id}", json=body, headers=admin.headers)
    limits = deployment.container.user_limits
    async with deployment.container.units() as uow:
        assert await limits.export(uow, user.id) == {"limits": {"default": "7/minute"}}
        assert await limits.erase(uow, user.id, deployment.container.clock.now()) == {"user_limits": 1}
        assert await limits.erase(uow, user.id, deployment.container.clock.now()) == {"user_limits": 0}
