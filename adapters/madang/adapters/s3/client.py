"""Calls of the S3 API: bounded in time, number and size, from the event loop, and their failures in our words."""

import asyncio
import functools
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import httpx

from madang.adapters.provider_http.certificates import trust
from madang.adapters.provider_http.failures import NEVER_SENT
from madang.adapters.s3.exchange import Exchange, send
from madang.adapters.s3.mapping import error_of, mishap_of
from madang.adapters.s3.store import Store
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Unavailable

_SIGN_SECONDS: Final = 20.0
"""Nobody is asked, but the first signature waits for the SDK's client."""


class S3Client:
    """The SDK's client is made in a thread, from the beginning of this one's life; threads wait for answers, and there are as
    many as calls may be under way at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(store.connections, thread_name_prefix=store.name)
        self._signers = ThreadPoolExecutor(1, thread_name_prefix=f"{store.name}-sign")
        self._making: Future[Any] = self._threads.submit(_make, store)
        self._http = httpx.AsyncClient(
            verify=trust(),
            trust_env=False,
            follow_redirects=False,
            proxy=store.proxy.reveal() if store.proxy else None,
            limits=httpx.Limits(max_keepalive_connections=store.connections),
        )

    async def call(
        self, operation: str, method: str, seconds: float, *, effect: bool = False, **parameters: Any
    ) -> Mapping[str, Any]:
        """The SDK's `method` on the bucket. Raises `Unavailable` when surely nothing was done; what may have been done is
        `OutcomeUnknown` for an `effect`, and `Unavailable` for what may be asked again."""
        answer: Mapping[str, Any]
        answer, _ = await self._exchanged(operation, method, seconds, effect, False, parameters)
        return answer

    async def open(self, operation: str, method: str, seconds: float, **parameters: Any) -> tuple[Any, httpx.Response]:
        """As `call`, and the body is left to be read: close the response."""
        answer, response = await self._exchanged(operation, method, seconds, False, True, parameters)
        if response is None:
            raise Unavailable("the answer has no body", provider=self._store.name, operation=operation)
        return answer, response

    async def sign(self, operation: str, method: str, **parameters: Any) -> Any:
        """What the SDK's `method` makes of the parameters without asking anybody."""
        failure: PortError
        try:
            async with asyncio.timeout(_SIGN_SECONDS):
                call = functools.partial(getattr(await self._sdk(), method), **parameters)
                return await asyncio.get_running_loop().run_in_executor(self._signers, call)
        except Exception as error:  # noqa: BLE001  the SDK's exceptions have no common parent
            failure = self._failure(operation, error, effect=False, sent=False)
        raise failure

    async def close(self) -> None:
        """A call that waits for a thread meanwhile ends as one that was not sent."""
        self._threads.shutdown(wait=False)
        self._signers.shutdown(wait=False)
        await self._http.aclose()

    async def _exchanged(
        self, operation: str, method: str, seconds: float, effect: bool, stream: bool, parameters: Mapping[str, Any]
    ) -> tuple[Any, httpx.Response | None]:
        exchange = Exchange(self._http, seconds, stream=stream)
        failure: PortError
        try:
            async with asyncio.timeout(seconds):
                call = functools.partial(getattr(await self._sdk(), method), Bucket=self._store.bucket, **parameters)
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, exchange.run, call)
            response, exchange.response = exchange.response, None
            return answer, response
        except Exception as error:  # noqa: BLE001  the SDK's exceptions have no common parent
            failure = self._failure(operation, error, effect=effect, sent=exchange.sent)
        finally:
            await exchange.end()
        # Raised here, so that it does not carry the storage's answer along: that may quote our key.
        raise failure

    async def _sdk(self) -> Any:
        return await asyncio.shield(asyncio.wrap_future(self._making))

    def _failure(self, operation: str, error: Exception, *, effect: bool, sent: bool) -> PortError:
        name = self._store.name
        if isinstance(error, NEVER_SENT):
            return Unavailable(f"no connection: {type(error).__name__}", provider=name, operation=operation)
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | ValueError) and not sent:
            return Misconfigured("endpoint_url cannot be used", provider=name, operation=operation)
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):
            return error_of(name, operation, response, effect=effect)
        if isinstance(error, httpx.HTTPError | TimeoutError):
            lost = OutcomeUnknown if effect and sent else Unavailable
            return lost(f"the answer was lost: {type(error).__name__}", provider=name, operation=operation)
        return mishap_of(name, operation, error, effect=effect, sent=sent)


def _make(store: Store) -> Any:
    from madang.adapters.s3.session import make_client

    return make_client(store, send)
