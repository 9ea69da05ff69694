"""From an exception to what the client is told: status, code, sentence, and whether trying again helps."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from litestar.exceptions import HTTPException
from msgspec import UNSET

from madang.core.kernel import errors as domain
from madang.entrypoints.http.envelope import ErrorBody, FieldProblem
from madang.entrypoints.http.field_problems import told
from madang.entrypoints.http.language import Language, sentence
from madang.ports import errors as ports

STATUSES: Final[Sequence[tuple[type[domain.DomainError], int]]] = (
    (domain.ValidationFailed, 400),
    (domain.Unauthenticated, 401),
    (domain.PaymentRequired, 402),
    (domain.PermissionDenied, 403),
    (domain.NotFound, 404),
    (domain.Conflict, 409),
    (domain.Gone, 410),
    (domain.StaleVersion, 412),
    (domain.PayloadTooLarge, 413),
    (domain.Unprocessable, 422),
    (domain.TooManyAttempts, 429),
)
_LITESTAR_CODES: Final[Mapping[int, str]] = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
}
_DATABASE_DOWN: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    ConnectionError,
)
_SENTENCES: Final[Mapping[str, str]] = {"TwoCredentials": "TWO_CREDENTIALS", "NoKeyTaken": "NO_KEY_TAKEN"}
"""Sentences of refusals whose code says less than they can, by the error's name."""
_DATABASE: Final = "postgresql"
_NOT_A_CODE: Final = re.compile(r"[^A-Z0-9]+")


class TwoCredentials(domain.DomainError):
    """A token and an API key at once: whose call it is must not depend on which one we look at. HTTP 400."""

    code = "BAD_REQUEST"


class UnsupportedMediaType(domain.DomainError):
    """The body is of a type that this operation does not read. HTTP 415."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class NotAcceptable(domain.DomainError):
    """None of the media types that are asked for can be had. HTTP 406."""

    code = "NOT_ACCEPTABLE"


class MalformedBody(domain.DomainError):
    """The body breaks its own format. HTTP 400."""

    code = "MALFORMED_JSON"


class BodyTooSlow(domain.DomainError):
    """The body did not come in time. HTTP 408."""

    code = "REQUEST_TIMEOUT"
    retryable = True


class TooManyStreams(domain.TooManyAttempts):
    """As many streams of events are open as may be. HTTP 429."""

    code = "TOO_MANY_STREAMS"


class RateLimitExceeded(domain.DomainError):
    """HTTP 429 with `Retry-After`."""

    code = "RATE_LIMIT_EXCEEDED"
    retryable = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """`params` fill the sentence; `details` are shown. `message_code` is the sentence's, where it is not `code` itself."""

    status: int
    code: str
    message: str = ""
    retryable: bool = False
    retry_after: float | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    details: Sequence[FieldProblem] | Mapping[str, Any] | None = None
    message_code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_unexpected(self) -> bool:
        return self.status == 500

    def retry_after_seconds(self) -> int | None:
        return None if self.retry_after is None else max(1, math.ceil(self.retry_after))

    def body(self, language: Language) -> ErrorBody:
        text = sentence("errors", self.message_code or self.code, language, self.params, self.message)
        seconds = self.retry_after_seconds()
        return ErrorBody(self.code, text, self.retryable, self._details_in(language), UNSET if seconds is None else seconds)

    def _details_in(self, language: Language) -> Sequence[FieldProblem] | Mapping[str, Any] | None:
        if self.details is None or isinstance(self.details, Mapping):
            return self.details
        return [FieldProblem(problem.path, told(problem.message, language)) for problem in self.details]


INTERNAL_ERROR: Final = Refusal(500, "INTERNAL_ERROR", "Something went wrong on our side.")


def refusal_for(error: BaseException) -> Refusal:
    """What the client is told. Anything unforeseen is `INTERNAL_ERROR`, with nothing of the inside."""
    if isinstance(error, domain.DomainError):
        return _of_domain(error)
    if is_database_failure(error):
        return Refusal(503, "DATABASE_ERROR", "the database does not answer", retryable=True, retry_after=1)
    if isinstance(error, ports.PortError):
        return _of_port(error)
    if isinstance(error, HTTPException):
        return _of_litestar(error)
    return INTERNAL_ERROR


def is_database_failure(error: BaseException) -> bool:
    """Whether the database was away or gave up: what was being committed then may or may not be there."""
    if isinstance(error, ports.ProviderError):
        return error.provider == _DATABASE
    return isinstance(error, _DATABASE_DOWN)


def _of_domain(error: domain.DomainError) -> Refusal:
    details: Sequence[FieldProblem] | Mapping[str, Any] | None = dict(error.params) or None
    if isinstance(error, domain.ValidationFailed):
        details = [FieldProblem(problem.path, problem.message) for problem in error.problems]
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, domain.Unauthenticated) else {}
    return Refusal(
        _status_of(error),
        error.error_code,
        error.message if not isinstance(error, domain.ValidationFailed) else str(error),
        error.retryable,
        error.retry_after,
        error.params,
        details,
        message_code=_SENTENCES.get(type(error).__name__, ""),
        headers=headers,
    )


def _status_of(error: domain.DomainError) -> int:
    if isinstance(error, UnsupportedMediaType):
        return 415
    if isinstance(error, NotAcceptable):
        return 406
    if isinstance(error, BodyTooSlow):
        return 408
    if isinstance(error, RateLimitExceeded):
        return 429
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 400)


def _of_port(error: ports.PortError) -> Refusal:
    if isinstance(error, ports.SignatureInvalid):
        return Refusal(401, "SIGNATURE_INVALID", "the signature is not valid")
    if isinstance(error, ports.Misconfigured):
        return Refusal(503, "PROVIDER_NOT_CONFIGURED", "a provider is not set up")
    if not isinstance(error, ports.ProviderError):
        return INTERNAL_ERROR
    again = isinstance(error, ports.Unavailable | ports.RateLimited)
    return Refusal(
        503 if again else 502,
        f"{_NOT_A_CODE.sub('_', error.provider.upper()).strip('_') or 'PROVIDER'}_API_ERROR",
        retryable=again,
        retry_after=error.retry_after if isinstance(error, ports.RateLimited) else None,
        details={"kind": error.kind},
        message_code="PROVIDER_API_ERROR",
    )


def _of_litestar(error: HTTPException) -> Refusal:
    if error.status_code >= 500:
        return INTERNAL_ERROR
    code = _LITESTAR_CODES.get(error.status_code, "BAD_REQUEST")
    kept = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return Refusal(error.status_code, code, headers=kept)
