"""Lemon Squeezy as its documentation says: JSON:API, a store that sells in dollars and puts the buyer's tax on top.

It refuses other media types, unknown attributes, ids that are no strings in relationships, and variants that it does not have.
"""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply
from madang.ports.webhook import WebhookRequest

API_KEY: Final = "test-key-not-secret"
SIGNING: Final = "test-signing-not-secret"
STORE: Final = "1"
VARIANT: Final = "11"
PLANS: Final = {"21": 990, "22": 1980, "23": 8000}
MEDIA_TYPE: Final = "application/vnd.api+json"
TAX: Final = 10
"""Percent of the buyer's country, put on top."""
_CHECKOUT: Final = frozenset(
    {"custom_price", "product_options", "checkout_options", "checkout_data", "expires_at", "preview", "test_mode"}
)
_PRODUCT: Final = frozenset(
    {
        "name", "description", "media", "redirect_url", "receipt_button_text", "receipt_link_url", "receipt_thank_you_note",
        "enabled_variants",
    }
)  # fmt: skip
_OPTIONS: Final = frozenset(
    {"embed", "media", "logo", "desc", "discount", "skip_trial", "subscription_preview", "button_color"}
)
_DATA: Final = frozenset({"email", "name", "billing_address", "tax_number", "discount_code", "custom", "variant_quantities"})
_CHANGES: Final = frozenset(
    {"variant_id", "pause", "cancelled", "trial_ends_at", "billing_anchor", "invoice_immediately", "disable_prorations"}
)


