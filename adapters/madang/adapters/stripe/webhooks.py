"""Stripe's webhooks: who signed, and what each is about.

`Stripe-Signature: t=<seconds>,v1=<hex>,…`: HMAC-SHA256 over `<t>.<body>` with the endpoint's secret as it is written, `whsec_`
included. While a secret is rolled Stripe signs with both, one `v1` each, and one that fits is enough.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from madang.adapters.stripe.capabilities import NAME
from madang.adapters.stripe.mapping import id_of, moment_of, object_of, subscription_of
from madang.adapters.stripe.payload import PAYMENT_ID, REFERENCE, SUBSCRIPTION_ID
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import PaymentNotice
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

TOLERANCE: Final = 300
"""Seconds, as in Stripe's own libraries."""
_TIME: Final = re.compile(r"[0-9]{1,11}")
_ABOUT_CHARGES: Final = ("charge.", "refund.", "payment_intent.")
_FOLLOWED: Final = ("charge.refund", "charge.dispute.", "refund.")
"""What happens to a payment after it was made. That it was made, a checkout or an invoice tells."""


@dataclass(frozen=True, slots=True)
class Told:
    """One verified event. `intent` is the PaymentIntent of an event that names neither a checkout nor an invoice of ours."""

    notice: PaymentNotice
    intent: str | None = None


def verified(secret: Secret, request: WebhookRequest) -> Mapping[str, Any]:
    """The event. Raises `SignatureInvalid` unless it was signed with our secret within five minutes of its arrival."""
    pairs = [each.partition("=") for each in request.headers.get("stripe-signature", "").split(",")]
    moment = ",".join(value for name, _, value in pairs if name.strip() == "t")
    if not _TIME.fullmatch(moment):
        raise _invalid("the header stripe-signature is missing or wrong")
    if abs(request.received_at.timestamp() - int(moment)) > TOLERANCE:
        raise _invalid("it was signed too long ago, or for later")
    expected = hmac.digest(secret.reveal().encode(), moment.encode() + b"." + request.body, "sha256").hex()
    if not any(name.strip() == "v1" and hmac.compare_digest(expected.encode(), value.encode()) for name, _, value in pairs):
        raise _invalid("no signature is ours")
    try:
        event = json.loads(request.body)
    except (ValueError, RecursionError):
        raise _invalid("the body cannot be read") from None
    if not isinstance(event, dict) or not isinstance(event.get("id"), str) or not event["id"]:
        raise _invalid("the body is not an event")
    return event


def told_by(event: Mapping[str, Any]) -> Told:
    """What an event is about."""
    kind, found = str(event.get("type"))[:100], object_of(object_of(event.get("data")).get("object"))
    notice = PaymentNotice(str(event["id"]), kind, moment_of(event.get("created")) or datetime.now(UTC))
    if kind.startswith("checkout.session."):
        return Told(_of_session(notice, found))
    if kind.startswith("invoice."):
        return Told(_of_invoice(notice, found))
    if kind.startswith("customer.subscription."):
        ours = object_of(found.get("metadata")).get(SUBSCRIPTION_ID)
        return Told(_named(notice, subscription=id_of(found), subscription_id=ours))
    if kind.startswith(_ABOUT_CHARGES):
        return _of_charge(notice, found)
    return Told(notice)


def _of_session(notice: PaymentNotice, session: Mapping[str, Any]) -> PaymentNotice:
    mode = session.get("mode")
    if mode == "subscription":
        named = id_of(session.get("subscription")) or id_of(session)
        return _named(notice, subscription=named, subscription_id=session.get("client_reference_id"))
    if mode != "payment":
        return notice
    return _named(notice, reference=id_of(session), payment_id=session.get("client_reference_id"))


def _of_invoice(notice: PaymentNotice, invoice: Mapping[str, Any]) -> PaymentNotice:
    """The first invoice of a trial charges nothing, and neither does a draft: those only name the subscription."""
    subscription = subscription_of(invoice)
    if subscription is None:
        return notice
    charges = bool(invoice.get("amount_due")) and invoice.get("status") != "draft"
    ours = object_of(object_of(object_of(invoice.get("parent")).get("subscription_details")).get("metadata"))
    return _named(
        notice,
        subscription=subscription,
        reference=id_of(invoice) if charges else None,
        subscription_id=ours.get(SUBSCRIPTION_ID),
    )


def _of_charge(notice: PaymentNotice, found: Mapping[str, Any]) -> Told:
    """Charges, refunds and disputes name a PaymentIntent; what we made ourselves carries our ids."""
    metadata = object_of(found.get("metadata"))
    ours, reference = metadata.get(PAYMENT_ID), metadata.get(REFERENCE)
    intent = id_of(found) if found.get("object") == "payment_intent" else id_of(found.get("payment_intent"))
    if isinstance(ours, str) or isinstance(reference, str):
        return Told(_named(notice, reference=reference or intent, payment_id=ours))
    return Told(notice, intent if notice.kind.startswith(_FOLLOWED) else None)


def _named(
    notice: PaymentNotice,
    *,
    reference: str | None = None,
    payment_id: object = None,
    subscription: str | None = None,
    subscription_id: object = None,
) -> PaymentNotice:
    return replace(
        notice,
        reference=reference,
        payment_id=payment_id if isinstance(payment_id, str) else None,
        subscription=subscription,
        subscription_id=subscription_id if isinstance(subscription_id, str) else None,
    )


def _invalid(why: str) -> SignatureInvalid:
    return SignatureInvalid(why, provider=NAME, operation="read_webhook")
