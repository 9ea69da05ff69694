"""What may be subscribed to, at which price, and by whom it is charged."""

from collections.abc import Mapping
from typing import Final

from madang.core.billing.catalogue import Catalogue, Plan, Price
from madang.core.billing.routing import PaymentRouting, Sale
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import SubscriptionKind, Terms
from madang.ports.payment import PaymentCapabilities, PaymentGateway

PriceReferences = Mapping[str, Mapping[str, str]]
"""By provider, then by `plan/CURRENCY` or, for other than monthly prices, `plan/CURRENCY/months`."""

_MONTHLY: Final = 1


class PlanOffers:
    def __init__(self, catalogue: Catalogue, routing: PaymentRouting, references: PriceReferences) -> None:
        self._catalogue = catalogue
        self._routing = routing
        self._references = references

    def plan(self, plan_id: str) -> Plan:
        """Raises `NotFound`."""
        return self._catalogue.plan(plan_id)

    def terms(self, plan: Plan, currency: str, interval_months: int, provider: str) -> Terms:
        """Raises `ValidationFailed` for a currency or an interval that it is not sold in."""
        price = plan.price(currency, interval_months)
        return Terms(plan.id, price.amount, plan.credits, self._reference(plan, price, provider))

    def gateway(self, plan: Plan, currency: str, country: str | None, named: str | None = None) -> PaymentGateway:
        """Who renews it: the first that the routing allows, or the one that the client names. Raises `ValidationFailed`."""
        sale = Sale(currency, country, frozenset({plan.product}), subscribing=True)
        return self._routing.gateways(sale, named)[0]

    def hosting(self, provider: str) -> Hosting:
        capabilities = self._routing.gateway(provider).capabilities
        return Hosting(capabilities.cancels_at_period_end and capabilities.resumes_subscriptions)

    def _reference(self, plan: Plan, price: Price, provider: str) -> str:
        """The deployment's word before the catalogue's."""
        monthly = f"{plan.id}/{price.amount.currency}"
        key = monthly if price.interval_months == _MONTHLY else f"{monthly}/{price.interval_months}"
        return self._references.get(provider, {}).get(key) or price.references.get(provider, "")


def kind_of(capabilities: PaymentCapabilities, terms: Terms) -> SubscriptionKind:
    """Where a provider can do both, it renews what the deployment has given a price there, and we renew the rest."""
    hosted = capabilities.subscriptions and (terms.price_reference or not capabilities.stored_methods)
    return SubscriptionKind.HOSTED if hosted else SubscriptionKind.STORED_METHOD
