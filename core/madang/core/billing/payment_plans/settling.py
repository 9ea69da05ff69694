"""What becomes of plans by themselves: payments that arrive or go back, days that pass, months that begin."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.core.billing.disputes import money_back
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.checkouts import described
from madang.core.billing.payment_plans.model import (
    Installment,
    PaymentPlan,
    Verdict,
    marked_overdue,
    paid_after_all,
    reminded,
    settled_by,
    with_due_fees,
)
from madang.core.billing.payment_plans.repository import PaymentPlansUnitOfWork
from madang.core.billing.payment_plans.topics import (
    DISPUTE_REVERSED,
    PAYMENT_CHANGED,
    PURPOSE,
    SETTLE_DUE,
    named_by,
    subject_of,
)
from madang.core.billing.reversals import answer, waiting_reversal
from madang.core.billing.service import BillingService
from madang.core.identity.model import UserStatus
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Delivery, Handler, Message, Topic
from madang.core.kernel.schedules import Recurring
from madang.core.notifications.notifier import Notifier
from madang.ports.errors import PortError

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=1)
INSTALLMENT_DUE: Final = "billing.installment_due"
INSTALLMENT_OVERDUE: Final = "billing.installment_overdue"
_BATCH: Final = 100


class PlanSettling:
    def __init__(self, billing: BillingService, notifier: Notifier, calendar: PlanCalendar, clock: Clock) -> None:
        self._billing = billing
        self._notifier = notifier
        self._calendar = calendar
        self._clock = clock

    def handlers(self) -> Sequence[Handler[PaymentPlansUnitOfWork]]:
        return (
            Handler(Topic(PAYMENT_CHANGED), handle=self.payment_changed),
            Handler(Topic(DISPUTE_REVERSED), handle=self.dispute_reversed),
        )

    def recurring(self) -> Sequence[Recurring]:
        return (Recurring(Topic(SETTLE_DUE, time_limit=300), EVERY, self.settle_due),)

    async def payment_changed(self, uow: PaymentPlansUnitOfWork, message: Message) -> None:
        """What counts is the payment as it is now, under both locks. What paid nothing that is owed – the second of two
        windows, an amount that was changed meanwhile – goes back."""
        if message.payload["purpose"] != PURPOSE:
            return
        plan_id, number = named_by(message.payload["subject"])
        payment = await uow.payments.get(UUID(message.payload["payment_id"]), lock=True)
        plan = await uow.payment_plans.get(plan_id, lock=True)
        if payment is None or plan is None or money_back(await uow.disputes.of_payment(payment.id)):
            return
        settled, verdict = settled_by(plan, number, payment, self._clock.now())
        if verdict is Verdict.CHANGED:
            await uow.payment_plans.update(settled)
        elif verdict is Verdict.EXTRA:
            logger.warning("payment %s paid what is not owed: it goes back", payment.id)
            await self._billing.request_refund(uow, payment.id, key=f"extra:{payment.id}", reason="not owed")

    async def dispute_reversed(self, uow: PaymentPlansUnitOfWork, message: Message) -> None:
        """A lost dispute was won after all: the instalment is paid again, unless it was asked for anew."""
        if message.payload["purpose"] != PURPOSE:
            return
        plan_id, number = named_by(message.payload["subject"])
        found = await waiting_reversal(uow, UUID(message.payload["payment_id"]))
        plan = await uow.payment_plans.get(plan_id, lock=True)
        if found is None or plan is None:
            return
        settled = paid_after_all(plan, number, found[0], self._clock.now())
        if settled is None:
            return
        if settled is not plan:
            await uow.payment_plans.update(settled)
        await answer(uow, *found, self._clock)

    async def settle_due(self, delivery: Delivery[PaymentPlansUnitOfWork]) -> None:
        """A commit for each plan: one that cannot be settled is told of and keeps no other waiting; one that somebody has at
        hand is left for the next run."""
        after: UUID | None = None
        while True:
            async with delivery.step() as uow:
                due = await uow.payment_plans.due(self._clock.now(), after=after, limit=_BATCH)
            for plan_id in due:
                await self._settle_alone(delivery, plan_id)
            if len(due) < _BATCH:
                return
            after = due[-1]

    async def settle(self, uow: PaymentPlansUnitOfWork, plan_id: UUID, *, wait: bool = True) -> bool:
        """All that is due of one plan. False without one, or without `wait` where somebody else has it."""
        plan = await uow.payment_plans.get(plan_id, lock=True, wait=wait)
        if plan is None:
            return False
        now = self._clock.now()
        settled = marked_overdue(with_due_fees(plan, self._calendar, now), now)
        settled, due = reminded(settled, self._calendar, now)
        for installment, day in due:
            await self._remind(uow, plan, installment, day)
        await uow.payment_plans.update(settled)
        return True

    async def _settle_alone(self, delivery: Delivery[PaymentPlansUnitOfWork], plan_id: UUID) -> None:
        try:
            async with delivery.step() as uow:
                await self.settle(uow, plan_id, wait=False)
        except (LeaseLost, PortError):
            raise
        except Exception:
            logger.exception("payment plan %s cannot be settled: see `madang doctor`", plan_id)

    async def _remind(self, uow: PaymentPlansUnitOfWork, plan: PaymentPlan, installment: Installment, day: int) -> None:
        """Once for each day of each due date."""
        client = None if plan.client_id is None else await uow.users.get(plan.client_id)
        if client is None or client.status is not UserStatus.ACTIVE:
            return
        subject = subject_of(plan.id, installment.number)
        values = {
            "phase": described(installment, client.locale),
            "amount": str(plan.money(installment)),
            "due": installment.due_date.isoformat(),
        }
        kind = INSTALLMENT_OVERDUE if day > 0 else INSTALLMENT_DUE
        key = f"{subject}:{installment.due_date}:{day}"
        await self._notifier.notify(uow, client.id, kind, key=key, values=values, subject=subject)
