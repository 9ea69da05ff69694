"""One line in the log for every call of a provider: which, how long, what came of it, on behalf of which request."""

import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import structlog

from madang.ports.errors import PortError
from madang.ports.provider import ProviderKind

log = structlog.stdlib.get_logger("madang.providers")

P = TypeVar("P")
_QUIET_KINDS: Final = frozenset({ProviderKind.STORAGE})
_QUIET_OPERATIONS: Final = frozenset({"fetch", "check"})
"""What is called many times for one thing is told on the level `debug`, unless something goes wrong."""


def logged(provider: P, kind: ProviderKind) -> P:
    """The provider, its coroutine methods told of in the log. Neither arguments nor answers are: they may be personal."""
    return cast(P, _LoggedProvider(provider, kind))


class _LoggedProvider:
    def __init__(self, provider: Any, kind: ProviderKind) -> None:
        self._provider = provider
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if not inspect.iscoroutinefunction(found):
            return found
        told = self._telling(name, found)
        setattr(self, name, told)
        return told

    def _telling(self, operation: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(method)
        async def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                answer = await method(*arguments, **named)
            except Exception as error:
                self._tell(log.warning, operation, started, outcome=_outcome_of(error))
                raise
            quiet = self._kind in _QUIET_KINDS or operation in _QUIET_OPERATIONS
            self._tell(log.debug if quiet else log.info, operation, started, outcome="done")
            return answer

        return call

    def _tell(self, tell: Callable[..., Any], operation: str, started: float, *, outcome: str) -> None:
        tell(
            "provider called",
            kind=self._kind.value,
            provider=self._provider.name,
            operation=operation,
            outcome=outcome,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )


def _outcome_of(error: Exception) -> str:
    return error.kind if isinstance(error, PortError) else type(error).__name__
