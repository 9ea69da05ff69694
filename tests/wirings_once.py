"""Wirings that a test runner makes once: to make one copies each of its 350 providers, which takes 16 ms.

Between two deployments, a wiring forgets everything that it made and what it was given.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from madang.entrypoints import container
from madang.entrypoints.container import Container, open_container
from madang.entrypoints.wiring import Wiring

_unused: list[Wiring] = []
_taken: ContextVar[list[tuple[Wiring, tuple[str, ...]]] | None] = ContextVar("_taken", default=None)


@asynccontextmanager
async def open_container_again(settings: Any) -> AsyncIterator[Container]:
    """What `open_container` yields, around a wiring of an earlier one. Afterwards the container is of no use any more."""
    _take_wirings()
    async with AsyncExitStack() as ending:
        taken: list[tuple[Wiring, tuple[str, ...]]] = []
        ending.callback(lambda: [_give_back(*each) for each in taken])
        of_others = _taken.set(taken)
        try:
            opened = await ending.enter_async_context(open_container(settings))
        finally:
            _taken.reset(of_others)
        yield opened


@cache
def _take_wirings() -> None:
    container.Wiring = _wired  # type: ignore[assignment, misc]


def _wired(**dependencies: Any) -> Wiring:
    """A new one for whoever does not give it back, and where a test has changed what all of them are made of."""
    taken = _taken.get()
    if taken is None or any(provider.overridden for provider in Wiring.providers.values()):
        return Wiring(**dependencies)
    wiring = _unused.pop() if _unused else Wiring()
    wiring.override_providers(**dependencies)
    taken.append((wiring, tuple(dependencies)))
    return wiring


def _give_back(wiring: Wiring, dependencies: tuple[str, ...]) -> None:
    wiring.reset_singletons()
    for name in dependencies:
        wiring.providers[name].reset_override()
    _unused.append(wiring)
