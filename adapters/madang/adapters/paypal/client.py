"""HTTP towards PayPal, with an access token of the app."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.paypal.capabilities import NAME
from madang.adapters.paypal.mapping import error_of
from madang.adapters.paypal.settings import PaypalSettings
from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.ports.errors import Unavailable

_EARLY: Final = 300.0
"""Seconds before its end in which a token is no longer used."""


class PaypalClient:
    """Mints an access token when it needs one and keeps it for its life, in the process."""

    def __init__(self, settings: PaypalSettings) -> None:
        app = (settings.client_id, settings.client_secret.reveal())
        self._mint = ProviderHttp(NAME, base_url=settings.base_url, auth=app, proxy=settings.proxy)
        self._http = ProviderHttp(NAME, base_url=settings.base_url, proxy=settings.proxy)
        self._token: tuple[str, float] | None = None
        self._minting = asyncio.Lock()

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        key: str | None = None,
        params: Mapping[str, str] | None = None,
        effect: bool = False,
    ) -> Answer:
        """The answer of a success. Raises the taxonomy; of a call with an `effect`, `OutcomeUnknown` when it may be done."""
        started = time.monotonic()
        headers = await self._headers(operation, timeout, key)
        left = timeout - (time.monotonic() - started)
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await self._http.call(operation, method, path, left, acts=effect, params=params, headers=headers, **sent)
        if not answer.is_success:
            if answer.status == 401:
                self._token = None
            raise error_of(answer.status, answer.headers, answer.fields, operation, effect=effect)
        return answer

    async def close(self) -> None:
        await self._mint.close()
        await self._http.close()

    async def _headers(self, operation: str, timeout: float, key: str | None) -> Mapping[str, str]:
        token = await self._access(operation, timeout)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "prefer": "return=representation"}
        return headers if key is None else {**headers, "paypal-request-id": key}

    async def _access(self, operation: str, timeout: float) -> str:
        """An access token. While it cannot be had, nothing is done: whatever goes wrong here is `Unavailable`, or our keys."""
        try:
            async with asyncio.timeout(timeout), self._minting:
                if self._token is None or time.monotonic() >= self._token[1]:
                    self._token = await self._minted(operation, timeout)
                return self._token[0]
        except TimeoutError:
            raise Unavailable("no access token in time", provider=NAME, operation=operation) from None

    async def _minted(self, operation: str, timeout: float) -> tuple[str, float]:
        asked = time.monotonic()
        form = {"grant_type": "client_credentials"}
        answer = await self._mint.call(operation, "POST", "/v1/oauth2/token", timeout, acts=False, form=form)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, operation, effect=False)
        token, life = answer.fields.get("access_token"), answer.fields.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(life, int):
            raise Unavailable("the answer has no access token", provider=NAME, operation=operation)
        return token, asked + max(life - _EARLY, 0.0)
