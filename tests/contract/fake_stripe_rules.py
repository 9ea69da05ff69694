"""What Stripe's API takes: the bracket form, decoded, and the parameters of the calls that are used here, by its reference.

A rule is a kind of value (`TEXT`, `WHOLE`, `FLAG`, `WORDS`), a tuple of words, a list of one rule, or a dictionary by name; a
name with `!` must be there.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

TEXT, WHOLE, FLAG, WORDS = "text", "whole", "flag", "words"

CURRENCIES: Final = frozenset({"krw", "usd", "jpy", "eur", "kwd", "isk", "ugx", "mga"})
INTERVAL: Final = {"interval!": ("day", "week", "month", "year"), "interval_count": WHOLE}
PRICE_DATA: Final = {
    "currency!": TEXT,
    "product": TEXT,
    "product_data": {"name!": TEXT, "description": TEXT, "metadata": WORDS},
    "recurring": INTERVAL,
    "unit_amount": WHOLE,
    "tax_behavior": ("exclusive", "inclusive", "unspecified"),
}
ITEM_PRICE_DATA: Final = {
    "currency!": TEXT,
    "product!": TEXT,
    "recurring!": INTERVAL,
    "unit_amount": WHOLE,
    "tax_behavior": ("exclusive", "inclusive", "unspecified"),
}
"""Of a subscription's item: only of a product that is there."""
LOCALES: Final = ("auto", "en", "ja", "ko", "zh", "fr", "de")

CHECKOUT: Final[dict[str, Any]] = {
    "mode!": ("payment", "setup", "subscription"),
    "adaptive_pricing": {"enabled": FLAG},
    "allow_promotion_codes": FLAG,
    "cancel_url": TEXT,
    "client_reference_id": TEXT,
    "currency": TEXT,
    "customer": TEXT,
    "customer_email": TEXT,
    "expand": [TEXT],
    "expires_at": WHOLE,
    "line_items": [{"price": TEXT, "price_data": PRICE_DATA, "quantity": WHOLE}],
    "locale": LOCALES,
    "metadata": WORDS,
    "payment_intent_data": {
        "capture_method": ("automatic", "automatic_async", "manual"), "description": TEXT, "metadata": WORDS,
        "receipt_email": TEXT, "statement_descriptor": TEXT,
    },
    "subscription_data": {
        "description": TEXT, "metadata": WORDS, "trial_end": WHOLE, "trial_period_days": WHOLE,
        "proration_behavior": ("create_prorations", "none"),
    },
    "success_url": TEXT,
}  # fmt: skip

PAGED: Final = {"limit": WHOLE, "starting_after": TEXT, "ending_before": TEXT, "expand": [TEXT]}
CREATED: Final = {"gt": WHOLE, "gte": WHOLE, "lt": WHOLE, "lte": WHOLE}

RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /v1/checkout/sessions": CHECKOUT,
    "GET /v1/checkout/sessions": {**PAGED, "created": CREATED, "payment_intent": TEXT, "subscription": TEXT, "status": TEXT},
    "GET /v1/checkout/sessions/{id}": {"expand": [TEXT]},
    "POST /v1/checkout/sessions/{id}/expire": {"expand": [TEXT]},
    "GET /v1/payment_intents/{id}": {"expand": [TEXT]},
    "GET /v1/invoices": {**PAGED, "created": CREATED, "subscription": TEXT, "status": TEXT, "customer": TEXT},
    "GET /v1/invoices/{id}": {"expand": [TEXT]},
    "GET /v1/invoice_payments": {**PAGED, "invoice": TEXT, "payment": {"type!": TEXT, "payment_intent": TEXT}, "status": TEXT},
    "GET /v1/disputes": {**PAGED, "charge": TEXT, "payment_intent": TEXT, "created": CREATED},
    "GET /v1/refunds": {**PAGED, "charge": TEXT, "payment_intent": TEXT, "created": CREATED},
    "POST /v1/refunds": {
        "amount": WHOLE, "charge": TEXT, "expand": [TEXT], "metadata": WORDS, "payment_intent": TEXT,
        "reason": ("duplicate", "fraudulent", "requested_by_customer"),
    },
    "GET /v1/subscriptions/{id}": {"expand": [TEXT]},
    "POST /v1/subscriptions/{id}": {
        "cancel_at_period_end": FLAG, "description": TEXT, "expand": [TEXT], "metadata": WORDS,
        "items": [{"id": TEXT, "price": TEXT, "quantity": WHOLE, "deleted": FLAG, "price_data": ITEM_PRICE_DATA}],
        "payment_behavior": ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
        "proration_behavior": ("always_invoice", "create_prorations", "none"),
    },
    "DELETE /v1/subscriptions/{id}": {"expand": [TEXT], "invoice_now": FLAG, "prorate": FLAG},
}  # fmt: skip

