"""Ordering: a job and its checkout, and the browser that comes back from there (seed 003, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from madang.core.billing.model import OPEN, Payment
from madang.core.billing.service import BillingService, NewPayment
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import AlreadyExists
from madang.core.kernel.ids import derived_id
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.finding import existing, no_such_portrait
from madang.core.portraits.model import LIFETIME, PRICE, Locale, Portrait, PortraitStatus
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import EXPIRE
from madang.ports.payment import Checkout

PURPOSE: Final = "portraits"
"""How payments name us."""
ACCOUNT: Final = "portraits.account"


@dataclass(frozen=True, slots=True)
class OrderPortrait:
    """`id` stays the same for every try of one order. `account` is who orders; anonymous buyers are told apart by address."""

    id: UUID
    account: str
    locale: Locale
    client_reference: str | None = None


@dataclass(frozen=True, slots=True)
class OrderedPortrait:
    portrait: Portrait
    checkout: Checkout


class Ordering:
    def __init__(
        self,
        *,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        billing: BillingService,
        cipher: PersonalDataCipher,
        clock: Clock,
        base_url: str,
    ) -> None:
        self._units = units
        self._billing = billing
        self._cipher = cipher
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    async def order(self, command: OrderPortrait) -> OrderedPortrait:
        """Start a job and open its checkout. Trying again with the same id answers the same job.

        Raises `AlreadyExists` for a client reference that the account has used, and what the payment gateway raises;
        nothing is stored unless the checkout was opened.
        """
        accounts = self._accounts_of(command.account)
        async with self._units() as uow:
            earlier = await _ordered(uow, command.id)
            if earlier is not None:
                return earlier
            await self._refuse_taken_reference(uow, accounts, command.client_reference)
        portrait = self._new_portrait(command, accounts[0])
        payment = await self._billing.open_checkout(self._purchase_of(portrait))
        try:
            return await self._place(portrait, payment)
        except AlreadyExists:
            async with self._units() as uow:
                other_try = await _ordered(uow, command.id)
            if other_try is None:
                raise
            return other_try

    async def check_payment(self, portrait_id: UUID, key: str | None = None) -> None:
        """The browser came back from the checkout: a hint to ask the provider now, never the truth. Where the provider gave it
        a `key`, that is spent once, for our amount."""
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id)
            if portrait.status is not PortraitStatus.PENDING_PAYMENT:
                return
            payment = await uow.payments.get(portrait.payment_id, lock=True)
            if payment is not None and payment.status in OPEN:
                await self._billing.come_back(uow, payment, key)

    async def _place(self, portrait: Portrait, payment: Payment) -> OrderedPortrait:
        async with self._units() as uow:
            await uow.portraits.add(portrait)
            await self._billing.add(uow, payment)
            uow.send(_expiry_of(portrait))
        return OrderedPortrait(portrait, _checkout_of(payment))

    def _accounts_of(self, account: str) -> Sequence[str]:
        """A client's address is personal data: only its keyed hash is kept, under whichever key was current."""
        return [hashed.hex() for hashed in self._cipher.keyed_hashes(account, purpose=ACCOUNT)]

    async def _refuse_taken_reference(self, uow: PortraitsUnitOfWork, accounts: Sequence[str], reference: str | None) -> None:
        for account in accounts if reference else ():
            taken = await uow.portraits.by_client_reference(account, reference or "")
            if taken is not None:
                raise AlreadyExists("this client reference was used for another order", id=str(taken.id))

    def _new_portrait(self, command: OrderPortrait, account: str) -> Portrait:
        now = self._clock.now()
        return Portrait(
            id=command.id,
            account=account,
            status=PortraitStatus.PENDING_PAYMENT,
            payment_id=derived_id(command.id, "payment"),
            amount=PRICE,
            locale=command.locale,
            created_at=now,
            updated_at=now,
            expires_at=now + LIFETIME,
            client_reference=command.client_reference,
        )

    def _purchase_of(self, portrait: Portrait) -> NewPayment:
        page = f"{self._base_url}/portraits/{portrait.id}"
        return NewPayment(
            id=portrait.payment_id,
            purpose=PURPOSE,
            subject=portrait.subject,
            amount=portrait.amount,
            description="Find My Rizz",
            success_url=f"{page}/paid",
            cancel_url=f"{page}/cancelled",
            expires_at=portrait.expires_at,
            locale=portrait.locale,
        )


def _expiry_of(portrait: Portrait) -> NewMessage:
    return NewMessage(
        EXPIRE,
        {"portrait_id": str(portrait.id)},
        key=f"portrait:{portrait.id}:expire",
        subject=portrait.subject,
        due_at=portrait.expires_at,
    )


def _checkout_of(payment: Payment | None) -> Checkout:
    if payment is None:
        raise no_such_portrait()
    return Checkout(payment.checkout_url, payment.reference, payment.client_params or {}, payment.expires_at)


async def _ordered(uow: PortraitsUnitOfWork, portrait_id: UUID) -> OrderedPortrait | None:
    """What an earlier try of the same order, or one at the same time, has committed."""
    portrait = await uow.portraits.get(portrait_id)
    return None if portrait is None else OrderedPortrait(portrait, _checkout_of(await uow.payments.get(portrait.payment_id)))
