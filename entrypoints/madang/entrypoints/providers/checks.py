"""Asking a provider whether it works, without trusting it to answer."""

import asyncio
from collections.abc import Callable

from madang.entrypoints.logs import without_credentials
from madang.ports.provider import Provider

_SECONDS = 10.0
_LONGEST = 500


async def problem_of(build: Callable[[], Provider]) -> str:
    """Empty when it works; else what is wrong. A provider that hangs or raises anything at all is told like any other."""
    try:
        async with asyncio.timeout(_SECONDS):
            health = await build().check()
    except TimeoutError:
        return f"no answer within {_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 - a plugin may raise whatever it likes; the operator wants to read it
        return _line(without_credentials(f"{type(error).__name__}: {error}"))
    return "" if health.reachable else _line(without_credentials(health.detail)) or "not reachable"


def _line(text: str) -> str:
    """What a row can hold and a screen can show, whatever a plugin says."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
