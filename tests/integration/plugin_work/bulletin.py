"""A plugin of the tests: it hears what becomes of payments, and has an hourly job. The test says what goes wrong."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from madang.core.billing.events import PAYMENT_CHANGED
from madang.plugins import JobDeclaration, ListenerDeclaration, PluginEvent, hookimpl
from madang.ports.context import ProviderContext

NAME = "bulletin"
HOUR = timedelta(hours=1)

heard: list[PluginEvent] = []
runs: list[str] = []
troubles: list[Exception] = []
"""Raised by the next calls, one each, after they have been noted."""


def forget() -> None:
    for notes in (heard, runs, troubles):
        notes.clear()


@hookimpl
def register_listeners(register: Callable[[ListenerDeclaration], None]) -> None:
    register(ListenerDeclaration(PAYMENT_CHANGED, "post", _listener, name=NAME))


@hookimpl
def register_jobs(register: Callable[[JobDeclaration], None]) -> None:
    register(JobDeclaration("tidy", HOUR, _job, name=NAME))


def _listener(settings: Any, context: ProviderContext) -> Callable[[PluginEvent], Awaitable[None]]:
    async def post(event: PluginEvent) -> None:
        heard.append(event)
        _fail_if_told()

    return post


def _job(settings: Any, context: ProviderContext) -> Callable[[], Awaitable[None]]:
    async def tidy() -> None:
        runs.append(context.environment)
        _fail_if_told()

    return tidy


def _fail_if_told() -> None:
    if troubles:
        raise troubles.pop(0)
