"""PayPal as its OpenAPI descriptions say: Orders v2, Payments v2, Subscriptions v1 and the check of a webhook's signature.

It keeps orders and subscriptions, and refuses fields that the descriptions do not know, wrong types and amounts, in PayPal's
own error shape. It signs webhooks with a secret in the place of PayPal's certificate, which nobody but itself ever looks at.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

CLIENT_ID: Final = "test-client-not-secret"
CLIENT_SECRET: Final = "test-key-not-secret"
WEBHOOK_ID: Final = "WEBHOOK0NOT0REAL"
PLANS: Final = {"P-BASIC": "9.90", "P-PREMIUM": "19.80", "P-ENTERPRISE": "80.00"}
WHOLE: Final = frozenset({"HUF", "JPY", "TWD"})
TOKEN: Final = "/v1/oauth2/token"
VERIFY: Final = "/v1/notifications/verify-webhook-signature"
ORDERS: Final = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED", "APPROVED", "VOIDED"})
_ID: Final = "[A-Z0-9-]+"
_SIGNING: Final = b"nothing but this stand-in looks at it"
_ORDER_FIELDS: Final = frozenset({"intent", "purchase_units", "payment_source", "payer", "application_context"})
_UNIT_FIELDS: Final = frozenset(
    {"reference_id", "amount", "payee", "description", "custom_id", "invoice_id", "soft_descriptor", "items", "shipping"}
)
_CONTEXT_FIELDS: Final = frozenset(
    {
        "brand_name", "locale", "shipping_preference", "return_url", "cancel_url", "landing_page", "user_action",
        "payment_method_preference",
    }
)  # fmt: skip
_SUBSCRIPTION_FIELDS: Final = frozenset(
    {
        "plan_id", "start_time", "quantity", "shipping_amount", "subscriber", "auto_renewal", "application_context",
        "custom_id", "plan",
    }
)  # fmt: skip
_REFUND_FIELDS: Final = frozenset({"amount", "custom_id", "invoice_id", "note_to_payer", "payment_instruction"})


class FakePaypal(RemoteService):
    """`approve` and `agree` are what the buyer does; `renew` and `miss` are what time does to a subscription."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.sales: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, str] = {}
        """The state of the dispute about a capture."""
        self.tokens: set[str] = set()
        self.minted: dict[str, Any] = {}
        """What the answer with an access token says otherwise than usual."""
        self._answered: dict[tuple[str, str], tuple[str, Reply]] = {}
        self._aside: dict[str, dict[str, Any]] = {}
        self._numbers = 0
        self._lock = threading.RLock()

    def acts(self, request: Arrived) -> bool:
        return request.method != "GET" and request.path not in (TOKEN, VERIFY)

    def prepares(self, request: Arrived) -> bool:
        return request.path == TOKEN

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            if request.path == TOKEN:
                return self._mint(request)
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                return Reply(401, {"error": "invalid_token", "error_description": "Token signature verification failed"})
            if request.method != "GET" and request.headers.get("content-type") != "application/json":
                return refusal(415, "UNSUPPORTED_MEDIA_TYPE")
            return self._once(request)

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "RATE_LIMIT_REACHED", headers={"retry-after": "7"})
            case Fault.WRONG_KEY:
                return Reply(401, {"name": "AUTHENTICATION_FAILURE", "message": "No valid credentials", "debug_id": "d1"})
            case Fault.UNAVAILABLE:
                return refusal(503, "SERVICE_UNAVAILABLE")
            case _:
                return refusal(500, "INTERNAL_SERVER_ERROR")

    def becomes(self, identity: str, state: str) -> None:
        with self._lock:
            if identity in self.subscriptions:
                self.subscriptions[identity]["status"] = state
                return
            order = self.orders[identity]
            unit = order["purchase_units"][0]
            payments = self._aside.setdefault(identity, unit.get("payments", {}))
            order["status"] = state if state in ORDERS else "COMPLETED"
            unit["payments"] = {} if state in ORDERS else payments
            if state not in ORDERS:
                payments["captures"][0]["status"] = state

    def approve(self, order_id: str) -> None:
        """The buyer agrees at PayPal."""
        with self._lock:
            self.orders[order_id]["status"] = "APPROVED"

    def agree(self, subscription_id: str) -> None:
        """The buyer agrees, and is charged where no trial is in between."""
        with self._lock:
            subscription = self.subscriptions[subscription_id]
            subscription["status"] = "ACTIVE"
            subscription["billing_info"] = {
                "outstanding_balance": {"currency_code": "USD", "value": "0.0"},
                "failed_payments_count": 0,
                "next_billing_time": subscription["start_time"],
            }
            if datetime.fromisoformat(subscription["start_time"]) <= datetime.now(UTC):
                self.renew(subscription_id)

    def renew(self, subscription_id: str) -> str:
        """The time of a charge has come; answers the sale's id."""
        with self._lock:
            subscription, now = self.subscriptions[subscription_id], datetime.now(UTC)
            amount = {"currency_code": "USD", "value": PLANS[subscription["plan_id"]]}
            sale, due = self._new_id("S"), subscription["billing_info"]["next_billing_time"]
            self.sales[sale] = {"id": sale, "status": "COMPLETED", "amount": amount, "create_time": stamp(now)}
            self.sales[sale]["subscription"] = subscription_id
            subscription["billing_info"] |= {
                "last_payment": {"amount": amount, "time": stamp(now)},
                "next_billing_time": stamp(max(now, datetime.fromisoformat(due)) + timedelta(days=30)),
                "failed_payments_count": 0,
            }
            return sale

    def miss(self, subscription_id: str) -> None:
        """A charge fails."""
        with self._lock:
            self.subscriptions[subscription_id]["billing_info"]["failed_payments_count"] += 1

    def event(self, kind: str, resource: Mapping[str, Any], signed_at: datetime | None = None) -> WebhookRequest:
        """A webhook as PayPal sends it, received now."""
        now = datetime.now(UTC)
        body = json.dumps(
            {
                "id": f"WH-{self._new_id('E')}", "create_time": stamp(now), "resource_type": kind.split(".")[1].lower(),
                "event_version": "1.0", "event_type": kind, "summary": "an event", "resource": dict(resource), "links": [],
            }
        )  # fmt: skip
        moment = stamp(signed_at or now)
        headers = {
            "paypal-auth-algo": "SHA256withRSA",
            "paypal-cert-url": f"{self.url}/v1/notifications/certs/CERT-1",
            "paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
            "paypal-transmission-time": moment,
            "paypal-transmission-sig": signature("69cd13f0-d67a-11e5-baa3-778b53f4ae55", moment, body),
        }
        return WebhookRequest(headers, body.encode(), now)

    def _mint(self, request: Arrived) -> Reply:
        known = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != known:
            return Reply(401, {"error": "invalid_client", "error_description": "Client Authentication failed"})
        if request.form != {"grant_type": "client_credentials"}:
            return Reply(400, {"error": "unsupported_grant_type", "error_description": "unsupported grant_type"})
        token = f"token-{len(self.tokens)}-not-secret"
        self.tokens.add(token)
        usual = {"access_token": token, "token_type": "Bearer", "expires_in": 32400, "app_id": "APP-1", "scope": ""}
        return Reply(200, {**usual, **self.minted})

    def _once(self, request: Arrived) -> Reply:
        """The same request id is answered with the first answer, and refused for another body."""
        key = request.headers.get("paypal-request-id")
        if key is None or request.method == "GET":
            return self._route(request)
        if len(key) > 108:
            return refusal(400, "INVALID_STRING_LENGTH")
        place = (request.path, key)
        if place in self._answered:
            body, reply = self._answered[place]
            if body != request.body.decode():
                return refusal(422, "PAYPAL_REQUEST_ID_REUSED")
            return Reply(200 if reply.status == 201 else reply.status, reply.body, reply.headers)
        reply = self._route(request)
        if reply.status < 300:
            self._answered[place] = (request.body.decode(), reply)
        return reply

    def _route(self, request: Arrived) -> Reply:
        routes = {
            rf"GET /v1/notifications/webhooks/({_ID})": self._webhook,
            rf"POST {VERIFY}": self._verify,
            r"POST /v2/checkout/orders": self._create,
            rf"GET /v2/checkout/orders/({_ID})": self._show,
            rf"POST /v2/checkout/orders/({_ID})/capture": self._capture,
            rf"GET /v2/payments/captures/({_ID})": self._show_capture,
            r"GET /v1/customer/disputes": self._list_disputes,
            rf"POST /v2/payments/captures/({_ID})/refund": self._refund,
            r"POST /v1/billing/subscriptions": self._subscribe,
            rf"GET /v1/billing/subscriptions/({_ID})": self._show_subscription,
            rf"POST /v1/billing/subscriptions/({_ID})/revise": self._revise,
            rf"POST /v1/billing/subscriptions/({_ID})/cancel": self._cancel,
        }
        for route, serve in routes.items():
            found = re.fullmatch(route, f"{request.method} {request.path}")
            if found is not None:
                return serve(request, *found.groups())
        return refusal(404, "RESOURCE_NOT_FOUND")

    def _webhook(self, request: Arrived, webhook_id: str) -> Reply:
        known = webhook_id == WEBHOOK_ID
        return Reply(200, {"id": webhook_id, "url": "https://shop.example"}) if known else refusal(404, "INVALID_RESOURCE_ID")

    def _verify(self, request: Arrived) -> Reply:
        asked = request.json
        event = request.body.decode().partition('"webhook_event": ')[2][:-1]
        known = asked["webhook_id"] == WEBHOOK_ID and asked["auth_algo"] == "SHA256withRSA"
        same = asked["transmission_sig"] == signature(asked["transmission_id"], asked["transmission_time"], event)
        return Reply(200, {"verification_status": "SUCCESS" if known and same else "FAILURE"})

    def _create(self, request: Arrived) -> Reply:
        if wrong := self._wrong_order(request.json):
            return refusal(*wrong)
        order_id = self._new_id("O")
        [unit] = request.json["purchase_units"]
        if any(unit.get("invoice_id") == paid for paid in self._paid_invoices()):
            return refusal(422, "DUPLICATE_INVOICE_ID")
        self.orders[order_id] = {
            "id": order_id, "intent": "CAPTURE", "status": "PAYER_ACTION_REQUIRED", "create_time": stamp(datetime.now(UTC)),
            "purchase_units": [{"reference_id": "default", **unit}],
            "links": [
                {"href": f"https://api-m.paypal.com/v2/checkout/orders/{order_id}", "rel": "self", "method": "GET"},
                {"href": f"https://www.paypal.com/checkoutnow?token={order_id}", "rel": "payer-action", "method": "GET"},
            ],
        }  # fmt: skip
        return Reply(201, json.loads(json.dumps(self.orders[order_id])))

    def _show(self, request: Arrived, order_id: str) -> Reply:
        return Reply(200, self.orders[order_id]) if order_id in self.orders else refusal(404, "RESOURCE_NOT_FOUND")

    def _capture(self, request: Arrived, order_id: str) -> Reply:
        order = self.orders.get(order_id)
        if order is None:
            return refusal(404, "RESOURCE_NOT_FOUND")
        if order["status"] == "COMPLETED":
            return refusal(422, "ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            return refusal(422, "ORDER_NOT_APPROVED")
        unit = order["purchase_units"][0]
        capture = {
            "id": self._new_id("C"), "status": "COMPLETED", "amount": unit["amount"], "final_capture": True,
            "custom_id": unit["custom_id"], "invoice_id": unit["invoice_id"], "create_time": stamp(datetime.now(UTC)),
            "links": [{"href": f"https://api-m.paypal.com/v2/checkout/orders/{order_id}", "rel": "up", "method": "GET"}],
        }  # fmt: skip
        order["status"] = "COMPLETED"
        unit["payments"] = {"captures": [capture]}
        return Reply(201, json.loads(json.dumps(order)))

    def _show_capture(self, request: Arrived, capture_id: str) -> Reply:
        if capture_id in self.sales:
            return Reply(200, self.sales[capture_id])
        order = self._order_of_capture(capture_id)
        return Reply(200, captures_of(order)[0]) if order else refusal(404, "RESOURCE_NOT_FOUND")

    def _list_disputes(self, request: Arrived) -> Reply:
        state = self.disputes.get(request.query["disputed_transaction_id"])
        return Reply(200, {"items": [{"dispute_id": "PP-D-1", "status": state}] if state else [], "links": []})

    def _refund(self, request: Arrived, capture_id: str) -> Reply:
        order, body = self._order_of_capture(capture_id), request.json
        if not body.keys() <= _REFUND_FIELDS or any(len(str(body.get(name, ""))) > 127 for name in ("custom_id", "invoice_id")):
            return refusal(400, "INVALID_PARAMETER_SYNTAX")
        if capture_id in self.sales:
            whole = body["amount"] == self.sales[capture_id]["amount"]
            self.sales[capture_id]["status"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
            return Reply(201, {"id": self._new_id("R"), "status": "COMPLETED", "amount": body["amount"]})
        if order is None:
            return refusal(404, "RESOURCE_NOT_FOUND")
        capture, refunds = captures_of(order)[0], order["purchase_units"][0]["payments"].setdefault("refunds", [])
        if wrong := wrong_amount(body["amount"]):
            return refusal(422, wrong)
        if body["amount"]["currency_code"] != capture["amount"]["currency_code"]:
            return refusal(422, "REFUND_CAPTURE_CURRENCY_MISMATCH")
        back = sum((Decimal(each["amount"]["value"]) for each in refunds), Decimal(0)) + Decimal(body["amount"]["value"])
        if back > Decimal(capture["amount"]["value"]):
            return refusal(422, "CAPTURE_FULLY_REFUNDED" if capture["status"] == "REFUNDED" else "REFUND_AMOUNT_EXCEEDED")
        refunds.append({"id": self._new_id("R"), "status": "COMPLETED", **body})
        capture["status"] = "REFUNDED" if back == Decimal(capture["amount"]["value"]) else "PARTIALLY_REFUNDED"
        return Reply(201, dict(refunds[-1]))

    def _subscribe(self, request: Arrived) -> Reply:
        body = request.json
        context = body.get("application_context", {})
        if not body.keys() <= _SUBSCRIPTION_FIELDS or not {"return_url", "cancel_url"} <= context.keys():
            return refusal(400, "INVALID_PARAMETER_SYNTAX")
        if body.get("plan_id") not in PLANS:
            return refusal(404, "INVALID_RESOURCE_ID")
        identity, now = f"I-{self._new_id('B')}", stamp(datetime.now(UTC))
        self.subscriptions[identity] = {
            "id": identity, "status": "APPROVAL_PENDING", "create_time": now, "start_time": body.get("start_time", now),
            "plan_id": body["plan_id"], "custom_id": body.get("custom_id"), "quantity": "1", "status_update_time": now,
            "links": [{"href": f"https://www.paypal.com/webapps/billing/subscriptions?ba={identity}", "rel": "approve"}],
        }  # fmt: skip
        return Reply(201, dict(self.subscriptions[identity]))

    def _show_subscription(self, request: Arrived, identity: str) -> Reply:
        found = self.subscriptions.get(identity)
        if found is None:
            return refusal(404, "RESOURCE_NOT_FOUND")
        fixed = {"currency_code": "USD", "value": PLANS[found["plan_id"]]}
        cycle = {"tenure_type": "REGULAR", "sequence": 1, "pricing_scheme": {"fixed_price": fixed}}
        plan = {"id": found["plan_id"], "billing_cycles": [cycle]} if request.query.get("fields") == "plan" else None
        return Reply(200, {**found, "plan": plan} if plan else found)

    def _revise(self, request: Arrived, identity: str) -> Reply:
        found = self.subscriptions.get(identity)
        if found is None or request.json.get("plan_id") not in PLANS:
            return refusal(404, "INVALID_RESOURCE_ID")
        if found["status"] != "ACTIVE":
            return refusal(422, "SUBSCRIPTION_STATUS_INVALID")
        address = f"https://www.paypal.com/webapps/billing/subscriptions/update?ba={identity}"
        return Reply(200, {"plan_id": request.json["plan_id"], "links": [{"href": address, "rel": "approve"}]})

    def _cancel(self, request: Arrived, identity: str) -> Reply:
        found = self.subscriptions.get(identity)
        if found is None:
            return refusal(404, "INVALID_RESOURCE_ID")
        if not 1 <= len(request.json.get("reason", "")) <= 128:
            return refusal(400, "MISSING_REQUIRED_PARAMETER")
        if found["status"] not in ("ACTIVE", "SUSPENDED"):
            return refusal(422, "SUBSCRIPTION_STATUS_INVALID")
        found |= {"status": "CANCELLED", "status_update_time": stamp(datetime.now(UTC))}
        return Reply(204)

    def _wrong_order(self, body: Mapping[str, Any]) -> tuple[int, str] | None:
        unit = body["purchase_units"][0] if len(body.get("purchase_units", ())) == 1 else {}
        context = body.get("payment_source", {}).get("paypal", {}).get("experience_context", {})
        known = body.keys() <= _ORDER_FIELDS and unit.keys() <= _UNIT_FIELDS and context.keys() <= _CONTEXT_FIELDS
        sized = all(1 <= len(unit.get(name, "x").encode()) <= 127 for name in ("description", "custom_id", "invoice_id"))
        if not known or not sized or body.get("intent") != "CAPTURE":
            return 400, "INVALID_PARAMETER_SYNTAX"
        if not all(str(context.get(name, "")).startswith("http") for name in ("return_url", "cancel_url")):
            return 400, "INVALID_PARAMETER_VALUE"
        wrong = wrong_amount(unit.get("amount"))
        return (422, wrong) if wrong else None

    def _paid_invoices(self) -> list[str]:
        return [each["purchase_units"][0]["invoice_id"] for each in self.orders.values() if each["status"] == "COMPLETED"]

    def _order_of_capture(self, capture_id: str) -> dict[str, Any] | None:
        return next((o for o in self.orders.values() if any(c["id"] == capture_id for c in captures_of(o))), None)

    def _new_id(self, letter: str) -> str:
        with self._lock:
            self._numbers += 1
            return f"{letter}{self._numbers:016d}"


def captures_of(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = order["purchase_units"][0].get("payments", {}).get("captures", [])
    return found


def wrong_amount(amount: Any) -> str | None:
    if not isinstance(amount, dict) or amount.keys() != {"currency_code", "value"} or not isinstance(amount["value"], str):
        return "MISSING_REQUIRED_PARAMETER"
    if Decimal(amount["value"]) <= 0:
        return "CANNOT_BE_ZERO_OR_NEGATIVE"
    places = len(amount["value"].partition(".")[2])
    if amount["currency_code"] == "KRW":
        return "INVALID_CURRENCY_CODE"
    return "DECIMALS_NOT_SUPPORTED" if places != (0 if amount["currency_code"] in WHOLE else 2) else None


def signature(transmission: str, moment: str, body: str) -> str:
    told = f"{transmission}|{moment}|{WEBHOOK_ID}|{body}".encode()
    return base64.b64encode(hmac.new(_SIGNING, told, hashlib.sha256).digest()).decode()


def stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def refusal(status: int, issue: str, headers: Mapping[str, str] | None = None) -> Reply:
    names = {400: "INVALID_REQUEST", 404: "RESOURCE_NOT_FOUND", 422: "UNPROCESSABLE_ENTITY"}
    body: dict[str, Any] = {"name": names.get(status, issue), "message": "buyer@example.com is not welcome", "debug_id": "d0"}
    if status in names:
        body["details"] = [{"issue": issue, "description": "buyer@example.com is not welcome"}]
    return Reply(status, body, {"paypal-debug-id": "d0", **(headers or {})})
