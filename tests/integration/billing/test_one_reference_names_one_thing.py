"""A client reference names one purchase of an account, whatever is bought, also when two requests bring it at one moment."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from deployment import Deployment, Member
from integration.billing.till import PACK, Till

BACK = {"currency": "KRW", "successUrl": PACK["successUrl"], "cancelUrl": PACK["cancelUrl"]}
HOSTING: Mapping[str, Any] = {"planId": "hosting-enterprise", **BACK}
MOCKUPS: Mapping[str, Any] = {"planId": "mockups-pro", **BACK}
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def till(deployment: Deployment) -> Till:
    return Till(deployment)


async def at_one_moment(till: Till, buyer: Member, *asked: tuple[str, Mapping[str, Any]]) -> list[Any]:
    """All have looked what there is before any of them writes."""
    async with till.deployment.container.database.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE subscriptions, payments IN SHARE MODE")
        calls = [
            asyncio.create_task(
                till.call(buyer, "POST", path, json={**body, "clientReference": "order-1"}, key=f"try-{number}")
            )
            for number, (path, body) in enumerate(asked)
        ]
        await till.deployment.until(f"{WAITS} HAVING count(*) = {len(asked)}")
    return sorted(await asyncio.gather(*calls), key=lambda answer: int(answer.status_code))


def assert_one_of_two(first: Any, second: Any) -> None:
    assert (first.status_code, second.status_code) == (201, 409), (first.text, second.text)
    error = second.json()["error"]
    assert (error["code"], error["details"]) == ("ALREADY_EXISTS", {"id": first.json()["data"]["id"]})


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param((("/subscriptions", HOSTING), ("/subscriptions", MOCKUPS)), id="subscriptions of two products"),
        pytest.param((("/subscriptions", HOSTING), ("/subscriptions", HOSTING)), id="the same subscription"),
        pytest.param((("/checkouts", HOSTING), ("/checkouts", PACK)), id="a plan and a pack"),
        pytest.param((("/checkouts", PACK), ("/checkouts", {**PACK, "creditPackId": "credits-1000"})), id="two packs"),
    ],
)
async def test_of_two_new_things_at_one_moment_the_second_hears_of_the_first(
    till: Till, asked: tuple[tuple[str, Mapping[str, Any]], ...]
) -> None:
    assert_one_of_two(*await at_one_moment(till, await till.deployment.member(), *asked))


async def test_of_two_that_were_begun_without_a_reference_one_takes_it(till: Till) -> None:
    buyer = await till.deployment.member()
    for number, body in enumerate((HOSTING, MOCKUPS)):
        await till.data(buyer, "POST", "/subscriptions", json=dict(body), key=f"begun-{number}")
    assert_one_of_two(*await at_one_moment(till, buyer, ("/subscriptions", HOSTING), ("/subscriptions", MOCKUPS)))


async def test_of_two_subscriptions_of_one_product_at_one_moment_the_second_hears_of_the_first(till: Till) -> None:
    """Without a reference."""
    buyer = await till.deployment.member()
    async with till.deployment.container.database.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE subscriptions IN SHARE MODE")
        bodies = (HOSTING, {**HOSTING, "planId": "hosting-basic"})
        calls = [
            asyncio.create_task(till.call(buyer, "POST", "/subscriptions", json=dict(body), key=f"try-{number}"))
            for number, body in enumerate(bodies)
        ]
        await till.deployment.until(f"{WAITS} HAVING count(*) = 2")
    assert_one_of_two(*sorted(await asyncio.gather(*calls), key=lambda answer: int(answer.status_code)))


async def test_what_one_kind_of_purchase_has_used_is_taken_for_the_others(till: Till) -> None:
    buyer, other = await till.deployment.member(), await till.deployment.member()
    first = await till.open(buyer, clientReference="order-1")
    for path in ("/subscriptions", "/checkouts"):
        again = await till.call(buyer, "POST", path, json={**HOSTING, "clientReference": "order-1"}, key=path)
        assert (again.status_code, again.json()["error"]["details"]) == (409, {"id": first["id"]})
    begun = await till.data(buyer, "POST", "/subscriptions", json={**HOSTING, "clientReference": "order-2"}, key="plan")
    pack = await till.call(buyer, "POST", "/checkouts", json={**PACK, "clientReference": "order-2"}, key="pack")
    assert (pack.status_code, pack.json()["error"]["details"]) == (409, {"id": begun["id"]})
    assert (await till.open(other, clientReference="order-1"))["id"] != first["id"]
