"""Checkouts that a signed-in buyer opens: what is bought is named, what it costs is the catalogue's to say.

The payment is written before its provider is asked: a provider that does not answer is never followed by another one.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, begin_attempt
from madang.core.billing.catalogue import Catalogue
from madang.core.billing.closing import close_message
from madang.core.billing.events import payment_changed
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus
from madang.core.billing.plan_checkouts import OpenedCheckout, PlanCheckouts, PlanOrder
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.routing import PaymentRouting, Sale
from madang.core.billing.service import BillingService, NewPayment, look_up_message, opened_as, payment_of
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import AlreadyExists, NotFound, Problem, ValidationFailed
from madang.core.kernel.messages import Failure
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Unavailable
from madang.ports.money import EXPONENTS, Money
from madang.ports.payment import Checkout, PaymentGateway

logger = logging.getLogger(__name__)

ITEMS: Final = "items"
CREDIT_PACKS: Final = "credit_packs"
CHECKOUT_TIME: Final = timedelta(hours=24)
MOST_ITEMS: Final = 50
LARGEST: Final = 10**12
"""No sale costs more in the minor unit: sums stay within what rows and providers hold."""

_CREDITS: Final = "credits"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_GO_ON: Final = (Unavailable, RateLimited, Misconfigured)
"""Surely nothing was opened: the next provider of the routing may be asked."""


@dataclass(frozen=True, slots=True)
class ItemOrder:
    product_id: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class NewCheckout:
    """Exactly one of `items`, `plan_id` and `credit_pack_id`. `id` is the order's: every try of it carries the same."""

    id: UUID
    currency: str
    success_url: str
    cancel_url: str
    items: Sequence[ItemOrder] = ()
    plan_id: str | None = None
    credit_pack_id: str | None = None
    interval_months: int = 1
    country: str | None = None
    provider: str | None = None
    client_reference: str | None = None
    locale: str = "ko"


class CheckoutsUnitOfWork(BillingUnitOfWork, AuditedUnitOfWork, Protocol):
    """What opening a checkout touches."""


