"""What happens to every call of the API before its handler: limits, token, permission, body, idempotency key."""

from functools import partial
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from madang.core.kernel.errors import Problem, Unauthenticated, ValidationFailed
from madang.core.kernel.tokens import Claims
from madang.entrypoints.http import idempotency
from madang.entrypoints.http.addresses import Addresses
from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.authentication import (
    Access,
    authenticate,
    authenticate_key,
    bearer_of,
    require_own,
    require_permission,
)
from madang.entrypoints.http.bodies import convert_query, decode_json, read, require_type
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.errors import TwoCredentials
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.operation import Call, Handler, JsonBody, Operation, RawBody, Route
from madang.entrypoints.http.rate_limits import RateLimits, counted_as, policies_of


class Pipeline:
    """Built once per application. The order matters: a caller over the limit learns nothing else."""

    def __init__(self, container: HttpContainer, addresses: Addresses, limits: RateLimits) -> None:
        self._container = container
        self._addresses = addresses
        self._limits = limits

    def bind(self, route: Route) -> HTTPRouteHandler:
        """The operation as a Litestar handler."""

        async def endpoint(request: Request[Any, Any, Any]) -> ASGIApp:
            return await self._answer(route, request)

        operation = route.operation
        return HTTPRouteHandler(
            operation.full_path,
            http_method=HttpMethod(operation.method),
            name=operation.id,
            status_code=operation.status,
            include_in_schema=False,
        )(endpoint)

    async def _answer(self, route: Route, request: Request[Any, Any, Any]) -> ASGIApp:
        operation = route.operation
        address = self._addresses.of(request.scope)
        claims = await self._admit(operation, request, address)
        call = Call(request, self._container, operation, address, claims)
        if operation.query is not None:
            call.query = convert_query(dict(request.query_params.items()), operation.query)
        key = idempotency.key_of(request) if operation.idempotent else None
        if operation.body is None or not isinstance(operation.body, JsonBody | RawBody):
            call.keep = None if key is None else partial(self._once, call, key)
            return await route.handler(call)
        raw = await _raw_body(request, operation.body)
        call.body = decode_json(raw or b"{}", operation.body.shape) if isinstance(operation.body, JsonBody) else raw
        return await (route.handler(call) if key is None else self._once(call, key, raw, route.handler))

    async def _admit(self, operation: Operation, request: Request[Any, Any, Any], address: str) -> Claims | None:
        claims, refused = await self._identify(operation.access, request)
        path = request.scope["path"] if operation.limit_by_path else ""
        policies = policies_of(operation.limit, claims)
        await self._limits.spend(request.scope, policies, counted_as(claims, address), path=path)
        if refused is not None:
            raise refused
        if operation.access is not None and claims is not None:
            require_permission(operation.access, claims)
            if "portrait_id" in request.path_params:
                require_own(claims, request.path_params["portrait_id"])
        return claims

    async def _identify(
        self, access: Access | None, request: Request[Any, Any, Any]
    ) -> tuple[Claims | None, Unauthenticated | None]:
        """A forged token or key is refused only after its sender was counted: guessing is not free."""
        if access is None:
            return None, None
        exchange, container = exchange_of(request.scope), self._container
        try:
            if exchange.api_key is None:
                token = bearer_of(exchange.authorization)
                return authenticate(container.tokens, container.revocations, access, token), None
            if exchange.authorization is not None:
                raise TwoCredentials("send a token or an API key, not both")
            return await authenticate_key(container.api_key_check, access, exchange.api_key), None
        except Unauthenticated as error:
            return None, error

    async def _once(self, call: Call, key: str, raw: bytes, handler: Handler) -> ASGIApp:
        async def act(subject_id: UUID) -> Answer:
            call.reserved_id = subject_id
            answer = await handler(call)
            if not isinstance(answer, Answer):
                raise TypeError(f"{call.operation.id}: what is streamed cannot be kept under a key")
            return answer

        scope = f"{call.operation.id}:{counted_as(call.claims, self._addresses.hidden(call.address))}"
        once = idempotency.Once(self._container.idempotency, self._container.clock, scope, key)
        return await once.answer(idempotency.hash_of(call.request, raw), act)


async def _raw_body(request: Request[Any, Any, Any], expected: JsonBody | RawBody) -> bytes:
    raw = await read(request, expected.limit)
    if isinstance(expected, RawBody):
        if expected.media_types:
            require_type(request, *expected.media_types)
    elif raw:
        require_type(request, *expected.media_types)
    elif not expected.optional:
        raise ValidationFailed(Problem("", "the body is missing: send a JSON object"))
    return raw
