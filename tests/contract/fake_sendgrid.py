"""SendGrid as its OpenAPI description and its pages of errors say: what Mail Send takes, and which field it refuses."""

import base64
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

API_KEY: Final = "SG.test-key-not-secret"
READING_KEY: Final = "SG.test-key-only-reading"
SENDERS: Final = frozenset({"noreply@madang.example", "other@madang.example"})
TEMPLATE: Final = "d-0123456789abcdef0123456789abcdef"
EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}")
FIELDS: Final[Mapping[str, type]] = {
    "personalizations": list, "from": dict, "reply_to": dict, "reply_to_list": list, "subject": str, "content": list,
    "attachments": list, "template_id": str, "headers": dict, "categories": list, "custom_args": dict, "send_at": int,
    "batch_id": str, "asm": dict, "ip_pool_name": str, "mail_settings": dict, "tracking_settings": dict,
}  # fmt: skip
ENVELOPE: Final[Mapping[str, type]] = {
    "from": dict, "to": list, "cc": list, "bcc": list, "subject": str, "headers": dict, "substitutions": dict,
    "dynamic_template_data": dict, "custom_args": dict, "send_at": int,
}  # fmt: skip
RESERVED: Final = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
        "subject", "reply-to", "cc", "bcc",
    }
)  # fmt: skip


class FakeSendgrid(RemoteService):
    """Keeps what was sent by the id that it answered."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def answer(self, request: Arrived) -> Reply:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in (API_KEY, READING_KEY):
            return refusal(401)
        if (request.method, request.path) == ("GET", "/v3/scopes"):
            return Reply(200, {"scopes": ["mail.send", "stats.read"] if key == API_KEY else ["stats.read"]})
        if (request.method, request.path) != ("POST", "/v3/mail/send"):
            return refusal(404)
        if key != API_KEY:
            return refusal(403)
        with self._lock:
            return self._send(request)

    def refusal(self, fault: Fault) -> Reply:
        statuses = {Fault.RATE_LIMITED: 429, Fault.WRONG_KEY: 401, Fault.UNAVAILABLE: 503, Fault.SERVER_ERROR: 500}
        return refusal(statuses[fault], **({"retry-after": "7"} if fault is Fault.RATE_LIMITED else {}))

    def _send(self, request: Arrived) -> Reply:
        if request.headers.get("content-type") != "application/json":
            return refusal(415)
        for field in wrong_fields(request.json):
            return refusal(400, field)
        if request.json["from"]["email"] not in SENDERS:
            return refusal(403, "from")
        identity = f"Sent-by_the-fake{len(self.sent):06d}"
        self.sent[identity] = request.json
        return Reply(202, b"", {"x-message-id": identity})


def wrong_fields(body: Any) -> Iterator[str]:
    """The field of each thing that SendGrid would refuse."""
    if not isinstance(body, dict):
        yield "body"
        return
    yield from (name for name, each in body.items() if name not in FIELDS or not isinstance(each, FIELDS[name]))
    envelopes = body.get("personalizations") or [{}]
    for number, envelope in enumerate(envelopes):
        yield from (f"personalizations.{number}.{field}" for field in _wrong_envelope(envelope))
    if "from" not in body or not _is_person(body["from"]):
        yield "from.email"
    if "reply_to" in body and not _is_person(body["reply_to"]):
        yield "reply_to.email"
    yield from _wrong_content(body)
    for number, each in enumerate(body.get("attachments", [])):
        yield from (f"attachments.{number}.{field}" for field in _wrong_attachment(each))
    yield from (f"headers.{name}" for name in body.get("headers", {}) if name.lower() in RESERVED)
    categories = body.get("categories", [])
    if len(categories) > 10 or len(set(categories)) < len(categories) or not all(0 < len(each) < 256 for each in categories):
        yield "categories"


def refusal(status: int, field: str | None = None, **headers: str) -> Reply:
    error = {"message": "buyer@example.com is not welcome", "field": field, "help": None}
    return Reply(status, {"errors": [error]}, headers)


def _wrong_envelope(envelope: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name, each in envelope.items() if name not in ENVELOPE or not isinstance(each, ENVELOPE[name]))
    if not envelope.get("to"):
        yield "to"
    seen: list[str] = []
    for name in ("to", "cc", "bcc"):
        for number, each in enumerate(envelope.get(name, [])):
            if not _is_person(each) or each["email"].lower() in seen:
                yield f"{name}.{number}.email"
                return
            seen.append(each["email"].lower())
    if len(seen) > 1000:
        yield "to"
    if not all(isinstance(each, str) for each in envelope.get("custom_args", {}).values()):
        yield "custom_args"


def _wrong_content(body: Mapping[str, Any]) -> Iterator[str]:
    content = body.get("content", [])
    if "template_id" in body:
        if body["template_id"] != TEMPLATE:
            yield "template_id"
        return
    if not body.get("subject"):
        yield "subject"
    kinds = [each.get("type") for each in content]
    if not kinds or kinds != [kind for kind in ("text/plain", "text/html") if kind in kinds]:
        yield "content"
    if not all(set(each) == {"type", "value"} and each["value"] for each in content):
        yield "content.0.value"


def _wrong_attachment(attachment: Mapping[str, Any]) -> Iterator[str]:
    known = {"content", "type", "filename", "disposition", "content_id"}
    yield from (name for name, each in attachment.items() if name not in known or not isinstance(each, str) or not each)
    if not attachment.get("filename"):
        yield "filename"
    if attachment.get("disposition") not in ("inline", "attachment", None):
        yield "disposition"
    try:
        base64.b64decode(attachment["content"], validate=True)
    except (KeyError, ValueError):
        yield "content"


def _is_person(person: Any) -> bool:
    return (
        isinstance(person, dict)
        and person.keys() <= {"email", "name"}
        and EMAIL.fullmatch(person.get("email", "")) is not None
        and isinstance(person.get("name", ""), str)
    )
