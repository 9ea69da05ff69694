"""Which payment providers may take a sale, in the order of preference: by currency, country and product, from settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.kernel.providers import Providers
from madang.ports.payment import PaymentCapabilities, PaymentGateway


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Where all that it names fits, its providers take the sale, the first one first. What it does not name fits always."""

    providers: Sequence[str]
    currency: str | None = None
    country: str | None = None
    product: str | None = None

    def fits(self, sale: "Sale") -> bool:
        return (
            self.currency in (None, sale.currency)
            and self.country in (None, sale.country)
            and (self.product is None or sale.products == {self.product})
        )


@dataclass(frozen=True, slots=True)
class Sale:
    """What is to be paid. `products` are the catalogue's; a rule for one product fits only a sale of that alone."""

    currency: str
    country: str | None = None
    products: frozenset[str] = field(default_factory=frozenset)
    subscribing: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider of the route, with what it can do."""

    name: str
    capabilities: PaymentCapabilities

    def takes(self, sale: Sale) -> bool:
        able = self.capabilities
        if sale.subscribing and not (able.subscriptions or able.stored_methods):
            return False
        return not able.currencies or sale.currency in able.currencies


def allowed(rules: Sequence[RoutingRule], offers: Sequence[Offer], sale: Sale) -> Sequence[str]:
    """The first rule that fits decides; without one, the order of the route. Who cannot take the sale is left out."""
    able = [offer.name for offer in offers if offer.takes(sale)]
    rule = next((rule for rule in rules if rule.fits(sale)), None)
    return able if rule is None else [name for name in rule.providers if name in able]


class PaymentRouting:
    def __init__(self, providers: Providers, rules: Sequence[RoutingRule] = ()) -> None:
        self._providers = providers
        self._rules = rules

    def gateways(self, sale: Sale, wanted: str | None = None) -> Sequence[PaymentGateway]:
        """Those that may take the sale, at least one; only the `wanted` one where the client named it.

        A further one may be asked only when the one before surely did nothing: an outcome that is unknown ends the search.
        Raises `ValidationFailed` for a provider that may not take it, and for a currency that none takes.
        """
        gateways = {gateway.name: gateway for gateway in self._providers.payment_gateways()}
        offers = [Offer(name, gateway.capabilities) for name, gateway in gateways.items()]
        names = allowed(self._rules, offers, sale)
        if not names:
            raise ValidationFailed(Problem("currency", f"nobody takes {sale.currency} for this here"))
        if wanted is None:
            return [gateways[name] for name in names]
        if wanted not in names:
            raise ValidationFailed(Problem("provider", f"is none of those that take this: {', '.join(names)}"))
        return [gateways[wanted]]

    def gateway(self, name: str) -> PaymentGateway:
        """The one that has begun already. Raises `Misconfigured` when it is no longer configured."""
        return self._providers.payment_gateway(name)
