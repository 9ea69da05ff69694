"""The account of the Stripe that stands in: what is open, paid, renewed, refunded and disputed, as Stripe's own objects."""

import calendar
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

from contract.fake_stripe_rules import Refused, check_amount, check_session, price_of

PRICES: Final = {
    name: {
        "id": name, "object": "price", "active": True, "currency": "krw", "unit_amount": amount, "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1}, "type": "recurring",
    }
    for name, amount in (("price_pro", 9900), ("price_team", 19_800), ("price_other", 100))
}  # fmt: skip
TIMES: Final = (
    "created", "current_period_start", "current_period_end", "trial_end", "trial_start", "expires_at", "ended_at", "start",
    "end",
)  # fmt: skip


class StripeBooks:
    """Methods that answer take checked parameters; the rest is what people, banks and time do."""

    def __init__(self, locked: Callable[[], AbstractContextManager[Any]]) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.prices = deepcopy(PRICES)
        self.declining: str | None = None
        self._locked = locked
        self._ids = 0

    def open_session(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        items = check_session(asked, self.prices)
        trial = asked.get("subscription_data", {}).get("trial_period_days", 0)
        asks = sum(price["unit_amount"] * item["quantity"] for price, item in zip(items, asked["line_items"], strict=True))
        identity, now = self._id("cs_test"), _now()
        return self._keep(
            {
                "id": identity, "object": "checkout.session", "mode": asked["mode"], "status": "open",
                "payment_status": "unpaid",
                "amount_subtotal": 0 if trial else asks, "amount_total": 0 if trial else asks, "currency": items[0]["currency"],
                "client_reference_id": asked.get("client_reference_id"), "customer_email": asked.get("customer_email"),
                "metadata": asked.get("metadata", {}), "created": now, "expires_at": asked.get("expires_at", now + 86_400),
                "success_url": asked["success_url"], "cancel_url": asked.get("cancel_url"), "payment_intent": None,
                "subscription": None, "invoice": None, "livemode": False, "locale": asked.get("locale"),
                "url": f"https://checkout.stripe.example/c/pay/{identity}",
                "asked": {**asked, "prices": [dict(each) for each in items]},
            }
        )  # fmt: skip

    def read_session(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.one(identity, "checkout.session")

    def expire_session(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        session = self.one(identity, "checkout.session")
        if session["status"] != "open":
            raise Refused(None, None, f"Only Checkout Sessions with a status in `open` can be expired: {identity}")
        session["status"] = "expired"
        return session

    def read_intent(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.one(identity, "payment_intent")

    def read_invoice(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.one(identity, "invoice")

    def read_subscription(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.one(identity, "subscription")

    def list_sessions(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._list("checkout.session", asked, "payment_intent", "subscription", "status")

    def list_invoices(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._list("invoice", asked, "status")

    def list_disputes(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._list("dispute", asked, "charge", "payment_intent")

    def list_refunds(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._list("refund", asked, "charge", "payment_intent")

    def list_invoice_payments(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = asked.get("payment", {}).get("payment_intent")
        found = [each for each in self.of_kind("invoice_payment") if wanted in (None, each["payment"]["payment_intent"])]
        return {"object": "list", "data": found, "has_more": False, "url": "/v1/invoice_payments"}

    def refund(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        intent = self.one(asked.get("payment_intent", ""), "payment_intent", 400, "payment_intent")
        charge = self.kept.get(intent["latest_charge"] or "")
        if charge is None or charge["status"] != "succeeded":
            raise Refused(None, "payment_intent", "This PaymentIntent does not have a successful charge to refund.")
        left = charge["amount"] - charge["amount_refunded"]
        amount = asked.get("amount", left)
        if left == 0:
            raise Refused("charge_already_refunded", None, f"Charge {charge['id']} has already been refunded.")
        if charge["disputed"]:
            raise Refused("charge_disputed", None, f"Charge {charge['id']} has been charged back; cannot issue a refund.")
        if not 0 < amount <= left:
            raise Refused(None, "amount", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        return self._keep(
            {
                "id": self._id("re"), "object": "refund", "amount": amount, "charge": charge["id"], "created": _now(),
                "currency": charge["currency"], "metadata": asked.get("metadata", {}), "payment_intent": intent["id"],
                "reason": asked.get("reason"), "status": "succeeded", "failure_reason": None,
            }
        )  # fmt: skip

    def update_subscription(self, identity: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        subscription = self.one(identity, "subscription")
        if subscription["status"] == "canceled":
            message = "A canceled subscription can only update its cancellation_details and metadata."
            raise Refused(None, next(iter(asked), None), message)
        if "cancel_at_period_end" in asked:
            subscription["cancel_at_period_end"] = asked["cancel_at_period_end"]
            subscription["canceled_at"] = _now() if asked["cancel_at_period_end"] else None
        for number, item in enumerate(asked.get("items", ())):
            self._change_item(subscription, item, f"items[{number}]", asked.get("proration_behavior", "create_prorations"))
        return subscription

    def cancel_subscription(self, identity: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
        subscription = self.one(identity, "subscription")
        if subscription["status"] == "canceled":
            raise Refused("resource_missing", "subscription", f"No such subscription: '{identity}'", 404)
        return subscription | self._ended(subscription)

    def pay(self, session_id: str) -> None:
        """The person pays at the checkout, or agrees to the subscription."""
        with self._locked():
            session = self.one(session_id, "checkout.session")
            if session["status"] != "open":
                return
            session |= {"status": "complete", "payment_status": "paid"}
            if session["mode"] == "payment":
                data = session["asked"].get("payment_intent_data", {})
                intent = self.charge(session["amount_total"], session["currency"], data.get("metadata", {}))
                session["payment_intent"] = intent["id"]
            else:
                session["subscription"] = self._begin(session)["id"]

    def fail(self, session_id: str, code: str = "card_declined") -> None:
        """A slow means of payment fails after the checkout was completed."""
        with self._locked():
            session = self.one(session_id, "checkout.session")
            intent = self.charge(session["amount_total"], session["currency"], {}, declined=code)
            session |= {"status": "complete", "payment_intent": intent["id"]}

    def period_ends(self, subscription_id: str, *, declined: bool = False) -> str | None:
        """The next period begins and is charged (the same invoice again where its charge failed before), or the subscription
        ends. Answers the invoice."""
        with self._locked():
            subscription = self.one(subscription_id, "subscription")
            if subscription["status"] == "canceled":
                return None
            if subscription["cancel_at_period_end"]:
                subscription |= self._ended(subscription)
                return None
            owed = next((each for each in self._invoices_of(subscription_id) if each["status"] == "open"), None)
            if owed is None:
                self._next_period(subscription)
                owed = self._invoice(subscription, self._price_of(subscription), "subscription_cycle")
            self._collect(owed, declined="insufficient_funds" if declined else None)
            subscription["status"] = "past_due" if declined else "active"
            return str(owed["id"])

    def let_pass(self, seconds: float) -> None:
        """Everything happened that much earlier."""
        with self._locked():
            for kept in self.kept.values():
                lines = [line["period"] for line in (kept.get("lines") or {"data": []})["data"]]
                for each in (kept, *(kept.get("items") or {"data": []})["data"], *lines):
                    each |= {name: each[name] - int(seconds) for name in TIMES if each.get(name)}

    def dispute(self, intent_id: str, status: str = "needs_response") -> dict[str, Any]:
        """The person's bank takes the money back."""
        with self._locked():
            charge = self.kept[self.one(intent_id, "payment_intent")["latest_charge"]]
            charge["disputed"] = True
            return self._keep(
                {
                    "id": self._id("dp"), "object": "dispute", "amount": charge["amount"], "charge": charge["id"],
                    "created": _now(), "currency": charge["currency"], "metadata": {}, "payment_intent": intent_id,
                    "reason": "fraudulent", "status": status,
                }
            )  # fmt: skip

    def becomes(self, identity: str, state: str) -> None:
        """`complete/unpaid/processing` are a session's status, its payment's, and its PaymentIntent's."""
        with self._locked():
            found = self.kept[identity]
            status, _, rest = state.partition("/")
            found["status"] = status
            paid, _, intent = rest.partition("/")
            if paid:
                found["payment_status"] = paid
            if intent:
                self.kept[found["payment_intent"]]["status"] = intent

    def charge(self, amount: int, currency: str, metadata: Mapping[str, str], *, declined: str | None = None) -> dict[str, Any]:
        """A PaymentIntent whose charge succeeded, or was declined."""
        check_amount(amount, currency, "amount")
        charge = self._keep(
            {
                "id": self._id("ch"), "object": "charge", "amount": amount, "amount_refunded": 0, "created": _now(),
                "currency": currency, "disputed": False, "metadata": dict(metadata), "paid": not declined, "refunded": False,
                "status": "failed" if declined else "succeeded", "payment_method_details": {"type": "card", "card": {}},
            }
        )  # fmt: skip
        intent = self._keep(
            {
                "id": self._id("pi"), "object": "payment_intent", "amount": amount, "created": _now(), "currency": currency,
                "latest_charge": charge["id"], "metadata": dict(metadata),
                "status": "requires_payment_method" if declined else "succeeded",
                "last_payment_error": {"type": "card_error", "code": declined} if declined else None,
            }
        )  # fmt: skip
        charge["payment_intent"] = intent["id"]
        return intent

    def expanded(self, found: Mapping[str, Any], wanted: list[str]) -> Mapping[str, Any]:
        """As it is answered: a copy, with what was asked for in the place of its id, and nothing of our own."""
        answer = deepcopy(dict(found))
        for path in wanted:
            if path.startswith("data."):
                answer["data"] = [self._expand(each, path.removeprefix("data.")) for each in answer["data"]]
            else:
                answer = self._expand(answer, path)
        return _public(answer)

    def one(self, identity: str, kind: str, status: int = 404, param: str = "id") -> dict[str, Any]:
        found = self.kept.get(identity)
        if found is None or found["object"] != kind:
            raise Refused("resource_missing", param, f"No such {kind}: '{identity}'", status)
        return found

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.kept.values() if each["object"] == kind]

    def _expand(self, answer: dict[str, Any], path: str) -> dict[str, Any]:
        name, _, rest = path.partition(".")
        if name == "payments":
            payments = [each for each in self.of_kind("invoice_payment") if each["invoice"] == answer["id"]]
            return {**answer, "payments": {"object": "list", "data": deepcopy(payments), "has_more": False}}
        if name == "line_items":
            asked = answer["asked"]
            bought = [
                {"id": f"li_{number}", "object": "item", "price": price, "quantity": item["quantity"]}
                for number, (price, item) in enumerate(zip(asked["prices"], asked["line_items"], strict=True))
            ]
            return {**answer, "line_items": {"object": "list", "data": bought, "has_more": False}}
        value = answer.get(name)
        inner = deepcopy(self.kept[value]) if isinstance(value, str) else value
        return {**answer, name: self._expand(inner, rest) if rest and inner else inner}

    def _begin(self, session: Mapping[str, Any]) -> dict[str, Any]:
        asked, now = session["asked"], _now()
        data, price = asked.get("subscription_data", {}), asked["prices"][0]
        trial = data.get("trial_period_days", 0)
        if "id" not in price:
            price = {**PRICES["price_pro"], **price, "id": self._id("price"), "product": self._id("prod")}
            self.prices[price["id"]] = price
        end = now + trial * 86_400 if trial else _later(now, price)
        item = {
            "id": self._id("si"), "object": "subscription_item", "price": price, "quantity": asked["line_items"][0]["quantity"],
            "current_period_start": now, "current_period_end": end,
        }  # fmt: skip
        subscription = self._keep(
            {
                "id": self._id("sub"), "object": "subscription", "status": "trialing" if trial else "active", "created": now,
                "cancel_at": None, "cancel_at_period_end": False, "canceled_at": None, "currency": price["currency"],
                "customer": self._id("cus"), "ended_at": None, "items": {"object": "list", "data": [item], "has_more": False},
                "latest_invoice": None, "metadata": data.get("metadata", {}), "trial_end": end if trial else None,
                "trial_start": now if trial else None,
            }
        )  # fmt: skip
        if not trial:
            self._collect(self._invoice(subscription, self._price_of(subscription), "subscription_create"))
        return subscription

    def _change_item(self, subscription: dict[str, Any], asked: Mapping[str, Any], path: str, proration: str) -> None:
        [item] = subscription["items"]["data"]
        if asked.get("id") != item["id"]:
            raise Refused("resource_missing", f"{path}[id]", f"No such subscription item: '{asked.get('id')}'")
        before = item["price"]
        if "price_data" in asked:
            told = price_of(asked["price_data"], f"{path}[price_data]")
            item["price"] = {**before, **told, "id": self._id("price")}
        elif asked.get("price") in self.prices:
            item["price"] = self.prices[asked["price"]]
        else:
            raise Refused("resource_missing", f"{path}[price]", f"No such price: '{asked.get('price')}'")
        more = item["price"]["unit_amount"] - before["unit_amount"]
        if proration == "always_invoice" and more >= 50 and subscription["status"] == "active":
            if self.declining:
                item["price"] = before
                raise Refused("card_declined", None, "Your card was declined.", 402, "card_error")
            self._collect(self._invoice(subscription, more, "subscription_update"))

    def _invoice(self, subscription: dict[str, Any], amount: int, reason: str) -> dict[str, Any]:
        invoice = self._keep(
            {
                "id": self._id("in"), "object": "invoice", "amount_due": amount, "amount_paid": 0, "attempted": False,
                "attempt_count": 0, "billing_reason": reason, "created": _now(), "currency": subscription["currency"],
                "customer": subscription["customer"], "status": "open", "total": amount, "next_payment_attempt": None,
                "parent": {"type": "subscription_details", "quote_details": None,
                           "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]}},
                "status_transitions": {"finalized_at": _now(), "marked_uncollectible_at": None, "paid_at": None},
                "lines": {"object": "list", "has_more": False, "data": [_line(subscription, reason == "subscription_update")]},
            }
        )  # fmt: skip
        subscription["latest_invoice"] = invoice["id"]
        return invoice

    def _collect(self, invoice: dict[str, Any], declined: str | None = None) -> None:
        """Another try of the same invoice goes by the same invoice payment."""
        intent = self.charge(invoice["amount_due"], invoice["currency"], {}, declined=declined)
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
        payment = next((each for each in self.of_kind("invoice_payment") if each["invoice"] == invoice["id"]), None)
        if payment is None:
            payment = self._keep({"id": self._id("inpay"), "object": "invoice_payment", "invoice": invoice["id"]})
        payment |= {
            "is_default": True, "status": "open" if declined else "paid", "amount_requested": invoice["amount_due"],
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]}, "created": _now(),
        }  # fmt: skip
        if declined is None:
            invoice |= {"status": "paid", "amount_paid": invoice["amount_due"]}
            invoice["status_transitions"]["paid_at"] = _now()

    def _next_period(self, subscription: dict[str, Any]) -> None:
        [item] = subscription["items"]["data"]
        item["current_period_start"] = item["current_period_end"]
        item["current_period_end"] = _later(item["current_period_start"], item["price"])

    def _invoices_of(self, subscription_id: str) -> list[dict[str, Any]]:
        return [
            each for each in self.of_kind("invoice")
            if each["parent"]["subscription_details"]["subscription"] == subscription_id
        ]  # fmt: skip

    def _price_of(self, subscription: Mapping[str, Any]) -> int:
        return sum(each["price"]["unit_amount"] * each["quantity"] for each in subscription["items"]["data"])

    def _ended(self, subscription: dict[str, Any]) -> dict[str, Any]:
        subscription |= {"status": "canceled", "ended_at": _now(), "canceled_at": subscription["canceled_at"] or _now()}
        return subscription

    def _list(self, kind: str, asked: Mapping[str, Any], *fields: str) -> Mapping[str, Any]:
        """The newest first, a page from after `starting_after`."""
        span, limit = asked.get("created", {}), asked.get("limit", 10)
        if not 1 <= limit <= 100:
            raise Refused("parameter_invalid_integer", "limit", "limit must be between 1 and 100")
        found = [
            each for each in reversed(self.of_kind(kind))
            if all(each[name] == asked[name] for name in fields if name in asked)
            and span.get("gte", 0) <= each["created"] < span.get("lt", each["created"] + 1)
        ]  # fmt: skip
        if "starting_after" in asked:
            ids = [each["id"] for each in found]
            self.one(asked["starting_after"], kind, 400, "starting_after")
            found = found[ids.index(asked["starting_after"]) + 1 :]
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": f"/v1/{kind}s"}

    def _keep(self, made: dict[str, Any]) -> dict[str, Any]:
        self.kept[made["id"]] = made
        return made

    def _id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}_{self._ids:020d}"


def _public(answer: Any) -> Any:
    """Without what only this stand-in knows."""
    if isinstance(answer, dict):
        return {name: _public(value) for name, value in answer.items() if name != "asked"}
    return [_public(each) for each in answer] if isinstance(answer, list) else answer


def _line(subscription: Mapping[str, Any], proration: bool) -> dict[str, Any]:
    """What an invoice is for: the plan's period, or the rest of it after a change."""
    [item] = subscription["items"]["data"]
    start = _now() if proration else item["current_period_start"]
    details = {"proration": proration, "subscription": subscription["id"], "subscription_item": item["id"]}
    return {
        "object": "line_item", "period": {"start": start, "end": item["current_period_end"]},
        "parent": {"type": "subscription_item_details", "subscription_item_details": details, "invoice_item_details": None},
    }  # fmt: skip


def _later(start: int, price: Mapping[str, Any]) -> int:
    """The same day so many months later, or the last of a shorter one."""
    interval = price["recurring"] or {"interval": "month"}
    months = interval.get("interval_count", 1) * (12 if interval["interval"] == "year" else 1)
    begun = datetime.fromtimestamp(start, UTC)
    year, month = divmod(begun.year * 12 + begun.month - 1 + months, 12)
    day = min(begun.day, calendar.monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
