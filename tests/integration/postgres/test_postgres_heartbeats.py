"""Who runs, and who was not heard for long."""

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.operations.heartbeats import Heartbeats


async def test_a_process_that_beats_is_alive_and_one_that_stopped_beating_is_stale(database: Database) -> None:
    heartbeats = Heartbeats(database)
    await heartbeats.beat("worker-1", "worker", "host-a", {"running": 1})
    await heartbeats.beat("worker-2", "worker", "host-b")
    await heartbeats.beat("relay-1", "relay", "host-a")
    await _age(database, "worker-2", seconds=20)
    assert {beat.process_id for beat in await heartbeats.all()} == {"worker-1", "worker-2", "relay-1"}
    assert {beat.process_id for beat in await heartbeats.stale()} == {"worker-2"}
    assert {beat.process_id for beat in await heartbeats.alive("worker")} == {"worker-1"}
    assert [beat.process_id for beat in await heartbeats.all("relay")] == ["relay-1"]


async def test_a_beat_brings_a_stale_process_back_with_its_latest_details(database: Database) -> None:
    heartbeats = Heartbeats(database)
    await heartbeats.beat("worker-1", "worker", "host-a", {"running": 1})
    await _age(database, "worker-1", seconds=60)
    await heartbeats.beat("worker-1", "worker", "host-a", {"running": 2})
    (beat,) = await heartbeats.all()
    assert beat.details == {"running": 2}
    assert await heartbeats.stale() == []
    assert beat.started_at < beat.beat_at


async def test_a_process_that_ends_on_purpose_or_is_long_gone_is_forgotten(database: Database) -> None:
    heartbeats = Heartbeats(database)
    for name in ("ended", "gone", "here"):
        await heartbeats.beat(name, "worker", "host-a")
    await _age(database, "gone", seconds=7200)
    await heartbeats.stop("ended")
    assert await heartbeats.forget(older_than=3600) == 1
    assert [beat.process_id for beat in await heartbeats.all()] == ["here"]


async def _age(database: Database, process_id: str, *, seconds: int) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE heartbeats SET beat_at = beat_at - make_interval(secs => $2),"
            " started_at = started_at - make_interval(secs => $2) WHERE process_id = $1",
            process_id,
            seconds,
        )
