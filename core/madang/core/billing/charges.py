"""Charging a stored means of payment with nobody at the keyboard: one intent, one provider, and at most one charge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt, begin_attempt
from madang.core.billing.events import payment_changed
from madang.core.billing.model import AmountMismatch, Payment, PaymentLine, PaymentStatus, payment_subject
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import BillingService, look_up_message
from madang.core.billing.snapshots import snapshot_as_json, snapshot_of
from madang.core.kernel.actions import ActionState, Effect, patience, perform, resolve
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Message, NewMessage
from madang.core.kernel.providers import Providers
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.money import Money
from madang.ports.payment import ChargeRequest, PaymentSnapshot
from madang.ports.secret import Secret

CHARGE: Final = "billing.charge"
METHOD_GONE: Final = "method_gone"
"""The `failure` of a payment whose stored means is no longer there. A refusal has the provider's neutral word: `declined`."""

_GIVEN: Final = timedelta(days=1)
_BEFORE_ANSWER: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.PENDING})


@dataclass(frozen=True, slots=True)
class MethodToken:
    """What charges a stored means of payment: a secret, opened only for the call. `customer_id` is ours, and the same for every
    means and charge of one person."""

    provider: str
    customer_id: str
    token: Secret


class MethodTokens(Protocol):
    """Fulfilled by subscriptions, which keeps the means of payment sealed in `payment_methods`."""

    async def token_of(self, uow: BillingUnitOfWork, method_id: UUID) -> MethodToken | None:
        """None for one that its owner has removed: it is charged no more."""
        ...


class NoStoredMethods:
    """Fulfils `MethodTokens` where no means of payment is kept."""

    async def token_of(self, uow: BillingUnitOfWork, method_id: UUID) -> MethodToken | None:
        return None


@dataclass(frozen=True, slots=True)
class NewCharge:
    """What a selling context wants charged. `id` is chosen by it and stays the same for every try of one intent: the retry of
    dunning is a new payment with a new id. What is not begun by `expires_at` (a day from now) is not charged any more."""

    id: UUID
    purpose: str
    subject: str
    amount: Money
    description: str
    provider: str
    method_id: UUID
    user_id: UUID | None = None
    country: str | None = None
    lines: Sequence[PaymentLine] = ()
    locale: str = "ko"
    expires_at: datetime | None = None


