"""Looking payments up at Stripe, by any of the references that name one.

The reference of a checkout's payment is its Checkout Session (`cs_…`), that of a renewal its invoice (`in_…`). A PaymentIntent
(`pi_…`), which is what Stripe's events about charges and disputes name, is followed to whichever of the two it paid.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from madang.adapters.stripe.client import Api
from madang.adapters.stripe.errors import refused
from madang.adapters.stripe.mapping import (
    charge_of,
    id_of,
    intent_of_invoice,
    invoice_snapshot,
    listed,
    object_of,
    session_snapshot,
)
from madang.adapters.stripe.transport import Call
from madang.ports.errors import PortError, Rejected
from madang.ports.payment import PaymentSnapshot

_REFERENCE: Final = re.compile(r"(cs|in|pi|sub)_[A-Za-z0-9_]{1,250}")


class Lookups:
    def __init__(self, api: Api) -> None:
        self._api = api

    async def payment(self, call: Call, reference: str) -> PaymentSnapshot:
        """Raises `Rejected(reason="not_found")`, also for the checkout of a subscription, which is no payment."""
        match prefix_of(reference):
            case "cs":
                session = await self.session(call, reference, "payment_intent.latest_charge")
                if session.get("mode") != "payment":
                    raise _not_found(call, "the checkout is of a subscription")
                return await self.of_session(call, session)
            case "in":
                return await self.of_invoice(call, await self._invoice(call, reference))
            case "pi":
                found = await self.canonical(call, reference)
                if found is not None:
                    return await self.payment(call, found)
        raise _not_found(call, "no payment has this reference")

    async def session(self, call: Call, reference: str, *expand: str) -> Mapping[str, Any]:
        sessions = self._api.v1.checkout.sessions
        return await self._api.ask(call, sessions.retrieve_async(reference, {"expand": list(expand)} if expand else {}))

    async def of_session(self, call: Call, session: Mapping[str, Any]) -> PaymentSnapshot:
        """A session whose charge is expanded."""
        disputes = await self._disputes(call, charge_of(session))
        try:
            return session_snapshot(session, disputes)
        except ValueError as error:
            raise unreadable(call, error) from None

    async def of_invoice(self, call: Call, invoice: Mapping[str, Any]) -> PaymentSnapshot:
        """An invoice whose payments are expanded; its charge is one question more, for expansion goes only so deep."""
        intent: Mapping[str, Any] = {}
        if (paid_by := intent_of_invoice(invoice)) is not None:
            intent = await self._api.ask(
                call, self._api.v1.payment_intents.retrieve_async(paid_by, {"expand": ["latest_charge"]})
            )
        disputes = await self._disputes(call, charge_of(intent))
        try:
            return invoice_snapshot(invoice, intent, disputes)
        except ValueError as error:
            raise unreadable(call, error) from None

    async def paid_by(self, call: Call, reference: str) -> tuple[str | None, str]:
        """The PaymentIntent of a payment, None before anybody tried to pay; and its currency, as we write it."""
        match prefix_of(reference):
            case "cs":
                session = await self.session(call, reference)
                return id_of(session.get("payment_intent")), str(session.get("currency")).upper()
            case "in":
                invoice = await self._invoice(call, reference)
                return intent_of_invoice(invoice), str(invoice.get("currency")).upper()
            case "pi":
                intent = await self._api.ask(call, self._api.v1.payment_intents.retrieve_async(reference))
                return reference, str(intent.get("currency")).upper()
        raise _not_found(call, "no payment has this reference")

    async def canonical(self, call: Call, intent: str) -> str | None:
        """The checkout or the invoice that a PaymentIntent paid; None where it is neither's."""
        found = await self._api.ask(call, self._api.v1.checkout.sessions.list_async({"payment_intent": intent, "limit": 1}))
        for session in listed(found):
            return id_of(session)
        found = await self._api.ask(
            call,
            self._api.v1.invoice_payments.list_async(
                {"payment": {"type": "payment_intent", "payment_intent": intent}, "limit": 1}
            ),
        )
        return next((id_of(each.get("invoice")) for each in listed(found)), None)

    async def _invoice(self, call: Call, reference: str) -> Mapping[str, Any]:
        return await self._api.ask(call, self._api.v1.invoices.retrieve_async(reference, {"expand": ["payments"]}))

    async def _disputes(self, call: Call, charge: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Asked only of a charge that was ever disputed."""
        charge_id = id_of(charge)
        if not charge.get("disputed") or charge_id is None:
            return ()
        return listed(await self._api.ask(call, self._api.v1.disputes.list_async({"charge": charge_id})))


def prefix_of(reference: str) -> str:
    """What kind of thing a reference names, empty for none of Stripe's."""
    matched = _REFERENCE.fullmatch(reference)
    return matched[1] if matched else ""


def unreadable(call: Call, error: ValueError) -> PortError:
    return call.lost(f"the answer cannot be read: {error}")


def next_cursor(page: Mapping[str, Any]) -> str | None:
    """The last id of a page that is not the last."""
    found = listed(page)
    return id_of(found[-1]) if found and object_of(page).get("has_more") else None


def _not_found(call: Call, message: str) -> Rejected:
    return refused(call.operation, message, "not_found")
