"""PayPal's webhooks: what can be judged here, and what the event is about. Whether PayPal signed it, PayPal is asked.

Source: PayPal's OpenAPI description of Webhooks v1 (1.11, `verify_webhook_signature`) and its pages on event names. Not
verified: whether a delivery that is repeated keeps its `paypal-transmission-time`. If it does, a late one is refused here, and
the look-ups of open payments find what it would have said.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from madang.adapters.paypal.capabilities import NAME
from madang.adapters.paypal.mapping import UNREADABLE, link_in, moment_of, payment_id_of, text_of
from madang.adapters.paypal.settings import PaypalSettings
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = timedelta(minutes=5)
_SHAPES: Final = {
    "paypal-auth-algo": ("auth_algo", re.compile(r"[a-zA-Z0-9]{1,100}")),
    "paypal-cert-url": ("cert_url", re.compile(r"https?://[!-~]{1,490}")),
    "paypal-transmission-id": ("transmission_id", re.compile(r"[A-Za-z0-9-]{1,50}")),
    "paypal-transmission-sig": ("transmission_sig", re.compile(r"[A-Za-z0-9+/=]{16,500}")),
    "paypal-transmission-time": ("transmission_time", re.compile(r"[0-9T:.Z+-]{1,100}")),
}
HEADERS: Final = tuple(_SHAPES)


def question_about(request: WebhookRequest, settings: PaypalSettings) -> tuple[bytes, Mapping[str, Any]]:
    """What PayPal is asked, with the event byte by byte as it came, and the event. Raises `SignatureInvalid` for what PayPal
    cannot have signed for us now: so a flood of forgeries does not become a flood of questions."""
    told: dict[str, str] = {"webhook_id": settings.webhook_id}
    for header, (name, shape) in _SHAPES.items():
        value = request.headers.get(header, "")
        if not shape.fullmatch(value):
            raise invalid(f"the header {header} is missing or wrong")
        told[name] = value
    _check_time(told["transmission_time"], request.received_at)
    _check_host(told["cert_url"], settings)
    try:
        event = json.loads(request.body)
    except (ValueError, RecursionError):
        raise invalid("the body cannot be read") from None
    if not isinstance(event, dict) or not isinstance(event.get("id"), str) or not isinstance(event.get("event_type"), str):
        raise invalid("the body is not an event")
    head = json.dumps(told)[:-1].encode()
    return head + b', "webhook_event": ' + request.body + b"}", event


def notice_of(event: Mapping[str, Any]) -> PaymentNotice:
    """What the event is about. PayPal's events prove no state of a whole payment: what is true is asked."""
    notice = PaymentNotice(event["id"], event["event_type"], moment_of(event.get("create_time")))
    try:
        return _about(notice, event["resource"])
    except UNREADABLE:
        return notice


def _about(notice: PaymentNotice, resource: Mapping[str, Any]) -> PaymentNotice:
    if notice.kind.startswith("CHECKOUT.ORDER."):
        return replace(notice, reference=text_of(resource["id"]), payment_id=payment_id_of(resource))
    if notice.kind == "PAYMENT.CAPTURE.REFUNDED":
        return replace(notice, payment_id=_payment_of_mark(resource["custom_id"]))
    if notice.kind.startswith("PAYMENT.CAPTURE."):
        return replace(notice, reference=_order_of(resource), payment_id=resource.get("custom_id"))
    if notice.kind.startswith("PAYMENT.SALE."):
        subscription, sale = text_of(resource["billing_agreement_id"]), text_of(resource["id"])
        return replace(notice, reference=f"{subscription}/{sale}", subscription=subscription)
    if notice.kind.startswith("BILLING.SUBSCRIPTION."):
        return replace(notice, subscription=text_of(resource["id"]))
    if notice.kind.startswith("CUSTOMER.DISPUTE."):
        return replace(notice, payment_id=resource["disputed_transactions"][0].get("custom"))
    return notice


def capture_behind(event: Mapping[str, Any]) -> str | None:
    """The capture that a refund is of, or a dispute about: where they do not say themselves which payment of ours that is."""
    kind: str = event["event_type"]
    try:
        if kind == "PAYMENT.CAPTURE.REFUNDED":
            return _identity_in_link(event["resource"], "/v2/payments/captures/")
        if kind.startswith("CUSTOMER.DISPUTE."):
            return text_of(event["resource"]["disputed_transactions"][0]["seller_transaction_id"])
    except UNREADABLE:
        return None
    return None


def invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")


def _check_time(written: str, received_at: datetime) -> None:
    sent_at = moment_of(written)
    if sent_at is None or abs(received_at - sent_at) > TOLERANCE:
        raise invalid("it was sent too long ago, or for later")


def _check_host(address: str, settings: PaypalSettings) -> None:
    """The certificate is PayPal's own, or lies where the settings say that PayPal is."""
    parts, ours = urlsplit(address), urlsplit(settings.base_url)
    host = parts.hostname or ""
    if parts.scheme == "https" and (host == "paypal.com" or host.endswith(".paypal.com")):
        return
    if (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc):
        raise invalid("the certificate is not PayPal's")


def _payment_of_mark(mark: str) -> str | None:
    return mark.partition(" ")[2] or None


def _order_of(capture: Mapping[str, Any]) -> str | None:
    ids = capture.get("supplementary_data", {}).get("related_ids", {})
    return ids.get("order_id") or _identity_in_link(capture, "/v2/checkout/orders/")


def _identity_in_link(resource: Mapping[str, Any], path: str) -> str | None:
    found = re.search(rf"{path}([A-Z0-9-]{{1,50}})$", link_in(resource, "up") or "")
    return found[1] if found else None
