"""PortOne's API V2 on this machine, as its OpenAPI description has it: what it refuses is refused here in its own words.

The fields and their types are those of the description, said again in `FIELDS`; what the browser's SDK is given is checked in
`pay` and `register`. Answers of idempotency keys are kept by method and address, failures too.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from standardwebhooks import Webhook

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

API_SECRET: Final = "portone-api-secret-not-secret"
STORE: Final = "store-of-the-shop"
CHANNEL: Final = "channel-key-1"
BILLING_CHANNEL: Final = "channel-key-2"
WEBHOOK_SECRET: Final = "whsec_" + base64.b64encode(b"not a secret, not a secret").decode()
OLD_SECRET: Final = "whsec_" + base64.b64encode(b"another one, not a secret").decode()
KEY: Final = re.compile(r'"[A-Za-z0-9_-]{16,256}"')

Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def currency(value: Any) -> bool:
    return value in ("KRW", "USD", "JPY")


def amounts(value: Any) -> bool:
    return "total" in value and value.keys() <= {"total", "taxFree", "vat"} and all(map(whole, value.values()))


def customer(value: Any) -> bool:
    names = {"id", "name", "birthYear", "country", "gender", "email", "phoneNumber", "address", "zipcode"}
    name = value.get("name", {"full": "x"})
    return value.keys() <= names and isinstance(name, dict) and name.keys() <= {"full", "separated"}


FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "pre-register": {"storeId?": text, "totalAmount?": whole, "taxFreeAmount?": whole, "currency?": currency},
    "billing-key": {
        "storeId?": text, "billingKey": text, "channelKey?": text, "orderName": text, "customer?": customer,
        "currency": currency, "amount": amounts,
        "noticeUrls?": lambda value: all(map(text, value)), "locale?": text,
    },
    "cancel": {
        "storeId?": text, "amount?": whole, "taxFreeAmount?": whole, "vatAmount?": whole, "reason": text,
        "currentCancellableAmount?": whole, "requester?": text, "skipWebhook?": lambda value: isinstance(value, bool),
    },
}  # fmt: skip
"""By request, each field with a check; a name with `?` may be left out, any other field is refused."""


class FakePortOne(RemoteService):
    """Keeps payments by our id, and billing keys."""

    def __init__(self) -> None:
        super().__init__()
        self.payments: dict[str, dict[str, Any]] = {}
        self.registered: dict[str, tuple[int, str]] = {}
        self.billing: dict[str, dict[str, Any]] = {}
        self.declining: set[str] = set()
        """Billing keys whose card is refused."""
        self._answers: dict[tuple[str, str, str], Reply] = {}
        self._lock = threading.RLock()

    # What happens in the browser

    def pay(self, window: Mapping[str, Any], *, declined: bool = False) -> str:
        """The person goes through the payment window; the payment's id."""
        assert (window["storeId"], window["channelKey"], window["payMethod"]) == (STORE, CHANNEL, "CARD")
        assert window["redirectUrl"].startswith(("https://", "http://"))
        assert window["orderName"]
        assert window["customer"].keys() <= {"customerId", "fullName", "email", "phoneNumber"}
        with self._lock:
            asked = (window["totalAmount"], window["currency"])
            assert self.registered.get(window["paymentId"], asked) == asked, "the amount is not the one that was registered"
            payment = self._add(window["paymentId"], asked[0], window["orderName"], CHANNEL)
            self._end(payment, declined=declined)
            return str(window["paymentId"])

    def register(self, window: Mapping[str, Any]) -> str:
        """The person leaves a card; the billing key that the browser brings back."""
        assert (window["storeId"], window["channelKey"], window["billingKeyMethod"]) == (STORE, BILLING_CHANNEL, "CARD")
        assert 0 < len(window["issueId"]) <= 40
        with self._lock:
            key = f"billing-key/{len(self.billing)}?"
            self.billing[key] = {
                "status": "ISSUED", "billingKey": key, "merchantId": "merchant", "storeId": STORE, "issuedAt": now(),
                "channels": [{"type": "LIVE", "key": BILLING_CHANNEL}], "customer": {"id": window["customer"]["customerId"]},
                "methods": [{"type": "BillingKeyPaymentMethodCard", "card": {"number": "433012******1234"}}],
            }  # fmt: skip
            return key

    def becomes(self, identity: str, state: str) -> None:
        with self._lock:
            self.payments[identity]["status"] = state

    # The API

    def answer(self, request: Arrived) -> Reply:
        if request.headers.get("authorization") != f"PortOne {API_SECRET}":
            return refusal(401, "UNAUTHORIZED")
        key = request.headers.get("idempotency-key")
        if key is not None and not KEY.fullmatch(key):
            return refusal(400, "INVALID_REQUEST")
        with self._lock:
            kept = (request.method, request.path, key or "")
            if key is None or request.method == "GET" or kept not in self._answers:
                self._answers[kept] = self._route(request, [unquote(each) for each in request.path.split("/")[1:]])
            return self._answers[kept]

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "TOO_MANY_REQUESTS", **{"retry-after": "7"})
            case Fault.WRONG_KEY:
                return refusal(401, "UNAUTHORIZED")
            case Fault.UNAVAILABLE:
                return refusal(503, "SERVICE_UNAVAILABLE")
            case _:
                return refusal(500, "INTERNAL_SERVER_ERROR")

    def _route(self, request: Arrived, parts: list[str]) -> Reply:
        match (request.method, *parts):
            case ("GET", "payments", identity):
                return self._told(request, self.payments.get(identity), "PAYMENT_NOT_FOUND")
            case ("GET", "billing-keys", key):
                return self._told(request, self.billing.get(key), "BILLING_KEY_NOT_FOUND")
            case ("DELETE", "billing-keys", key):
                return self._delete(request, key)
            case ("GET", "payments-by-cursor"):
                return self._listed(request)
            case ("POST", "payments", identity, action) if action in FIELDS:
                body, fields = request.json, FIELDS[action]
                known = {field.rstrip("?"): check for field, check in fields.items()}
                missing = [field for field in fields if not field.endswith("?") and field not in body]
                if missing or not all(field in known and known[field](value) for field, value in body.items()):
                    return refusal(400, "INVALID_REQUEST")
                if body.get("storeId", STORE) != STORE:
                    return refusal(403, "FORBIDDEN")
                acts = {"pre-register": self._preregister, "billing-key": self._charge, "cancel": self._cancel}
                return acts[action](identity, body)
        return Reply(404, "<html>")

    def _preregister(self, identity: str, body: Mapping[str, Any]) -> Reply:
        if identity in self.payments and self.payments[identity]["status"] != "FAILED":
            return refusal(409, "ALREADY_PAID")
        self.registered[identity] = (body["totalAmount"], body["currency"])
        return Reply(200, {})

    def _charge(self, identity: str, body: Mapping[str, Any]) -> Reply:
        kept = self.billing.get(body["billingKey"])
        if kept is None:
            return refusal(404, "BILLING_KEY_NOT_FOUND")
        if kept["status"] == "DELETED":
            return refusal(409, "BILLING_KEY_ALREADY_DELETED")
        if identity in self.payments and self.payments[identity]["status"] != "FAILED":
            return refusal(409, "ALREADY_PAID")
        if body["amount"]["total"] < 1:
            return refusal(400, "INVALID_REQUEST")
        payment = self._add(identity, body["amount"]["total"], body["orderName"], BILLING_CHANNEL)
        self._end(payment, declined=body["billingKey"] in self.declining)
        if payment["status"] == "FAILED":
            return refusal(502, "PG_PROVIDER", pgCode="REJECT_CARD_PAYMENT", pgMessage="buyer@example.com 한도초과")
        return Reply(200, {"payment": {"pgTxId": f"pg-{identity}", "paidAt": payment["paidAt"]}})

    def _cancel(self, identity: str, body: Mapping[str, Any]) -> Reply:
        payment = self.payments.get(identity)
        if payment is None:
            return refusal(404, "PAYMENT_NOT_FOUND")
        if payment["status"] == "CANCELLED":
            return refusal(409, "PAYMENT_ALREADY_CANCELLED")
        if payment["status"] not in ("PAID", "PARTIAL_CANCELLED"):
            return refusal(409, "PAYMENT_NOT_PAID")
        amounts = payment["amount"]
        left = amounts["paid"] - amounts["cancelled"]
        if body.get("currentCancellableAmount", left) != left:
            return refusal(409, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
        given = body.get("amount", left)
        if given > left:
            return refusal(409, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
        amounts["cancelled"] += given
        made = {
            "status": "SUCCEEDED", "id": f"cancellation-{len(payment['cancellations'])}", "totalAmount": given,
            "taxFreeAmount": 0, "vatAmount": 0, "reason": body["reason"], "requestedAt": now(), "cancelledAt": now(),
            "trigger": "API",
        }  # fmt: skip
        payment["cancellations"].append(made)
        payment |= {"status": "CANCELLED" if given == left else "PARTIAL_CANCELLED", "cancelledAt": now()}
        return Reply(200, {"cancellation": made})

    def _delete(self, request: Arrived, key: str) -> Reply:
        kept = self.billing.get(key)
        if kept is None:
            return refusal(404, "BILLING_KEY_NOT_FOUND")
        if kept["status"] == "DELETED":
            return refusal(409, "BILLING_KEY_ALREADY_DELETED")
        if request.query.get("storeId", STORE) != STORE or not request.query.keys() <= {"storeId", "reason", "requester"}:
            return refusal(403, "FORBIDDEN")
        kept |= {"status": "DELETED", "deletedAt": now()}
        return Reply(200, {"deletedAt": now()})

    def _listed(self, request: Arrived) -> Reply:
        body = json.loads(request.query["requestBody"])
        if not body.keys() <= {"storeId", "from", "until", "cursor", "size"} or body.get("storeId", STORE) != STORE:
            return refusal(400, "INVALID_REQUEST")
        since, until = (datetime.fromisoformat(body[name]) for name in ("from", "until"))
        found = [each for each in self.payments.values() if since <= datetime.fromisoformat(each["requestedAt"]) <= until]
        start = int(body["cursor"]) + 1 if "cursor" in body else 0
        page = list(enumerate(found))[start : start + body.get("size", 10)]
        return Reply(200, {"items": [{"payment": each, "cursor": str(place)} for place, each in page]})

    def _told(self, request: Arrived, found: dict[str, Any] | None, missing: str) -> Reply:
        if request.query.get("storeId", STORE) != STORE:
            return refusal(403, "FORBIDDEN")
        return refusal(404, missing) if found is None else Reply(200, found)

    def _add(self, identity: str, total: int, name: str, channel: str) -> dict[str, Any]:
        self.payments[identity] = {
            "status": "READY", "id": identity, "transactionId": f"tx-{identity}", "merchantId": "merchant", "storeId": STORE,
            "channel": {"type": "LIVE", "key": channel}, "version": "V2", "requestedAt": now(), "updatedAt": now(),
            "statusChangedAt": now(), "orderName": name, "currency": "KRW", "customer": {}, "cancellations": [],
            "method": {"type": "PaymentMethodCard", "card": {"number": "433012******1234"}},
            "amount": {"total": total, "taxFree": 0, "discount": 0, "paid": 0, "cancelled": 0, "cancelledTaxFree": 0},
        }  # fmt: skip
        return self.payments[identity]

    def _end(self, payment: dict[str, Any], *, declined: bool) -> None:
        if declined:
            payment |= {
                "status": "FAILED",
                "failedAt": now(),
                "failure": {"pgCode": "REJECT_CARD_PAYMENT", "pgMessage": "한도초과"},
            }
            return
        payment |= {"status": "PAID", "paidAt": now(), "disputes": []}
        payment["amount"]["paid"] = payment["amount"]["total"]


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def refusal(status: int, kind: str, **more: str) -> Reply:
    """An error as PortOne words it; a message that repeats what was sent must not be passed on."""
    headers = {"retry-after": more.pop("retry-after")} if "retry-after" in more else {}
    return Reply(status, {"type": kind, "message": "buyer@example.com 님의 요청을 처리할 수 없습니다.", **more}, headers)


def event(kind: str, payment_id: str | None, store: str = STORE) -> dict[str, Any]:
    about = {"billingKey": "billing-key-1"} if payment_id is None else {"paymentId": payment_id, "transactionId": "tx-1"}
    return {"type": kind, "timestamp": "2026-11-21T00:00:00.123Z", "data": {"storeId": store, **about}}


def signed(body: Any, identity: str, signed_at: datetime, *secrets: str) -> WebhookRequest:
    """A delivery signed with each of these secrets, as while one is rotated."""
    said = json.dumps(body)
    signatures = [Webhook(secret).sign(identity, signed_at, said) for secret in secrets or (WEBHOOK_SECRET,)]
    stamp = str(int(signed_at.timestamp()))
    headers = {"webhook-id": identity, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}
    return WebhookRequest(headers, said.encode(), datetime.now(UTC))
