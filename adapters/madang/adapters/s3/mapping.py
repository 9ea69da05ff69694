"""What the S3 API answers, as ours. Pure: no clock, no network, no SDK.

Sources: the list of error codes in the S3 API's own model (shape `Error`, as botocore ships it) and the page "Error responses";
Cloudflare's page "R2: Error codes". Not verified: which codes other storages add; what is not named here goes by its status.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.storage import ObjectInfo

LIMITS: Final = frozenset({"SlowDown", "TooManyRequests"})

NOTHING_DONE: Final = frozenset(
    {
        "BadDigest",
        "ClientDisconnect",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InvalidPart",
        "NoSuchUpload",
        "OperationAborted",
        "Redirect",
        "RequestTimeout",
        "ServiceUnavailable",
        "TemporaryRedirect",
        "XAmzContentSHA256Mismatch",
    }
)
"""Surely not done, and another try may do: the body did not arrive whole, or the storage was not ready for it."""

WRONG_SETTINGS: Final = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "CredentialsNotSupported",
        "ExpiredRequest",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidAddressingHeader",
        "InvalidBucketName",
        "InvalidBucketState",
        "InvalidPayer",
        "InvalidSecurity",
        "InvalidToken",
        "MethodNotAllowed",
        "MissingSecurityHeader",
        "NoSuchBucket",
        "NotEntitled",
        "NotImplemented",
        "NotSignedUp",
        "ObjectLockedByBucketPolicy",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "Unauthorized",
    }
)
"""The keys, the bucket, its region or its policy; also this machine's clock, and keys that expired."""

REASONS: Final[Mapping[str, str]] = {
    "NoSuchKey": "not_found",
    "NoSuchVersion": "not_found",
    "EntityTooLarge": "too_large",
    "MaxMessageLengthExceeded": "too_large",
    "InvalidObjectName": "invalid_key",
    "InvalidURI": "invalid_key",
    "KeyTooLongError": "invalid_key",
    "EncryptionTypeMismatch": "invalid_request",
    "EntityTooSmall": "invalid_request",
    "InvalidArgument": "invalid_request",
    "InvalidDigest": "invalid_request",
    "InvalidEncryptionAlgorithmError": "invalid_request",
    "InvalidObjectState": "invalid_request",
    "InvalidPartOrder": "invalid_request",
    "InvalidRange": "invalid_request",
    "InvalidRequest": "invalid_request",
    "InvalidStorageClass": "invalid_request",
    "MalformedXML": "invalid_request",
    "MetadataTooLarge": "invalid_request",
    "MissingContentLength": "invalid_request",
    "MissingRequestBodyError": "invalid_request",
    "PreconditionFailed": "invalid_request",
    "TooManyParts": "invalid_request",
    "UnexpectedContent": "invalid_request",
}
"""Refusals for good, by code."""

FAILED: Final = "InternalError"
"""The storage broke down: what was asked may have been done ("might not have processed", says the S3 guide)."""

MISHAPS: Final[Mapping[str, type[PortError]]] = {
    "NoCredentialsError": Misconfigured,
    "PartialCredentialsError": Misconfigured,
    "CredentialRetrievalError": Misconfigured,
    "ProfileNotFound": Misconfigured,
    "ConfigParseError": Misconfigured,
    "SSOError": Misconfigured,
    "TokenRetrievalError": Misconfigured,
    "InvalidConfigError": Misconfigured,
    "UnknownCredentialError": Misconfigured,
    "NoRegionError": Misconfigured,
    "InvalidRegionError": Misconfigured,
    "EndpointResolutionError": Misconfigured,
    "ParamValidationError": Rejected,
    "EndpointConnectionError": Unavailable,
    "ConnectTimeoutError": Unavailable,
    "ProxyConnectionError": Unavailable,
    "SSLError": Unavailable,
}
"""What the SDK raises by itself, by the name of the class or of a parent. Any other leaves open what was done, if sent."""