EXPANSIONS: Final = frozenset(
    {"payment_intent", "payment_intent.latest_charge", "latest_charge", "subscription", "payments", "line_items"}
    | {f"data.{each}" for each in ("payment_intent", "payment_intent.latest_charge", "payments")}
)


class Refused(Exception):
    """Answered as `invalid_request_error`, or as `kind`."""

    def __init__(
        self, code: str | None, param: str | None, message: str, status: int = 400, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.code, self.param, self.message, self.status, self.kind = code, param, message, status, kind


def decoded(form: str) -> dict[str, Any]:
    """`a[b][0]=c` as `{"a": {"b": ["c"]}}`."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        path = re.findall(r"[^\[\]]+", name)
        place = tree
        for step in path[:-1]:
            place = place.setdefault(step, {})
        if path[-1] in place:
            raise Refused("parameter_invalid", name, f"Received {name} twice")
        place[path[-1]] = value
    return _with_lists(tree)


def checked(rule: Any, value: Any, path: str = "") -> Any:
    """The value in its kind. Raises `Refused`."""
    if isinstance(rule, tuple):
        return _word(rule, value, path)
    if isinstance(rule, list):
        if not isinstance(value, list):
            raise Refused(None, path, "Invalid array")
        return [checked(rule[0], each, f"{path}[{number}]") for number, each in enumerate(value)]
    if isinstance(rule, Mapping):
        return _checked_object(rule, value, path)
    return _PLAIN[rule](value, path)


def check_session(asked: Mapping[str, Any], prices: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rules between a session's parameters; the prices of its items, whether they were named or told."""
    mode = asked["mode"]
    for name, of in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        if name in asked and mode != of:
            raise Refused(None, name, f"You can not pass `{name}` in `{mode}` mode.")
    if not asked.get("line_items"):
        raise Refused("parameter_missing", "line_items", "Missing required param: line_items.")
    for name in ("success_url", "cancel_url"):
        if name in asked and not re.fullmatch(r"https?://[^\s]+", asked[name]):
            raise Refused("url_invalid", name, "Not a valid URL")
    if "success_url" not in asked:
        raise Refused("parameter_missing", "success_url", "Missing required param: success_url.")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", asked.get("customer_email", "a@b.example")):
        raise Refused("email_invalid", "customer_email", f"Invalid email address: {asked['customer_email']}")
    now = datetime.now(UTC).timestamp()
    if not now + 1800 <= asked.get("expires_at", now + 3600) <= now + 86_400:
        raise Refused(None, "expires_at", "The `expires_at` timestamp must be less than 24 hours and 30 minutes or more away")
    return [_price(item, number, mode, prices) for number, item in enumerate(asked["line_items"])]


def price_of(told: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A price that was told instead of named."""
    amount, currency = told.get("unit_amount"), told["currency"]
    if ("product" in told) == ("product_data" in told):
        raise Refused("parameter_missing", f"{path}[product]", "You must specify either `product` or `product_data`")
    if amount is None:
        raise Refused("parameter_missing", f"{path}[unit_amount]", "Missing required param: unit_amount.")
    check_amount(amount, currency, f"{path}[unit_amount]")
    return {"currency": currency, "unit_amount": amount, "recurring": told.get("recurring"), "product": told.get("product")}


def check_amount(amount: int, currency: str, path: str) -> None:
    if currency not in CURRENCIES:
        raise Refused(None, path.replace("unit_amount", "currency"), f"Invalid currency: {currency}")
    if amount < 50:
        raise Refused("amount_too_small", path, "The amount must be greater than or equal to the minimum charge amount")
    if amount > 999_999_999_999:
        raise Refused("amount_too_large", path, "The amount is too large")
    if (currency == "kwd" and amount % 10) or (currency in ("isk", "ugx") and amount % 100):
        raise Refused("parameter_invalid_integer", path, f"Invalid amount for {currency}")


def _price(item: Mapping[str, Any], number: int, mode: str, prices: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    path = f"line_items[{number}]"
    if ("price" in item) == ("price_data" in item):
        raise Refused("parameters_exclusive", path, "You may only specify one of these parameters: price, price_data.")
    if "price" in item:
        if item["price"] not in prices:
            raise Refused("resource_missing", f"{path}[price]", f"No such price: '{item['price']}'")
        found: Mapping[str, Any] = prices[item["price"]]
    else:
        found = price_of(item["price_data"], f"{path}[price_data]")
    if (mode == "subscription") != bool(found["recurring"]):
        raise Refused(None, path, "You must provide recurring prices in `subscription` mode, and no others in `payment` mode.")
    if item.get("quantity", 0) < 1:
        raise Refused("parameter_missing", f"{path}[quantity]", "Quantity is required.")
    return found


def _checked_object(rule: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("parameter_invalid_empty" if value == "" else None, path or None, "Invalid object")
    known = {name.removesuffix("!"): each for name, each in rule.items()}
    for name in value:
        if name not in known:
            raise Refused("parameter_unknown", _path(path, name), f"Received unknown parameter: {_path(path, name)}")
    for name in rule:
        if name.endswith("!") and name[:-1] not in value:
            raise Refused("parameter_missing", _path(path, name[:-1]), f"Missing required param: {_path(path, name[:-1])}.")
    return {name: checked(known[name], each, _path(path, name)) for name, each in value.items()}


def _word(words: tuple[str, ...], value: Any, path: str) -> str:
    if value not in words:
        raise Refused(None, path, f"Invalid {path}: must be one of {', '.join(words)}")
    return str(value)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) > 5000:
        raise Refused(None, path, f"Invalid string: {path}")
    if not value:
        raise Refused("parameter_invalid_empty", path, f"You passed an empty string for '{path}'.")
    return value


def _whole(value: Any, path: str) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise Refused("parameter_invalid_integer", path, f"Invalid integer: {value}")
    return int(value)


def _flag(value: Any, path: str) -> bool:
    if value not in ("true", "false"):
        raise Refused(None, path, f"Invalid boolean: {value}")
    return bool(value == "true")


def _words(value: Any, path: str) -> dict[str, str]:
    """Metadata: at most 50 keys of 40 characters, with values of 500."""
    if not isinstance(value, dict) or len(value) > 50:
        raise Refused(None, path, f"Invalid object: {path}")
    for name, each in value.items():
        if len(name) > 40 or not isinstance(each, str) or len(each) > 500:
            raise Refused(None, f"{path}[{name}]", "Metadata values can have up to 500 characters")
    return value


_PLAIN: Final = {TEXT: _text, WHOLE: _whole, FLAG: _flag, WORDS: _words}


def _path(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inner = {name: _with_lists(value) for name, value in tree.items()}
    if inner and list(inner) == [str(number) for number in range(len(inner))]:
        return list(inner.values())
    return inner


def expansions(asked: Mapping[str, Any]) -> Iterator[str]:
    for each in asked.get("expand", ()):
        if each.count(".") >= 4 or each not in EXPANSIONS:
            raise Refused(None, "expand", f"This property cannot be expanded ({each}).")
        yield each
