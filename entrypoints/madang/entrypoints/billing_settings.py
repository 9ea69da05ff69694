"""What a deployment says about money: the section `billing` of its settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from madang.core.billing.catalogue import Catalogue, catalogue_of, released_catalogue
from madang.core.billing.payment_plans.calendar import REMINDER_DAYS
from madang.core.billing.routing import RoutingRule
from madang.entrypoints.invoice_settings import SellerSetting, Series
from madang.entrypoints.time_zones import known_zone
from madang.ports.errors import Misconfigured

if TYPE_CHECKING:
    from madang.entrypoints.settings import Settings


class RoutingRuleSetting(BaseModel):
    """Where all that it names fits, its providers take the sale, the first one first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    providers: tuple[str, ...] = Field(min_length=1)
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    product: str | None = Field(default=None, min_length=1)


class BillingSetting(BaseModel):
    """Every setting is explained in the guide for operators."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalogue: Path | None = None
    routing: tuple[RoutingRuleSetting, ...] = ()
    seller: SellerSetting = SellerSetting()
    invoice_series: Series = "INV"
    credit_note_series: Series = "CN"
    zero_rate_abroad: bool = False
    timezone: Annotated[str, AfterValidator(known_zone)] | None = None
    dunning_days: tuple[Annotated[int, Field(ge=1, le=60)], ...] = (1, 3, 5, 7)
    grace_days: int = Field(default=3, ge=0, le=60)
    suspended_days: int = Field(default=14, ge=0, le=365)
    price_references: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    reminder_days: tuple[Annotated[int, Field(ge=-60, le=60)], ...] = REMINDER_DAYS


def catalogue(settings: "Settings") -> Catalogue:
    """What this deployment sells. Raises `Misconfigured` for a file that cannot be read."""
    path = settings.billing.catalogue
    if path is None:
        return released_catalogue()
    try:
        return catalogue_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"billing.catalogue: {path}: {error}", operation="settings") from None


def routing_rules(settings: "Settings") -> Sequence[RoutingRule]:
    """Raises `Misconfigured` for a provider that the route does not have: its rule would never be followed."""
    route = settings.routes.get("payment", ())
    for number, rule in enumerate(settings.billing.routing, 1):
        if unknown := [name for name in rule.providers if name not in route]:
            raise Misconfigured(f"billing.routing: rule {number} names {unknown[0]}, which is not in routes.payment")
    return [RoutingRule(rule.providers, rule.currency, rule.country, rule.product) for rule in settings.billing.routing]
