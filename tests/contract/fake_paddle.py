"""Paddle Billing as its OpenAPI description says: transactions, refunds by adjustments, and subscriptions born of transactions.

It refuses fields that the description does not know, numbers where strings are due, and what is gone or not yet, in Paddle's
error shape. A list has at most two on a page. The tax of the buyer is ten percent.
"""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from madang.adapters.paddle.capabilities import CURRENCIES
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

API_KEY: Final = "test-key-not-secret"
SIGNING: Final = "test-signing-not-secret"
BASIC, PREMIUM = f"pri_{'1':0>26}", f"pri_{'2':0>26}"
_CATALOGUE: Final = {BASIC: "990", PREMIUM: "1980"}
_PAGE: Final = 2
_TRANSACTION: Final = frozenset(
    {
        "items", "status", "customer_id", "address_id", "business_id", "custom_data", "currency_code", "collection_mode",
        "discount_id", "billing_details", "billing_period", "checkout",
    }
)  # fmt: skip
_PRICE: Final = frozenset(
    {
        "description", "name", "billing_cycle", "trial_period", "tax_mode", "unit_price", "unit_price_overrides", "quantity",
        "custom_data", "product", "product_id",
    }
)  # fmt: skip
_PRODUCT: Final = frozenset({"name", "description", "tax_category", "image_url", "custom_data"})
_ADJUSTMENT: Final = frozenset({"action", "type", "tax_mode", "transaction_id", "reason", "items"})
_CHANGES: Final = frozenset(
    {
        "customer_id", "address_id", "business_id", "currency_code", "next_billed_at", "discount", "collection_mode",
        "billing_details", "scheduled_change", "items", "custom_data", "proration_billing_mode", "on_payment_failure",
    }
)  # fmt: skip
_MODES: Final = frozenset(
    {"prorated_immediately", "prorated_next_billing_period", "full_immediately", "full_next_billing_period", "do_not_bill"}
)
_QUERY: Final = frozenset({"after", "created_at[GTE]", "created_at[LT]", "order_by", "per_page", "include"})


class Refused(Exception):
    """What Paddle answers instead."""

    def __init__(self, code: str, status: int = 400) -> None:
        self.reply = refusal(status, code)