class Charges:
    """The use cases. The payment announces `billing.payment_changed` as any other: `paid`, `failed` with its `failure`, or
    `pending` while nobody knows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def start(self, uow: BillingUnitOfWork, new: NewCharge) -> Payment:
        """Store the payment, `CREATED`, and the message that charges it, in the caller's commit. The same id answers the
        payment that it made."""
        earlier = await uow.payments.get(new.id)
        if earlier is not None:
            return earlier
        now = self._clock.now()
        payment = _payment_of(new, now)
        await uow.payments.add(payment)
        told = {"payment_id": str(payment.id), "method_id": str(new.method_id)}
        uow.send(NewMessage(CHARGE, told, key=_key(payment.id), subject=payment_subject(payment.id)))
        uow.send(look_up_message(payment.id, 0, now))
        return payment

    async def cancel(self, uow: BillingUnitOfWork, payment_id: UUID) -> bool:
        """Take back a charge that has not begun; False when it has, and its outcome must be waited for."""
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None or payment.status is not PaymentStatus.CREATED or await uow.payment_attempts.of_payment(payment_id):
            return False
        await _end(uow, payment, PaymentStatus.CANCELLED, None, self._clock.now())
        return True


@dataclass(frozen=True, slots=True)
class _Begun:
    """`token` is None when it must not be charged any more, and only be found out whether it was."""

    payment: Payment
    attempt: PaymentAttempt
    token: MethodToken | None


class ChargeWork:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock, tokens: MethodTokens) -> None:
        self._billing = billing
        self._providers = providers
        self._clock = clock
        self._tokens = tokens

    async def charge(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """Charge at most once. A refusal is an answer, not a failure of ours: the payment says so and the work is done."""
        payload = delivery.message.payload
        async with delivery.step() as uow:
            begun = await self._begin(uow, UUID(payload["payment_id"]), UUID(payload["method_id"]))
        if begun is None:
            return
        effect = self._effect(begun)
        if begun.token is None:
            await self._find_out(delivery, begun.payment, effect)
            return
        try:
            result = await perform(delivery, effect, self._clock)
        except Rejected as refused:
            await self._refuse(delivery, begun, refused)
        except OutcomeUnknown as error:
            await self._doubt(delivery, begun, error)
            raise
        else:
            async with delivery.finish() as uow:
                await self._settle(uow, begun.payment.id, snapshot_of(result))

    async def give_up(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """Failed only when it was surely not done; one in doubt stays open, and the look-ups go on asking."""
        payment_id = UUID(message.payload["payment_id"])
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None or payment.status not in _BEFORE_ANSWER or await _in_doubt(uow, payment_id):
            return
        now = self._clock.now()
        await self._end_attempt(uow, payment_id, failure, now)
        await _end(uow, payment, PaymentStatus.FAILED, failure.kind, now)

    async def _begin(self, uow: BillingUnitOfWork, payment_id: UUID, method_id: UUID) -> _Begun | None:
        """None when there is nothing to do any more. The try is written before the call, so nobody cancels under way."""
        payment = await uow.payments.get(payment_id, lock=True)
        if payment is None:
            return None
        begun = await uow.payment_attempts.of_payment(payment_id)
        token = await self._tokens.token_of(uow, method_id)
        usable = token if token is not None and token.provider == payment.provider else None
        if begun:
            return _Begun(payment, begun[-1], usable if payment.status in _BEFORE_ANSWER and begun[-1].is_open else None)
        if payment.status is not PaymentStatus.CREATED:
            return None
        now = self._clock.now()
        if now >= payment.expires_at:
            await _end(uow, payment, PaymentStatus.EXPIRED, None, now)
        elif usable is None:
            await _end(uow, payment, PaymentStatus.FAILED, METHOD_GONE, now)
        else:
            return _Begun(payment, await begin_attempt(uow, payment, AttemptOperation.CHARGE, now), usable)
        return None

    async def _find_out(self, delivery: Delivery[BillingUnitOfWork], payment: Payment, effect: Effect) -> None:
        """It was settled otherwise, or its means is gone: no doubt is left behind, and nothing is charged."""
        await resolve(delivery, effect, self._clock)
        snapshot = await self._billing.ask(payment)
        async with delivery.finish() as uow:
            if snapshot is not None:
                await self._settle(uow, payment.id, snapshot)
                return
            now = self._clock.now()
            locked = await uow.payments.get(payment.id, lock=True)
            if locked is not None and locked.status in _BEFORE_ANSWER and not await _in_doubt(uow, payment.id):
                await self._end_attempt(uow, payment.id, Failure(METHOD_GONE, "it was not charged"), now)
                await _end(uow, locked, PaymentStatus.FAILED, METHOD_GONE, now)

    async def _refuse(self, delivery: Delivery[BillingUnitOfWork], begun: _Begun, refused: Rejected) -> None:
        """A webhook may have said more meanwhile: then that counts."""
        async with delivery.finish() as uow:
            payment = await uow.payments.get(begun.payment.id, lock=True)
            now = self._clock.now()
            await self._end_attempt(uow, begun.payment.id, Failure.of(refused), now)
            if payment is not None and payment.status in _BEFORE_ANSWER:
                await _end(uow, payment, PaymentStatus.FAILED, refused.reason, now)

    async def _doubt(self, delivery: Delivery[BillingUnitOfWork], begun: _Begun, error: OutcomeUnknown) -> None:
        now = self._clock.now()
        async with delivery.step() as uow:
            payment = await uow.payments.get(begun.payment.id, lock=True)
            if payment is None or payment.status is not PaymentStatus.CREATED:
                return
            await uow.payment_attempts.update(
                begun.attempt.ended(AttemptStatus.UNKNOWN, now, failure=error.kind, code=error.code)
            )
            await _end(uow, payment, PaymentStatus.PENDING, None, now)

    async def _settle(self, uow: BillingUnitOfWork, payment_id: UUID, snapshot: PaymentSnapshot) -> None:
        """A wrong amount is alerted by `settle` and believed by nobody: the charge is done, and a person looks."""
        try:
            await self._billing.settle(uow, payment_id, snapshot)
        except AmountMismatch:
            return

    async def _end_attempt(self, uow: BillingUnitOfWork, payment_id: UUID, failure: Failure, now: datetime) -> None:
        for attempt in await uow.payment_attempts.of_payment(payment_id):
            if attempt.is_open:
                ended = attempt.ended(AttemptStatus.FAILED, now, failure=failure.message, code=failure.code)
                await uow.payment_attempts.update(ended)

    def _effect(self, begun: _Begun) -> Effect:
        payment, gateway = begun.payment, self._providers.payment_gateway(begun.payment.provider)
        capabilities = gateway.capabilities
        timeout = 60.0

        async def call() -> Mapping[str, Any]:
            token = begun.token
            if token is None:
                raise Rejected("the means of payment is gone", reason=METHOD_GONE, provider=gateway.name, operation="charge")
            request = ChargeRequest(
                payment_id=str(payment.id),
                customer_id=token.customer_id,
                token=token.token,
                amount=payment.amount,
                description=payment.description,
                idempotency_key=_key(payment.id),
                webhook_url=self._billing.webhook_url(gateway.name),
                timeout=timeout,
            )
            return snapshot_as_json(await gateway.charge(request))

        async def look_up() -> Mapping[str, Any] | None:
            found = await self._billing.ask(payment)
            return None if found is None else snapshot_as_json(found)

        return Effect(
            key=_key(payment.id),
            kind="payment.charge",
            provider=gateway.name,
            call=call,
            look_up=look_up if capabilities.finds_by_payment_id else None,
            repeatable=capabilities.idempotent,
            subject=payment_subject(payment.id),
            time_limit=patience(timeout),
        )


async def _in_doubt(uow: BillingUnitOfWork, payment_id: UUID) -> bool:
    action = await uow.actions.get(_key(payment_id))
    return action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN)


async def _end(uow: BillingUnitOfWork, payment: Payment, status: PaymentStatus, failure: str | None, now: datetime) -> None:
    await uow.payments.update(replace(payment, status=status, failure=failure, updated_at=now))
    uow.announce(payment_changed(replace(payment, status=status)))


def _key(payment_id: UUID) -> str:
    return f"charge:{payment_id}"


def _payment_of(new: NewCharge, now: datetime) -> Payment:
    return Payment(
        id=new.id,
        purpose=new.purpose,
        subject=new.subject,
        amount=new.amount,
        provider=new.provider,
        status=PaymentStatus.CREATED,
        created_at=now,
        updated_at=now,
        expires_at=new.expires_at or now + _GIVEN,
        user_id=new.user_id,
        country=new.country,
        description=new.description,
        lines=tuple(new.lines) or (PaymentLine(new.description, 1, new.amount.amount),),
        locale=new.locale,
    )
