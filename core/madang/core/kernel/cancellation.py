"""Ending tasks that run until they are cancelled, whatever the libraries beneath them make of a cancellation."""

import asyncio
from typing import Any, Final

TELL_AGAIN_SECONDS: Final = 5.0
"""Long enough for what a task cleans up at its end: told again in the midst of it, that would be cut short."""


async def end_tasks(*tasks: "asyncio.Task[Any]", tell_again: float = TELL_AGAIN_SECONDS) -> None:
    """Cancel these tasks and see their end; what they raised stays with them.

    A task that still runs after `tell_again` seconds is told again. Up to Python 3.11 `asyncio.wait_for`, and what stands on it
    (redis-py writes under it), loses a cancellation that comes together with the end of what is waited for, and a driver may
    turn one into an error of its own: a loop that goes on after errors would then run for ever.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=tell_again)
    for task in tasks:
        if not task.cancelled():
            task.exception()
