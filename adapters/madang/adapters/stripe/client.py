"""The official SDK, held: its services shape the requests, `BoundedTransport` carries them, and answers are plain JSON here."""

import logging
from collections.abc import Awaitable, Mapping
from typing import Any

import stripe

from madang.adapters.stripe.settings import StripeSettings
from madang.adapters.stripe.transport import UNDER_WAY, BoundedTransport, Call


class Api:
    """`v1` are the SDK's services; `ask` awaits one of their calls.

    The SDK would send a description of this machine under an id that it keeps in the home folder, and would write whole
    answers, with people's addresses, into a log of level DEBUG: both are turned off, for the process.
    """

    def __init__(self, settings: StripeSettings) -> None:
        stripe.enable_telemetry = False
        logging.getLogger("stripe").setLevel(logging.CRITICAL)
        self._transport = BoundedTransport(settings)
        self.v1 = stripe.StripeClient(
            settings.api_key.reveal(),
            base_addresses={"api": settings.base_url.rstrip("/")},
            max_network_retries=0,
            http_client=self._transport,
        ).v1

    async def ask(self, call: Call, request: Awaitable[stripe.StripeObject]) -> Mapping[str, Any]:
        """The answer's JSON object. Raises the taxonomy's errors."""
        token = UNDER_WAY.set(call)
        try:
            answer = await request
        except (stripe.StripeError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise call.lost(f"the answer cannot be read: {type(error).__name__}") from None
        finally:
            UNDER_WAY.reset(token)
        data = answer.last_response.data if answer.last_response is not None else None
        if not isinstance(data, dict):
            raise call.lost("the answer cannot be read")
        return data

    async def close(self) -> None:
        await self._transport.close_async()
