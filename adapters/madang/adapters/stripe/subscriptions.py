"""Subscriptions that Stripe renews by itself: begun by Stripe Checkout, charged by its invoices."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from madang.adapters.stripe.capabilities import NAME
from madang.adapters.stripe.client import Api
from madang.adapters.stripe.errors import refused
from madang.adapters.stripe.lookups import Lookups, prefix_of, unreadable
from madang.adapters.stripe.mapping import listed, moment_of, object_of
from madang.adapters.stripe.payload import change_params, options_of, recurs_as, subscribe_params
from madang.adapters.stripe.settings import StripeSettings
from madang.adapters.stripe.subscription_mapping import begun_snapshot, subscription_snapshot
from madang.adapters.stripe.transport import Call
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    Checkout,
    RemoteSubscriptionStatus,
    ResumeSubscriptionRequest,
    SubscribeRequest,
    SubscriptionSnapshot,
    SubscriptionStart,
)

READ_SECONDS: Final = 20.0


class StripeSubscriptions:
    """The part of `PaymentGateway` about subscriptions."""

    def __init__(self, settings: StripeSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._api = Api(settings)
        self._lookups = Lookups(self._api)

    async def subscribe(self, request: SubscribeRequest) -> SubscriptionStart:
        """Raises `Misconfigured` where the price of the settings costs another amount than ours: nobody is sent there."""
        call = Call.within("subscribe", request.timeout)
        try:
            params = subscribe_params(request)
        except ValueError as error:
            raise refused("subscribe", str(error)) from None
        sessions = self._api.v1.checkout.sessions
        session = await self._api.ask(call, sessions.create_async(params, options_of(request.idempotency_key)))
        if request.price_reference and not any(recurs_as(request, price) for price in _prices(session)):
            message = "the price that the settings name costs something else than ours, or at other intervals"
            raise Misconfigured(message, provider=NAME, operation="subscribe", code="amount_mismatch")
        return SubscriptionStart(checkout_of(call, session))

    async def fetch_subscription(self, reference: str) -> SubscriptionSnapshot:
        """By the subscription (`sub_…`), or by the Checkout Session (`cs_…`) that it begins with."""
        return await self._subscription(Call.within("fetch_subscription", READ_SECONDS), reference)

    async def change_subscription(self, request: ChangeSubscriptionRequest) -> SubscriptionSnapshot:
        """With `prorate` the rest of the period is settled by an invoice at once; one that cannot be paid changes nothing."""
        call = Call.within("change_subscription", request.timeout)
        reference = self._own(call, request.reference)
        items = listed((await self._raw(call, reference)).get("items"))
        if len(items) != 1:
            raise refused(call.operation, "the subscription has not one item, as those that are begun here")
        try:
            params = change_params(request, items[0])
        except ValueError as error:
            raise refused(call.operation, str(error)) from None
        update = self._api.v1.subscriptions.update_async(reference, params, options_of(request.idempotency_key))
        return _read(call, await self._api.ask(call, update))

    async def cancel_subscription(self, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Stripe refuses to cancel what has ended: then it is asked how it did. A checkout that is open is expired."""
        call = Call.within("cancel_subscription", request.timeout)
        if prefix_of(request.reference) == "cs":
            return await self._close(call, request)
        reference = self._own(call, request.reference)
        subscriptions = self._api.v1.subscriptions
        try:
            if request.at_period_end:
                key = options_of(request.idempotency_key)
                ended = await self._api.ask(call, subscriptions.update_async(reference, {"cancel_at_period_end": True}, key))
            else:
                ended = await self._api.ask(call, subscriptions.cancel_async(reference))
            return _read(call, ended)
        except Rejected as rejected:
            call.acted = False
            now = await self._subscription(call, reference)
            if now.status is RemoteSubscriptionStatus.CANCELLED:
                return now
            raise rejected from None

    async def _close(self, call: Call, request: CancelSubscriptionRequest) -> SubscriptionSnapshot:
        """Stripe expires what is open alone: what was agreed to a moment before is cancelled by its own reference."""
        expire, key = self._api.v1.checkout.sessions.expire_async, options_of(request.idempotency_key)
        try:
            return _begun(call, await self._api.ask(call, expire(request.reference, {}, key)))
        except Rejected as rejected:
            call.acted = False
            found = await self._subscription(call, request.reference)
            if found.status is RemoteSubscriptionStatus.CANCELLED:
                return found
            if found.reference == request.reference:
                raise rejected from None
        return await self.cancel_subscription(replace(request, reference=found.reference))

    async def resume_subscription(self, request: ResumeSubscriptionRequest) -> SubscriptionSnapshot:
        call = Call.within("resume_subscription", request.timeout)
        reference = self._own(call, request.reference)
        key = options_of(request.idempotency_key)
        update = self._api.v1.subscriptions.update_async(reference, {"cancel_at_period_end": False}, key)
        return _read(call, await self._api.ask(call, update))

    async def _subscription(self, call: Call, reference: str) -> SubscriptionSnapshot:
        match prefix_of(reference):
            case "sub":
                return _read(call, await self._raw(call, reference))
            case "cs":
                session = await self._lookups.session(call, reference, "subscription")
                return _begun(call, session)
        raise refused(call.operation, "no subscription has this reference", "not_found")

    async def _raw(self, call: Call, reference: str) -> Mapping[str, Any]:
        return await self._api.ask(call, self._api.v1.subscriptions.retrieve_async(reference))

    def _own(self, call: Call, reference: str) -> str:
        if prefix_of(reference) != "sub":
            raise refused(call.operation, "no subscription has this reference", "not_found")
        return reference


def checkout_of(call: Call, session: Mapping[str, Any]) -> Checkout:
    url, reference = session.get("url"), session.get("id")
    if not isinstance(url, str) or not isinstance(reference, str):
        raise call.lost("the answer has no address for the person")
    return Checkout(url, reference, expires_at=moment_of(session.get("expires_at")))


def _begun(call: Call, session: Mapping[str, Any]) -> SubscriptionSnapshot:
    try:
        return begun_snapshot(session)
    except ValueError:
        raise refused(call.operation, "the checkout is of no subscription", "not_found") from None


def _prices(session: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [object_of(item.get("price")) for item in listed(session.get("line_items"))]


def _read(call: Call, subscription: Mapping[str, Any]) -> SubscriptionSnapshot:
    try:
        return subscription_snapshot(subscription)
    except ValueError as error:
        raise unreadable(call, error) from None
