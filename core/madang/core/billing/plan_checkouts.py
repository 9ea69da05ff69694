"""The seam between checkouts and subscriptions: whoever asks to pay for a plan is handed over here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from madang.core.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """Where to send the person. `id` names what was begun: the payment, or the subscription. `payment_id` is None where the
    provider makes the first payment by itself, or nothing is due yet."""

    id: UUID
    provider: str
    url: str | None
    client_params: Mapping[str, Any]
    payment_id: UUID | None


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """`id` is chosen by the caller and is the same for every try of one order. `provider` is what the client named, if it
    did."""

    id: UUID
    user_id: UUID
    plan_id: str
    currency: str
    success_url: str
    cancel_url: str
    interval_months: int = 1
    country: str | None = None
    provider: str | None = None
    client_reference: str | None = None
    locale: str = "ko"
    customer_email: str | None = field(default=None, repr=False)
    customer_name: str | None = field(default=None, repr=False)


class NoPlans:
    """Fulfils `PlanCheckouts` where nothing can be subscribed to."""

    async def open(self, order: PlanOrder) -> OpenedCheckout:
        raise NotFound(f"nothing named {order.plan_id!r} is for sale", code="PLAN_NOT_FOUND")


class PlanCheckouts(Protocol):
    """Fulfilled by subscriptions, and wired as `BillingWiring.plan_checkouts`."""

    async def open(self, order: PlanOrder) -> OpenedCheckout:
        """Begin a subscription and open where its buyer agrees to it. The same id answers the same one.

        Raises `NotFound` for a plan that is not sold, `ValidationFailed` for a currency or a provider that it is not sold in or
        by, `AlreadyExists` for a client reference that the account has used, and what the gateway raises.
        """
        ...
