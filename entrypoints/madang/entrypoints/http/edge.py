"""The outermost layer: request id, trace, security headers, metrics and the access log, for every answer and every plugin's."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from madang.core.kernel.request_context import request_id as current_request_id
from madang.core.kernel.tracing import Span
from madang.entrypoints.http.errors import BodyTooSlow
from madang.entrypoints.http.exchange import SCOPE_KEY, Exchange, RawHeaders, begin
from madang.entrypoints.http.lingering import awaited_body
from madang.entrypoints.http.watch import NOBODY_WAITED, Watch

logger = structlog.stdlib.get_logger("madang.http")

_ALWAYS: Final[RawHeaders] = [
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY: Final = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
"""For a plugin's page that brings no policy of its own."""
_OURS: Final = frozenset({name for name, _ in _ALWAYS} | {b"content-security-policy", b"cache-control"})
_USUAL: Final[RawHeaders] = [*_ALWAYS, (b"content-security-policy", _POLICY), (b"cache-control", b"no-store")]
_QUIET: Final = ("/health/", "/metrics")
_access_log: Final = logging.getLogger("madang.http")

Fallback = Callable[[Scope, Receive, Send, Exception], Awaitable[None]]
BeforeAnswer = Callable[[Scope, Exchange], Awaitable[None]]


class Edge:
    """Wraps the whole application. `fallback` answers for an exception that nothing inside has answered; `before_answer` may
    add headers just before an answer starts."""

    def __init__(self, app: ASGIApp, watch: Watch, fallback: Fallback, before_answer: BeforeAnswer) -> None:
        self._app = app
        self._watch = watch
        self._fallback = fallback
        self._before_answer = before_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._exchange(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _exchange(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        exchange = begin(scope["headers"])
        scope["state"][SCOPE_KEY] = exchange
        token = current_request_id.set(exchange.request_id)
        try:
            with self._watch.span(exchange, scope["method"]) as span:
                await self._answer(scope, receive, send, exchange, span)
        finally:
            current_request_id.reset(token)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, exchange: Exchange, span: Span) -> None:
        started = time.perf_counter()
        status, ours = 0, 0.0
        # A router below rewrites `path`; the log names what was asked for.
        path, method = scope["path"], scope["method"]
        body = awaited_body(scope, receive)

        async def send_with_headers(message: Any) -> None:
            nonlocal status, ours
            if message["type"] == "http.response.start":
                if body is not None and message["status"] >= 400:
                    await body.discard()
                if not exchange.extra_headers:
                    await self._announce(scope, exchange)
                message["headers"] = _complete(list(message["headers"]), exchange)
                status = message["status"]
                ours = time.perf_counter() - started - (0.0 if body is None else body.waited)
            await send(message)

        try:
            await self._app(scope, receive if body is None else body.receive, send_with_headers)
        except Exception as error:
            if not isinstance(error, BodyTooSlow):
                logger.exception("request failed", method=method, path=path)
            if status:
                raise
            await self._fallback(scope, receive, send_with_headers, error)
        finally:
            route, took = scope.get("path_template") or "unmatched", time.perf_counter() - started
            quiet = path.startswith(_QUIET)
            self._watch.answered(span, method, route, status or NOBODY_WAITED, ours or took, quiet=quiet)
            _log(method, path, route, status, took, exchange.trace_id, logging.DEBUG if quiet else logging.INFO)

    async def _announce(self, scope: Scope, exchange: Exchange) -> None:
        """An answer that is made already goes out, with or without these headers."""
        try:
            await self._before_answer(scope, exchange)
        except Exception as error:  # noqa: BLE001 – headers that are missing are better than an answer that is
            logger.warning("an answer goes out without its further headers", reason=type(error).__name__)


def _log(method: str, path: str, route: str, status: int, seconds: float, trace_id: str, level: int) -> None:
    if _access_log.isEnabledFor(level):
        took = round(seconds * 1000, 2)
        logger.log(level, "request", method=method, path=path, route=route, status=status, duration_ms=took, trace_id=trace_id)


def _complete(headers: RawHeaders, exchange: Exchange) -> RawHeaders:
    names = {name for name, _ in headers}
    headers += exchange.extra_headers
    headers.append((b"x-request-id", exchange.request_id.encode("ascii")))
    headers.append((b"traceparent", exchange.traceparent.encode("ascii")))
    if (
        names.isdisjoint(_OURS)
        and exchange.content_security_policy is None
        and (b"content-type", b"application/json") in headers
    ):
        headers += _USUAL
        return headers
    headers += [item for item in _ALWAYS if item[0] not in names]
    if b"content-security-policy" not in names:
        headers.append((b"content-security-policy", exchange.content_security_policy or _policy_for(headers)))
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    return headers


def _policy_for(headers: RawHeaders) -> bytes:
    is_page = any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)
    return _PAGE_POLICY if is_page else _POLICY
