"""Toss Payments on this machine, as its core API of 2022-11-16 describes it: what it refuses is refused here in its own words.

The fields, their types and limits are those of the description of the API, said again in `FIELDS`; what the browser's SDK is
given is checked in `approve` and `register`. It keeps the answers of idempotency keys by method and address, failures too.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import unquote

from madang.adapters.toss.webhooks import TRANSMISSION
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

SECRET_KEY: Final = "test_sk_not0a0secret"
CLIENT_KEY: Final = "test_ck_for0browsers"
KST: Final = timezone(timedelta(hours=9))
ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,64}")
CUSTOMER_KEY: Final = re.compile(r"[A-Za-z0-9_=.,@-]{2,300}")
EMAIL: Final = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9-.]+")
CARD_MINIMUM: Final = 100
ORIGIN: Final = {"paymentKey": "k", "orderId": "payment-1", "currency": "KRW", "totalAmount": 9900, "balanceAmount": 9900}
"""What every payment has."""

Check = Callable[[Any], bool]


def text(longest: int, pattern: re.Pattern[str] | None = None) -> Check:
    return lambda value: (
        isinstance(value, str) and 0 < len(value) <= longest and (pattern is None or bool(pattern.fullmatch(value)))
    )


def amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


BUYER: Final[Mapping[str, Check]] = {"customerEmail?": text(100, EMAIL), "customerName?": text(100)}
FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "confirm": {"paymentKey": text(200), "orderId": text(64, ORDER_ID), "amount": amount},
    "cancel": {"cancelReason": text(200), "cancelAmount?": amount, "taxFreeAmount?": amount, "currency?": text(3)},
    "issue": {"authKey": text(300), "customerKey": text(300, CUSTOMER_KEY)},
    "charge": {
        "amount": amount, "customerKey": text(300, CUSTOMER_KEY), "orderId": text(64, ORDER_ID), "orderName": text(100),
        "cardInstallmentPlan?": lambda value: value in range(13), "taxFreeAmount?": amount, **BUYER,
    },
}  # fmt: skip
"""By request, each field with a check; a name with `?` may be left out, any other field is refused."""


class FakeToss(RemoteService):
    """Keeps payments by their key, billing keys with their customers, and transactions in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.payments: dict[str, dict[str, Any]] = {}
        self.billing: dict[str, str] = {}
        self.auth_keys: dict[str, str] = {}
        self.transactions: list[dict[str, Any]] = []
        self.declining: set[str] = set()
        """Billing keys and orders whose card is refused."""
        self._windows = 0
        self._answers: dict[tuple[str, str, str], Reply] = {}
        self._lock = threading.RLock()

    # What happens in the browser

    def approve(self, window: Mapping[str, Any], method: str = "카드") -> str:
        """The person goes through the payment window; the key that the browser brings back."""
        assert window["clientKey"] == CLIENT_KEY
        assert window["method"] == "CARD"
        assert ORDER_ID.fullmatch(window["orderId"])
        assert re.fullmatch(r"[A-Za-z0-9_=.@-]{2,50}", window["customerKey"])
        assert 0 < len(window["orderName"]) <= 100
        assert window["amount"]["currency"] == "KRW"
        assert amount(window["amount"]["value"])
        assert all(window[name].startswith(("https://", "http://")) for name in ("successUrl", "failUrl"))
        with self._lock:
            made = self._by_order(window["orderId"])
            if made is None:
                made = self._add(window["orderId"], window["amount"]["value"], "NORMAL", window["orderName"], method)
            return str(made["paymentKey"])

    def register(self, window: Mapping[str, Any]) -> str:
        """The person leaves a card; the `authKey` that the browser brings back."""
        assert (window["clientKey"], window["method"]) == (CLIENT_KEY, "CARD")
        assert re.fullmatch(r"[A-Za-z0-9_=.@-]{2,50}", window["customerKey"])
        with self._lock:
            self._windows += 1
            key = f"auth_{self._windows}_{window['customerKey']}"
            self.auth_keys[key] = window["customerKey"]
            return key

    def deposit(self, payment_key: str) -> dict[str, Any]:
        """Money arrives on the virtual account; the webhook of it."""
        with self._lock:
            payment = self.payments[payment_key]
            payment |= {"status": "DONE", "approvedAt": now()}
            return {
                "createdAt": datetime.now(KST).replace(tzinfo=None).isoformat(timespec="microseconds"), "status": "DONE",
                "secret": payment["secret"], "transactionKey": payment["lastTransactionKey"], "orderId": payment["orderId"],
            }  # fmt: skip

    def becomes(self, identity: str, state: str) -> None:
        with self._lock:
            self.payments[identity]["status"] = state

    # The API

    def answer(self, request: Arrived) -> Reply:
        if request.headers.get("authorization") != "Basic " + base64.b64encode(f"{SECRET_KEY}:".encode()).decode():
            return refusal(401, "UNAUTHORIZED_KEY")
        if "tosspayments-test-code" in request.headers:
            return refusal(400, "INVALID_REQUEST")
        key = request.headers.get("idempotency-key")
        if key is not None and (len(key) > 300 or request.method != "POST"):
            return refusal(400, "INVALID_IDEMPOTENCY_KEY")
        with self._lock:
            kept = (request.method, request.path, key or "")
            if key is None or kept not in self._answers:
                self._answers[kept] = self._route(request, [unquote(each) for each in request.path.split("/")[1:]])
            return self._answers[kept]

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "TOO_MANY_REQUESTS", **{"retry-after": "7"})
            case Fault.WRONG_KEY:
                return refusal(401, "UNAUTHORIZED_KEY")
            case Fault.UNAVAILABLE:
                return refusal(503, "FAILED_INTERNAL_SYSTEM_PROCESSING")
            case _:
                return refusal(500, "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING")

    def _route(self, request: Arrived, parts: list[str]) -> Reply:
        match (request.method, *parts):
            case ("POST", "v1", "payments", "confirm"):
                return self._with("confirm", request, self._confirm)
            case ("POST", "v1", "payments", key, "cancel"):
                return self._with("cancel", request, lambda body: self._cancel(key, body))
            case ("GET", "v1", "payments", "orders", order):
                return self._told(self._by_order(order))
            case ("GET", "v1", "payments", key):
                return self._told(self.payments.get(key))
            case ("POST", "v1", "billing", "authorizations", "issue"):
                return self._with("issue", request, self._issue)
            case ("POST", "v1", "billing", key):
                return self._with("charge", request, lambda body: self._charge(key, body))
            case ("DELETE", "v1", "billing", key):
                if self.billing.pop(key, None) is None:
                    return refusal(404, "NOT_FOUND_BILLING")
                return Reply(200, b"")
            case ("GET", "v1", "transactions"):
                return self._listed(request)
        return Reply(404, "<html>")

    def _with(self, name: str, request: Arrived, act: Callable[[Mapping[str, Any]], Reply]) -> Reply:
        if not request.headers.get("content-type", "").startswith("application/json"):
            return refusal(400, "INVALID_REQUEST")
        body, fields = request.json, FIELDS[name]
        known = {field.rstrip("?"): check for field, check in fields.items()}
        missing = [field for field in fields if not field.endswith("?") and field not in body]
        if missing or not all(field in known and known[field](value) for field, value in body.items()):
            return refusal(400, "INVALID_REQUEST")
        return act(body)

    def _confirm(self, body: Mapping[str, Any]) -> Reply:
        payment = self.payments.get(body["paymentKey"])
        if payment is None:
            return refusal(404, "NOT_FOUND_PAYMENT_SESSION")
        if (payment["orderId"], payment["totalAmount"]) != (body["orderId"], body["amount"]):
            return refusal(400, "INVALID_REQUEST")
        if payment["status"] != "IN_PROGRESS":
            return refusal(400, "ALREADY_PROCESSED_PAYMENT")
        if body["orderId"] in self.declining:
            payment |= {"status": "ABORTED", "failure": {"code": "REJECT_CARD_COMPANY", "message": "거절"}}
            return refusal(403, "REJECT_CARD_COMPANY")
        if payment["method"] == "가상계좌":
            payment |= {"status": "WAITING_FOR_DEPOSIT", "secret": "ps_of_the_deposit"}
            return Reply(200, payment)
        payment |= {"status": "DONE", "approvedAt": now()}
        self._transaction(payment, payment["totalAmount"])
        return Reply(200, payment)

    def _cancel(self, key: str, body: Mapping[str, Any]) -> Reply:
        payment = self.payments.get(key)
        if payment is None:
            return refusal(404, "NOT_FOUND_PAYMENT")
        if payment["status"] == "CANCELED":
            return refusal(400, "ALREADY_CANCELED_PAYMENT")
        if payment["status"] not in ("DONE", "PARTIAL_CANCELED"):
            return refusal(403, "NOT_CANCELABLE_PAYMENT")
        given = body.get("cancelAmount", payment["balanceAmount"])
        if given > payment["balanceAmount"]:
            return refusal(403, "NOT_CANCELABLE_AMOUNT")
        payment["balanceAmount"] -= given
        payment["status"] = "PARTIAL_CANCELED" if payment["balanceAmount"] else "CANCELED"
        cancelled = self._transaction(payment, given)
        payment["cancels"] = [
            *(payment["cancels"] or ()),
            {
                "cancelAmount": given, "cancelReason": body["cancelReason"], "taxFreeAmount": 0, "taxExemptionAmount": 0,
                "refundableAmount": payment["balanceAmount"], "easyPayDiscountAmount": 0, "canceledAt": now(),
                "transactionKey": cancelled, "receiptKey": None, "cancelStatus": "DONE",
            },
        ]  # fmt: skip
        return Reply(200, payment)

    def _issue(self, body: Mapping[str, Any]) -> Reply:
        if self.auth_keys.get(body["authKey"]) != body["customerKey"]:
            return refusal(400, "INVALID_REQUEST")
        del self.auth_keys[body["authKey"]]
        key = f"bill/{len(self.billing)}+key="
        self.billing[key] = body["customerKey"]
        card = {"issuerCode": "61", "acquirerCode": "31", "number": "43301234****123*", "cardType": "신용", "ownerType": "개인"}
        return Reply(
            200,
            {
                "mId": "tosspayments", "customerKey": body["customerKey"], "authenticatedAt": now(), "method": "카드",
                "billingKey": key, "card": card,
            },
        )  # fmt: skip

    def _charge(self, key: str, body: Mapping[str, Any]) -> Reply:
        if key not in self.billing:
            return refusal(400, "INVALID_BILL_KEY_REQUEST")
        if self.billing[key] != body["customerKey"]:
            return refusal(400, "NOT_MATCHES_CUSTOMER_KEY")
        if body["amount"] < CARD_MINIMUM:
            return refusal(400, "BELOW_MINIMUM_AMOUNT")
        if self._by_order(body["orderId"]) is not None:
            return refusal(400, "DUPLICATED_ORDER_ID")
        if key in self.declining:
            return refusal(403, "REJECT_CARD_PAYMENT")
        payment = self._add(body["orderId"], body["amount"], "BILLING", body["orderName"], "카드")
        payment |= {"status": "DONE", "approvedAt": now()}
        self._transaction(payment, body["amount"])
        return Reply(200, payment)

    def _listed(self, request: Arrived) -> Reply:
        query = request.query
        if not {"startDate", "endDate"} <= query.keys() <= {"startDate", "endDate", "startingAfter", "limit"}:
            return refusal(400, "INVALID_REQUEST")
        since, until = (datetime.fromisoformat(query[name]).replace(tzinfo=KST) for name in ("startDate", "endDate"))
        keys = [each["transactionKey"] for each in self.transactions]
        start = keys.index(query["startingAfter"]) + 1 if "startingAfter" in query else 0
        found = [each for each in self.transactions[start:] if since <= datetime.fromisoformat(each["transactionAt"]) <= until]
        return Reply(200, found[: int(query.get("limit", "100"))])

    def _told(self, payment: dict[str, Any] | None) -> Reply:
        return refusal(404, "NOT_FOUND_PAYMENT") if payment is None else Reply(200, payment)

    def _by_order(self, order: str) -> dict[str, Any] | None:
        return next((each for each in self.payments.values() if each["orderId"] == order), None)

    def _add(self, order: str, total: int, kind: str, name: str, method: str) -> dict[str, Any]:
        key = f"tgen_{len(self.payments):04}{order}"
        self.payments[key] = {
            "version": "2022-11-16", "paymentKey": key, "type": kind, "orderId": order, "orderName": name, "mId": "tosspaym",
            "currency": "KRW", "method": method, "totalAmount": total, "balanceAmount": total, "status": "IN_PROGRESS",
            "requestedAt": now(), "approvedAt": None, "useEscrow": False, "lastTransactionKey": None, "suppliedAmount": total,
            "vat": 0, "cultureExpense": False, "taxFreeAmount": 0, "taxExemptionAmount": 0, "cancels": None,
            "isPartialCancelable": True, "secret": None, "failure": None, "country": "KR",
        }  # fmt: skip
        return self.payments[key]

    def _transaction(self, payment: dict[str, Any], money: int) -> str:
        key = f"txn{len(self.transactions):08}"
        payment["lastTransactionKey"] = key
        self.transactions.append(
            {
                "mId": "tosspaym", "transactionKey": key, "paymentKey": payment["paymentKey"], "orderId": payment["orderId"],
                "method": payment["method"], "customerKey": None, "useEscrow": False, "receiptUrl": None,
                "status": payment["status"], "transactionAt": now(), "currency": "KRW", "amount": money,
            }
        )  # fmt: skip
        return key


def now() -> str:
    return datetime.now(UTC).astimezone(KST).isoformat(timespec="microseconds")


def refusal(status: int, code: str, **headers: str) -> Reply:
    """An error as Toss words it; a message that repeats what was sent must not be passed on."""
    body = {"code": code, "message": "buyer@example.com 님의 요청을 처리할 수 없습니다."}
    return Reply(status, body, {"x-tosspayments-trace-id": "cb16a25f16e4c9d8ad7cf84d6d606b9a", **headers})


def webhook(kind: str, data: Mapping[str, Any], transmission: str = "transmission-1") -> WebhookRequest:
    return delivered({"eventType": kind, "createdAt": "2026-11-21T09:00:00.123456", "data": data}, transmission)


def delivered(event: Any, transmission: str = "transmission-1") -> WebhookRequest:
    return WebhookRequest({TRANSMISSION: transmission}, json.dumps(event).encode(), datetime.now(UTC))
