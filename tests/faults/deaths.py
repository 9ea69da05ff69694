"""A job under a worker that dies at a boundary and one that lives, for every boundary that there is."""

import asyncio
import itertools
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from faults.boundaries import NOTES, reached
from faults.lane import Lane

EVERY_BOUNDARY = "FAULTS_EVERY_BOUNDARY"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Life:
    """Of the worker that was to die: what it reached. The last is where it died, if it did."""

    names: Sequence[str]
    died: bool


Attempt = Callable[[Lane, int | str], Awaitable[Life]]


async def die_and_live(lane: Lane, die_at: int | str, until_over: Callable[[], Awaitable[None]]) -> Life:
    """A worker that dies there, then one that lives, until it is over."""
    notes = lane.deployment.folder / f"boundaries-{next(_numbers)}.txt"
    async with lane.deployment.worker(die_at=die_at, **{NOTES: str(notes)}) as mortal:
        end = asyncio.ensure_future(mortal.died())
        over = asyncio.ensure_future(until_over())
        await asyncio.wait({end, over}, return_when=asyncio.FIRST_COMPLETED)
        if not end.done():
            await mortal.stop()
        died = await end == -signal.SIGKILL
        over.cancel()
        await asyncio.gather(over, return_exceptions=True)
    async with lane.deployment.worker():
        await until_over()
    return Life(reached(notes), died)


async def at_the_boundaries(lanes: Sequence[Lane], attempt: Attempt) -> Sequence[str]:
    """Attempts with a death at the first boundary of each name that a worker reaches which lives; where they died.

    With `FAULTS_EVERY_BOUNDARY` in the environment, as in `nox -s faults`, at the second, third … of each name as well.
    """
    if os.environ.get(EVERY_BOUNDARY):
        return await _at_every_one(lanes, attempt)
    life = await attempt(lanes[0], 0)
    lives = await _attempts(lanes, attempt, iter(sorted(set(life.names))))
    return [life.names[-1] for life in lives if life.died]


async def _at_every_one(lanes: Sequence[Lane], attempt: Attempt) -> Sequence[str]:
    """At the first, the second … boundary until a worker survives.

    What is done side by side is reached in no fixed order, so a name may be left out: it is then attempted by itself.
    """
    lives = await _attempts(lanes, attempt, itertools.count(1))
    deaths = [life.names[-1] for life in lives if life.died]
    left_out = {name for life in lives for name in life.names} - set(deaths)
    lives = await _attempts(lanes, attempt, iter(sorted(left_out)))
    return [*deaths, *(life.names[-1] for life in lives if life.died)]


async def _attempts(lanes: Sequence[Lane], attempt: Attempt, places: Iterator[int | str]) -> Sequence[Life]:
    lives: list[Life] = []

    async def work(lane: Lane) -> None:
        for place in places:
            life = await attempt(lane, place)
            lives.append(life)
            if not life.died and isinstance(place, int):
                return

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(work(lane))
    return lives
