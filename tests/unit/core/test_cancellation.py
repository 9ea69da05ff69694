"""Tasks that run until they are cancelled, and end whatever becomes of the cancellation."""

import asyncio
from contextlib import suppress

from madang.core.kernel.cancellation import end_tasks


async def _deaf(times: int, begun: asyncio.Event) -> None:
    """Takes so many cancellations for something else."""
    begun.set()
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_task_that_loses_its_cancellation_is_told_again_until_it_ends() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(_deaf(3, begun))
    await begun.wait()
    async with asyncio.timeout(30):
        await end_tasks(task, tell_again=0.01)
    assert task.cancelled()


async def test_what_a_task_does_at_its_end_is_not_cut_short() -> None:
    done: list[str] = []
    begun = asyncio.Event()

    async def careful() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            done.append("cleaned up")

    task = asyncio.create_task(careful())
    await begun.wait()
    await end_tasks(task, tell_again=30)
    assert done == ["cleaned up"]


async def test_an_error_stays_with_its_task_and_one_that_is_over_stays_as_it_ended() -> None:
    async def failing() -> None:
        raise ValueError("of its own")

    async def finished() -> str:
        return "kept"

    broken, over = asyncio.create_task(failing()), asyncio.create_task(finished())
    await asyncio.wait({broken, over})
    await end_tasks(broken, over)
    assert over.result() == "kept"
    assert str(broken.exception()) == "of its own"
