"""Calls of a provider's HTTP API: bounded in time and size, no redirect followed, nothing tried twice, nothing of the
environment used."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from madang.adapters.provider_http.answers import Answer, document_in
from madang.adapters.provider_http.bounds import BoundedTransport, is_packed
from madang.adapters.provider_http.failures import port_errors
from madang.ports.errors import Misconfigured, Rejected, Unavailable
from madang.ports.secret import Secret

MAX_ANSWER_BYTES: Final = 4 * 1024**2
HEADERS: Final[Mapping[str, str]] = {
    "user-agent": "madang",
    "accept": "application/json",
    "accept-encoding": "identity",
}


class ProviderHttp:
    """One provider, by its plugin's `name`. `auth` is a name and a password of Basic authentication; `headers` go along with
    every call. `parse_float` reads the fractions of answers. `transport` replaces the bounded one, and its `proxy` and
    `max_answer_bytes` with it. Raises `Misconfigured` for addresses that cannot be used."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        proxy: Secret | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        parse_float: Callable[[str], Any] = float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._name = name
        self._parse_float = parse_float
        with port_errors(name, "connect"):
            self._http = httpx.AsyncClient(
                transport=transport or BoundedTransport(name, max_answer_bytes, proxy=proxy),
                base_url=base_url,
                headers={**HEADERS, **(headers or {})},
                auth=auth,
                trust_env=False,
                follow_redirects=False,
            )

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        acts: bool,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Whatever is answered; of a packed answer, no body. `timeout` bounds the whole call, in seconds. Raises `Unavailable`
        when surely nothing was done, `OutcomeUnknown` when the call `acts` and something may have been, `Misconfigured` for an
        address that cannot be used, and `Rejected` for values that cannot be sent."""
        if timeout <= 0:
            raise Unavailable("no time was left", provider=self._name, operation=operation, code="timeout")
        body = {"json": json, "data": form, "content": content}
        request = self._built(operation, method, path, timeout=timeout, params=params, headers=headers, **body)
        with port_errors(self._name, operation, acts=acts):
            async with asyncio.timeout(timeout):
                return await answer_of(await self._http.send(request, stream=True), self._parse_float)

    async def close(self) -> None:
        await self._http.aclose()

    def _built(self, operation: str, method: str, path: str, **rest: Any) -> httpx.Request:
        try:
            return self._http.build_request(method, path, **rest)
        except httpx.InvalidURL:
            raise Misconfigured("the address cannot be used", provider=self._name, operation=operation) from None
        except (TypeError, ValueError):
            reason = "invalid_request"
            raise Rejected("a value cannot be sent", reason=reason, provider=self._name, operation=operation) from None


async def answer_of(response: httpx.Response, parse_float: Callable[[str], Any] = float) -> Answer:
    """What a response says, read to its end or given up, and closed. Of a packed one the body is not read."""
    try:
        body = b"" if is_packed(response) else b"".join([piece async for piece in response.aiter_raw()])
    finally:
        await response.aclose()
    return Answer(response.status_code, response.headers, body, document_in(body, parse_float))
