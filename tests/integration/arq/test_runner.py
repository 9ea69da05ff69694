"""What the runner makes of handlers that succeed, fail, hang, crash and lose their lease."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from structlog.contextvars import get_contextvars

from madang.adapters.arq.runner import Runner, RunnerSettings
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Delivery, Failure, Handler, Lane, Message, MessageState, NewMessage, RetryPolicy, Topic
from madang.core.kernel.outbox import Leased
from madang.core.kernel.request_context import request_id
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable

QUICK = RetryPolicy(delays=(0.05, 0.05))
PATIENT = RetryPolicy(delays=(3600.0, 3600.0))


def is_done(row: Any) -> bool:
    return row.state is MessageState.DONE


def is_dead(row: Any) -> bool:
    return row.state is MessageState.DEAD


def has_failed(row: Any) -> bool:
    return row.state is MessageState.WAITING and row.failures > 0


async def effect(uow: Any, message: Message, who: str = "handler") -> None:
    await uow.connection.execute("INSERT INTO effects VALUES ($1, $2)", message.id, who)


async def effects(workshop: Any) -> list[str]:
    return sorted(row["who"] for row in await workshop.database.fetch("SELECT who FROM effects"))


def raising(error: Exception, topic: Topic, **handler: Any) -> Handler[Any]:
    async def run(delivery: Delivery[Any]) -> None:
        raise error

    return Handler(topic, run=run, **handler)


async def test_many_state_changes_are_each_done_once(workshop) -> None:
    topic = Topic("t")
    await workshop.send(topic, 500)
    runner = workshop.runner(Handler(topic, handle=effect))
    await runner.start()
    runner.wake()
    await workshop.until_states({"done": 500})
    assert len(await effects(workshop)) == 500


async def test_one_that_fails_among_many_fails_alone(workshop) -> None:
    topic = Topic("t", retry=PATIENT)

    async def handle(uow: Any, message: Message) -> None:
        await effect(uow, message)
        if message.payload["number"] == 13:
            raise ValueError("a secret must not be stored")

    await workshop.send(topic, 50)
    runner = workshop.runner(Handler(topic, handle=handle))
    await runner.start()
    runner.wake()
    await workshop.until_states({"done": 49, "waiting": 1})
    assert len(await effects(workshop)) == 49
    [failed] = await workshop.outbox.listing(state=MessageState.WAITING, topic=None, limit=10)
    assert failed.last_failure == Failure("unexpected", "builtins.ValueError")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("down", provider="p", operation="o"), "unavailable"),
        (OutcomeUnknown("no answer", provider="p", operation="o"), "outcome_unknown"),
        (RuntimeError("oh"), "unexpected"),
    ],
)
async def test_what_may_work_later_is_put_back(workshop, error: Exception, kind: str) -> None:
    topic = Topic("t", retry=PATIENT)
    [message] = await workshop.send(topic)
    runner = workshop.runner(raising(error, topic))
    await runner.start()
    row = await workshop.until(message, has_failed)
    assert row.last_failure is not None
    assert row.last_failure.kind == kind


async def test_a_rate_limit_waits_as_long_as_the_provider_says(workshop) -> None:
    topic = Topic("t", retry=QUICK)
    [message] = await workshop.send(topic)
    runner = workshop.runner(raising(RateLimited("slow down", retry_after=7200), topic))
    await runner.start()
    row = await workshop.until(message, has_failed)
    assert (row.due_at - row.created_at).total_seconds() > 3600


@pytest.mark.parametrize("error", [Rejected("no", reason="declined"), Misconfigured("no key")])
async def test_what_never_works_is_given_up_at_once_with_its_compensation(workshop, error: Exception) -> None:
    topic, follow_up = Topic("t", retry=QUICK), Topic("later", Lane.LONG)

    async def give_up(uow: Any, message: Message, failure: Failure) -> None:
        await effect(uow, message, f"gave up: {failure.kind}")
        uow.send(NewMessage("later"))

    workshop.topics["later"] = follow_up
    [message] = await workshop.send(topic)
    runner = workshop.runner(raising(error, topic, give_up=give_up))
    await runner.start()
    row = await workshop.until(message, is_dead)
    assert row.failures == 1
    assert await effects(workshop) == [f"gave up: {row.last_failure.kind}"]
    [sent] = await workshop.outbox.listing(state=None, topic="later", limit=10)
    assert sent.request_id == "req-7"


async def test_when_the_tries_are_used_up_it_is_given_up(workshop) -> None:
    topic = Topic("t", retry=QUICK)
    [message] = await workshop.send(topic)
    runner = workshop.runner(raising(Unavailable("down"), topic))
    await runner.start()
    row = await workshop.until(message, is_dead)
    assert (row.failures, row.attempts) == (3, 3)


async def test_it_is_never_dead_without_its_compensation(workshop) -> None:
    topic = Topic("t", retry=RetryPolicy(delays=()))

    async def give_up(uow: Any, message: Message, failure: Failure) -> None:
        raise Unavailable("the refund could not be recorded")

    [message] = await workshop.send(topic)
    runner = workshop.runner(raising(Unavailable("down"), topic, give_up=give_up))
    await runner.start()
    row = await workshop.until(message, has_failed)
    assert row.state is MessageState.WAITING


@pytest.mark.parametrize("style", ["handle", "run"])
async def test_a_handler_that_hangs_is_stopped_at_its_time_limit(workshop, style: str) -> None:
    topic = Topic("t", retry=PATIENT, time_limit=0.1)

    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, handle=hang) if style == "handle" else Handler(topic, run=hang))
    await runner.start()
    row = await workshop.until(message, has_failed)
    assert row.last_failure is not None
    assert row.last_failure.kind == "out_of_time"


async def test_a_message_whose_worker_died_too_often_is_given_up(workshop) -> None:
    topic = Topic("t", max_crashes=2)

    async def give_up(uow: Any, message: Message, failure: Failure) -> None:
        await effect(uow, message, failure.kind)

    [message] = await workshop.send(topic)
    for _ in range(2):
        await workshop.outbox.claim(Lane.SHORT, "dying", limit=1, lease=30)
        await workshop.execute("UPDATE messages SET lease_until = now() - interval '1 s'")
    runner = workshop.runner(Handler(topic, handle=effect, give_up=give_up))
    await runner.start()
    await workshop.until(message, is_dead)
    assert await effects(workshop) == ["crashed_too_often"]


async def test_one_crash_less_is_tried_again(workshop) -> None:
    topic = Topic("t", max_crashes=2)
    [message] = await workshop.send(topic)
    await workshop.outbox.claim(Lane.SHORT, "dying", limit=1, lease=30)
    await workshop.execute("UPDATE messages SET lease_until = now() - interval '1 s'")
    runner = workshop.runner(Handler(topic, handle=effect))
    await runner.start()
    await workshop.until(message, is_done)


async def test_work_longer_than_the_lease_keeps_its_lease(workshop) -> None:
    topic = Topic("t", Lane.LONG)

    async def run(delivery: Delivery[Any]) -> None:
        first = (await workshop.row(delivery.message.id)).lease_until
        assert first is not None
        await workshop.until(message, lambda row: datetime.now(UTC) > first and row.lease_until not in (None, first))
        async with delivery.finish() as uow:
            await effect(uow, delivery.message)

    [message] = await workshop.send(topic)
    runners = [workshop.runner(Handler(topic, run=run), lease=3.0) for _ in range(2)]
    for runner in runners:
        await runner.start()
    row = await workshop.until(message, is_done)
    assert row.attempts == 1
    assert await effects(workshop) == ["handler"]


async def test_a_handler_whose_lease_was_taken_is_stopped_and_leaves_nothing(workshop) -> None:
    topic = Topic("t", Lane.LONG)
    stopped = asyncio.Event()

    async def run(delivery: Delivery[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run), lease=0.6)
    await runner.start()
    await workshop.until(message, lambda row: row.state is MessageState.LEASED)
    await workshop.execute("UPDATE messages SET lease_token = lease_token + 1, worker = 'other'")
    async with asyncio.timeout(90):
        await stopped.wait()
    row = await workshop.row(message)
    assert (row.state, row.failures) == (MessageState.LEASED, 0)


class CutOff(PostgresOutbox):
    """Claims once, and then hears nothing of the database any more: neither an answer nor an error."""

    claimed = False

    async def claim(self, lane: Lane, worker: str, *, limit: int, lease: float) -> Sequence[Leased]:
        if self.claimed:
            return ()
        found = await super().claim(lane, worker, limit=limit, lease=lease)
        self.claimed = self.claimed or bool(found)
        return found

    async def extend(self, leased: Sequence[Leased], *, lease: float) -> frozenset[UUID]:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")


async def test_who_cannot_prolong_a_lease_has_let_go_before_another_begins(workshop) -> None:
    """Else both would talk to the provider at once."""
    topic, said = Topic("t", time_limit=60), list[str]()

    async def hold_on(delivery: Delivery[Any]) -> None:
        try:
            said.append("the first begins")
            await asyncio.Event().wait()
        finally:
            said.append("the first ends")

    async def run(delivery: Delivery[Any]) -> None:
        said.append("the second begins")

    [message] = await workshop.send(topic)
    cut_off = CutOff(workshop.database, topics=workshop.topics, subscriptions=Subscriptions())
    settings = RunnerSettings(lease=1.5, poll=0.02)
    first = Runner(cut_off, [Handler(topic, run=hold_on)], "cut off", settings)
    workshop.runners.append(first)
    await first.start()
    await workshop.until(message, lambda row: row.attempts == 1)
    await workshop.runner(Handler(topic, run=run), lease=1.5, poll=0.02).start()
    async with asyncio.timeout(90):
        while len(said) < 3:
            await asyncio.sleep(0.01)
    assert said == ["the first begins", "the first ends", "the second begins"]


async def test_a_message_that_comes_back_ends_the_earlier_try_of_it(workshop) -> None:
    topic = Topic("t", Lane.LONG)
    ended: list[int] = []
    second = asyncio.Event()

    async def run(delivery: Delivery[Any]) -> None:
        if delivery.message.attempt == 2:
            second.set()
            async with delivery.finish() as uow:
                await effect(uow, delivery.message)
            return
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(delivery.message.attempt)

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run), lease=60)
    await runner.start()
    await workshop.until(message, lambda row: row.state is MessageState.LEASED)
    await workshop.execute("UPDATE messages SET lease_until = now() - interval '1 s'")
    await workshop.until(message, is_done)
    async with asyncio.timeout(90):
        while not ended:
            await asyncio.sleep(0.01)
    assert ended == [1]
    assert await effects(workshop) == ["handler"]


async def test_a_step_after_the_lease_was_taken_raises_in_the_handler(workshop) -> None:
    topic = Topic("t", Lane.LONG)
    seen: list[str] = []

    async def run(delivery: Delivery[Any]) -> None:
        await workshop.execute("UPDATE messages SET lease_token = lease_token + 1")
        try:
            async with delivery.step() as uow:
                await effect(uow, delivery.message)
        except LeaseLost:
            seen.append("refused")
            raise

    await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run))
    await runner.start()
    async with asyncio.timeout(90):
        while not seen or runner.running:
            await asyncio.sleep(0.01)
    assert await effects(workshop) == []


async def test_a_handler_that_just_returns_is_done(workshop) -> None:
    topic = Topic("t")

    async def run(delivery: Delivery[Any]) -> None:
        return

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run))
    await runner.start()
    await workshop.until(message, is_done)


async def test_an_error_after_done_changes_nothing(workshop) -> None:
    topic = Topic("t")

    async def run(delivery: Delivery[Any]) -> None:
        async with delivery.finish() as uow:
            await effect(uow, delivery.message)
        raise RuntimeError("too late")

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run))
    await runner.start()
    row = await workshop.until(message, is_done)
    assert row.failures == 0


async def test_a_topic_that_nobody_handles_waits(workshop) -> None:
    [message] = await workshop.send(Topic("of.a.newer.release"))
    runner = workshop.runner(Handler(Topic("t"), handle=effect))
    await runner.start()
    row = await workshop.until(message, has_failed)
    assert row.last_failure is not None
    assert row.last_failure.kind == "no_handler"


@pytest.mark.parametrize("style", ["handle", "run"])
async def test_the_request_id_is_bound_while_the_handler_runs(workshop, style: str) -> None:
    topic = Topic("t")
    seen: list[tuple[str, dict[str, Any]]] = []

    async def look(*_: Any) -> None:
        seen.append((request_id.get(), get_contextvars()))

    [message] = await workshop.send(topic, request_id="req-from-the-edge")
    runner = workshop.runner(Handler(topic, handle=look) if style == "handle" else Handler(topic, run=look))
    await runner.start()
    await workshop.until(message, is_done)
    expected = {"request_id": "req-from-the-edge", "message_id": str(message), "topic": "t"}
    assert seen == [("req-from-the-edge", expected)]


async def test_no_more_is_claimed_than_there_are_slots(workshop) -> None:
    topic = Topic("t", Lane.LONG)
    gate = asyncio.Event()

    async def run(delivery: Delivery[Any]) -> None:
        await gate.wait()

    await workshop.send(topic, 20)
    runner = workshop.runner(Handler(topic, run=run), long_concurrency=3)
    await runner.start()
    await workshop.until_states({"leased": 3, "waiting": 17})
    for message in await workshop.ids():
        await runner.deliver(message)
    assert await workshop.states() == {"leased": 3, "waiting": 17}
    gate.set()
    await workshop.until_states({"done": 20})


async def test_stopping_finishes_what_runs_and_gives_back_what_has_not_begun(workshop) -> None:
    topic, slow = Topic("t"), Topic("slow", Lane.SHORT)
    begun = asyncio.Event()
    gate = asyncio.Event()

    async def handle(uow: Any, message: Message) -> None:
        begun.set()
        await gate.wait()
        await effect(uow, message)

    await workshop.send(topic, 10)
    runner = workshop.runner(Handler(topic, handle=handle), Handler(slow, handle=effect), transactions=1)
    await runner.start()
    runner.wake()
    await begun.wait()
    stopping = asyncio.create_task(runner.stop())
    await workshop.until_states({"leased": 1, "waiting": 9})
    gate.set()
    await stopping
    assert await workshop.states() == {"done": 1, "waiting": 9}
    rows = await workshop.outbox.listing(state=MessageState.WAITING, topic=None, limit=20)
    assert {row.attempts for row in rows} == {0}


async def test_what_does_not_end_within_the_grace_time_is_given_back(workshop) -> None:
    topic = Topic("t", Lane.LONG)
    begun = asyncio.Event()

    async def run(delivery: Delivery[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    [message] = await workshop.send(topic)
    runner = workshop.runner(Handler(topic, run=run), grace=0.1)
    await runner.start()
    await begun.wait()
    await runner.stop()
    row = await workshop.row(message)
    assert (row.state, row.attempts, row.failures) == (MessageState.WAITING, 0, 0)
