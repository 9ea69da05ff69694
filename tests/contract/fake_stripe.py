"""Stripe as its reference says: a bracket form of known parameters, objects that are kept, idempotency keys, signed events."""

import hmac
import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from contract.fake_stripe_books import StripeBooks
from contract.fake_stripe_rules import RULES, Refused, checked, decoded, expansions
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

API_KEY: Final = "test-key-not-secret"
WEBHOOK_SECRET: Final = "whsec_test-secret-not-secret"
VERSION: Final = "2026-10-28.endive"
REQUEST_ID: Final = "req_0000000000"


class FakeStripe(RemoteService):
    """`books` is the account. `declining` refuses whatever is charged next with this code."""

    def __init__(self) -> None:
        super().__init__()
        self.books = StripeBooks(self.locked)
        self.answered: list[tuple[str, Mapping[str, Any]]] = []
        """Every call that was understood, with its parameters."""
        self._by_key: dict[str, tuple[str, bytes, Reply]] = {}
        self._lock = threading.RLock()
        self._events = 0

    def locked(self) -> threading.RLock:
        return self._lock

    def becomes(self, identity: str, state: str) -> None:
        self.books.becomes(identity, state)

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            try:
                return self._answer(request)
            except Refused as refused:
                return error(refused.status, refused.kind, refused.code, refused.param, refused.message)

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return error(429, "invalid_request_error", "rate_limit", None, "Too many requests", **{"retry-after": "7"})
            case Fault.WRONG_KEY:
                return error(401, "invalid_request_error", None, None, "Invalid API Key provided: test****cret")
            case Fault.UNAVAILABLE:
                return error(503, "api_error", None, None, "Try again")
            case _:
                return error(500, "api_error", None, None, "An unknown error occurred")

    def event(self, kind: str, about: Mapping[str, Any], signed_at: datetime) -> WebhookRequest:
        """The signed delivery of an event, received now."""
        with self._lock:
            self._events += 1
            event = {
                "id": f"evt_{self._events:024d}", "object": "event", "api_version": VERSION, "livemode": False,
                "created": int(signed_at.timestamp()), "data": {"object": dict(about)}, "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None}, "type": kind,
            }  # fmt: skip
        return signed(json.dumps(event).encode(), signed_at)

    def _answer(self, request: Arrived) -> Reply:
        self._check_headers(request)
        name, identity = _operation(request)
        asked = checked(RULES[name], decoded(_form(request)))
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return self._do(name, identity, asked)
        if key in self._by_key:
            where, body, reply = self._by_key[key]
            if (where, body) != (request.path, request.body):
                message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                raise Refused(None, None, message, kind="idempotency_error")
            return reply
        reply = self._do(name, identity, asked)
        self._by_key[key] = (request.path, request.body, reply)
        return reply

    def _do(self, name: str, identity: str, asked: Mapping[str, Any]) -> Reply:
        wanted = list(expansions(asked))
        self.answered.append((name, asked))
        act: Callable[..., Mapping[str, Any]] = {
            "POST /v1/checkout/sessions": self.books.open_session,
            "GET /v1/checkout/sessions": self.books.list_sessions,
            "GET /v1/checkout/sessions/{id}": self.books.read_session,
            "POST /v1/checkout/sessions/{id}/expire": self.books.expire_session,
            "GET /v1/payment_intents/{id}": self.books.read_intent,
            "GET /v1/invoices": self.books.list_invoices,
            "GET /v1/invoices/{id}": self.books.read_invoice,
            "GET /v1/invoice_payments": self.books.list_invoice_payments,
            "GET /v1/disputes": self.books.list_disputes,
            "GET /v1/refunds": self.books.list_refunds,
            "POST /v1/refunds": self.books.refund,
            "GET /v1/subscriptions/{id}": self.books.read_subscription,
            "POST /v1/subscriptions/{id}": self.books.update_subscription,
            "DELETE /v1/subscriptions/{id}": self.books.cancel_subscription,
        }[name]
        found = act(identity, asked) if identity else act(asked)
        return Reply(200, self.books.expanded(found, wanted), {"request-id": REQUEST_ID})

    def _check_headers(self, request: Arrived) -> None:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise Refused(None, None, "Invalid API Key provided: test****", 401)
        if request.headers.get("stripe-version") != VERSION:
            raise Refused(None, None, "Invalid Stripe API version")
        kind = request.headers.get("content-type", "")
        if request.method == "POST" and kind != "application/x-www-form-urlencoded":
            raise Refused(None, None, "Invalid content type")


def _operation(request: Arrived) -> tuple[str, str]:
    """The call's name among the rules, and the id in its path."""
    name = f"{request.method} {request.path}"
    if name in RULES:
        return name, ""
    path = request.path.removesuffix("/expire")
    folder, _, identity = path.rpartition("/")
    name = f"{request.method} {folder}/{{id}}{request.path.removeprefix(path)}"
    if name not in RULES or not re.fullmatch(r"[A-Za-z0-9_]+", identity):
        raise Refused(None, None, f"Unrecognized request URL ({request.method}: {request.path}).", 404)
    return name, identity


def _form(request: Arrived) -> str:
    if request.method == "POST":
        return request.body.decode()
    return request.target.partition("?")[2]


def signed(body: bytes, signed_at: datetime, *secrets: str) -> WebhookRequest:
    """A delivery that was signed with each of the secrets, received now."""
    stamp = str(int(signed_at.timestamp()))
    signatures = [
        hmac.digest(secret.encode(), stamp.encode() + b"." + body, "sha256").hex() for secret in secrets or (WEBHOOK_SECRET,)
    ]
    header = ",".join([f"t={stamp}", *(f"v1={each}" for each in signatures), "v0=0000"])
    return WebhookRequest({"stripe-signature": header, "content-type": "application/json"}, body, datetime.now(UTC))


def error(status: int, kind: str, code: str | None, param: str | None, message: str, **headers: str) -> Reply:
    told = {"code": code, "message": message, "param": param, "type": kind, "request_log_url": "https://dashboard.example/logs"}
    body = {"error": {name: value for name, value in told.items() if value is not None}}
    return Reply(status, body, {"request-id": REQUEST_ID, **headers})
