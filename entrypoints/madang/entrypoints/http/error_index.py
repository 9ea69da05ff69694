"""Every error code by its status: for the document, and to prove that each has its sentences."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET

from madang.entrypoints.http.envelope import ErrorBody, FieldProblem
from madang.entrypoints.http.language import sentence

_BY_STATUS: Final[Mapping[int, str]] = {
    400: "BAD_REQUEST DOMAIN_ERROR MALFORMED_CSV MALFORMED_JSON MALFORMED_MULTIPART UPLOAD_INCOMPLETE VALIDATION_ERROR",
    401: "SIGNATURE_INVALID UNAUTHORIZED",
    402: "INSUFFICIENT_CREDITS PAYMENT_REQUIRED",
    403: "INSUFFICIENT_PERMISSIONS PASSWORD_DOES_NOT_MATCH PHONE_DOES_NOT_MATCH",
    404: "API_KEY_NOT_FOUND CARE_ENTRY_NOT_FOUND ERASURE_NOT_FOUND FILE_NOT_FOUND INVOICE_NOT_FOUND JOB_NOT_FOUND NOT_FOUND "
    "PORTRAIT_NOT_FOUND PROVIDER_NOT_FOUND USER_NOT_FOUND WEBHOOK_DELIVERY_NOT_FOUND WEBHOOK_ENDPOINT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    408: "REQUEST_TIMEOUT",
    409: "ALREADY_EXISTS CARE_CODE_TAKEN CONFLICT FILE_NOT_AVAILABLE FILE_QUOTA_EXCEEDED IDEMPOTENCY_KEY_REUSED LAST_ADMIN "
    "PRESIGNING_NOT_POSSIBLE REQUEST_IN_PROGRESS SURVEY_ALREADY_SUBMITTED TOO_MANY_API_KEYS TOO_MANY_UPLOADS "
    "TOO_MANY_WEBHOOK_ENDPOINTS UPLOAD_NOT_ARRIVED WRONG_STATE",
    410: "GONE PORTRAIT_EXPIRED UPLOAD_EXPIRED",
    412: "STALE_VERSION",
    413: "FILE_TOO_LARGE FILE_TOO_MANY_PIXELS PAYLOAD_TOO_LARGE PHOTO_TOO_LARGE PHOTO_TOO_MANY_PIXELS",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "FACE_NOT_FOUND FILE_CHECKSUM_MISMATCH FILE_SIZE_MISMATCH FILE_TYPE_MISMATCH FILE_UNREADABLE PHOTO_TOO_SMALL "
    "PHOTO_TYPE_NOT_SUPPORTED PHOTO_UNREADABLE PICTURE_UNREADABLE SEVERAL_FACES UNPROCESSABLE",
    429: "RATE_LIMIT_EXCEEDED TOO_MANY_ATTEMPTS TOO_MANY_STREAMS",
    500: "INTERNAL_ERROR",
    503: "DATABASE_ERROR PROVIDER_API_ERROR PROVIDER_NOT_CONFIGURED",
}
_OF_IDENTITY: Final[Mapping[int, str]] = {
    401: "CHALLENGE_NOT_VALID EXTERNAL_TOKEN_NOT_VALID INVALID_CODE INVALID_CREDENTIALS REFRESH_TOKEN_REUSED",
    403: "ACCOUNT_SUSPENDED CODE_DOES_NOT_MATCH PASSWORD_DOES_NOT_MATCH RECENT_SIGN_IN_NEEDED",
    404: "SESSION_NOT_FOUND",
    409: "EMAIL_ALREADY_VERIFIED EMAIL_TAKEN TWO_FACTOR_ALREADY_ON TWO_FACTOR_NOT_BEGUN TWO_FACTOR_NOT_ON",
    410: "LINK_NOT_VALID",
}
_OF_BILLING: Final[Mapping[int, str]] = {
    403: "REFUND_OF_OWN_PAYMENT",
    404: "CREDIT_PACK_NOT_FOUND NOTICE_NOT_FOUND PAYMENT_METHOD_NOT_FOUND PAYMENT_NOT_FOUND PLAN_NOT_FOUND PRODUCT_NOT_FOUND "
    "REFUND_NOT_FOUND SUBSCRIPTION_NOT_FOUND",
    409: "AMOUNT_MISMATCH NOT_SUPPORTED_BY_PROVIDER PARTIAL_REFUND_NOT_POSSIBLE PAYMENT_METHOD_IN_USE REFUND_EXCEEDS_PAYMENT",
}
STATUS_OF: Final[Mapping[str, int]] = {
    code: status for area in (_BY_STATUS, _OF_IDENTITY, _OF_BILLING) for status, codes in area.items() for code in codes.split()
}
_RETRY_AFTER: Final[Mapping[str, int]] = {
    "DATABASE_ERROR": 1,
    "RATE_LIMIT_EXCEEDED": 42,
    "REQUEST_IN_PROGRESS": 1,
    "TOO_MANY_ATTEMPTS": 3600,
    "TOO_MANY_STREAMS": 30,
}
_DETAILS: Final[Mapping[str, Any]] = {
    "ALREADY_EXISTS": {"id": "01997f2e-6c00-7a10-9c3e-0242ac120002"},
    "FILE_CHECKSUM_MISMATCH": {"expected": "9f86d081…", "found": "2c26b46b…"},
    "FILE_NOT_AVAILABLE": {"state": "pending"},
    "FILE_QUOTA_EXCEEDED": {"limit": 1073741824, "used": 1073000000},
    "FILE_SIZE_MISMATCH": {"expected": 10485760, "found": 4096},
    "FILE_TOO_LARGE": {"limit": 10485760},
    "FILE_TOO_MANY_PIXELS": {"limit": 50000000},
    "FILE_TYPE_MISMATCH": {"declared": "image/png", "found": "application/pdf"},
    "TOO_MANY_UPLOADS": {"limit": 100},
    "INSUFFICIENT_CREDITS": {"balance": 40, "required": 60},
    "INSUFFICIENT_PERMISSIONS": {"permission": "knowledge-base:write"},
    "NOT_ACCEPTABLE": {"offered": "application/json, text/html, application/pdf"},
    "PROVIDER_API_ERROR": {"kind": "unavailable"},
    "REFUND_EXCEEDS_PAYMENT": {"left": {"amount": 6900, "currency": "KRW"}},
    "RATE_LIMIT_EXCEEDED": {"policy": "default", "limit": 100},
    "VALIDATION_ERROR": [FieldProblem("phone", "is not a phone number")],
    "WRONG_STATE": {"state": "pending_payment", "expected": "pending_phone"},
}


def status_of(code: str) -> int:
    """`<PROVIDER>_API_ERROR` stands under `PROVIDER_API_ERROR`."""
    return STATUS_OF[code]


def example_error(code: str) -> ErrorBody:
    """How the error looks, in English."""
    details = _DETAILS.get(code)
    params = details if isinstance(details, dict) else {}
    return ErrorBody(
        "SANDBOX_API_ERROR" if code == "PROVIDER_API_ERROR" else code,
        sentence("errors", code, "en", params, code),
        code in _RETRY_AFTER or code in ("PROVIDER_API_ERROR", "REQUEST_TIMEOUT"),
        details,
        _RETRY_AFTER.get(code, UNSET),
    )
