"""Whatever happened to a subscription, its webhooks come in any order, doubled, late, several at once: all of it ends alike."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployment import OpenDeployment
from integration.subscriptions.subscriber import Subscriber, renewing
from madang.adapters.memory.payment import MemoryPaymentGateway
from madang.ports.money import Money
from madang.ports.payment import ChargedFor, ChargeReason, PaymentSnapshot, RemotePaymentStatus
from madang.ports.provider import ProviderKind
from madang.ports.webhook import WebhookRequest

PRICE = 100_000
PUT_BACK = "SELECT count(*) FROM messages WHERE state = 'waiting' AND failures > 0"
PART = Money(10_000, "KRW")


@dataclass(frozen=True)
class Story:
    """What happened at the company, in this order, always. After each act some of the notices so far come, each batch at the
    same moment, and where `worked` says so a worker comes by; all of them come at the end, in the order of `last`."""

    acts: Sequence[str]
    deliveries: Sequence[Sequence[int]]
    worked: Sequence[bool]
    last: Sequence[int]


@st.composite
def stories(draw: st.DrawFn, acts: Sequence[str], ends: Sequence[str]) -> Story:
    happened = [*draw(st.lists(st.sampled_from(acts), min_size=1, max_size=3)), *draw(st.sampled_from([(), *zip(ends)]))]
    count = len(happened) + 1
    deliveries = [draw(st.lists(st.integers(0, number), max_size=2)) for number in range(count)]
    worked = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return Story(happened, deliveries, worked, draw(st.permutations([*range(count), *range(count)])))


class Company:
    """The company in memory, with a subscriber and the notices that it has signed so far."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.notices: list[WebhookRequest] = []
        gateway = subscriber.deployment.container.registry.build(ProviderKind.PAYMENT, "memory")
        assert isinstance(gateway, MemoryPaymentGateway)
        self.gateway = gateway

    @property
    def charges(self) -> dict[str, PaymentSnapshot]:
        found: dict[str, PaymentSnapshot] = self.gateway.world.shelf("payment")
        return found

    def began_months_ago(self, reference: str) -> str:
        """So that its renewals are not in the future; the first charge's name."""
        agreed = self.gateway.world.shelf("subscription.agreed")
        begun = replace(agreed[reference], anchor=datetime.now(UTC) - timedelta(days=150), periods=0).next_period()
        agreed[reference] = begun
        [first] = [name for name, one in self.charges.items() if one.subscription == reference]
        start, end = begun.snapshot.current_period_start, begun.snapshot.current_period_end
        self.charges[first] = replace(self.charges[first], charged_for=ChargedFor(ChargeReason.PERIOD, start, end))
        return first

    async def hear(self, *numbers: int) -> None:
        client = self.subscriber.deployment.client
        said = [self.notices[number] for number in numbers]
        posts = (client.post("/webhooks/memory", content=one.body, headers=dict(one.headers)) for one in said)
        assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200] * len(numbers)

    async def part_goes_back(self, reference: str) -> None:
        paid = self.charges[reference]
        self.charges[reference] = replace(paid, status=RemotePaymentStatus.PARTLY_REFUNDED, refunded=PART)

    async def everything_is_worked_off(self) -> None:
        deployment = self.subscriber.deployment
        await deployment.work()
        while await deployment.value(PUT_BACK):
            await deployment.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting' AND failures > 0")
            await deployment.work()
        await deployment.execute("UPDATE subscriptions SET due_at = now() WHERE due_at IS NOT NULL AND kind = 'hosted'")
        await self.subscriber.sweep()

    async def deliveries_of(self, story: Story, number: int) -> None:
        await self.hear(*story.deliveries[number])
        if story.worked[number]:
            await self.subscriber.deployment.work()

    async def taken(self) -> list[str]:
        """The references of what was taken from this subscriber, by charges of ours."""
        mine = "SELECT id::text FROM payments WHERE user_id = $1"
        ids = {row["id"] for row in await self.subscriber.deployment.rows(mine, self.subscriber.member.id)}
        return [name for name, one in self.charges.items() if one.payment_id in ids]

    async def alike(self, references: Sequence[str]) -> None:
        """Each of these charges stands for one payment of ours, in the state that it has there, and for nothing else."""
        deployment = self.subscriber.deployment
        rows = await deployment.rows(
            "SELECT reference, status, refunded FROM payments WHERE user_id = $1 AND paid_at IS NOT NULL",
            self.subscriber.member.id,
        )
        ours = {row["reference"]: (row["status"], row["refunded"]) for row in rows}
        theirs = {name: self.charges[name] for name in references}
        assert ours == {name: (one.status.value, one.refunded.amount) for name, one in theirs.items()}
        assert await deployment.value("SELECT count(*) FROM refunds") == 0
        assert await deployment.value("SELECT count(*) FROM messages WHERE state = 'dead'") == 0


