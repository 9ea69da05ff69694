"""What a deployment says about its invoices, in the section `billing` of its settings."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from madang.core.billing.invoices.drafting import InvoicePolicy
from madang.core.billing.invoices.model import Seller

if TYPE_CHECKING:
    from madang.entrypoints.settings import Settings

Told = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Series = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{0,11}$")]


class SellerSetting(BaseModel):
    """Who sells, as invoices say it; the name is the brand unless another is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Told | None = None
    registration_number: Told | None = None
    address: Told | None = None
    representative: Told | None = None
    email: Told | None = None


def invoice_policy(settings: "Settings") -> InvoicePolicy:
    billing, told = settings.billing, settings.billing.seller
    seller = Seller(told.name or settings.brand, told.registration_number, told.address, told.representative, told.email)
    return InvoicePolicy(
        seller, billing.invoice_series, billing.credit_note_series, billing.zero_rate_abroad, settings.timezone
    )
