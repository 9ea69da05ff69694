"""An exception becomes an answer in the error envelope."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.types import Receive, Scope, Send

from madang.core.kernel.clock import Clock
from madang.entrypoints.http.answers import JSON, Answer
from madang.entrypoints.http.envelope import Failure, encode, meta
from madang.entrypoints.http.errors import INTERNAL_ERROR, BodyTooSlow, Refusal, refusal_for
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.language import preferred

logger = structlog.stdlib.get_logger("madang.http")


class Refusals:
    def __init__(self, clock: Clock, timezone: str) -> None:
        self._clock = clock
        self._timezone = timezone

    def for_litestar(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """The exception handler of the application."""
        refusal = refusal_for(error)
        _log(request.scope, error, refusal)
        headers = dict(refusal.headers)
        if (seconds := refusal.retry_after_seconds()) is not None:
            headers["Retry-After"] = str(seconds)
        return Response(self._body(request.scope, refusal), status_code=refusal.status, media_type=JSON, headers=headers)

    async def fallback(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """For what even the application's own handling did not survive, and for a plugin's body that did not come in time."""
        refusal = refusal_for(error) if isinstance(error, BodyTooSlow) else INTERNAL_ERROR
        await Answer(refusal.status, self._body(scope, refusal))(scope, receive, send)

    def _body(self, scope: Scope, refusal: Refusal) -> bytes:
        exchange = exchange_of(scope)
        language = preferred(exchange.accept_language)
        about = meta(exchange.request_id, self._clock.now(), self._timezone)
        return encode(Failure(False, refusal.body(language), about))


def _log(scope: Scope, error: Exception, refusal: Refusal) -> None:
    if refusal.is_unexpected:
        logger.error("unexpected error", path=scope["path"], exc_info=error)
    elif refusal.status >= 500:
        logger.warning("refused", code=refusal.code, reason=str(error))
