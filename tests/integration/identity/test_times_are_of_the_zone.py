"""Clients read times with the offset of the deployment's zone, wherever identity answers one."""

import re

import pyotp

from deployment import Deployment
from integration.identity.people import PASSWORD, logged_in, registered, tried
from madang.core.identity.roles import Role

TIME = re.compile(r'"(\w+)":"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"')


async def test_every_time_that_identity_answers_has_the_offset_of_the_zone(deployment: Deployment) -> None:
    client, admin = deployment.client, await deployment.member(Role.ADMIN)
    person = await registered(deployment)
    headers = person["headers"]
    answers = [
        await client.post("/auth/register", json={"email": "other@example.com", "password": PASSWORD}),
        await tried(deployment, "other@example.com", PASSWORD),
        await client.post("/auth/refresh", json={"refreshToken": (await logged_in(deployment))["refreshToken"]}),
        await client.get("/auth/me", headers=headers),
        await client.patch("/auth/me", json={"name": "홍길동"}, headers=headers),
        await client.get("/auth/sessions", headers=headers),
        await client.get("/users", headers=admin.headers),
        await client.get(f"/users/{person['user']['id']}", headers=admin.headers),
        await client.patch(f"/users/{admin.id}", json={}, headers=admin.headers),
    ]
    secret = (await client.post("/auth/two-factor", json={"password": PASSWORD}, headers=headers)).json()["data"]["secret"]
    recovery = await client.post("/auth/two-factor/confirm", json={"code": pyotp.TOTP(secret).now()}, headers=headers)
    challenged = await tried(deployment, person["user"]["email"], PASSWORD)
    second = {"challenge": challenged.json()["data"]["challenge"], "code": recovery.json()["data"]["recoveryCodes"][0]}
    answers += [challenged, await client.post("/auth/login/two-factor", json=second)]
    for answer in answers:
        assert answer.is_success, answer.text
        found = dict(TIME.findall(answer.text))
        assert len(found) > 1, answer.text
        assert set(found.values()) == {"+09:00"}, (answer.request.url, found)
