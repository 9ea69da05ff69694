"""Our requests as Paddle's JSON. Pure: no clock, no network.

Source: Paddle's OpenAPI description of 2025-05-27: `transaction-create`, `adjustment-create`, `subscription-update`. Not
verified: how long an adjustment's `reason` may be.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.paddle.capabilities import CURRENCIES, NAME
from madang.adapters.paddle.mapping import net_of, part_of, taken_back, text_of
from madang.adapters.paddle.settings import PaddleSettings
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import ChangeSubscriptionRequest, CheckoutRequest, RefundRequest, SubscribeRequest

TRANSACTION: Final = re.compile(r"txn_[a-z0-9]{26}")
SUBSCRIPTION: Final = re.compile(r"sub_[a-z0-9]{26}")
PRICE: Final = re.compile(r"pri_[a-z0-9]{26}")
_KEY: Final = re.compile(r"[A-Za-z0-9:._-]{1,100}")
_NAME: Final = 200
_REASON: Final = 200


def transaction_of(request: CheckoutRequest, settings: PaddleSettings) -> Mapping[str, Any]:
    """One item that is in no catalogue, and once. Raises `Rejected`, and `Unsupported` for a currency that is not taken."""
    price = _price(request.amount, request.description, f"payment {request.payment_id}", settings, "open_checkout")
    custom = {"payment_id": _bounded(request.payment_id, "open_checkout")}
    return {**_checkout({"price": price}, request.amount, custom, settings), **request.extra}


def subscription_transaction_of(request: SubscribeRequest, settings: PaddleSettings) -> Mapping[str, Any]:
    """A price of Paddle's own catalogue, or one that recurs as we say. Raises `Rejected` and `Unsupported`."""
    custom = {"subscription_id": _bounded(request.subscription_id, "subscribe")}
    amount_of(request.amount, "subscribe")
    if request.price_reference:
        if request.trial_days:
            raise Unsupported("a trial of Paddle's own price is with that", provider=NAME, operation="subscribe")
        item: Mapping[str, Any] = {"price_id": _known_price(request.price_reference, "subscribe")}
    else:
        price = _recurring(request.amount, request.interval_months, request.description, settings, "subscribe")
        trial = {"trial_period": {"interval": "day", "frequency": request.trial_days}} if request.trial_days > 0 else {}
        item = {"price": {**price, **trial}}
    return {**_checkout(item, request.amount, custom, settings), **request.extra}


def change_of(request: ChangeSubscriptionRequest, settings: PaddleSettings, *, on_trial: bool) -> Mapping[str, Any]:
    """During a trial nothing runs that could be settled. Raises `Rejected`."""
    operation = "change_subscription"
    if request.price_reference:
        item: Mapping[str, Any] = {"price_id": _known_price(request.price_reference, operation)}
    elif request.amount is None:
        raise rejected("neither a price of Paddle's nor an amount is told", operation)
    else:
        item = {"price": _recurring(request.amount, request.interval_months, request.description, settings, operation)}
    mode = "prorated_immediately" if request.prorate and not on_trial else "do_not_bill"
    return {"items": [{**item, "quantity": 1}], "proration_billing_mode": mode}


def refund_body(request: RefundRequest, transaction: Mapping[str, Any], within: bool) -> Mapping[str, Any]:
    """All that was paid, or as much as is asked of the items that have something left. Raises `Rejected` beyond that, and
    `ValueError` for a transaction of another shape."""
    taken, items, left = taken_back(transaction, within), [], amount_of(request.amount, "refund")
    lines = part_of(transaction, "details")["line_items"]
    body = {"action": "refund", "transaction_id": request.reference, "reason": reason_of(request)}
    if not taken and left == sum(net_of(part_of(line, "totals"), within) for line in lines):
        return {**body, "type": "full"}
    for line in lines:
        identity = text_of(line.get("id"))
        rest = net_of(part_of(line, "totals"), within) - taken.get(identity, 0)
        part = min(rest, left)
        if part > 0:
            left -= part
            items.append(_refunded_item(identity, part, rest))
    if left:
        raise rejected("that is more than is left of the payment", "refund", "amount_exceeded")
    return {**body, "type": "partial", "tax_mode": "internal" if within else "external", "items": items}


def reason_of(request: RefundRequest) -> str:
    """Why, and our key: so that the refund is found again."""
    return f"{request.reason[:_REASON]} {mark_of(request.idempotency_key)}".strip()


def mark_of(key: str) -> str:
    return f"[{key if _KEY.fullmatch(key) else hashlib.sha256(key.encode(errors='replace')).hexdigest()}]"


def amount_of(amount: Money, operation: str) -> int:
    """In the lowest denomination, as ours is."""
    if amount.currency not in CURRENCIES:
        raise Unsupported(f"Paddle takes no {amount.currency}", provider=NAME, operation=operation)
    if amount.amount <= 0:
        raise rejected("an amount is more than nothing", operation)
    return amount.amount


def rejected(message: str, operation: str, reason: str = "invalid_request") -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _checkout(item: Mapping[str, Any], amount: Money, custom: Mapping[str, str], settings: PaddleSettings) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "items": [{**item, "quantity": 1}],
        "currency_code": amount.currency,
        "collection_mode": "automatic",
        "custom_data": custom,
    }
    if settings.checkout_url is not None:
        body["checkout"] = {"url": settings.checkout_url}
    return body


def _recurring(amount: Money, months: int, description: str, settings: PaddleSettings, operation: str) -> Mapping[str, Any]:
    price = _price(amount, description, f"every {months} months", settings, operation)
    return {**price, "billing_cycle": {"interval": "month", "frequency": months}}


def _price(amount: Money, name: str, note: str, settings: PaddleSettings, operation: str) -> Mapping[str, Any]:
    """`note` is for whoever looks into Paddle, `name` for the buyer, who can buy one and no more."""
    if not name.strip():
        raise rejected("description is empty", operation)
    return {
        "description": note[:500],
        "unit_price": {"amount": str(amount_of(amount, operation)), "currency_code": amount.currency},
        "tax_mode": settings.tax_mode,
        "quantity": {"minimum": 1, "maximum": 1},
        "product": {"name": name[:_NAME], "tax_category": settings.tax_category},
    }


def _refunded_item(identity: str, part: int, rest: int) -> Mapping[str, str]:
    """All that is left of an item, with what is left of its tax, or a part."""
    if part == rest:
        return {"item_id": identity, "type": "full"}
    return {"item_id": identity, "type": "partial", "amount": str(part)}


def _known_price(reference: str, operation: str) -> str:
    if not PRICE.fullmatch(reference):
        raise rejected("a price of Paddle's has an id such as pri_01h…", operation)
    return reference


def _bounded(identity: str, operation: str) -> str:
    if not 1 <= len(identity) <= 200:
        raise rejected("an id of ours has 1 to 200 characters", operation)
    return identity
