"""Resend as its description and its page of errors say: what it takes, what it refuses by which name, and its keys."""

import base64
import json
import re
import threading
from typing import Any

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

API_KEY = "re_test_not-a-secret"
SENDING_KEY = "re_test_only-sending"
ADDRESS = re.compile(r'(?:(?:"(?:[^"\\]|\\.)*"|[^"<>@]+) <[^<>\s]+@[^<>\s]+>)|[^<>\s]+@[^<>\s]+')


class FakeResend(RemoteService):
    """Keeps what was sent by id, and what was answered by key."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self._sending = threading.Lock()

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.WRONG_KEY:
                return refusal(403, "invalid_api_key")
            case Fault.RATE_LIMITED:
                return refusal(429, "rate_limit_exceeded", retry_after="7")
        return refusal(500, "internal_server_error")

    def becomes(self, identity: str, state: str) -> None:
        self.sent[identity]["last_event"] = state

    def answer(self, request: Arrived) -> Reply:
        if not request.headers.get("user-agent"):
            return Reply(403, "error code: 1010")
        granted = request.headers.get("authorization", "").removeprefix("Bearer ")
        if granted not in (API_KEY, SENDING_KEY):
            return refusal(403, "invalid_api_key") if granted else refusal(401, "missing_api_key")
        if (request.method, request.path) == ("POST", "/emails"):
            return self._send(request)
        if granted == SENDING_KEY:
            return refusal(401, "restricted_api_key")
        if request.path == "/domains":
            return Reply(200, {"object": "list", "data": []})
        email = self.sent.get(request.path.removeprefix("/emails/"))
        return Reply(200, {"object": "email", "last_event": "sent", **email}) if email else refusal(404, "not_found")

    def _send(self, request: Arrived) -> Reply:
        key = request.headers.get("idempotency-key", "")
        if not 0 < len(key) <= 256:
            return refusal(400, "invalid_idempotency_key")
        if request.headers.get("content-type") != "application/json":
            return refusal(422, "missing_required_field")
        payload, text = request.json, request.body.decode()
        if refused := _refused(payload):
            return refused
        with self._sending:
            if key in self.keys:
                former, identity = self.keys[key]
                return Reply(200, {"id": identity}) if former == text else refusal(409, "invalid_idempotent_request")
            identity = f"4ef9a417-02e9-4d39-ad75-{len(self.sent):012d}"
            self.keys[key] = text, identity
            self.sent[identity] = {**payload, "id": identity}
        return Reply(200, {"id": identity})


def _refused(payload: dict[str, Any]) -> Reply | None:
    if not all(payload.get(field) for field in ("from", "to", "subject")):
        return refusal(422, "missing_required_field")
    if not any(payload.get(field) for field in ("html", "text", "template")):
        return refusal(422, "missing_required_field")
    if not ADDRESS.fullmatch(payload["from"]):
        return refusal(422, "invalid_from_address")
    if len(payload["to"]) > 50 or not all(map(ADDRESS.fullmatch, payload["to"])):
        return refusal(422, "validation_error")
    for attachment in payload.get("attachments", []):
        try:
            base64.b64decode(attachment["content"], validate=True)
        except (KeyError, ValueError):
            return refusal(422, "invalid_attachment")
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", each["name"] + each["value"]) for each in payload.get("tags", [])):
        return refusal(422, "validation_error")
    return None


def refusal(status: int, name: str, **headers: str) -> Reply:
    body = {"statusCode": status, "name": name, "message": "buyer@example.com is not welcome"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body), {"content-type": "application/json", **named})
