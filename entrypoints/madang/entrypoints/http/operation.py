"""An operation of the API as data: what is documented here is what is enforced."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.types import ASGIApp
from msgspec import UNSET, Struct, UnsetType

from madang.core.kernel.caller import Caller
from madang.core.kernel.ids import new_id
from madang.core.kernel.tokens import Claims
from madang.entrypoints.http.answers import JSON, Answer
from madang.entrypoints.http.authentication import Access, caller_of
from madang.entrypoints.http.bodies import MAX_JSON
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.envelope import Pagination, Success, encode, meta, zone
from madang.entrypoints.http.etags import etag, versions_in
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.rate_limits import DEFAULT

PREFIX: Final = "/api/v1"
MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON body of this shape. An `optional` one may be left out and is then `{}`. A `merge_patch` (RFC 7396) may also come
    as its own media type."""

    shape: type[Struct]
    example: Mapping[str, Any]
    optional: bool = False
    limit: int = MAX_JSON
    merge_patch: bool = False

    @property
    def media_types(self) -> Sequence[str]:
        return (JSON, MERGE_PATCH) if self.merge_patch else (JSON,)


@dataclass(frozen=True, slots=True)
class RawBody:
    """A body taken as it is. With no `media_types`, any."""

    limit: int
    media_types: tuple[str, ...]
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class FormBody:
    """A multipart form that the handler reads by itself; `schema` and `example` are for the document."""

    schema: Mapping[str, Any]
    encoding: Mapping[str, Any]
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """A header that the operation reads, for the document."""

    name: str
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is below `prefix`; `errors` are the codes beyond those that any operation can answer; `answers` is the type of
    `data`, or None for an answer outside the envelope of type `media_type`, whose `example` is text. `limit` names one policy
    or several, counted beside the default one; `limit_by_path` counts each path by itself. `also` are further statuses of the
    same answer; `schema` is that of a JSON answer outside the envelope. With `etag` the answer carries the version, and a
    change may ask for it by `If-Match`; `headers` are others that the handler reads. `also_as` are the further media types of
    the same answer, by `Accept`; one that is `kept` never changes, and may be asked for by `If-None-Match`. One that
    `spends` says so in `meta.creditsUsed`."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str
    answers: type[Any] | None
    example: Any
    status: int = 200
    access: Access | None = None
    body: JsonBody | RawBody | FormBody | None = None
    query: type[Struct] | None = None
    paginated: bool = False
    by_cursor: bool = False
    errors: Sequence[str] = ()
    limit: str | Sequence[str] = DEFAULT
    limit_by_path: bool = False
    idempotent: bool = False
    media_type: str = "application/json"
    prefix: str = PREFIX
    also: Sequence[int] = ()
    schema: Mapping[str, Any] | None = None
    etag: bool = False
    spends: bool = False
    headers: Sequence[Header] = ()
    also_as: Sequence[str] = ()
    kept: bool = False

    @property
    def full_path(self) -> str:
        return self.prefix + self.path


@dataclass(slots=True)
class Call:
    """One call of an operation, with everything about it checked already."""

    request: Request[Any, Any, Any]
    container: HttpContainer
    operation: Operation
    address: str
    claims: Claims | None = None
    body: Any = None
    query: Any = None
    reserved_id: UUID | None = None
    keep: "Keep | None" = None

    @property
    def caller(self) -> Caller:
        """Who asks, for the use cases; the address is as `Addresses` found it."""
        return caller_of(self.claims, self.address, self.request.headers.get("user-agent"))

    @property
    def subject_id(self) -> UUID:
        """The id of what this call creates: the idempotency key's own, so that another try creates nothing else."""
        return self.reserved_id or new_id()

    @property
    def portrait_id(self) -> UUID:
        found: UUID = self.request.path_params["portrait_id"]
        return found

    @property
    def versions(self) -> Collection[int] | None:
        """What `If-Match` asks for; None where any will do."""
        return versions_in(self.request.headers.get("if-match"))

    @property
    def zone(self) -> ZoneInfo:
        """Of every time that is answered."""
        return zone(self.container.settings.timezone)

    def succeed(
        self,
        data: Any,
        *,
        status: int | None = None,
        pagination: Pagination | UnsetType = UNSET,
        version: int | None = None,
        credits_used: int | UnsetType = UNSET,
    ) -> Answer:
        """The envelope around `data`; its `version` is the `ETag`."""
        request_id, now = exchange_of(self.request.scope).request_id, self.container.clock.now()
        about = meta(request_id, now, self.container.settings.timezone, pagination, credits_used)
        headers = None if version is None else etag(version)
        return Answer(status or self.operation.status, encode(Success(True, data, about)), headers=headers)

    async def once(self, body: bytes, handler: "Handler") -> ASGIApp:
        """For a handler that reads its body by itself: act under the idempotency key, if one was sent. `body` is what makes two
        requests the same."""
        return await (handler(self) if self.keep is None else self.keep(body, handler))


Handler = Callable[[Call], Awaitable[ASGIApp]]
Keep = Callable[[bytes, Handler], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Route:
    operation: Operation
    handler: Handler


def route(operation: Operation) -> Callable[[Handler], Route]:
    """Bind a handler to its operation."""
    return lambda handler: Route(operation, handler)
