"""HTTP towards PayPal: an access token of the app, bounded in time and size, no redirect followed, nothing done twice."""

import asyncio
import functools
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from madang.adapters.paypal.capabilities import NAME
from madang.adapters.paypal.mapping import error_of, object_in
from madang.adapters.paypal.settings import PaypalSettings
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Unavailable

MAX_ANSWER_BYTES: Final = 4 * 1024**2
_EARLY: Final = 300.0
"""Seconds before its end in which a token is no longer used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON object of the body, empty where there is none."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]


class PaypalClient:
    """Mints an access token when it needs one and keeps it for its life, in the process."""

    def __init__(self, settings: PaypalSettings) -> None:
        # No connection is kept: one that the other side closed meanwhile would leave open what became of a payment.
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=_trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=settings.proxy.reveal() if settings.proxy else None,
            headers={"user-agent": "madang", "accept": "application/json", "accept-encoding": "identity"},
        )
        self._app = httpx.BasicAuth(settings.client_id, settings.client_secret.reveal())
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
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                token = await self._access(operation, timeout)
        except TimeoutError:
            raise _lost(False, "no access token in time", operation) from None
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "prefer": "return=representation"}
        if key is not None:
            headers["paypal-request-id"] = key
        content = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
        request = self._http.build_request(
            method, path, content=content, params=params, headers=headers, timeout=_limits(timeout)
        )
        try:
            async with asyncio.timeout_at(deadline):
                return self._judged(await self._receive(request, operation, effect), operation, effect)
        except TimeoutError:
            raise _lost(effect, "the answer took too long", operation) from None

    async def close(self) -> None:
        await self._http.aclose()

    def _judged(self, answer: Answer, operation: str, effect: bool) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        if answer.status == 401:
            self._token = None
        raise error_of(answer.status, answer.headers, answer.document, operation, effect=effect)

    async def _access(self, operation: str, timeout: float) -> str:
        """An access token. While it cannot be had, nothing is done: whatever goes wrong here is `Unavailable`, or our keys."""
        async with self._minting:
            if self._token is None or time.monotonic() >= self._token[1]:
                self._token = await self._minted(operation, timeout)
            return self._token[0]

    async def _minted(self, operation: str, timeout: float) -> tuple[str, float]:
        request = self._http.build_request(
            "POST", "/v1/oauth2/token", data={"grant_type": "client_credentials"}, timeout=_limits(timeout)
        )
        request = next(self._app.auth_flow(request))
        asked = time.monotonic()
        answer = await self._receive(request, operation, effect=False)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.document, operation, effect=False)
        token, life = answer.document.get("access_token"), answer.document.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(life, int):
            raise Unavailable("the answer has no access token", provider=NAME, operation=operation)
        return token, asked + max(life - _EARLY, 0.0)

    async def _receive(self, request: httpx.Request, operation: str, effect: bool) -> Answer:
        try:
            response = await self._http.send(request, stream=True)
            try:
                return Answer(response.status_code, response.headers, object_in(await _body_of(response)))
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unavailable(f"no connection: {type(error).__name__}", provider=NAME, operation=operation) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise Misconfigured("base_url cannot be used", provider=NAME, operation=operation) from None
        except (httpx.HTTPError, _TooLong) as error:
            raise _lost(effect, f"the answer was lost: {type(error).__name__}", operation) from None


def _lost(effect: bool, why: str, operation: str) -> PortError:
    return (OutcomeUnknown if effect else Unavailable)(why, provider=NAME, operation=operation)


def _limits(timeout: float) -> httpx.Timeout:
    return httpx.Timeout(timeout, pool=timeout / 3, connect=timeout / 3)


async def _body_of(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _TooLong
    return bytes(body)


class _TooLong(Exception):
    """The answer is longer than anything that is meant here."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
