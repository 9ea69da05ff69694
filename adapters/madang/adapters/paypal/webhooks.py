"""PayPal's webhooks: what can be judged here, and what the event is about. Whether PayPal signed it, PayPal is asked.

Source: PayPal's OpenAPI description of Webhooks v1 (1.11, `verify_webhook_signature`) and its pages on event names. Not
verified: whether a delivery that is repeated keeps its `paypal-transmission-time`. If it does, a late one is refused here, and
the look-ups of open payments find what it would have said.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from madang.adapters.paypal.capabilities import NAME
from madang.adapters.paypal.mapping import moment_of
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
    kind, at = str(event["event_type"]), moment_of(event.get("create_time"))
    told_of = event.get("resource")
    resource: Mapping[str, Any] = told_of if isinstance(told_of, dict) else {}
    identity = str(event["id"])
    if kind.startswith("CHECKOUT.ORDER."):
        return PaymentNotice(identity, kind, at, _text(resource.get("id")), _custom_id_in_unit(resource))
    if kind == "PAYMENT.CAPTURE.REFUNDED":
        return PaymentNotice(identity, kind, at, payment_id=_payment_of_mark(resource.get("custom_id")))
    if kind.startswith("PAYMENT.CAPTURE."):
        return PaymentNotice(identity, kind, at, _order_of(resource), _text(resource.get("custom_id")))
    if kind.startswith("PAYMENT.SALE."):
        subscription, sale = _text(resource.get("billing_agreement_id")), _text(resource.get("id"))
        reference = f"{subscription}/{sale}" if subscription and sale else None
        return PaymentNotice(identity, kind, at, reference, subscription=subscription)
    if kind.startswith("BILLING.SUBSCRIPTION."):
        return PaymentNotice(identity, kind, at, subscription=_text(resource.get("id")))
    return PaymentNotice(identity, kind, at)


def capture_refunded(event: Mapping[str, Any]) -> str | None:
    """The capture that a refund is of, where the refund itself does not say which payment of ours that is: one that a person
    made at PayPal."""
    resource = event.get("resource")
    if event.get("event_type") != "PAYMENT.CAPTURE.REFUNDED" or not isinstance(resource, dict):
        return None
    if _payment_of_mark(resource.get("custom_id")) is not None:
        return None
    return _identity_in_link(resource, "/v2/payments/captures/")


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


def _payment_of_mark(mark: Any) -> str | None:
    return mark.rpartition(" ")[2] or None if isinstance(mark, str) and " " in mark else None


def _order_of(capture: Mapping[str, Any]) -> str | None:
    related = capture.get("supplementary_data")
    ids = related.get("related_ids") if isinstance(related, dict) else None
    order = _text(ids.get("order_id")) if isinstance(ids, dict) else None
    return order or _identity_in_link(capture, "/v2/checkout/orders/")


def _identity_in_link(resource: Mapping[str, Any], path: str) -> str | None:
    links = resource.get("links")
    for link in links if isinstance(links, list) else ():
        found = re.search(rf"{path}([A-Z0-9-]{{1,50}})$", str(link.get("href"))) if isinstance(link, dict) else None
        if found is not None and link.get("rel") == "up":
            return found[1]
    return None


def _custom_id_in_unit(order: Mapping[str, Any]) -> str | None:
    units = order.get("purchase_units")
    first = units[0] if isinstance(units, list) and units and isinstance(units[0], dict) else {}
    return _text(first.get("custom_id"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
