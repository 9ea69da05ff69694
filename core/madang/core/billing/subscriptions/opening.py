"""Where a subscriber agrees: the window in which a means of payment is left, or the provider's own checkout."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.plan_checkouts import PlanOrder
from madang.core.billing.service import BillingService
from madang.core.billing.subscriptions.model import Subscription
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.billing.subscriptions.snapshots import subscription_as_json, subscription_told
from madang.core.kernel.actions import Effect, patience, perform
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Message
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.ports.payment import (
    Checkout,
    PaymentGateway,
    StoreMethodRequest,
    SubscribeRequest,
    SubscriptionStart,
)

_TIMEOUT: Final = 30.0


class _WithinRequest:
    """Fulfils `Delivery` for an effect that a waiting client asked for: no message will try it again, the client does."""

    def __init__(self, units: UnitOfWorkFactory[SubscriptionsUnitOfWork]) -> None:
        self._units = units

    @property
    def message(self) -> Message:
        raise LookupError("a request is no message")

    def step(self) -> AbstractAsyncContextManager[SubscriptionsUnitOfWork]:
        return self._units()

    def finish(self) -> AbstractAsyncContextManager[SubscriptionsUnitOfWork]:
        return self._units()


class Opening:
    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        billing: BillingService,
        catalogue: Catalogue,
        providers: Providers,
        clock: Clock,
    ) -> None:
        self._units = units
        self._billing = billing
        self._catalogue = catalogue
        self._providers = providers
        self._clock = clock

    async def method_window(
        self,
        subscription: Subscription,
        success_url: str,
        cancel_url: str,
        customer_email: str | None = None,
        customer_name: str | None = None,
    ) -> Checkout:
        """Nothing is charged by this. Raises what the gateway raises."""
        gateway = self._providers.payment_gateway(subscription.provider)
        return await gateway.open_method_window(
            StoreMethodRequest(
                customer_id=str(subscription.user_id),
                success_url=success_url,
                cancel_url=cancel_url,
                idempotency_key=f"{subscription.subject}:method:{subscription.updated_at.timestamp():.6f}",
                customer_email=customer_email,
                customer_name=customer_name,
                locale=subscription.locale,
                timeout=_TIMEOUT,
            )
        )

    async def hosted(self, subscription: Subscription, order: PlanOrder) -> SubscriptionStart:
        """At most once for one subscription, also when a client asks again after a crash. Raises what the gateway raises."""
        gateway = self._providers.payment_gateway(subscription.provider)
        request = self._request(subscription, order, gateway)

        async def call() -> Mapping[str, Any]:
            return _start_as_json(await gateway.subscribe(request))

        effect = Effect(
            key=request.idempotency_key,
            kind="payment.subscribe",
            provider=gateway.name,
            call=call,
            repeatable=gateway.capabilities.idempotent,
            subject=subscription.subject,
            time_limit=patience(_TIMEOUT),
        )
        return _start_told(await perform(_WithinRequest(self._units), effect, self._clock))

    def _request(self, subscription: Subscription, order: PlanOrder, gateway: PaymentGateway) -> SubscribeRequest:
        terms = subscription.terms
        return SubscribeRequest(
            subscription_id=str(subscription.id),
            price_reference=terms.price_reference,
            amount=terms.price,
            interval_months=subscription.interval_months,
            description=self._catalogue.plan(terms.plan_id).title(subscription.locale),
            success_url=order.success_url,
            cancel_url=order.cancel_url,
            idempotency_key=f"{subscription.subject}:subscribe",
            webhook_url=self._billing.webhook_url(gateway.name),
            customer_email=order.customer_email,
            customer_name=order.customer_name,
            locale=subscription.locale,
            country=subscription.country,
            trial_days=subscription.trial_days,
            timeout=_TIMEOUT,
        )


def _start_as_json(start: SubscriptionStart) -> Mapping[str, Any]:
    checkout = start.checkout
    return {
        "snapshot": None if start.snapshot is None else subscription_as_json(start.snapshot),
        "checkout": None
        if checkout is None
        else {"url": checkout.url, "reference": checkout.reference, "client_params": dict(checkout.client_params)},
    }


def _start_told(kept: Mapping[str, Any]) -> SubscriptionStart:
    checkout, snapshot = kept["checkout"], kept["snapshot"]
    return SubscriptionStart(
        None if checkout is None else Checkout(**checkout), None if snapshot is None else subscription_told(snapshot)
    )
