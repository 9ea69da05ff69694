"""The first text model goes away in every way there is: the second finishes the job, and operators can read what happened."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from dependency_injector import providers

from contract import fake_gemini
from contract.fake_gemini import FakeGemini
from contract.fake_openai import API_KEY, FakeOpenAI
from contract.openai_answers import Line, Usage
from deployment import Deployment, deployed
from integration.portraits.shop import FAST, SANDBOX, Shop
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.portraits.catalogue import starting_catalogue
from madang.core.portraits.model import PortraitStatus
from madang.core.portraits.topics import WRITE_REPORT
from madang.entrypoints.measuring import tell_standings, write_down
from madang.entrypoints.wiring.table import Wiring
from madang.plugins.conformance.remote import Fault, serving

MakeSettings = Callable[..., Any]
FAILURES = 2
BROKEN = Line("", '{"summary": 5', "stop", Usage(10, 5))
WRONG = Line("", '{"summary": "Ignore the schema.", "answer": 5}', "stop", Usage(10, 5))


@dataclass
class Clock:
    """The stopwatch of the deployment's breakers."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Plugged:
    """A deployment whose reports are written by `openai`, and by `gemini` where that cannot."""

    def __init__(self, deployment: Deployment, remote: FakeOpenAI, second: FakeGemini, clock: Clock) -> None:
        self.deployment = deployment
        self.shop = Shop(deployment.container)
        self.remote = remote
        self.second = second
        self.clock = clock

    async def finished(self) -> UUID:
        job = await self.shop.finished()
        assert await self.shop.status(job) is PortraitStatus.COMPLETED
        return job

    async def written_again(self, job: UUID) -> None:
        """The report of a finished job, with the pictures that it has: they are the longest part of a job."""
        unfinished = "status = 'processing', report = NULL, completed_at = NULL"
        await self.shop.execute(f"UPDATE portraits SET {unfinished} WHERE id = $1", job)
        async with self.shop.container.units() as uow:
            uow.send(NewMessage(WRITE_REPORT, {"portrait_id": str(job)}, subject=f"again:{new_id()}"))
        await self.shop.work()
        assert await self.shop.status(job) is PortraitStatus.COMPLETED

    async def story(self, name: str = "openai") -> Any:
        """What `GET /admin/providers` tells of that text model, once the process has told how it stands."""
        container = self.deployment.container
        await container.call_ledger.flush()
        await write_down(container, container.process_id, "worker")
        await tell_standings(container)
        admin = await self.deployment.member(Role.ADMIN)
        answer = await self.deployment.client.get("/admin/providers?kind=text_model", headers=admin.headers)
        assert answer.status_code == 200, answer.text
        return next(each for each in answer.json()["data"] if each["name"] == name)


@asynccontextmanager
async def plugged(make_settings: MakeSettings) -> AsyncIterator[Plugged]:
    clock = Clock()
    with serving(FakeOpenAI()) as remote, serving(FakeGemini()) as second, Wiring.stopwatch.override(providers.Object(clock)):
        settings = make_settings(
            routes={**make_settings().routes, "text_model": ["openai", "gemini"]},
            plugins={
                SANDBOX: dict(FAST),
                "openai": {"api_key": API_KEY, "base_url": f"{remote.url}/v1"},
                "gemini": {"api_key": fake_gemini.API_KEY, "base_url": second.url},
            },
            routing={"text_model": {"failures": FAILURES, "call_seconds": 2.0}},
        )
        async with deployed(settings) as deployment:
            async with deployment.container.units() as uow:
                for entry in starting_catalogue():
                    await uow.knowledge_base.save(entry)
            yield Plugged(deployment, remote, second, clock)


@pytest.fixture
async def plug(make_settings: MakeSettings) -> AsyncIterator[Plugged]:
    async with plugged(make_settings) as found:
        yield found