@pytest.fixture
async def companies(open_deployment: OpenDeployment, make_settings: Any) -> AsyncIterator[Any]:
    """One deployment for all examples; each has a subscriber of its own."""
    references = {"hosting-enterprise/KRW": "price_e"}
    routes = {**make_settings().routes, "payment": ("memory",)}
    async with open_deployment(routes=routes, billing={"price_references": {"memory": references}}) as deployment:
        await renewing(deployment)

        async def company() -> Company:
            return Company(Subscriber(deployment, await deployment.member()))

        yield company


@settings(max_examples=5)
@given(story=stories(["renew", "fail", "part"], ["give_up"]))
async def test_of_one_that_its_provider_renews(companies: Any, story: Story) -> None:
    company: Company = await companies()
    subscriber, gateway = company.subscriber, company.gateway
    begun = await subscriber.begin("hosting-enterprise")
    reference = gateway.agree(begun["checkout"]["url"].rsplit("/", 1)[1])
    first = company.began_months_ago(reference)
    paid, company.notices = [first], [gateway.announce_subscription(reference, first)]
    await company.deliveries_of(story, 0)
    for number, act in enumerate(story.acts, 1):
        about: str | None = None
        if act == "give_up":
            # Who is charged, and cancels, before we ever heard that it began, had nothing of it: that money goes back.
            await company.hear(0)
            await subscriber.deployment.work()
        match act:
            case "renew":
                about = gateway.renew(reference)
                assert about is not None
                paid.append(about)
            case "fail":
                about = gateway.fail_renewal(reference)
            case "part":
                about = paid[-1]
                await company.part_goes_back(about)
            case _:
                gateway.give_up(reference)
        company.notices.append(gateway.announce_subscription(reference, about))
        await company.deliveries_of(story, number)
    await company.hear(*story.last)
    await company.everything_is_worked_off()

    ended = await subscriber.get(begun)
    begun_periods = [one for one in ended["periods"] if one["status"] == "paid"]
    by_charge = {
        row["id"]: row["reference"] for row in await subscriber.deployment.rows("SELECT id::text, reference FROM payments")
    }
    assert [by_charge[one["paymentId"]] for one in begun_periods] == paid
    assert [one["startsAt"] for one in begun_periods[1:]] == [one["endsAt"] for one in begun_periods[:-1]]
    owing = story.acts[-1] == "fail" or ("fail" in story.acts and "renew" not in story.acts[story.acts.index("fail") :])
    running = {"past_due"} if owing else {"active"}
    assert ended["status"] in ({"cancelled", "ended"} if story.acts[-1] == "give_up" else running)
    await company.alike(paid)


@settings(max_examples=5)
@given(story=stories(["answered", "answer_lost", "unavailable", "part"], []))
async def test_of_one_whose_card_we_charge(companies: Any, story: Story) -> None:
    company: Company = await companies()
    subscriber, gateway = company.subscriber, company.gateway
    begun = await subscriber.begin("publishing-business")
    key = gateway.leave(begun["checkout"]["url"]).partition("clientKey=")[2].partition("&")[0]
    await subscriber.call("POST", f"/subscriptions/{begun['id']}/activate", 202, {"clientKey": key})
    await subscriber.deployment.work()
    taken = await company.taken()
    company.notices = [gateway.announce(taken[0])]
    await company.deliveries_of(story, 0)
    for number, act in enumerate(story.acts, 1):
        if act == "part":
            await company.part_goes_back(taken[-1])
        else:
            if act != "answered":
                gateway.world.plan("payment.charge", act)
            await subscriber.days_pass(31)
            await subscriber.deployment.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting' AND failures > 0")
            await subscriber.deployment.work()
            taken = await company.taken()
        company.notices.append(gateway.announce(taken[-1]))
        await company.deliveries_of(story, number)
    await company.hear(*story.last)
    await company.everything_is_worked_off()

    ended = await subscriber.get(begun)
    months = sum(act != "part" for act in story.acts)
    assert (ended["status"], [one["status"] for one in ended["periods"]]) == ("active", ["paid"] * (months + 1))
    assert len(taken) == months + 1
    await company.alike(taken)
    await subscriber.step(begun, "cancel", {"atPeriodEnd": False})