SHA256: Final = "madang-sha256"
_ENCODED: Final = "UTF-8''"
_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME: Final = re.compile(r"[a-z0-9._-]{1,128}")
_HEADER: Final = re.compile(r"[\x20-\x7e]{1,255}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MAX_RETRY_AFTER: Final = 86_400.0


def error_of(name: str, operation: str, response: Mapping[str, Any], *, effect: bool) -> PortError:
    """The error of a refusal. `effect`: what was asked would be there if it was done."""
    code, status, headers = _code_of(response), _status_of(response), _headers_of(response)
    told: dict[str, Any] = {
        "provider": name,
        "operation": operation,
        "code": code,
        "request_id": request_id_of(response),
    }
    if code in LIMITS or status == 429:
        return RateLimited("too many calls", retry_after=_retry_after(headers), **told)
    if code in NOTHING_DONE:
        return Unavailable("the storage did not take it now", **told)
    if code in WRONG_SETTINGS or code.startswith("KMS."):
        return Misconfigured(f"the storage refuses plugins.{name}: its keys, bucket, region or policy", **told)
    if code in REASONS:
        return Rejected("the storage refuses it", reason=REASONS[code], **told)
    return _by_status(name, code, status, told, effect=effect)


def _by_status(name: str, code: str, status: int, told: Mapping[str, Any], *, effect: bool) -> PortError:
    if code == FAILED or status >= 500:
        return OutcomeUnknown("it failed, and may be done", **told) if effect else Unavailable("it failed", **told)
    if status == 408:
        return Unavailable("the storage did not receive all of it", **told)
    if status == 413:
        return Rejected("the storage takes no more", reason="too_large", **told)
    if status < 400 or status in (401, 403, 404, 405):
        return Misconfigured(f"the storage refuses plugins.{name}, or is none", **told)
    return Rejected("the storage refuses it", reason="invalid_request", **told)


def mishap_of(name: str, operation: str, error: Exception, *, effect: bool, sent: bool) -> PortError:
    """The error of what went wrong on this side."""
    told: dict[str, Any] = {"provider": name, "operation": operation, "code": type(error).__name__}
    known = (MISHAPS[each.__name__] for each in type(error).__mro__ if each.__name__ in MISHAPS)
    kind = next(known, OutcomeUnknown if effect and sent else Unavailable)
    if kind is Rejected:
        return Rejected("the SDK does not send that", reason="invalid_request", **told)
    message = "the answer cannot be read" if sent else "it could not be asked"
    return kind("no keys were found, or they cannot be read" if kind is Misconfigured else message, **told)


def request_id_of(response: Mapping[str, Any]) -> str | None:
    """S3's own, or Cloudflare's."""
    headers = _headers_of(response)
    return _short(headers.get("x-amz-request-id")) or _short(headers.get("cf-ray"))


def info_of(key: str, answer: Mapping[str, Any]) -> ObjectInfo:
    """Of an answer to GetObject, also for a part of it. Raises `ValueError` for what is none."""
    etag, size, modified_at = answer.get("ETag"), _size_of(answer), answer.get("LastModified")
    if not isinstance(etag, str) or size is None or not isinstance(modified_at, datetime):
        raise ValueError("that is no object")
    kept = dict(answer.get("Metadata") or {})
    digest = kept.pop(SHA256, None)
    return ObjectInfo(
        key=key,
        size=size,
        content_type=answer.get("ContentType") or "application/octet-stream",
        etag=etag,
        modified_at=modified_at.astimezone(UTC),
        sha256=digest if digest is not None and _DIGEST.fullmatch(digest) else None,
        metadata={each: decoded(value) for each, value in kept.items()},
    )


def _size_of(answer: Mapping[str, Any]) -> int | None:
    """Of the whole object."""
    _, slash, total = str(answer.get("ContentRange") or "").partition("/")
    if slash:
        return int(total) if total.isdecimal() else None
    size = answer.get("ContentLength")
    return size if isinstance(size, int) else None


def listed_info_of(entry: Mapping[str, Any]) -> ObjectInfo:
    """Of an entry of a listing, which tells neither type nor metadata. Raises `KeyError` for what is none."""
    return ObjectInfo(entry["Key"], entry["Size"], "", entry["ETag"], entry["LastModified"].astimezone(UTC))


def date_of(answer: Mapping[str, Any], otherwise: datetime) -> datetime:
    """When it was answered, by the storage's clock."""
    try:
        return parsedate_to_datetime(_headers_of(answer)["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return otherwise


def metadata_of(given: Mapping[str, str], digest: str | None) -> dict[str, str]:
    """As headers carry it. Raises `ValueError` for a name that would not come back as it is."""
    for name in given:
        if not _NAME.fullmatch(name) or name == SHA256:
            raise ValueError("names of metadata are lower-case letters, digits, dots, hyphens and underscores")
    kept = {name: encoded(value) for name, value in given.items()}
    return {**kept, SHA256: digest} if digest is not None else kept


def is_header(value: str) -> bool:
    """Whether a header can carry it as it is."""
    return _HEADER.fullmatch(value) is not None


def encoded(value: str) -> str:
    """A header carries printable ASCII; anything else goes as an extended value of RFC 8187."""
    plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith(_ENCODED)
    return value if plain and value else _ENCODED + quote(value, safe="")


def decoded(value: str) -> str:
    return unquote(value.removeprefix(_ENCODED)) if value.startswith(_ENCODED) else value


def disposition_of(filename: str) -> str:
    """Makes a browser save it under that name (RFC 6266), whatever letters it has."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


def _code_of(response: Mapping[str, Any]) -> str:
    """The storage's own code if it is a word, else the status."""
    code = response.get("Error", {}).get("Code")
    return code if isinstance(code, str) and _WORD.fullmatch(code) else str(_status_of(response))


def _status_of(response: Mapping[str, Any]) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _headers_of(response: Mapping[str, Any]) -> Mapping[str, str]:
    return response.get("ResponseMetadata", {}).get("HTTPHeaders") or {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where the storage does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _short(value: str | None) -> str | None:
    return value if value is not None and re.fullmatch(r"[!-~]{1,200}", value) else None
