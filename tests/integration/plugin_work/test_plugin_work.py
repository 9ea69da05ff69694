"""Listeners and jobs of plugins, as messages of the outbox: at least once, once an interval, and going on after a failure."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.plugin_work import bulletin
from integration.portraits.shop import FAST, SANDBOX, Shop, opened
from madang.core.kernel.clock import SystemClock
from madang.core.portraits.model import PortraitStatus
from madang.ports.errors import Rejected, Unavailable

HEARING = "plugin.bulletin.post.billing.payment_changed"
TIDYING = "plugin.bulletin.tidy"
MODULE = "integration.plugin_work.bulletin"
STATES = "SELECT state, count(*) AS n FROM messages WHERE topic = $1 GROUP BY state"


class MovableClock:
    """Half past some hour of tomorrow: to the database nothing is due before the test says so."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=1)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture(autouse=True)
def _nothing_noted() -> None:
    bulletin.forget()


@pytest.fixture
async def shop(make_settings: Callable[..., Any]) -> AsyncIterator[Shop]:
    sections = {SANDBOX: dict(FAST), bulletin.NAME: {}}
    async with opened(make_settings(plugin_modules=[MODULE], plugins=sections)) as found:
        yield found


async def states(shop: Shop, topic: str) -> dict[str, int]:
    return {row["state"]: row["n"] for row in await shop.rows(STATES, topic)}


# What a listener hears


async def test_a_listener_hears_what_a_context_announced_and_the_context_does_not_notice(shop: Shop) -> None:
    job = await shop.paid()
    [event] = bulletin.heard
    payment = await shop.value("SELECT id FROM payments")
    assert (event.name, event.subject) == ("billing.payment_changed", f"portrait:{job}")
    assert event.payload["payment_id"] == str(payment)
    assert event.payload["status"] == "paid"
    assert await states(shop, HEARING) == {"done": 1}


async def test_a_listener_that_fails_hears_the_same_event_again_and_the_product_goes_on(shop: Shop) -> None:
    bulletin.troubles += [Unavailable("the board is away"), RuntimeError("oh")]
    job = await shop.paid()
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
    assert await states(shop, HEARING) == {"waiting": 1}
    for pause in (1, 5):
        await shop.let_pass(seconds=pause)
        await shop.work()
    first, *again = bulletin.heard
    assert [event.id for event in again] == [first.id, first.id]
    assert await states(shop, HEARING) == {"done": 1}


async def test_what_a_listener_can_never_take_is_given_up_and_waits_for_a_person(shop: Shop) -> None:
    bulletin.troubles.append(Rejected("no", reason="invalid_request"))
    job = await shop.paid()
    assert await states(shop, HEARING) == {"dead": 1}
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
    dead = await shop.value("SELECT id FROM messages WHERE state = 'dead'")
    assert await shop.container.outbox.revive(dead)
    await shop.work()
    assert await states(shop, HEARING) == {"done": 1}
    assert len({event.id for event in bulletin.heard}) == 1


async def test_an_event_whose_worker_died_is_heard_by_the_next_one_under_the_same_id(shop: Shop) -> None:
    await shop.paid()
    await shop.execute("UPDATE messages SET state = 'leased', lease_until = now() - interval '1 s' WHERE topic = $1", HEARING)
    await shop.work()
    assert len(bulletin.heard) == 2
    assert len({event.id for event in bulletin.heard}) == 1


async def test_two_events_are_two(shop: Shop) -> None:
    await shop.paid()
    await shop.paid()
    assert len({event.id for event in bulletin.heard}) == len({event.subject for event in bulletin.heard}) == 2


async def test_an_event_that_was_not_committed_is_not_heard(shop: Shop) -> None:
    await shop.order()
    await shop.work()
    assert bulletin.heard == []
    assert await states(shop, HEARING) == {}


async def test_a_plugin_that_the_deployment_does_not_name_hears_nothing(make_settings: Callable[..., Any]) -> None:
    async with opened(make_settings(plugin_modules=[MODULE], plugins={SANDBOX: dict(FAST)})) as shop:
        await shop.paid()
        await shop.container.schedule_recurring_work()
        assert await states(shop, HEARING) == await states(shop, TIDYING) == {}
        assert TIDYING not in shop.container.topics
    assert bulletin.heard == []


