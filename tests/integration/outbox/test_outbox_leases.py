"""Claims, leases and the fence on real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Failure, Lane, MessageState, NewMessage
from madang.core.kernel.outbox import Leased

FAILURE = Failure("unavailable", "the provider is down", "sandbox", "send", "503")


async def claim_one(bench, worker: str = "w1", lease: float = 30) -> Leased:
    claimed = await bench.outbox.claim(Lane.SHORT, worker, limit=1, lease=lease)
    assert len(claimed) == 1
    return claimed[0]


async def test_ten_claimers_at_once_never_get_the_same_message(bench) -> None:
    await bench.send(300)

    async def claim_all(worker: str) -> list[Leased]:
        mine: list[Leased] = []
        while claimed := await bench.outbox.claim(Lane.SHORT, worker, limit=7, lease=30):
            mine += claimed
        return mine

    claimed = [one for some in await asyncio.gather(*(claim_all(f"w{n}") for n in range(10))) for one in some]
    assert len(claimed) == 300
    assert len({one.message.id for one in claimed}) == 300


async def test_ten_claimers_of_one_long_message_and_one_gets_it(bench) -> None:
    await bench.send(1, "test.long")
    [due] = await bench.outbox.due(Lane.LONG, limit=10)
    claims = await asyncio.gather(*(bench.outbox.claim_one(due.id, f"w{n}", lease=30) for n in range(10)))
    [claimed] = [claim for claim in claims if claim is not None]
    assert (claimed.message.attempt, claimed.token) == (1, 1)


async def test_a_claimed_message_carries_what_was_sent(bench) -> None:
    async with bench.unit("req-42") as uow:
        uow.send(NewMessage("test.short", {"portrait": "p1"}, key="k1", subject="portrait:p1"))
    message = (await claim_one(bench)).message
    assert (message.topic, message.payload, message.key) == ("test.short", {"portrait": "p1"}, "k1")
    assert (message.subject, message.request_id, message.failures) == ("portrait:p1", "req-42", 0)


async def test_messages_sent_in_a_step_carry_the_request_of_the_message(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    async with bench.outbox.step(leased) as uow:
        uow.send(NewMessage("test.long"))
    [due] = await bench.outbox.due(Lane.LONG, limit=10)
    sent = await bench.outbox.get(due.id)
    assert sent is not None
    assert sent.request_id == "req-1"


async def test_a_message_of_the_future_is_not_due_and_is_waited_for(bench) -> None:
    assert await bench.outbox.seconds_to_next() is None
    await bench.send(due_at=datetime.now(UTC) + timedelta(seconds=60))
    assert await bench.outbox.claim(Lane.SHORT, "w1", limit=10, lease=30) == []
    seconds = await bench.outbox.seconds_to_next()
    assert seconds is not None
    assert 0 < seconds <= 60
    await bench.send()
    assert await bench.outbox.seconds_to_next() == 0


async def test_a_lease_that_ended_makes_the_message_due_again_for_the_next_worker(bench) -> None:
    await bench.send()
    first = await claim_one(bench, "w1")
    assert await bench.outbox.due(Lane.SHORT, limit=10) == []
    await bench.end_all_leases()
    [due] = await bench.outbox.due(Lane.SHORT, limit=10)
    assert due.attempt == 2
    second = await claim_one(bench, "w2")
    assert second.message.id == first.message.id
    assert (second.message.attempt, second.message.failures, second.token) == (2, 0, 2)


@pytest.mark.parametrize("commit", ["step", "finish", "bury"])
async def test_a_worker_that_lost_its_lease_cannot_commit(bench, commit: str) -> None:
    await bench.send()
    first = await claim_one(bench, "w1")
    await bench.end_all_leases()
    second = await claim_one(bench, "w2")
    opened = {
        "step": lambda: bench.outbox.step(first),
        "finish": lambda: bench.outbox.finish(first),
        "bury": lambda: bench.outbox.bury(first, FAILURE),
    }[commit]()
    with pytest.raises(LeaseLost):
        async with opened as uow:
            await uow.connection.execute("INSERT INTO effects VALUES ($1, 'late')", first.message.id)
            uow.send(NewMessage("test.long"))
    async with bench.outbox.finish(second) as uow:
        await uow.connection.execute("INSERT INTO effects VALUES ($1, 'right')", second.message.id)
    assert [row["who"] for row in await bench.database.fetch("SELECT who FROM effects")] == ["right"]
    assert await bench.outbox.due(Lane.LONG, limit=10) == []
    assert await bench.count("done") == 1


async def test_a_lease_that_ended_but_that_nobody_took_is_still_ours(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    await bench.end_all_leases()
    async with bench.outbox.finish(leased) as uow:
        await uow.connection.execute("INSERT INTO effects VALUES ($1, 'slow')", leased.message.id)
    assert await bench.count("done") == 1


async def test_nobody_claims_a_message_while_its_finish_is_committing(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    await bench.end_all_leases()

    async def others_try(connection) -> None:
        assert await bench.outbox.claim(Lane.SHORT, "w2", limit=1, lease=30) == []

    async with bench.outbox.finish(leased) as uow:
        uow.before_commit.append(others_try)
    assert await bench.count("done") == 1


async def test_an_error_inside_finish_keeps_nothing_and_the_message_stays_leased(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    with pytest.raises(ZeroDivisionError):
        async with bench.outbox.finish(leased) as uow:
            await uow.connection.execute("INSERT INTO effects VALUES ($1, 'x')", leased.message.id)
            raise ZeroDivisionError
    assert await bench.count("leased") == 1
    assert await bench.database.fetch("SELECT 1 FROM effects") == []


async def test_the_heartbeat_prolongs_ours_and_names_what_was_taken(bench) -> None:
    await bench.send(2)
    mine, taken = await bench.outbox.claim(Lane.SHORT, "w1", limit=2, lease=30)
    await bench.execute("UPDATE messages SET lease_until = now() - interval '1 s' WHERE id = $1", taken.message.id)
    await claim_one(bench, "w2")
    await bench.execute("UPDATE messages SET lease_until = now() + interval '1 s' WHERE id = $1", mine.message.id)
    assert await bench.outbox.extend([mine, taken], lease=3600) == {taken.message.id}
    row = await bench.outbox.get(mine.message.id)
    assert row is not None
    assert row.lease_until > datetime.now(UTC) + timedelta(minutes=30)


async def test_the_heartbeat_does_not_wait_for_a_commit_in_progress(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)

    async def heartbeat(connection) -> None:
        async with asyncio.timeout(10):
            assert await bench.outbox.extend([leased], lease=30) == frozenset()

    async with bench.outbox.finish(leased) as uow:
        uow.before_commit.append(heartbeat)


async def test_put_back_counts_a_failure_and_waits(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    await bench.outbox.put_back(leased, FAILURE, delay=60)
    row = await bench.outbox.get(leased.message.id)
    assert row is not None
    assert (row.state, row.failures, row.attempts, row.last_failure) == (MessageState.WAITING, 1, 1, FAILURE)
    assert await bench.outbox.due(Lane.SHORT, limit=1) == []
    await bench.outbox.put_back(leased, FAILURE, delay=0)
    row = await bench.outbox.get(leased.message.id)
    assert row is not None
    assert row.failures == 1


async def test_give_back_counts_neither_a_failure_nor_an_attempt(bench) -> None:
    await bench.send(2)
    claimed = await bench.outbox.claim(Lane.SHORT, "w1", limit=2, lease=30)
    async with bench.outbox.finish(claimed[0]):
        pass
    await bench.outbox.give_back(claimed)
    again = await claim_one(bench, "w2")
    assert again.message.id == claimed[1].message.id
    assert (again.message.attempt, again.message.failures) == (1, 0)
    assert again.token == 2


async def test_a_dead_message_stays_visible_and_can_be_revived(bench) -> None:
    await bench.send()
    leased = await claim_one(bench)
    async with bench.outbox.bury(leased, FAILURE) as uow:
        await uow.connection.execute("INSERT INTO effects VALUES ($1, 'compensated')", leased.message.id)
    [row] = await bench.outbox.listing(state=MessageState.DEAD, topic="test.short", limit=10)
    assert (row.id, row.failures, row.last_failure) == (leased.message.id, 1, FAILURE)
    assert await bench.outbox.seconds_to_next() is None
    assert await bench.outbox.revive(row.id)
    again = await claim_one(bench)
    assert (again.message.attempt, again.message.failures, again.token) == (1, 0, 2)
    assert not await bench.outbox.revive(row.id)


async def test_several_are_done_in_one_commit_or_none(bench) -> None:
    await bench.send(3)
    claimed = await bench.outbox.claim(Lane.SHORT, "w1", limit=3, lease=30)

    async def finish_all() -> None:
        async with bench.outbox.together() as transaction:
            for leased in claimed:
                async with transaction.finish(leased) as uow:
                    await uow.connection.execute("INSERT INTO effects VALUES ($1, 'x')", leased.message.id)
                    uow.send(NewMessage("test.long"))

    await bench.execute("UPDATE messages SET lease_until = now() - interval '1 s' WHERE id = $1", claimed[1].message.id)
    taken = await claim_one(bench, "w2")
    with pytest.raises(LeaseLost):
        await finish_all()
    assert await bench.count("leased") == 3
    await bench.outbox.give_back([taken])
    claimed = [claimed[0], claimed[2], await claim_one(bench, "w1")]
    await finish_all()
    assert await bench.count("done") == 3
    assert len(await bench.outbox.due(Lane.LONG, limit=10)) == 3
    assert len(await bench.database.fetch("SELECT 1 FROM effects")) == 3


async def test_pruning_forgets_old_done_messages_and_their_keys_later_but_no_dead_one(bench) -> None:
    await bench.send(3)
    await bench.send(key="once")
    done = await bench.outbox.claim(Lane.SHORT, "w1", limit=10, lease=30)
    for leased in done[1:]:
        async with bench.outbox.finish(leased):
            pass
    async with bench.outbox.bury(done[0], FAILURE):
        pass
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert await bench.outbox.prune(hour, keyed_older_than=day) == 0
    await bench.execute("UPDATE messages SET done_at = now() - interval '2 hours' WHERE state = 'done'")
    assert await bench.outbox.prune(hour, keyed_older_than=day) == 2
    await bench.send(key="once")
    assert await bench.outbox.due(Lane.SHORT, limit=10) == []
    await bench.execute("UPDATE messages SET done_at = now() - interval '25 hours' WHERE state = 'done'")
    assert await bench.outbox.prune(hour, keyed_older_than=day) == 1
    await bench.send(key="once")
    assert len(await bench.outbox.due(Lane.SHORT, limit=10)) == 1
    assert await bench.count("dead") == 1


async def test_a_key_is_kept_while_its_message_is_not_done_however_old_it_is(bench) -> None:
    for key in ("waiting", "leased", "dead"):
        await bench.send(key=key)
    claimed = {one.message.key: one for one in await bench.outbox.claim(Lane.SHORT, "w1", limit=3, lease=30)}
    await bench.outbox.give_back([claimed["waiting"]])
    async with bench.outbox.bury(claimed["dead"], FAILURE):
        pass
    await bench.execute("UPDATE messages SET created_at = now() - interval '1 year', due_at = now() - interval '1 year'")
    assert await bench.outbox.prune(timedelta(0), keyed_older_than=timedelta(0)) == 0


async def test_pruning_takes_no_more_at_once_than_it_is_told(bench) -> None:
    await bench.send(3)
    for key in ("a", "b", "c"):
        await bench.send(key=key)
    for leased in await bench.outbox.claim(Lane.SHORT, "w1", limit=10, lease=30):
        async with bench.outbox.finish(leased):
            pass
    await bench.execute("UPDATE messages SET done_at = now() - interval '1 hour'")
    taken = [await bench.outbox.prune(timedelta(0), keyed_older_than=timedelta(0), limit=4) for _ in range(3)]
    assert taken == [4, 2, 0]


async def test_listeners_are_woken_by_commits_and_after_each_connection(bench) -> None:
    woken = asyncio.Event()
    listening = asyncio.create_task(bench.outbox.listen(woken.set))
    async with asyncio.timeout(90):
        await woken.wait()
        woken.clear()
        await bench.send()
        await woken.wait()
        woken.clear()
        await bench.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        await woken.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
