"""The error taxonomy: failures named by what the caller may do next.

Retry, fail-over, refund and "never twice" all hang on a provider raising the right one:

| error | was it done? | what the caller does |
|---|---|---|
| `Unavailable` | surely not | try again, or try another provider |
| `RateLimited` | surely not | wait `retry_after`, or try another provider |
| `Rejected` | surely not, and never will be | tell the person, compensate |
| `OutcomeUnknown` | perhaps | look it up before anything else |
| `Misconfigured` | surely not | alert the operator; do not retry |
| `SignatureInvalid` | – | refuse the message (HTTP 401), store nothing |
| `Unsupported` | surely not | ask the capabilities first; a defect of the caller |

The first four share `ProviderError`. The others deliberately do not: a handler written for a provider's
bad day (`except ProviderError`) must not swallow wrong keys or a forged webhook.
"""

from collections.abc import Mapping
from typing import ClassVar


class PortError(Exception):
    """Root of everything that a provider may raise on purpose.

    The message is written for an operator and must hold no secret and no personal data.

    `provider` is the plugin's name (`"toss"`), `operation` the port's method (`"refund"`), `code` the provider's own
    error code and `request_id` the provider's own id of the call, where it gives them.
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        operation: str = "",
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.operation = operation
        self.code = code
        self.request_id = request_id

    def context(self) -> Mapping[str, str | None]:
        """What to log and to store beside the failure; safe to show to an operator."""
        return {
            "kind": self.kind,
            "message": self.message,
            "provider": self.provider,
            "operation": self.operation,
            "code": self.code,
            "request_id": self.request_id,
        }

    def __str__(self) -> str:
        origin = ".".join(part for part in (self.provider, self.operation) if part)
        code = f" [{self.code}]" if self.code else ""
        return f"{origin}: {self.message}{code}" if origin else f"{self.message}{code}"


class ProviderError(PortError):
    """The provider could not or would not do it: the operational failures."""

    kind = "provider_error"


class Unavailable(ProviderError):
    """Surely not done: connection refused, 5xx before any effect, maintenance. Try again, or elsewhere."""

    kind = "unavailable"


class RateLimited(ProviderError):
    """Surely not done: too many calls. `retry_after` is in seconds, None where the provider does not say."""

    kind = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        provider: str = "",
        operation: str = "",
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, operation=operation, code=code, request_id=request_id)
        self.retry_after = retry_after


class Rejected(ProviderError):
    """Surely not done and never will be as asked: declined card, refused content, unknown recipient.

    `reason` is a stable, neutral word (`"declined"`, `"content_policy"`, `"invalid_recipient"`, `"not_found"`,
    `"amount_exceeded"`, `"invalid_request"` …); `code` keeps the provider's own.
    """

    kind = "rejected"

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        provider: str = "",
        operation: str = "",
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, operation=operation, code=code, request_id=request_id)
        self.reason = reason


class OutcomeUnknown(ProviderError):
    """It may have been done: time-out after sending, connection lost while waiting, 5xx after the effect.

    Never retried blindly. The caller looks it up by key or by reference, or leaves it to a person.
    """

    kind = "outcome_unknown"


class Misconfigured(PortError):
    """Our keys, addresses or settings are wrong. Retrying cannot help: alert whoever runs the deployment."""

    kind = "misconfigured"


class MissingExtra(Misconfigured):
    """The provider's SDK is not installed. `extra` is what to install: `pip install "madang[<extra>]"`."""

    kind = "missing_extra"

    def __init__(self, extra: str, *, provider: str = "", operation: str = "") -> None:
        super().__init__(
            f'install it with: pip install "madang[{extra}]"', provider=provider, operation=operation, code="missing_extra"
        )
        self.extra = extra


class SignatureInvalid(PortError):
    """A webhook whose signature, time window or shape shows that the provider did not send it."""

    kind = "signature_invalid"


class Unsupported(PortError):
    """The provider has no such ability; its capabilities say so. Never imitated by silently dropping a wish."""

    kind = "unsupported"
