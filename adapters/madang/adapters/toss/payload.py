"""Our requests as Toss's. Pure: no clock, no network.

Source: the core API, version 2022-11-16, and the browser SDK, version 2 (`payment.requestPayment`, `requestBillingAuth`): an
`orderId` is 6 to 64 letters, digits, `-`, `_`; an `orderName` has up to 100 characters, a `cancelReason` 200, a `customerKey`
2 to 50 of letters, digits and `-_=.@`.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from madang.adapters.toss.capabilities import NAME, PAYMENT
from madang.adapters.toss.reading import mark_of
from madang.adapters.toss.settings import TossSettings
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    CheckoutRequest,
    ConfirmRequest,
    KeepMethodRequest,
    RefundRequest,
    StoreMethodRequest,
)

SEOUL: Final = timezone(timedelta(hours=9))
"""Korea has no daylight saving time."""
ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,64}")
CUSTOMER_KEY: Final = re.compile(r"[A-Za-z0-9_=.@-]{2,50}")
LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 200


def window_of(request: CheckoutRequest, settings: TossSettings) -> Mapping[str, Any]:
    """What the browser opens the payment window with. Raises `Rejected`. The customer of a one-off payment is nobody that Toss
    must know: the payment's own id stands in."""
    check_amount(request.amount, "open_checkout")
    return {
        "method": settings.method,
        **request.extra,
        "clientKey": settings.client_key,
        "customerKey": _order_id(request.payment_id, "open_checkout")[:50],
        "orderId": request.payment_id,
        "orderName": _name(request.description, "open_checkout"),
        "amount": {"currency": request.amount.currency, "value": request.amount.amount},
        "successUrl": request.success_url,
        "failUrl": request.cancel_url,
        **_buyer(request.customer_email, request.customer_name),
    }


def method_window_of(request: StoreMethodRequest, settings: TossSettings) -> Mapping[str, Any]:
    """What the browser opens the window for a card with. Raises `Rejected`."""
    return {
        "method": "CARD",
        **request.extra,
        "clientKey": settings.client_key,
        "customerKey": _customer_key(request.customer_id, "open_method_window"),
        "successUrl": request.success_url,
        "failUrl": request.cancel_url,
        **_buyer(request.customer_email, request.customer_name),
    }


def confirmation_of(request: ConfirmRequest) -> Mapping[str, Any]:
    """Raises `Rejected`."""
    check_amount(request.amount, "confirm")
    if not 0 < len(request.client_key) <= LONGEST_REASON:
        raise rejected("Toss gives no such key", "not_found", "confirm")
    order = _order_id(request.payment_id, "confirm")
    return {"paymentKey": request.client_key, "orderId": order, "amount": request.amount.amount}


def cancel_of(request: RefundRequest) -> Mapping[str, Any]:
    """The whole of it is asked for by its amount, too: what was given back elsewhere meanwhile is then refused, not made less.
    Raises `Rejected`."""
    check_amount(request.amount, "refund")
    mark = mark_of(request.idempotency_key)
    reason = " ".join(request.reason.split())[: LONGEST_REASON - len(mark)]
    return {"cancelReason": f"{reason}{mark}", "cancelAmount": request.amount.amount}


def key_exchange_of(request: KeepMethodRequest) -> Mapping[str, Any]:
    """Raises `Rejected`."""
    if not 0 < len(request.client_key) <= 300:
        raise rejected("Toss gives no such key", "not_found", "keep_method")
    return {"authKey": request.client_key, "customerKey": _customer_key(request.customer_id, "keep_method")}


def charge_of(request: ChargeRequest) -> Mapping[str, Any]:
    """Raises `Rejected`."""
    check_amount(request.amount, "charge")
    return {
        "customerKey": _customer_key(request.customer_id, "charge"),
        "amount": request.amount.amount,
        "orderId": _order_id(request.payment_id, "charge"),
        "orderName": _name(request.description, "charge"),
        **_buyer(request.customer_email, request.customer_name),
    }


def key_of(idempotency_key: str) -> str:
    """Toss takes up to 300 visible letters; any other key goes as its digest."""
    if re.fullmatch(r"[!-~]{1,300}", idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def local_time(moment: datetime) -> str:
    """As Toss takes times: Korea's, without saying so."""
    return moment.astimezone(SEOUL).replace(tzinfo=None).isoformat(timespec="milliseconds")


def check_amount(amount: Money, operation: str) -> None:
    """Raises `Rejected`."""
    if amount.amount <= 0:
        raise rejected("an amount is more than nothing", "invalid_request", operation)
    if amount.currency not in PAYMENT.currencies:
        raise rejected("only won are taken", "invalid_request", operation)


def rejected(message: str, reason: str, operation: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _order_id(payment_id: str, operation: str) -> str:
    if not ORDER_ID.fullmatch(payment_id):
        raise rejected("a payment id has 6 to 64 letters, digits, - and _", "invalid_request", operation)
    return payment_id


def _customer_key(customer_id: str, operation: str) -> str:
    if not CUSTOMER_KEY.fullmatch(customer_id):
        raise rejected("a customer's id has 2 to 50 letters, digits and -_=.@", "invalid_request", operation)
    return customer_id


def _name(description: str, operation: str) -> str:
    name = " ".join(description.split())
    if not name:
        raise rejected("a payment has a description", "invalid_request", operation)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _buyer(email: str | None, name: str | None) -> Mapping[str, str]:
    """A buyer's address or name that Toss would not take is left out: both are only for its own mail."""
    told = {"customerEmail": email or "", "customerName": name or ""}
    return {field: value for field, value in told.items() if 0 < len(value) <= LONGEST_NAME}