class Checkouts:
    def __init__(
        self,
        units: "UnitOfWorkFactory[CheckoutsUnitOfWork]",
        billing: BillingService,
        routing: PaymentRouting,
        catalogue: Catalogue,
        plans: PlanCheckouts,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        environment: str = "production",
    ) -> None:
        self._units = units
        self._billing = billing
        self._routing = routing
        self._catalogue = catalogue
        self._plans = plans
        self._audit_trail = audit_trail
        self._clock = clock
        self._environment = environment

    async def open(self, caller: Caller, new: NewCheckout) -> OpenedCheckout:
        """Open a payment window for what is ordered; the answer says whose.

        Raises `ValidationFailed`, `NotFound` for what is not for sale, `AlreadyExists` for a client reference that the account
        has used for another order, and what the gateway raises. An order whose opening is in doubt is opened again by its own
        provider when it comes with the same client reference.
        """
        self._check(new)
        if new.plan_id is not None:
            return await self._subscribing(caller, new, new.plan_id)
        sale, wanted = self._priced(caller, new)
        gateways = self._routing.gateways(sale, new.provider)
        payment, is_new = await self._placed(caller, wanted, gateways[0].name)
        if payment.status is not PaymentStatus.CREATED:
            return opened_checkout(payment)
        if not is_new:
            gateways = [self._routing.gateway(payment.provider)]
        return opened_checkout(await self.open_placed(replace(wanted, id=payment.id), gateways))

    async def _subscribing(self, caller: Caller, new: NewCheckout, plan_id: str) -> OpenedCheckout:
        opened = await self._plans.open(_plan_order(caller, new, plan_id))
        async with self._units() as uow:
            subject = f"subscription:{opened.id}"
            await self._audit_trail.record(
                uow, caller, AuditAction.CHECKOUT_STARTED, subject, plan=plan_id, provider=opened.provider
            )
        return opened

    def _check(self, new: NewCheckout) -> None:
        named = [bool(new.items), new.plan_id is not None, new.credit_pack_id is not None]
        if sum(named) != 1:
            raise ValidationFailed(Problem("items", "name exactly one of items, planId and creditPackId"))
        if new.currency not in EXPONENTS:
            raise ValidationFailed(Problem("currency", "is no currency of ISO 4217"))
        self.check_pages(new.success_url, new.cancel_url)

    def check_pages(self, success_url: str, cancel_url: str) -> None:
        """Where a browser may be sent back to. Raises `ValidationFailed`."""
        problems = [
            Problem(path, "must be an https address; in development http is taken for this machine")
            for path, url in (("successUrl", success_url), ("cancelUrl", cancel_url))
            if not self._is_page(url)
        ]
        if problems:
            raise ValidationFailed(*problems)

    def _is_page(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if not host or any(sign <= " " or sign in "\\\x7f" for sign in url) or parts.username is not None:
            return False
        loopback = host in _LOOPBACK and self._environment == "development"
        return parts.scheme == "https" or (parts.scheme == "http" and loopback)

    def _priced(self, caller: Caller, new: NewCheckout) -> tuple[Sale, NewPayment]:
        """What it costs, from the catalogue alone."""
        if new.credit_pack_id is not None:
            pack = self._catalogue.pack(new.credit_pack_id)
            lines = [PaymentLine(pack.title(new.locale), 1, pack.price(new.currency).amount.amount, pack.id)]
            purpose, subject, products = CREDIT_PACKS, f"credit_pack:{new.id}", {_CREDITS}
        else:
            lines, products = self._item_lines(new)
            purpose, subject = ITEMS, f"checkout:{new.id}"
        total = sum(line.amount for line in lines)
        if total > LARGEST:
            raise ValidationFailed(Problem("items", "cost more than can be paid at once"))
        description = lines[0].description if len(lines) == 1 else f"{lines[0].description} + {len(lines) - 1}"
        payment = NewPayment(
            id=new.id,
            purpose=purpose,
            subject=subject,
            amount=Money(total, new.currency),
            description=description,
            success_url=new.success_url,
            cancel_url=new.cancel_url,
            expires_at=self._clock.now() + CHECKOUT_TIME,
            locale=new.locale,
            user_id=caller.person,
            country=new.country,
            lines=tuple(lines),
            client_reference=new.client_reference,
        )
        return Sale(new.currency, new.country, frozenset(products)), payment

    def _item_lines(self, new: NewCheckout) -> tuple[list[PaymentLine], set[str]]:
        lines, products = [], set()
        for order in new.items:
            product = self._catalogue.product(order.product_id)
            price = product.price(new.currency).amount.amount
            lines.append(PaymentLine(product.title(new.locale), order.quantity, price, product.id))
            products.add(product.product)
        return lines, products

    async def _placed(self, caller: Caller, wanted: NewPayment, provider: str) -> tuple[Payment, bool]:
        """The order's payment, written now; or the one that an earlier try has written."""
        async with self._units() as uow:
            earlier = await self._earlier(uow, caller, wanted)
            if earlier is not None:
                return earlier, False
            now = self._clock.now()
            payment = payment_of(wanted, provider, now)
            await uow.payments.add(payment)
            await begin_attempt(uow, payment, AttemptOperation.CHECKOUT, now)
            uow.send(look_up_message(payment.id, 0, now))
            await self._audit_trail.record(
                uow,
                caller,
                AuditAction.CHECKOUT_STARTED,
                f"payment:{payment.id}",
                purpose=payment.purpose,
                provider=provider,
                amount=payment.amount.amount,
                currency=payment.amount.currency,
            )
        return payment, True

    async def _earlier(self, uow: BillingUnitOfWork, caller: Caller, wanted: NewPayment) -> Payment | None:
        earlier = await uow.payments.get(wanted.id)
        if earlier is None and wanted.client_reference is not None:
            first = await uow.payments.referred(caller.person, wanted.client_reference)
            earlier = None if first is None else await uow.payments.get(first)
            if first is not None and (earlier is None or not _is_same_order_in_doubt(earlier, wanted)):
                raise AlreadyExists("this client reference was used before", id=str(first))
        if earlier is not None and earlier.user_id != caller.person:
            raise NotFound("there is no such payment", code="PAYMENT_NOT_FOUND")
        return earlier

    async def open_placed(self, wanted: NewPayment, gateways: Sequence[PaymentGateway]) -> Payment:
        """Open what is written already, with its first attempt. The next provider is asked only when the one before surely
        opened nothing."""
        for number, gateway in enumerate(gateways):
            if number:
                await self._turn_to(wanted.id, gateway.name)
            try:
                checkout = await gateway.open_checkout(self._billing.checkout_request(wanted, gateway.name))
            except PortError as error:
                last = gateway is gateways[-1] or not isinstance(error, _GO_ON)
                await self._not_opened(wanted.id, error, last=last)
                if last:
                    raise
                logger.warning("payment %s is not opened by %s: the next one is asked", wanted.id, gateway.name)
            else:
                return await self._opened(wanted.id, checkout)
        raise Misconfigured("no payment provider is named", operation="open_checkout")

    async def _turn_to(self, payment_id: UUID, provider: str) -> None:
        async with self._units() as uow:
            payment = await _locked(uow, payment_id)
            now = self._clock.now()
            turned = replace(payment, provider=provider, updated_at=now)
            await uow.payments.update(turned)
            await begin_attempt(uow, turned, AttemptOperation.CHECKOUT, now)

    async def _not_opened(self, payment_id: UUID, error: PortError, *, last: bool) -> None:
        """Once in doubt, the order keeps its provider and its reference, whatever later tries say. What surely failed frees the
        reference for another try."""
        async with self._units() as uow:
            payment = await _locked(uow, payment_id)
            now = self._clock.now()
            failure = Failure.of(error)
            attempt = (await uow.payment_attempts.of_payment(payment_id))[-1]
            doubt = isinstance(error, OutcomeUnknown) or attempt.status is AttemptStatus.UNKNOWN
            status = AttemptStatus.UNKNOWN if doubt else AttemptStatus.FAILED
            await uow.payment_attempts.update(attempt.ended(status, now, failure=failure.message, code=failure.code))
            if last and not doubt and payment.status is PaymentStatus.CREATED:
                failed = replace(
                    payment, status=PaymentStatus.FAILED, failure=error.kind, client_reference=None, updated_at=now
                )
                await uow.payments.update(failed)
                uow.announce(payment_changed(failed))

    async def _opened(self, payment_id: UUID, checkout: Checkout) -> Payment:
        async with self._units() as uow:
            payment = await _locked(uow, payment_id)
            now = self._clock.now()
            opened = opened_as(payment, checkout, now)
            await uow.payments.update(opened)
            attempt = (await uow.payment_attempts.of_payment(payment_id))[-1]
            if attempt.operation is AttemptOperation.CHECKOUT:
                status = AttemptStatus.PENDING if attempt.is_open else attempt.status
                await uow.payment_attempts.update(
                    replace(attempt, status=status, reference=opened.reference, failure=None, code=None, updated_at=now)
                )
            if opened.status is not payment.status:
                uow.announce(payment_changed(opened))
            if opened.user_id is None:
                # The buyer was erased while the provider was asked.
                uow.send(close_message(payment_id))
        return opened


async def _locked(uow: BillingUnitOfWork, payment_id: UUID) -> Payment:
    payment = await uow.payments.get(payment_id, lock=True)
    if payment is None:
        raise NotFound("there is no such payment", code="PAYMENT_NOT_FOUND")
    return payment


def _is_same_order_in_doubt(earlier: Payment, wanted: NewPayment) -> bool:
    same = (earlier.purpose, earlier.amount, tuple(earlier.lines)) == (wanted.purpose, wanted.amount, tuple(wanted.lines))
    return same and earlier.status is PaymentStatus.CREATED


def opened_checkout(payment: Payment) -> OpenedCheckout:
    params: Mapping[str, object] = payment.client_params or {}
    return OpenedCheckout(payment.id, payment.provider, payment.checkout_url, params, payment.id)


def _plan_order(caller: Caller, new: NewCheckout, plan_id: str) -> PlanOrder:
    return PlanOrder(
        id=new.id,
        user_id=caller.person,
        plan_id=plan_id,
        currency=new.currency,
        success_url=new.success_url,
        cancel_url=new.cancel_url,
        interval_months=new.interval_months,
        country=new.country,
        provider=new.provider,
        client_reference=new.client_reference,
        locale=new.locale,
    )