# When a job runs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    moved = MovableClock()
    monkeypatch.setattr(SystemClock, "now", lambda _: moved.now())
    return moved


async def at_work(shop: Shop, clock: MovableClock, **later: float) -> None:
    """As if that much later, by our clock and by the database's."""
    clock.moment += timedelta(**later)
    await shop.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting' AND due_at <= $1", clock.moment)
    await shop.work()


async def scheduled(shop: Shop) -> datetime:
    """When the job is next due; it is waiting once."""
    [row] = await shop.rows("SELECT key FROM messages WHERE topic = $1 AND state = 'waiting'", TIDYING)
    return datetime.fromtimestamp(int(row["key"].rpartition(":")[2]) * 3600, UTC)


async def test_a_job_is_recorded_once_however_many_workers_start(shop: Shop, clock: MovableClock) -> None:
    for _ in range(5):
        await shop.container.schedule_recurring_work()
    assert await states(shop, TIDYING) == {"waiting": 1}
    assert await scheduled(shop) == clock.moment + timedelta(minutes=30)
    await shop.work()
    assert bulletin.runs == []


async def test_a_job_runs_once_in_each_interval(shop: Shop, clock: MovableClock) -> None:
    await shop.container.schedule_recurring_work()
    for hours in range(1, 5):
        await at_work(shop, clock, hours=1)
        await at_work(shop, clock)
        assert len(bulletin.runs) == hours
        assert await scheduled(shop) == clock.moment + timedelta(minutes=30)
    assert set(bulletin.runs) == {"development"}


async def test_intervals_in_which_nothing_ran_are_not_made_up_for(shop: Shop, clock: MovableClock) -> None:
    await shop.container.schedule_recurring_work()
    await at_work(shop, clock, hours=7)
    assert len(bulletin.runs) == 1
    assert await scheduled(shop) == clock.moment + timedelta(minutes=30)


async def test_a_job_that_fails_is_tried_again_and_its_schedule_goes_on(shop: Shop, clock: MovableClock) -> None:
    bulletin.troubles += [Unavailable("away"), RuntimeError("oh")]
    await shop.container.schedule_recurring_work()
    await at_work(shop, clock, hours=1)
    assert len(bulletin.runs) == 1
    assert await states(shop, TIDYING) == {"waiting": 1}
    for _ in range(2):
        await shop.execute("UPDATE messages SET due_at = now() WHERE topic = $1", TIDYING)
        await shop.work()
    assert len(bulletin.runs) == 3
    assert await states(shop, TIDYING) == {"done": 1, "waiting": 1}
    await at_work(shop, clock, hours=1)
    assert len(bulletin.runs) == 4


async def test_a_run_that_is_given_up_stays_visible_and_the_schedule_goes_on(shop: Shop, clock: MovableClock) -> None:
    bulletin.troubles.append(Rejected("no", reason="invalid_request"))
    await shop.container.schedule_recurring_work()
    await at_work(shop, clock, hours=1)
    assert await states(shop, TIDYING) == {"dead": 1, "waiting": 1}
    await at_work(shop, clock, hours=1)
    assert await states(shop, TIDYING) == {"dead": 1, "done": 1, "waiting": 1}
    assert len(bulletin.runs) == 2


async def test_a_worker_whose_clock_is_behind_the_databases_does_not_end_the_schedule(shop: Shop, clock: MovableClock) -> None:
    """The database says that the hour has come; this machine thinks that it is not over."""
    await shop.container.schedule_recurring_work()
    due = await scheduled(shop)
    for hours in range(3):
        clock.moment = due + timedelta(hours=hours, seconds=-2)
        await shop.execute("UPDATE messages SET due_at = now() WHERE topic = $1 AND state = 'waiting'", TIDYING)
        await shop.work()
        assert await scheduled(shop) == due + timedelta(hours=hours + 1)
    assert len(bulletin.runs) == 3


async def test_a_job_whose_interval_a_release_has_changed_goes_on_in_the_new_one(shop: Shop, clock: MovableClock) -> None:
    await shop.container.schedule_recurring_work()
    await shop.execute("UPDATE messages SET key = 'plugin.bulletin.tidy:60:99999999' WHERE topic = $1", TIDYING)
    await at_work(shop, clock, hours=1)
    assert len(bulletin.runs) == 1
    assert await scheduled(shop) == clock.moment + timedelta(minutes=30)
