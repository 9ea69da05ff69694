"""Taking money that a person has agreed to: spending the key that the browser brought back, and capturing what is approved.

Each try is a row, a message and an action with one key, so whatever triggers it – the browser, a webhook, a look-up – it
happens once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from madang.core.billing.attempts import AttemptOperation, AttemptStatus, PaymentAttempt
from madang.core.billing.events import payment_changed
from madang.core.billing.model import AmountMismatch, Payment, PaymentStatus, payment_subject
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.service import BillingService
from madang.core.billing.snapshots import snapshot_as_json, snapshot_of
from madang.core.kernel.actions import ActionState, Effect, patience, perform, resolve
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Message
from madang.core.kernel.providers import Providers
from madang.ports.errors import OutcomeUnknown, PortError, Rejected
from madang.ports.payment import CaptureRequest, ConfirmRequest, PaymentGateway, PaymentSnapshot, RemotePaymentStatus

_TIMEOUT: Final = 60.0
_UNPAID: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.AUTHORISED})
_UNTOUCHED: Final = {
    AttemptOperation.CONFIRM: frozenset({RemotePaymentStatus.PENDING}),
    AttemptOperation.CAPTURE: frozenset({RemotePaymentStatus.PENDING, RemotePaymentStatus.AUTHORISED}),
}
"""A payment that the provider has in such a state was surely not confirmed, or not captured."""


@dataclass(frozen=True, slots=True)
class _Try:
    payment: Payment
    attempt: PaymentAttempt
    key: str

    @property
    def action(self) -> str:
        return _action(self.attempt)


class CollectWork:
    def __init__(self, billing: BillingService, providers: Providers, clock: Clock) -> None:
        self._billing = billing
        self._providers = providers
        self._clock = clock

    async def collect(self, delivery: Delivery[BillingUnitOfWork]) -> None:
        """Confirm or capture at most once. A refusal is an answer: the payment says so and the work is done."""
        async with delivery.step() as uow:
            found = await self._found(uow, delivery.message)
        if found is None:
            return
        effect = self._effect(found)
        if not found.attempt.is_open or found.payment.status not in {*_UNPAID, PaymentStatus.FAILED}:
            await resolve(delivery, effect, self._clock)
            return
        try:
            result = await perform(delivery, effect, self._clock)
        except Rejected as refused:
            await self._refuse(delivery, found, refused)
        except OutcomeUnknown as error:
            await self._doubt(delivery, found, error)
            raise
        else:
            async with delivery.finish() as uow:
                await self._settle(uow, found.payment.id, snapshot_of(result))

    async def give_up(self, uow: BillingUnitOfWork, message: Message, failure: Failure) -> None:
        """A try in doubt stays so, and the look-ups go on; one that surely was not made makes room for the next."""
        found = await self._found(uow, message)
        if found is None or not found.attempt.is_open:
            return
        action = await uow.actions.get(found.action)
        if action is not None and action.state in (ActionState.RUNNING, ActionState.UNKNOWN):
            return
        now = self._clock.now()
        await uow.payment_attempts.update(
            found.attempt.ended(AttemptStatus.FAILED, now, failure=failure.message, code=failure.code)
        )
        if found.attempt.operation is AttemptOperation.CONFIRM and found.payment.status in _UNPAID:
            await self._fail(uow, found.payment, failure.kind)

    async def _found(self, uow: BillingUnitOfWork, message: Message) -> _Try | None:
        payload = message.payload
        payment = await uow.payments.get(UUID(payload["payment_id"]), lock=True)
        if payment is None:
            return None
        for attempt in await uow.payment_attempts.of_payment(payment.id):
            if attempt.number == payload["number"]:
                return _Try(payment, attempt, payload.get("key", ""))
        return None

    async def _refuse(self, delivery: Delivery[BillingUnitOfWork], found: _Try, refused: Rejected) -> None:
        """What is true is asked first: a provider also refuses what it has done already."""
        try:
            snapshot = await self._billing.ask(found.payment)
        except PortError:
            snapshot = None
        async with delivery.finish() as uow:
            if snapshot is not None and snapshot.status not in _UNTOUCHED[found.attempt.operation]:
                await self._settle(uow, found.payment.id, snapshot)
            again = await self._found(uow, delivery.message)
            if again is not None and again.attempt.is_open:
                failure = Failure.of(refused)
                ended = again.attempt.ended(AttemptStatus.FAILED, self._clock.now(), failure=failure.message, code=failure.code)
                await uow.payment_attempts.update(ended)
            if again is not None and again.payment.status in _UNPAID:
                await self._fail(uow, again.payment, refused.reason)

    async def _doubt(self, delivery: Delivery[BillingUnitOfWork], found: _Try, error: OutcomeUnknown) -> None:
        async with delivery.step() as uow:
            again = await self._found(uow, delivery.message)
            if again is not None and again.attempt.is_open:
                unknown = again.attempt.ended(AttemptStatus.UNKNOWN, self._clock.now(), failure=error.kind, code=error.code)
                await uow.payment_attempts.update(unknown)

    async def _fail(self, uow: BillingUnitOfWork, payment: Payment, failure: str) -> None:
        failed = replace(payment, status=PaymentStatus.FAILED, failure=failure, updated_at=self._clock.now())
        await uow.payments.update(failed)
        uow.announce(payment_changed(failed))

    async def _settle(self, uow: BillingUnitOfWork, payment_id: UUID, snapshot: PaymentSnapshot) -> None:
        """A wrong amount is alerted by `settle` and believed by nobody: the call is done, and a person looks."""
        try:
            await self._billing.settle(uow, payment_id, snapshot)
        except AmountMismatch:
            return

    def _effect(self, found: _Try) -> Effect:
        payment, operation = found.payment, found.attempt.operation
        gateway = self._providers.payment_gateway(payment.provider)

        async def call() -> Mapping[str, Any]:
            return snapshot_as_json(await _call(gateway, found))

        async def look_up() -> Mapping[str, Any] | None:
            snapshot = await self._billing.ask(payment)
            untouched = snapshot is None or snapshot.status in _UNTOUCHED[operation]
            return None if snapshot is None or untouched else snapshot_as_json(snapshot)

        finds = gateway.capabilities.finds_by_payment_id or payment.reference is not None
        return Effect(
            key=found.action,
            kind=f"payment.{operation.value}",
            provider=gateway.name,
            call=call,
            look_up=look_up if finds else None,
            repeatable=gateway.capabilities.idempotent,
            subject=payment_subject(payment.id),
            time_limit=patience(_TIMEOUT),
        )


async def _call(gateway: PaymentGateway, found: _Try) -> PaymentSnapshot:
    payment = found.payment
    if found.attempt.operation is AttemptOperation.CONFIRM:
        return await gateway.confirm(ConfirmRequest(str(payment.id), found.key, payment.amount, found.action, _TIMEOUT))
    request = CaptureRequest(payment.reference or "", str(payment.id), payment.amount, found.action, _TIMEOUT)
    return await gateway.capture(request)


def _action(attempt: PaymentAttempt) -> str:
    return f"{attempt.operation.value}:{attempt.payment_id}:{attempt.number}"
