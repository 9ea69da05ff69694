"""How PortOne is asked, and what an answer that is no success becomes."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from madang.adapters.portone import payload
from madang.adapters.portone.capabilities import NAME
from madang.adapters.portone.client import PortOneClient
from madang.adapters.portone.mapping import READS, error_of
from madang.adapters.portone.settings import PortOneSettings
from madang.adapters.provider_http.answers import Answer
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")

API_SECONDS: Final = 15.0


class Patience:
    """The time that a call of several requests has in all."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.05, self._end - time.monotonic())


class PortOneCalls:
    """What the parts of the gateway share."""

    def __init__(self, settings: PortOneSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = PortOneClient(settings)

    async def _ask(self, operation: str, path: str, seconds: float = API_SECONDS) -> Mapping[str, Any]:
        """The object at this address in our store, which changes nothing, whatever it is asked for."""
        params = {"storeId": self._settings.store_id}
        answer = await self._client.call(operation, "GET", path, seconds, params=params)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, operation, asks=True)
        return answer.fields

    async def _do(self, operation: str, path: str, seconds: float, body: Mapping[str, Any], key: str) -> Answer:
        answer = await self._client.call(
            operation, "POST", path, seconds, body=body, key=payload.key_of(f"{operation} {path}", key)
        )
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, operation, asks=False)
        return answer


def payment_path(payment_id: str, operation: str) -> str:
    return f"/payments/{segment(payment_id, operation)}"


def segment(value: str, operation: str) -> str:
    """A part of an address. Raises `Rejected` for what can be none."""
    if len(value) > 300 or not value.strip("."):
        raise payload.rejected("PortOne has no such id", "not_found", operation)
    return quote(value, safe="")


def read(operation: str, reading: Callable[[], T], *, asks: bool = False) -> T:
    """Raises `OutcomeUnknown`, and for a question `Unavailable`, where the answer cannot be read."""
    try:
        return reading()
    except ValueError:
        lost = Unavailable if asks or operation in READS else OutcomeUnknown
        raise lost("the answer cannot be read", provider=NAME, operation=operation) from None
