"""Rate limits as people meet them: by user whatever they show, by day for API keys, and the tightest one told."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployment import Deployment, OpenDeployment
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id

JOBS = "/admin/jobs"
FORGED = {"Authorization": "Bearer forged.forged.forged"}


def by_key(deployment: Deployment, user_id: UUID) -> dict[str, str]:
    """What a call by API key is seen as behind the edge: a user's, with the key's id."""
    extra = {"userId": str(user_id), "keyId": str(new_id()), "permissions": ["operations:read"]}
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    return {
        "Authorization": f"Bearer {deployment.container.tokens.issue('api', str(new_id()), expires_at=expires_at, extra=extra)}"
    }


def session(deployment: Deployment, user_id: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {deployment.token(user_id, Role.ADMIN)}"}


def told(answer: httpx.Response) -> tuple[str, int, int]:
    return (
        answer.headers["RateLimit-Policy"],
        int(answer.headers["RateLimit-Limit"]),
        int(answer.headers["RateLimit-Remaining"]),
    )


async def called(deployment: Deployment, *headers: Any) -> list[int]:
    return [(await deployment.client.get(JOBS, headers=each)).status_code for each in headers]


async def test_two_sessions_and_a_key_of_one_user_share_a_limit(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "3/minute"}) as deployment:
        one, other = await deployment.member(Role.ADMIN), await deployment.member(Role.ADMIN)
        mine = [
            session(deployment, one.id),
            session(deployment, one.id),
            by_key(deployment, one.id),
            session(deployment, one.id),
        ]
        assert await called(deployment, *mine) == [200, 200, 200, 429]
        assert await called(deployment, session(deployment, other.id)) == [200]


async def test_keys_of_one_user_also_share_the_days_limit_which_sessions_do_not_use_up(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"api_key": "2/day"}) as deployment:
        user = await deployment.member(Role.ADMIN)
        keys = [by_key(deployment, user.id) for _ in range(3)]
        assert await called(deployment, session(deployment, user.id), *keys, session(deployment, user.id)) == [
            200, 200, 200, 429, 200,
        ]  # fmt: skip


async def test_the_headers_tell_of_the_tightest_limit_and_a_refusal_names_it(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "5/minute", "api_key": "2/day"}) as deployment:
        key = by_key(deployment, (await deployment.member()).id)
        first, second, third = [await deployment.client.get(JOBS, headers=key) for _ in range(3)]
    assert (told(first), told(second)) == (("api_key", 2, 1), ("api_key", 2, 0))
    assert third.json()["error"]["details"] == {"policy": "api_key", "limit": 2}
    assert told(third) == ("api_key", 2, 0)
    assert 0 < int(third.headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize("headers", [FORGED, {}], ids=["a forged token", "no token"])
async def test_who_shows_no_valid_token_is_counted_by_address(open_deployment: OpenDeployment, headers: dict[str, str]) -> None:
    async with open_deployment(limits={"default": "2/minute"}) as deployment:
        assert await called(deployment, headers, FORGED, headers) == [401, 401, 429]
        assert await called(deployment, session(deployment, (await deployment.member()).id)) == [200]


async def test_an_operation_with_a_limit_of_its_own_counts_under_the_default_too(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "2/minute", "order": "9/hour"}) as deployment:
        answers = [await deployment.client.post("/portraits", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [told(answer)[0] for answer in answers] == ["default"] * 3


async def test_deliveries_of_providers_count_under_their_own_limit_alone(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "1/minute", "webhook": "3/minute"}) as deployment:
        answers = [await deployment.client.post("/webhooks/sandbox", json={}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


async def test_made_up_names_of_providers_do_not_get_around_the_limit_of_deliveries(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"webhook": "3/minute"}) as deployment:
        places = [f"/webhooks/images/nobody-{number}" for number in range(3)]
        answers = [await deployment.client.post(place, json={}) for place in [*places, "/webhooks/email/nobody"]]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