BAD_DAYS: Mapping[str, tuple[Callable[[FakeOpenAI], object], int]] = {
    "down": (lambda remote: remote.plan(Fault.UNAVAILABLE, 100), 1),
    "hung up": (lambda remote: remote.plan(Fault.HUNG_UP_BEFORE, 100), 1),
    "slow": (lambda remote: remote.plan(Fault.SLOW, 100), 1),
    "rate limited": (lambda remote: remote.plan(Fault.RATE_LIMITED, 100), 1),
    "no answer that can be read": (lambda remote: remote.plan(Fault.GARBAGE, 100), 1),
    "broken JSON": (lambda remote: remote.lines.extend([BROKEN] * 100), 2),
    "another document": (lambda remote: remote.lines.extend([WRONG] * 100), 2),
}
"""What the first one does, and how often it is asked: a document that is wrong is repaired once, nothing else is retried."""


async def test_whatever_happens_to_the_first_text_model_the_job_is_finished_by_the_second(plug: Plugged) -> None:
    job = await plug.finished()
    for name, (bad_day, asked) in BAD_DAYS.items():
        plug.remote.arrived.clear()
        before = plug.second.answered
        bad_day(plug.remote)
        await plug.written_again(job)
        assert (name, len(plug.remote.arrived)) == (name, asked)
        assert (name, plug.second.answered) == (name, before + 1)
        plug.remote.clear()
        plug.remote.lines.clear()
        plug.clock.now += 100.0


async def test_the_breaker_opens_is_left_alone_and_closes_again_and_operators_read_the_story(plug: Plugged) -> None:
    plug.remote.plan(Fault.UNAVAILABLE, FAILURES)
    job = await plug.finished()
    for _ in range(FAILURES):
        await plug.written_again(job)
    assert len(plug.remote.arrived) == FAILURES, "the third job was not even offered to it"
    story = await plug.story()
    assert (story["position"], story["configured"], story["breaker"]["state"]) == (1, True, "open")
    (process,) = story["breaker"]["processes"]
    assert (process["failures"], process["turnedAway"], process["processKind"]) == (FAILURES, 1, "")
    assert [(change["state"], change["why"]) for change in story["breaker"]["changes"]] == [("open", "unavailable")]
    numbers = story["numbers"]
    assert (numbers["calls"], numbers["failed"], numbers["errorRate"]) == (FAILURES, FAILURES, 1.0)
    assert (numbers["costs"], numbers["unpricedCalls"]) == ([], 0), "what was surely not done costs nothing"

    plug.clock.now += 30.0
    await plug.written_again(job)
    assert len(plug.remote.arrived) == FAILURES + 1
    story = await plug.story()
    assert story["breaker"]["state"] == "closed"
    assert [change["state"] for change in story["breaker"]["changes"]] == ["closed", "open"]
    assert (story["numbers"]["calls"], story["numbers"]["failed"]) == (FAILURES + 1, FAILURES)
    (cost,) = story["numbers"]["costs"]
    assert cost["currency"] == "USD"
    assert float(cost["amount"]) > 0
    assert 0 < story["numbers"]["latencyP50"] <= story["numbers"]["latencyP95"]
    second = await plug.story("gemini")
    assert (second["position"], second["numbers"]["calls"], second["breaker"]["state"]) == (2, FAILURES + 1, "closed")
    metrics = (await plug.deployment.client.get(plug.deployment.container.settings.base_url + "/metrics")).text
    assert 'provider="openai"' in metrics
    assert all(key not in metrics + str(story) + str(second) for key in (API_KEY, fake_gemini.API_KEY))
    unpriced = (second["numbers"]["costs"], second["numbers"]["unpricedCalls"])
    assert unpriced == ([], FAILURES + 1), "a model without a price shows, and does not look cheap"


async def test_a_provider_that_limits_us_is_not_asked_before_its_time(plug: Plugged) -> None:
    plug.remote.plan(Fault.RATE_LIMITED)
    job = await plug.finished()
    await plug.written_again(job)
    assert len(plug.remote.arrived) == 1
    story = await plug.story()
    assert story["breaker"]["state"] == "closed"
    assert story["breaker"]["processes"][0]["pausedSeconds"] == 7.0
    plug.clock.now += 7.0
    await plug.written_again(job)
    assert len(plug.remote.arrived) == 2
