"""Google's refusals, a row each: what it answers, and which error of the taxonomy that is."""

from dataclasses import dataclass

from contract.fake_gemini import ERROR_INFO, RETRY_INFO, error
from madang.plugins.conformance.remote import Reply
from madang.ports.errors import Misconfigured, PortError, RateLimited, Rejected, Unavailable


@dataclass(frozen=True)
class Row:
    """`detail` is the error's `reason`, or its `retry_after`."""

    name: str
    reply: Reply
    error: type[PortError]
    code: str
    detail: str | float | None = None

    @property
    def in_a_stream(self) -> Reply:
        """A stream that is no stream of events is a list, and so is its refusal."""
        listed = self.reply.body if self.reply.body[:1] != b"{" else b"[" + self.reply.body + b"]"
        return Reply(self.reply.status, listed, self.reply.headers)

    def judge(self, told: PortError, operation: str) -> None:
        assert type(told) is self.error
        assert (told.provider, told.operation, told.code) == ("gemini", operation, self.code)
        assert getattr(told, "reason", getattr(told, "retry_after", None)) == self.detail
        assert "example.com" not in str(told.context())


def _reason(reason: str) -> dict[str, str]:
    return {"@type": ERROR_INFO, "reason": reason, "domain": "googleapis.com"}


def _delay(delay: str) -> dict[str, str]:
    return {"@type": RETRY_INFO, "retryDelay": delay}


TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."

ROWS = [
    Row("invalid", error(400, "INVALID_ARGUMENT"), Rejected, "INVALID_ARGUMENT", "invalid_request"),
    Row("too long", error(400, "INVALID_ARGUMENT", TOO_LONG), Rejected, "INVALID_ARGUMENT", "context_length"),
    Row("out of range", error(400, "OUT_OF_RANGE"), Rejected, "OUT_OF_RANGE", "invalid_request"),
    Row("unimplemented", error(501, "UNIMPLEMENTED"), Rejected, "UNIMPLEMENTED", "invalid_request"),
    Row("unknown key", error(400, "INVALID_ARGUMENT", "", _reason("API_KEY_INVALID")), Misconfigured, "API_KEY_INVALID"),
    Row("blocked key", error(403, "PERMISSION_DENIED", "", _reason("API_KEY_SERVICE_BLOCKED")), Misconfigured,
        "API_KEY_SERVICE_BLOCKED"),
    Row("wrong country", error(400, "FAILED_PRECONDITION"), Misconfigured, "FAILED_PRECONDITION"),
    Row("no permission", error(403, "PERMISSION_DENIED"), Misconfigured, "PERMISSION_DENIED"),
    Row("no key", error(401, "UNAUTHENTICATED"), Misconfigured, "UNAUTHENTICATED"),
    Row("unknown model", error(404, "NOT_FOUND"), Misconfigured, "NOT_FOUND"),
    Row("too many", error(429, "RESOURCE_EXHAUSTED"), RateLimited, "RESOURCE_EXHAUSTED"),
    Row("too many, seconds", error(429, "RESOURCE_EXHAUSTED", "", _delay("27.5s")), RateLimited, "RESOURCE_EXHAUSTED", 27.5),
    Row("too many, days", error(429, "RESOURCE_EXHAUSTED", "", _delay("999999s")), RateLimited, "RESOURCE_EXHAUSTED", 86_400.0),
    Row("too many, strange", error(429, "RESOURCE_EXHAUSTED", "", _delay("soon")), RateLimited, "RESOURCE_EXHAUSTED"),
    Row("internal", error(500, "INTERNAL"), Unavailable, "INTERNAL"),
    Row("unknown", error(500, "UNKNOWN"), Unavailable, "UNKNOWN"),
    Row("overloaded", error(503, "UNAVAILABLE"), Unavailable, "UNAVAILABLE"),
    Row("deadline", error(504, "DEADLINE_EXCEEDED"), Unavailable, "DEADLINE_EXCEEDED"),
    Row("aborted", error(409, "ABORTED"), Unavailable, "ABORTED"),
    Row("cancelled", error(499, "CANCELLED"), Unavailable, "CANCELLED"),
    Row("new word, 400", error(400, "SOMETHING_NEW"), Rejected, "SOMETHING_NEW", "invalid_request"),
    Row("new word, 403", error(403, "SOMETHING_NEW"), Misconfigured, "SOMETHING_NEW"),
    Row("new word, 500", error(500, "SOMETHING_NEW"), Unavailable, "SOMETHING_NEW"),
    Row("a page, 429", Reply(429, b"<html>", {"retry-after": "9"}), RateLimited, "429", 9.0),
    Row("a page, 413", Reply(413, b"<html>"), Rejected, "413", "invalid_request"),
    Row("a page, 404", Reply(404, b"<html>"), Misconfigured, "404"),
    Row("a page, 399", Reply(399, b"<html>"), Misconfigured, "399"),
    Row("two in a list", Reply(400, b"[" + error(400, "OUT_OF_RANGE").body + b', {"error": {}}]'), Rejected, "OUT_OF_RANGE",
        "invalid_request"),
    Row("a page, 408", Reply(408, b"<html>"), Unavailable, "408"),
    Row("a page, 502", Reply(502, b"<html>"), Unavailable, "502"),
    Row("no shape", Reply(400, b'{"error": "no"}'), Rejected, "400", "invalid_request"),
    Row("no object", Reply(500, b"[]"), Unavailable, "500"),
]  # fmt: skip
