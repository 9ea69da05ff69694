"""Our requests as PortOne's. Pure: no clock, no network.

Source: PortOne's OpenAPI description of the API V2, and the browser SDK, version 2 (`requestPayment` and
`requestIssueBillingKey`). The window has one way back, `redirectUrl`: what went wrong comes as `code` in its query.
Not verified: limits of an `orderName` and a cancellation's `reason`, which differ by payment company.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.portone.capabilities import NAME, PAYMENT
from madang.adapters.portone.reading import mark_of
from madang.adapters.portone.settings import PortOneSettings
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import ChargeRequest, CheckoutRequest, RefundRequest, StoreMethodRequest

LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 200


def window_of(request: CheckoutRequest, settings: PortOneSettings) -> Mapping[str, Any]:
    """What the browser opens the payment window with. Raises `Rejected`."""
    return {
        "payMethod": settings.pay_method,
        **request.extra,
        "storeId": settings.store_id,
        "channelKey": settings.channel_key,
        "paymentId": request.payment_id,
        "orderName": _name(request.description, "open_checkout"),
        "totalAmount": request.amount.amount,
        "currency": request.amount.currency,
        "redirectUrl": request.success_url,
        "customer": _window_customer(None, request.customer_email, request.customer_name),
        "locale": _locale(request.locale),
    }


def registration_of(request: CheckoutRequest, settings: PortOneSettings) -> Mapping[str, Any]:
    """The amount that the window may not change. Raises `Rejected`."""
    check_amount(request.amount, "open_checkout")
    return {"storeId": settings.store_id, "totalAmount": request.amount.amount, "currency": request.amount.currency}


def method_window_of(request: StoreMethodRequest, settings: PortOneSettings) -> Mapping[str, Any]:
    """What the browser opens the window for a means of payment with."""
    return {
        "billingKeyMethod": settings.billing_method,
        "issueName": "카드 등록" if request.locale.startswith("ko") else "Card for later payments",
        **request.extra,
        "storeId": settings.store_id,
        "channelKey": settings.billing_channel_key or settings.channel_key,
        "issueId": key_of("issue", request.idempotency_key)[:40],
        "redirectUrl": request.success_url,
        "customer": _window_customer(request.customer_id, request.customer_email, request.customer_name),
        "locale": _locale(request.locale),
    }


def charge_of(request: ChargeRequest, settings: PortOneSettings) -> Mapping[str, Any]:
    """Raises `Rejected`."""
    check_amount(request.amount, "charge")
    customer: dict[str, Any] = {"id": request.customer_id}
    if request.customer_name:
        customer["name"] = {"full": request.customer_name}
    if request.customer_email:
        customer["email"] = request.customer_email
    return {
        "storeId": settings.store_id,
        "billingKey": request.token.reveal(),
        "orderName": _name(request.description, "charge"),
        "customer": customer,
        "amount": {"total": request.amount.amount},
        "currency": request.amount.currency,
    }


def cancel_of(request: RefundRequest, left: int | None, settings: PortOneSettings) -> Mapping[str, Any]:
    """`left` is what can still be given back: PortOne refuses where that is no longer so. Raises `Rejected`."""
    mark = mark_of(request.idempotency_key)
    reason = " ".join(request.reason.split())[: LONGEST_REASON - len(mark)]
    body = {"storeId": settings.store_id, "amount": request.amount.amount, "reason": f"{reason}{mark}"}
    return body if left is None else {**body, "currentCancellableAmount": left}


def span_of(since: datetime, until: datetime, cursor: str | None, size: int, settings: PortOneSettings) -> Mapping[str, str]:
    """The query of the list: a GET's body, as PortOne takes it in an address."""
    body = {"storeId": settings.store_id, "from": _time(since), "until": _time(until), "size": size}
    return {"requestBody": json.dumps(body if cursor is None else {**body, "cursor": cursor})}


def key_of(operation: str, idempotency_key: str) -> str:
    """PortOne takes 16 to 256 letters, digits, `-` and `_`, and no key for two kinds of request."""
    return f"madang-{hashlib.sha256(f'{operation}:{idempotency_key}'.encode()).hexdigest()}"


def check_amount(amount: Money, operation: str) -> None:
    """Raises `Rejected`."""
    if amount.amount <= 0:
        raise rejected("an amount is more than nothing", "invalid_request", operation)
    if amount.currency not in PAYMENT.currencies:
        raise rejected("only won are taken", "invalid_request", operation)


def rejected(message: str, reason: str, operation: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation=operation)


def _name(description: str, operation: str) -> str:
    name = " ".join(description.split())
    if not name:
        raise rejected("a payment has a description", "invalid_request", operation)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _window_customer(identity: str | None, email: str | None, name: str | None) -> Mapping[str, str]:
    told = {"customerId": identity, "email": email, "fullName": name}
    return {field: value for field, value in told.items() if value}


def _locale(locale: str) -> str:
    return "KO_KR" if locale.startswith("ko") else "EN_US"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