class FakeLemonSqueezy(RemoteService):
    """`pay` and `agree` are what the buyer does at a checkout's address; `period_ends` is what time does."""

    def __init__(self) -> None:
        super().__init__()
        self.checkouts: dict[str, dict[str, Any]] = {}
        self.resources: dict[tuple[str, str], dict[str, Any]] = {}
        self.custom: dict[tuple[str, str], Mapping[str, str]] = {}
        self._numbers = 0
        self._lock = threading.RLock()

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return Reply(401, {"message": "Unauthenticated."})
            if request.headers.get("accept") != MEDIA_TYPE:
                return refusal(406, "Not Acceptable")
            if request.body and request.headers.get("content-type") != MEDIA_TYPE:
                return refusal(415, "Unsupported Media Type")
            return self._route(request)

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "Too Many Requests", {"retry-after": "7"})
            case Fault.WRONG_KEY:
                return Reply(401, {"message": "Unauthenticated."})
            case Fault.UNAVAILABLE:
                return refusal(503, "Service Unavailable")
            case _:
                return refusal(500, "Server Error")

    def becomes(self, identity: str, state: str) -> None:
        kind, _, number = identity.rpartition(":")
        kinds = ("subscription-invoices",) if kind else ("orders", "subscriptions")
        with self._lock:
            for each in kinds:
                if (each, number) in self.resources:
                    self.resources[each, number]["attributes"]["status"] = state

    def pay(self, url: str) -> str:
        """The buyer pays; answers the order's id."""
        with self._lock:
            told = self.checkouts[url]
            return self._new("orders", charged(told["custom_price"]), told["checkout_data"]["custom"])

    def agree(self, url: str) -> str:
        """The buyer leaves a card, and is charged where no trial is in between; answers the subscription's id."""
        with self._lock:
            told, now = self.checkouts[url], datetime.now(UTC)
            trial = now + timedelta(days=7) if not told["checkout_options"]["skip_trial"] else None
            identity = self._new(
                "subscriptions",
                {
                    "store_id": 1, "variant_id": int(told["variant"]), "status": "on_trial" if trial else "active",
                    "cancelled": False, "trial_ends_at": stamp(trial), "renews_at": stamp(trial or now + timedelta(days=30)),
                    "ends_at": None, "first_subscription_item": {"id": 1, "price_id": int(told["variant"]) + 100},
                    "created_at": stamp(now), "updated_at": stamp(now),
                },
                told["checkout_data"]["custom"],
            )  # fmt: skip
            if trial is None:
                self._invoice(identity, "initial")
            return identity

    def period_ends(self, identity: str, *, declined: bool = False) -> str | None:
        """Answers the invoice's id, None where the subscription ends."""
        with self._lock:
            told = self.resources["subscriptions", identity]["attributes"]
            if told["status"] in ("cancelled", "expired"):
                told |= {"status": "expired", "ends_at": stamp(datetime.now(UTC))}
                return None
            if told["status"] == "past_due" and not declined:
                return self._recovered(identity)
            if told["status"] != "past_due":
                told["renews_at"] = stamp(datetime.fromisoformat(told["renews_at"]) + timedelta(days=30))
            told["status"] = "past_due" if declined else "active"
            return self._invoice(identity, "renewal", "pending" if declined else "paid")

    def event(self, name: str, kind: str, identity: str) -> WebhookRequest:
        """A webhook about one of these, received now."""
        custom = self.custom.get((kind, identity))
        data = self.resources.get((kind, identity)) or {"type": kind, "id": identity, "attributes": {}}
        meta = {"event_name": name, "test_mode": True, "webhook_id": "w-1", **({"custom_data": custom} if custom else {})}
        body = json.dumps({"meta": meta, "data": data}).encode()
        return WebhookRequest({"x-signature": signature(body), "x-event-name": name}, body, datetime.now(UTC))

    def _route(self, request: Arrived) -> Reply:
        place = request.path.removeprefix("/v1/")
        if (request.method, place) == ("GET", f"stores/{STORE}"):
            return resource("stores", STORE, {"name": "Madang", "currency": "USD"})
        if (request.method, place) == ("POST", "checkouts"):
            return self._check_out(request.json)
        if request.method == "GET" and place.startswith("prices/"):
            number = place.removeprefix("prices/")
            price = PLANS.get(str(int(number) - 100))
            return (
                resource("prices", place.removeprefix("prices/"), {"unit_price": price}) if price else refusal(404, "Not Found")
            )
        found = re.fullmatch(r"(orders|subscription-invoices|subscriptions)/([0-9]+)(/refund)?", place)
        if found is None or (found[1], found[2]) not in self.resources:
            return refusal(404, "Not Found")
        return self._act(request, found[1], found[2], bool(found[3]))

    def _act(self, request: Arrived, kind: str, identity: str, refund: bool) -> Reply:
        told = self.resources[kind, identity]
        if request.method == "GET" and not refund:
            return Reply(200, {"data": told})
        if request.method == "POST" and refund and kind != "subscriptions":
            return self._refund(told, request.json["data"])
        if request.method == "DELETE" and kind == "subscriptions":
            if told["attributes"]["status"] != "expired":
                told["attributes"] |= {"status": "cancelled", "cancelled": True, "ends_at": told["attributes"]["renews_at"]}
            return Reply(200, {"data": told})
        if request.method == "PATCH" and kind == "subscriptions":
            return self._change(told, request.json["data"])
        return refusal(405, "Method Not Allowed")

    def _check_out(self, body: Mapping[str, Any]) -> Reply:
        data = body["data"]
        told, variant = data["attributes"], data["relationships"]["variant"]["data"]["id"]
        parts = ((told, _CHECKOUT), (told["product_options"], _PRODUCT), (told["checkout_options"], _OPTIONS))
        known = all(part.keys() <= fields for part, fields in (*parts, (told["checkout_data"], _DATA)))
        custom = told["checkout_data"].get("custom", {})
        price = told.get("custom_price", 1)
        if data["type"] != "checkouts" or not known or not all(isinstance(each, str) for each in custom.values()):
            return refusal(422, "The data is wrong")
        if (
            not isinstance(price, int)
            or price <= 0
            or data["relationships"]["store"]["data"] != {"type": "stores", "id": STORE}
        ):
            return refusal(422, "The data is wrong")
        if variant not in (VARIANT, *PLANS):
            return refusal(404, "The related resource does not exist.")
        number = self._number()
        url = f"https://madang.lemonsqueezy.com/checkout/custom/{number}?signature=x"
        self.checkouts[url] = {**told, "variant": variant}
        shown = {"store_id": 1, "variant_id": int(variant), "url": url, "expires_at": told.get("expires_at")}
        return resource("checkouts", f"5e8b546c-c561-4a2c-a586-{number:0>12}", shown, 201)

    def _refund(self, told: dict[str, Any], data: Mapping[str, Any]) -> Reply:
        order = told["attributes"]
        left = order["total"] - order["refunded_amount"]
        amount = data["attributes"].get("amount", left)
        if data["id"] != told["id"] or order["status"] not in ("paid", "partial_refund") or not 0 < amount <= left:
            return refusal(422, "The amount cannot be refunded.")
        order["refunded_amount"] += amount
        whole = order["refunded_amount"] >= order["total"] - order["tax"]
        order["status"] = "refunded" if whole else "partial_refund"
        return Reply(200, {"data": told})

    def _change(self, told: dict[str, Any], data: Mapping[str, Any]) -> Reply:
        changes, now = dict(data["attributes"]), told["attributes"]
        if not changes.keys() <= _CHANGES or data["id"] != told["id"]:
            return refusal(422, "The data is wrong")
        if changes.get("cancelled") is False and now["status"] == "cancelled":
            now |= {"status": "active", "cancelled": False, "ends_at": None}
        if "variant_id" in changes:
            if str(changes["variant_id"]) not in PLANS:
                return refusal(422, "The variant does not exist.")
            now |= {"variant_id": changes["variant_id"]}
            now["first_subscription_item"] = {"id": 1, "price_id": changes["variant_id"] + 100}
        return Reply(200, {"data": told})

    def _recovered(self, identity: str) -> str:
        """The card is tried again for the invoice that is owed."""
        self.resources["subscriptions", identity]["attributes"]["status"] = "active"
        invoices = [
            (number, told["attributes"]) for (kind, number), told in self.resources.items() if kind.endswith("invoices")
        ]
        number, owed = next(each for each in invoices if each[1]["status"] == "pending")
        owed["status"] = "paid"
        return number

    def _invoice(self, identity: str, reason: str, status: str = "paid") -> str:
        told = self.resources["subscriptions", identity]["attributes"]
        more = {"subscription_id": int(identity), "billing_reason": reason, "status": status}
        price = PLANS[str(told["variant_id"])]
        return self._new("subscription-invoices", {**charged(price), **more}, self.custom["subscriptions", identity])

    def _new(self, kind: str, attributes: dict[str, Any], custom: Mapping[str, str]) -> str:
        identity = self._number()
        self.resources[kind, identity] = {"type": kind, "id": identity, "attributes": attributes}
        self.custom[kind, identity] = custom
        return identity

    def _number(self) -> str:
        self._numbers += 1
        return str(self._numbers)


def charged(price: int) -> dict[str, Any]:
    """What an order and an invoice say of an amount: the tax is on top of it."""
    now, tax = stamp(datetime.now(UTC)), price * TAX // 100
    return {
        "store_id": 1, "user_name": "김마당", "user_email": "buyer@example.com", "currency": "USD", "currency_rate": "1.0",
        "subtotal": price, "discount_total": 0, "tax": tax, "total": price + tax, "tax_inclusive": False, "refunded_amount": 0,
        "status": "paid", "card_brand": "visa", "card_last_four": "4242", "created_at": now, "updated_at": now,
    }  # fmt: skip


def resource(kind: str, identity: str, attributes: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, {"jsonapi": {"version": "1.0"}, "data": {"type": kind, "id": identity, "attributes": attributes}})


def signature(body: bytes) -> str:
    return hmac.new(SIGNING.encode(), body, hashlib.sha256).hexdigest()


def stamp(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def refusal(status: int, title: str, headers: Mapping[str, str] | None = None) -> Reply:
    error = {"detail": "buyer@example.com is not welcome", "status": str(status), "title": title}
    return Reply(status, {"jsonapi": {"version": "1.0"}, "errors": [error]}, headers or {})
