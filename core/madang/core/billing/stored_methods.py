"""The means of payment that a person has left with a provider: seen, charged, and forgotten."""

from collections.abc import Sequence
from typing import Final, cast
from uuid import UUID

from madang.core.billing.charges import MethodToken
from madang.core.billing.repository import BillingUnitOfWork
from madang.core.billing.retries import PATIENT
from madang.core.billing.subscriptions.model import METHOD_TOKEN, PaymentMethod
from madang.core.billing.subscriptions.repository import SubscriptionsUnitOfWork
from madang.core.kernel.actions import Effect, patience, perform
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound
from madang.core.kernel.messages import Delivery, Handler, NewMessage, Topic
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditAction, AuditTrail
from madang.ports.secret import Secret

FORGET_METHOD: Final = "billing.forget_method"
_TIMEOUT: Final = 60.0


class StoredMethods:
    """Fulfils `MethodTokens`."""

    def __init__(
        self,
        units: UnitOfWorkFactory[SubscriptionsUnitOfWork],
        providers: Providers,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._units = units
        self._providers = providers
        self._cipher = cipher
        self._audit = audit_trail
        self._clock = clock

    def handlers(self) -> Sequence[Handler[SubscriptionsUnitOfWork]]:
        return (Handler(Topic(FORGET_METHOD, retry=PATIENT, time_limit=150), run=self.forget),)

    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[PaymentMethod]:
        """The newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        async with self._units() as uow:
            return await uow.payment_methods.page(user_id, request)

    async def remove(self, caller: Caller, method_id: UUID) -> None:
        """It is charged no more, and its provider is told to forget it. Raises `NotFound`, and `Conflict` for one that a
        subscription is paid by."""
        async with self._units() as uow:
            method = await uow.payment_methods.get(method_id)
            if method is None or method.user_id != caller.person:
                raise NotFound("no such means of payment", code="PAYMENT_METHOD_NOT_FOUND")
            if await uow.payment_methods.is_used(method_id):
                raise Conflict("a subscription is paid by it", code="PAYMENT_METHOD_IN_USE")
            if await uow.payment_methods.retire(method_id, self._clock.now()):
                await self._audit.record(uow, caller, AuditAction.PAYMENT_METHOD_REMOVED, f"payment_method:{method_id}")
                told = {"method_id": str(method_id)}
                uow.send(
                    NewMessage(FORGET_METHOD, told, key=f"forget-method:{method_id}", subject=f"payment_method:{method_id}")
                )

    async def token_of(self, uow: BillingUnitOfWork, method_id: UUID) -> MethodToken | None:
        """None for one that its owner has removed. Every unit of work is one of all contexts."""
        method = await cast(SubscriptionsUnitOfWork, uow).payment_methods.get(method_id)
        if method is None:
            return None
        token = Secret(self._cipher.decrypt(method.token, purpose=METHOD_TOKEN))
        return MethodToken(method.provider, method.customer_id, token)

    async def forget(self, delivery: Delivery[SubscriptionsUnitOfWork]) -> None:
        """At the provider first, then the row."""
        method_id = UUID(delivery.message.payload["method_id"])
        async with delivery.step() as uow:
            method = await uow.payment_methods.get(method_id, retired=True)
        if method is None:
            return
        gateway = self._providers.payment_gateway(method.provider)
        token = Secret(self._cipher.decrypt(method.token, purpose=METHOD_TOKEN))

        async def call() -> dict[str, str]:
            await gateway.forget_method(method.customer_id, token)
            return {}

        effect = Effect(
            key=f"forget-method:{method_id}",
            kind="payment.forget_method",
            provider=gateway.name,
            call=call,
            repeatable=True,
            subject=f"payment_method:{method_id}",
            time_limit=patience(_TIMEOUT),
        )
        await perform(delivery, effect, self._clock)
        async with delivery.finish() as uow:
            await uow.payment_methods.delete(method_id)
