"""The composition root's part for payment plans: their use cases, and what becomes of them by itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dependency_injector import containers, providers

from madang.adapters.postgres.billing.payment_plan_invariants import payment_plan_invariants
from madang.adapters.postgres.database import Database
from madang.core.billing.checkouts import Checkouts
from madang.core.billing.events import DISPUTE_REVERSED, PAYMENT_CHANGED
from madang.core.billing.payment_plans import topics
from madang.core.billing.payment_plans.calendar import PlanCalendar
from madang.core.billing.payment_plans.checkouts import InstallmentCheckouts
from madang.core.billing.payment_plans.personal_data import PaymentPlansPersonalData
from madang.core.billing.payment_plans.service import PaymentPlans
from madang.core.billing.payment_plans.settling import PlanSettling
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.invariants import Invariant
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail

if TYPE_CHECKING:
    from madang.entrypoints.settings import Settings


def plan_calendar(settings: "Settings") -> PlanCalendar:
    return PlanCalendar(ZoneInfo(settings.timezone), sorted(set(settings.billing.reminder_days)))


class PaymentPlanWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are those of billing."""

    settings: "providers.Dependency[Any]" = providers.Dependency()
    units: "providers.Dependency[Any]" = providers.Dependency()
    billing = providers.Dependency(instance_of=BillingService)
    checkouts = providers.Dependency(instance_of=Checkouts)
    routing = providers.Dependency(instance_of=PaymentRouting)
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    calendar = providers.Singleton(plan_calendar, settings)
    service = providers.Singleton(PaymentPlans, units, calendar, audit_trail, clock)
    paying = providers.Singleton(InstallmentCheckouts, units, checkouts, routing, audit_trail, clock)
    settling = providers.Singleton(PlanSettling, billing, notifier, calendar, clock)
    personal_data = providers.Singleton(PaymentPlansPersonalData)


def hear(subscriptions: Subscriptions) -> None:
    """What others announce, and payment plans act on."""
    subscriptions.subscribe(PAYMENT_CHANGED, topics.PAYMENT_CHANGED)
    subscriptions.subscribe(DISPUTE_REVERSED, topics.DISPUTE_REVERSED)


def invariants_of(database: Database, units: Any, settling: PlanSettling) -> Sequence[Invariant]:
    return payment_plan_invariants(database, units, settling.settle)
