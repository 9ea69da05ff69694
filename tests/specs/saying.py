"""Calls of a provider, one after the other, and what Prism found wrong in each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from madang.ports.errors import PortError
from specs.prism import Recorder


async def said(
    provider: Any, recorder: Recorder, calls: Mapping[str, Callable[[], Awaitable[Any]]], *, wrong: bool = False
) -> None:
    """Every call reaches Prism with nothing to object to; with `wrong`, Prism must object. A provider may raise an error of the
    port, because the mock's answers are random."""
    recorder.take()
    try:
        for name, call in calls.items():
            refused = await _refusal(call)
            arrived, violations = recorder.take()
            assert arrived, f"{name}: nothing was sent{refused}"
            assert bool(violations) == wrong, f"{name}: {violations or 'Prism has nothing to object to'}{refused}"
    finally:
        await provider.close()


async def _refusal(call: Callable[[], Awaitable[Any]]) -> str:
    try:
        await call()
    except PortError as error:
        return f" (it raised {error})"
    return ""
