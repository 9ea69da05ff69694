"""How Toss is asked, and what an answer that is no success becomes."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from madang.adapters.provider_http.answers import Answer
from madang.adapters.toss import payload
from madang.adapters.toss.capabilities import NAME
from madang.adapters.toss.client import TossClient
from madang.adapters.toss.mapping import READS, error_of
from madang.adapters.toss.reading import payment_of
from madang.adapters.toss.settings import TossSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

T = TypeVar("T")

API_SECONDS: Final = 15.0
_ARRIVED: Final = frozenset(
    {RemotePaymentStatus.PAID, RemotePaymentStatus.PARTLY_REFUNDED, RemotePaymentStatus.REFUNDED, RemotePaymentStatus.PENDING}
)


class TossCalls:
    """What the parts of the gateway share."""

    def __init__(self, settings: TossSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = TossClient(settings)

    async def _call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float = API_SECONDS,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Raises the error of an answer that is no success."""
        sent = None if key is None else payload.key_of(key)
        answer = await self._client.call(operation, method, path, timeout, body=body, params=params, key=sent)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, operation)
        return answer

    async def _payment(self, operation: str, path: str, timeout: float = API_SECONDS) -> PaymentSnapshot:
        answer = await self._call(operation, "GET", path, timeout)
        return read(operation, lambda: payment_of(answer.fields))

    async def _made_before(
        self, operation: str, path: str, amount: Money, refusal: Rejected, started: float, timeout: float
    ) -> PaymentSnapshot:
        """The payment of which Toss says that it was dealt with already. Raises `Rejected` where that was another or failed,
        `OutcomeUnknown` where it cannot be looked up."""
        try:
            found = await self._payment("fetch", path, max(0.5, timeout - (time.monotonic() - started)))
        except ProviderError:
            raise OutcomeUnknown(
                "dealt with already, and not to be looked up", provider=NAME, operation=operation, code=refusal.code
            ) from None
        if found.amount == amount and found.status in _ARRIVED:
            return found
        if found.amount == amount and found.status is RemotePaymentStatus.FAILED:
            raise Rejected("the card was declined", reason="declined", provider=NAME, operation=operation, code=found.failure)
        raise refusal


def segment(value: str, operation: str) -> str:
    """A part of an address. Raises `Rejected` for what can be none."""
    if len(value) > 300 or not value.strip("."):
        raise payload.rejected("Toss gives no such key", "not_found", operation)
    return quote(value, safe="")


def read(operation: str, reading: Callable[[], T]) -> T:
    """Raises `OutcomeUnknown`, and for a question `Unavailable`, where the answer cannot be read."""
    try:
        return reading()
    except ValueError:
        lost = Unavailable if operation in READS else OutcomeUnknown
        raise lost("the answer cannot be read", provider=NAME, operation=operation) from None