class FakePaddle(RemoteService):
    """`pay` is what the buyer does at a checkout, `review` what Paddle does with refunds, `period_ends` what time does."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.adjustments: dict[str, dict[str, Any]] = {}
        self.approves = True
        """Whether a refund is approved at once."""
        self._numbers = 0
        self._lock = threading.RLock()

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return refusal(403, "invalid_token")
            if request.headers.get("paddle-version") != "1":
                return refusal(400, "invalid_api_version")
            if request.body and request.headers.get("content-type") != "application/json":
                return refusal(415, "unsupported_media_type")
            try:
                return self._route(request)
            except Refused as refused:
                return refused.reply

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "too_many_requests", {"retry-after": "7"})
            case Fault.WRONG_KEY:
                return refusal(403, "invalid_token")
            case Fault.UNAVAILABLE:
                return refusal(503, "service_unavailable")
            case _:
                return refusal(500, "internal_error")

    def becomes(self, identity: str, state: str) -> None:
        with self._lock:
            (self.transactions if identity.startswith("txn_") else self.subscriptions)[identity]["status"] = state

    def pay(self, identity: str) -> str | None:
        """Answers the subscription's id, where one is born of it."""
        with self._lock:
            told = self.transactions[identity]
            price = told["items"][0]["price"]
            trial = price.get("trial_period") is not None
            self._charge(told, "0" if trial else price["unit_price"]["amount"])
            if price.get("billing_cycle") is not None:
                told["subscription_id"] = self._begin(told)
            return str(told["subscription_id"]) if told["subscription_id"] else None

    def review(self, identity: str, verdict: str) -> None:
        with self._lock:
            self.adjustments[identity]["status"] = verdict

    def disputed(self, transaction: str, action: str = "chargeback") -> str:
        """The buyer's bank takes it all back, or warns that it will."""
        with self._lock:
            items = [{"item_id": _item(transaction), "type": "full"}]
            return str(self._adjustment(transaction, action, items, within=False, reason="chargeback")["id"])

    def period_ends(self, identity: str, *, declined: bool = False) -> str | None:
        """Answers the renewal's transaction, None where the subscription ends."""
        with self._lock:
            told = self.subscriptions[identity]
            if told["status"] == "canceled" or told["scheduled_change"]:
                self._end(told)
                return None
            if told["status"] != "past_due":
                told["current_billing_period"] = _period(datetime.fromisoformat(told["current_billing_period"]["ends_at"]))
            told["status"] = "past_due" if declined else "active"
            items = [{"price": each["price"], "quantity": each["quantity"]} for each in told["items"]]
            charge = self._transaction(items, told["currency_code"], told["custom_data"], "subscription_recurring")
            charge |= {"subscription_id": identity, "billing_period": told["current_billing_period"]}
            if declined:
                charge["status"] = "past_due"
            else:
                self._charge(charge, items[0]["price"]["unit_price"]["amount"])
            return str(charge["id"])

    def event(self, kind: str, data: Mapping[str, Any], signed_at: datetime | None = None) -> WebhookRequest:
        """A webhook that is signed at this time and received now. It tells no adjustments of a transaction."""
        with self._lock:
            self._numbers += 1
            told = {
                "event_id": f"evt_{self._numbers:0>26}", "event_type": kind, "occurred_at": stamp(datetime.now(UTC)),
                "notification_id": f"ntf_{self._numbers:0>26}", "data": deepcopy(dict(data)),
            }  # fmt: skip
        body, now = json.dumps(told).encode(), datetime.now(UTC)
        ts = str(int((signed_at or now).timestamp()))
        return WebhookRequest({"paddle-signature": f"ts={ts};h1={signature(ts, body)}"}, body, now)

    def _route(self, request: Arrived) -> Reply:
        kind, _, rest = request.path.strip("/").partition("/")
        identity, _, action = rest.partition("/")
        match request.method, kind, bool(identity), action:
            case "GET", "transactions", False, "":
                return self._list(request.query)
            case "POST", "transactions", False, "":
                return self._create(request.json)
            case "GET", "transactions", True, "":
                return data_of(self._shown(_known(self.transactions, identity), request.query))
            case "POST", "adjustments", False, "":
                return data_of(self._adjust(request.json), 201)
            case "GET", "subscriptions", True, "":
                return data_of(_known(self.subscriptions, identity))
            case "PATCH", "subscriptions", True, "":
                return data_of(self._change(_known(self.subscriptions, identity), request.json))
            case "POST", "subscriptions", True, "cancel":
                return data_of(self._cancel(_known(self.subscriptions, identity), request.json))
        return refusal(404, "not_found")

    def _create(self, body: Mapping[str, Any]) -> Reply:
        must(set(body) <= _TRANSACTION and bool(body.get("items")))
        must(body.get("currency_code", "USD") in CURRENCIES and body.get("collection_mode") in (None, "automatic", "manual"))
        checkout = body.get("checkout") or {}
        must(set(checkout) <= {"url"} and isinstance(body.get("custom_data") or {}, dict))
        items = [self._item(each, "transaction_price_not_found") for each in body["items"]]
        told = self._transaction(items, body["currency_code"], body.get("custom_data"), "api")
        told["checkout"] = {"url": f"{checkout.get('url', 'https://madang.example/pay')}?_ptxn={told['id']}"}
        return data_of(told, 201)

    def _item(self, item: Mapping[str, Any], missing: str) -> dict[str, Any]:
        must(isinstance(item.get("quantity"), int) and item["quantity"] >= 1)
        if "price_id" in item:
            must(set(item) == {"price_id", "quantity"})
            if item["price_id"] not in _CATALOGUE:
                raise Refused(missing)
            month = {"interval": "month", "frequency": 1}
            price = {"unit_price": {"amount": _CATALOGUE[item["price_id"]], "currency_code": "USD"}, "billing_cycle": month}
            return {"price": {**price, "id": item["price_id"], "tax_mode": "account_setting"}, "quantity": item["quantity"]}
        price = item["price"]
        must(set(item) == {"price", "quantity"} and set(price) <= _PRICE and 2 <= len(price["description"]) <= 500)
        must(set(price["product"]) <= _PRODUCT and 1 <= len(price["product"]["name"]) <= 200)
        must(set(price["unit_price"]) == {"amount", "currency_code"} and isinstance(price["unit_price"]["amount"], str))
        must(bool(re.fullmatch("[0-9]+", price["unit_price"]["amount"])) and price["tax_mode"] in ("external", "internal"))
        must(bool(re.fullmatch("[a-z-]+", price["product"]["tax_category"])))
        for each in ("billing_cycle", "trial_period"):
            told = price.get(each)
            must(told is None or (told["interval"] in ("day", "week", "month", "year") and told["frequency"] >= 1))
        return {"price": {**price, "id": f"pri_{self._number()}"}, "quantity": item["quantity"]}

    def _transaction(
        self, items: list[dict[str, Any]], currency: str, custom: Mapping[str, Any] | None, origin: str
    ) -> dict[str, Any]:
        identity, now = f"txn_{self._number()}", stamp(datetime.now(UTC))
        told: dict[str, Any] = {
            "id": identity, "status": "draft", "customer_id": None, "address_id": None, "custom_data": custom,
            "currency_code": currency, "origin": origin, "subscription_id": None, "collection_mode": "automatic",
            "items": items, "payments": [], "checkout": None, "created_at": now, "updated_at": now, "billed_at": None,
        }  # fmt: skip
        amount = sum(int(each["price"]["unit_price"]["amount"]) * each["quantity"] for each in items)
        told["details"] = _details(identity, {"subtotal": amount, "tax": 0, "total": amount})
        self.transactions[identity] = told
        return told

    def _charge(self, told: dict[str, Any], amount: str) -> None:
        now, price = stamp(datetime.now(UTC)), int(amount)
        within = told["items"][0]["price"]["tax_mode"] == "internal"
        tax = price // 11 if within else price // 10
        net = price - tax if within else price
        told["details"] = _details(told["id"], {"subtotal": net, "tax": tax, "total": net + tax})
        attempt = {"amount": str(net + tax), "method_details": {"type": "card", "card": {"last4": "4242"}}, "created_at": now}
        failed = {**attempt, "status": "error", "error_code": "declined", "captured_at": None}
        told["payments"] = [{**attempt, "status": "captured", "error_code": None, "captured_at": now}, failed]
        told |= {"status": "completed", "customer_id": f"ctm_{'1':0>26}", "billed_at": now}

    def _begin(self, transaction: Mapping[str, Any]) -> str:
        identity, now = f"sub_{self._number()}", datetime.now(UTC)
        price = transaction["items"][0]["price"]
        trial = price.get("trial_period")
        ends = now + timedelta(days=trial["frequency"]) if trial else None
        period = {"starts_at": stamp(now), "ends_at": stamp(ends)} if ends else _period(now)
        item = {"price": price, "quantity": 1, "trial_dates": period if ends else None}
        self.subscriptions[identity] = {
            "id": identity, "status": "trialing" if trial else "active", "currency_code": transaction["currency_code"],
            "custom_data": transaction["custom_data"], "items": [item], "current_billing_period": period,
            "next_billed_at": period["ends_at"], "canceled_at": None, "scheduled_change": None,
        }  # fmt: skip
        return identity

    def _change(self, told: dict[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        must(set(body) <= _CHANGES and body.get("scheduled_change") is None)
        if told["status"] == "canceled":
            raise Refused("subscription_update_when_canceled")
        if "scheduled_change" in body:
            told["scheduled_change"] = None
        if "items" in body:
            mode = body.get("proration_billing_mode")
            must(mode in _MODES and (told["status"] != "trialing" or mode == "do_not_bill"))
            items = [self._item(each, "subscription_price_not_found") for each in body["items"]]
            told["items"] = [{**each, "trial_dates": None} for each in items]
        return told

    def _cancel(self, told: dict[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        must(set(body) <= {"effective_from"} and body.get("effective_from") in ("next_billing_period", "immediately", None))
        if told["status"] == "canceled":
            raise Refused("subscription_is_canceled_action_invalid")
        if body.get("effective_from") == "immediately":
            self._end(told)
        elif told["scheduled_change"]:
            raise Refused("subscription_locked_pending_changes")
        else:
            told["scheduled_change"] = {"action": "cancel", "effective_at": told["current_billing_period"]["ends_at"]}
        return told

    def _end(self, told: dict[str, Any]) -> None:
        if told["status"] != "canceled":
            ended = {"canceled_at": stamp(datetime.now(UTC)), "current_billing_period": None, "next_billed_at": None}
            told |= {"status": "canceled", "scheduled_change": None, **ended}

    def _adjust(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        must(set(body) <= _ADJUSTMENT and body["action"] == "refund" and bool(body["reason"]))
        transaction, whole = _known(self.transactions, body["transaction_id"]), body.get("type", "partial") == "full"
        if transaction["status"] != "completed":
            raise Refused("adjustment_transaction_invalid_status_for_refund")
        made = [each for each in self.adjustments.values() if each["transaction_id"] == transaction["id"]]
        if any(each["status"] == "pending_approval" for each in made):
            raise Refused("adjustment_pending_refund_request")
        must(whole != ("items" in body))
        if whole and "tax_mode" in body:
            raise Refused("adjustment_tax_mode_not_allowed")
        items = [{"item_id": _item(transaction["id"]), "type": "full"}] if whole else body["items"]
        within = body.get("tax_mode", "internal") == "internal"
        return self._adjustment(transaction["id"], "refund", items, within=within, reason=body["reason"])

    def _adjustment(
        self, transaction: str, action: str, items: list[Mapping[str, Any]], *, within: bool, reason: str
    ) -> dict[str, Any]:
        [item] = items
        must(set(item) <= {"item_id", "type", "amount"} and item["type"] in ("full", "partial"))
        must(item["item_id"] == _item(transaction) and isinstance(item.get("amount", ""), str))
        totals = self._taken(transaction, item, within)
        identity = f"adj_{self._number()}"
        status = "approved" if self.approves or action != "refund" else "pending_approval"
        self.adjustments[identity] = {
            "id": identity, "action": action, "transaction_id": transaction, "reason": reason, "status": status,
            "subscription_id": self.transactions[transaction]["subscription_id"],
            "currency_code": self.transactions[transaction]["currency_code"],
            "items": [{**item, "id": f"adjitm_{self._number()}", "totals": totals}], "totals": totals,
        }  # fmt: skip
        return self.adjustments[identity]

    def _taken(self, transaction: str, item: Mapping[str, Any], within: bool) -> Mapping[str, str]:
        totals = self.transactions[transaction]["details"]["totals"]
        made = [each for each in self.adjustments.values() if each["transaction_id"] == transaction]
        counted = [each["totals"] for each in made if each["status"] in ("approved", "pending_approval")]
        net, tax = (int(totals[name]) - sum(int(each[name]) for each in counted) for name in ("subtotal", "tax"))
        if item["type"] == "partial":
            amount = int(item["amount"])
            share = amount * int(totals["tax"]) // int(totals["total"] if within else totals["subtotal"])
            wanted = (amount - share, share) if within else (amount, share)
            if not amount or wanted[0] > net:
                raise Refused("adjustment_amount_above_remaining_allowed" if amount else "adjustment_amount_cannot_be_zero")
            net, tax = wanted
        if net <= 0:
            raise Refused("adjustment_transaction_item_has_already_been_fully_adjusted")
        return {"subtotal": str(net), "tax": str(tax), "total": str(net + tax)}

    def _list(self, query: Mapping[str, str]) -> Reply:
        must(set(query) <= _QUERY and 1 <= int(query.get("per_page", "30")) <= 30)
        since, until = query.get("created_at[GTE]", ""), query.get("created_at[LT]", "9")
        ids = sorted(each for each, told in self.transactions.items() if since <= told["created_at"] < until)
        left = [each for each in ids if each > query.get("after", "")]
        shown = left[:_PAGE]
        more = {"has_more": len(left) > _PAGE, "per_page": _PAGE, "estimated_total": len(ids)}
        after = f"https://api.paddle.com/transactions?after={shown[-1]}" if shown else "https://api.paddle.com/transactions"
        found = [self._shown(self.transactions[each], query) for each in shown]
        return Reply(200, {"data": found, "meta": {**META, "pagination": {**more, "next": after}}})

    def _shown(self, told: Mapping[str, Any], query: Mapping[str, str]) -> Mapping[str, Any]:
        made = [each for each in self.adjustments.values() if each["transaction_id"] == told["id"]]
        return {**told, "adjustments": made} if made and query.get("include") == "adjustments" else told

    def _number(self) -> str:
        self._numbers += 1
        return f"{self._numbers:0>26}"


META: Final = {"request_id": "0d8a5b9c-1111-4222-8333-944455556666"}


def refusal(status: int, code: str, headers: Mapping[str, str] | None = None) -> Reply:
    error = {
        "type": "api_error" if status >= 429 else "request_error", "code": code, "detail": "buyer@example.com is not welcome",
        "documentation_url": f"https://developer.paddle.com/errors/shared/{code}",
    }  # fmt: skip
    return Reply(status, {"error": error, "meta": META}, headers or {})


def data_of(entity: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, {"data": entity, "meta": META})


def must(well: bool) -> None:
    if not well:
        raise Refused("invalid_field")


def signature(ts: str, body: bytes) -> str:
    return hmac.new(SIGNING.encode(), ts.encode() + b":" + body, hashlib.sha256).hexdigest()


def stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _known(entities: Mapping[str, dict[str, Any]], identity: str) -> dict[str, Any]:
    if identity not in entities:
        raise Refused("not_found", 404)
    return entities[identity]


def _period(start: datetime) -> Mapping[str, str]:
    return {"starts_at": stamp(start), "ends_at": stamp(start + timedelta(days=30))}


def _item(transaction: str) -> str:
    return transaction.replace("txn_", "txnitm_")


def _details(identity: str, amounts: Mapping[str, int]) -> dict[str, Any]:
    totals = {name: str(amount) for name, amount in amounts.items()} | {"discount": "0"}
    line = {"id": _item(identity), "quantity": 1, "totals": totals}
    return {"totals": {**totals, "grand_total": totals["total"]}, "adjusted_totals": dict(totals), "line_items": [line]}
