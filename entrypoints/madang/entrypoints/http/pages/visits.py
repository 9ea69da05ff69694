"""A person's visit to one of our pages, and what they see when something goes wrong."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import structlog
from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from madang.core.portraits.model import Locale
from madang.entrypoints.http.addresses import Addresses
from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.errors import Refusal, refusal_for
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.language import LANGUAGES, Language, catalogue, preferred, sentence
from madang.entrypoints.http.pages.rendering import notice
from madang.entrypoints.http.rate_limits import DEFAULT, RateLimits, policies_of

logger = structlog.stdlib.get_logger("madang.http")


@dataclass(slots=True)
class Visit:
    """One request of a page. `language` is what the reader chose, else what the browser asks for, else the order's own."""

    request: Request[Any, Any, Any]
    container: HttpContainer
    address: str
    now: datetime
    language: Language
    is_chosen: bool

    @property
    def portrait_id(self) -> UUID:
        found: UUID = self.request.path_params["portrait_id"]
        return found

    @property
    def words(self) -> Mapping[str, str]:
        return catalogue("pages", self.language)

    @property
    def path(self) -> str:
        """The result page, in the language that was chosen."""
        return f"/result/{self.portrait_id}" + (f"?lang={self.language}" if self.is_chosen else "")

    def speak(self, locale: Locale) -> None:
        """The order's language, for a reader who named none of ours."""
        if not self.is_chosen:
            self.language = preferred(exchange_of(self.request.scope).accept_language, locale)


PageHandler = Callable[[Visit], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class PageRoute:
    method: str
    path: str
    handler: PageHandler
    limit: str = DEFAULT


class Pages:
    """Binds pages to handlers; built once per application."""

    def __init__(self, container: HttpContainer, addresses: Addresses, limits: RateLimits) -> None:
        self._container = container
        self._addresses = addresses
        self._limits = limits

    def bind(self, routes: Sequence[PageRoute]) -> list[HTTPRouteHandler]:
        return [self._bound(route) for route in routes]

    def _bound(self, route: PageRoute) -> HTTPRouteHandler:
        async def endpoint(request: Request[Any, Any, Any]) -> ASGIApp:
            visit = self._visit(request)
            try:
                await self._count(route, visit)
                return await route.handler(visit)
            except Exception as error:  # noqa: BLE001 – a person sees a page, never a stack or a JSON envelope
                return _trouble(visit, error)

        return HTTPRouteHandler(route.path, http_method=HttpMethod(route.method), include_in_schema=False)(endpoint)

    async def _count(self, route: PageRoute, visit: Visit) -> None:
        path = "" if route.limit == DEFAULT else str(visit.portrait_id)
        await self._limits.spend(visit.request.scope, policies_of(route.limit, None), f"address:{visit.address}", path=path)

    def _visit(self, request: Request[Any, Any, Any]) -> Visit:
        chosen = request.query_params.get("lang")
        is_chosen = chosen in LANGUAGES
        asked = preferred(exchange_of(request.scope).accept_language, "ko")
        language = cast(Language, chosen) if is_chosen else asked
        address = self._addresses.of(request.scope)
        return Visit(request, self._container, address, self._container.clock.now(), language, is_chosen)


def _trouble(visit: Visit, error: Exception) -> Answer:
    """The same refusals as in the API, as a page; nothing of the inside."""
    refusal = refusal_for(error)
    exchange = exchange_of(visit.request.scope)
    if refusal.status >= 500:
        logger.error("a page failed", path=visit.request.scope["path"], exc_info=error)
    lead = _lead(refusal, visit)
    lines = [f"{visit.words['error_id']}: {exchange.request_id}"] if refusal.status >= 500 else []
    answer = notice(visit.language, "error", "sorry", status=refusal.status, lead=lead, lines=lines)
    if (seconds := refusal.retry_after_seconds()) is not None:
        answer.headers = [*(answer.headers or ()), (b"retry-after", b"%d" % seconds)]
    return answer


def _lead(refusal: Refusal, visit: Visit) -> str:
    if refusal.code == "RATE_LIMIT_EXCEEDED":
        return visit.words["slow_lead"]
    code = refusal.message_code or refusal.code
    return sentence("errors", code, visit.language, refusal.params, refusal.message or refusal.code)
