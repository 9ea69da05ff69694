"""The composition root's part for money: payments and what is sold by them."""

from typing import Any, cast
from zoneinfo import ZoneInfo

from dependency_injector import containers, providers

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.charges import Charges
from madang.core.billing.checkouts import Checkouts
from madang.core.billing.credits.accounts import CreditAccounts
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.settling import Settling
from madang.core.billing.disputes import TELL_OF_DISPUTE, DisputeAlerts
from madang.core.billing.events import DISPUTE_CHANGED
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.inbox_keeping import InboxKeeping
from madang.core.billing.invoices.reading import InvoiceService
from madang.core.billing.payment_plans.checkouts import InstallmentCheckouts
from madang.core.billing.payment_plans.service import PaymentPlans
from madang.core.billing.payment_plans.settling import PlanSettling
from madang.core.billing.payments import Payments
from madang.core.billing.personal_data import BillingPersonalData
from madang.core.billing.reconciling import Reconciling
from madang.core.billing.reversals import Reversals
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService
from madang.core.billing.stored_methods import StoredMethods
from madang.core.billing.subscriptions.means import SubscriptionMeans
from madang.core.billing.subscriptions.service import SubscriptionService
from madang.core.billing.subscriptions.subscribing import Subscribing
from madang.core.billing.subscriptions.work import SubscriptionWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.notifier import Notifier
from madang.core.operations.alerts import OperatorNotifier
from madang.core.operations.audit import AuditTrail
from madang.entrypoints.billing_settings import catalogue, routing_rules
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts
from madang.entrypoints.wiring.credits import CreditWiring
from madang.entrypoints.wiring.invoices import InvoiceWiring
from madang.entrypoints.wiring.payment_plans import PaymentPlanWiring
from madang.entrypoints.wiring.subscriptions import SubscriptionWiring


class BillingWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's. `work` is what the worker does, `schedules` what comes
    back by itself."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    tokens: "providers.Dependency[Tokens]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    operators: "providers.Dependency[OperatorNotifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()
    base_url = settings.provided.base_url

    catalogue = providers.Singleton(catalogue, settings)
    routing = providers.Singleton(PaymentRouting, routed, providers.Singleton(routing_rules, settings))
    service = providers.Singleton(BillingService, units, routed, clock, base_url=base_url, routing=routing)
    crediting = providers.Container(
        CreditWiring, settings=settings, units=units, catalogue=catalogue, audit_trail=audit_trail, clock=clock, billing=service
    )
    invoicing = providers.Container(
        InvoiceWiring,
        settings=settings,
        units=units,
        routed=routed,
        cipher=cipher,
        tokens=tokens,
        notifier=notifier,
        clock=clock,
    )

    charges = providers.Singleton(Charges, clock)
    subscribing = providers.Container(
        SubscriptionWiring,
        settings=settings,
        units=units,
        routed=routed,
        cipher=cipher,
        notifier=notifier,
        catalogue=catalogue,
        audit_trail=audit_trail,
        clock=clock,
        billing=service,
        charges=charges,
        routing=routing,
    )
    checkouts = providers.Singleton(
        Checkouts,
        units,
        service,
        routing,
        catalogue,
        subscribing.beginning,
        audit_trail,
        clock,
        environment=settings.provided.environment,
    )
    payments = providers.Singleton(Payments, units, service, routing, audit_trail)
    reconciling = providers.Singleton(
        Reconciling, units, service, routed, providers.Singleton(ZoneInfo, settings.provided.timezone)
    )
    reversals = providers.Singleton(Reversals, units, audit_trail, clock)
    inbox_keeping = providers.Singleton(InboxKeeping, units, audit_trail)
    planning = providers.Container(
        PaymentPlanWiring,
        settings=settings,
        units=units,
        billing=service,
        checkouts=checkouts,
        routing=routing,
        notifier=notifier,
        audit_trail=audit_trail,
        clock=clock,
    )

    work = providers.Singleton(
        parts.Working,
        crediting.work,
        invoicing.work,
        subscribing.work,
        providers.Singleton(BillingHandlers, service, routed, clock, subscribing.methods, subscribing.following),
        planning.settling,
        providers.Singleton(DisputeAlerts, operators),
    )
    schedules = providers.Singleton(parts.Scheduled, crediting.settling, subscribing.working, inbox_keeping, planning.settling)
    personal_data = providers.Singleton(BillingPersonalData)
    credit_personal_data = crediting.personal_data
    invoices_personal_data = invoicing.personal_data
    subscription_personal_data = subscribing.personal_data
    plans_personal_data = planning.personal_data


def hear(subscriptions: Subscriptions) -> None:
    """What payments announce, and operators are told of."""
    subscriptions.subscribe(DISPUTE_CHANGED, TELL_OF_DISPUTE)


class BillingServices:
    """The parts of billing, as plain objects; each is made when it is first asked for."""

    def __init__(self, billing: "providers.Container[Any]") -> None:
        self._billing = cast(BillingWiring, billing)

    @property
    def billing(self) -> BillingService:
        return self._billing.service()

    @property
    def checkouts(self) -> Checkouts:
        return self._billing.checkouts()

    @property
    def payments(self) -> Payments:
        return self._billing.payments()

    @property
    def reversals(self) -> Reversals:
        return self._billing.reversals()

    @property
    def inbox_keeping(self) -> InboxKeeping:
        return self._billing.inbox_keeping()

    @property
    def charges(self) -> Charges:
        return self._billing.charges()

    @property
    def catalogue(self) -> Catalogue:
        return self._billing.catalogue()

    @property
    def credits(self) -> CreditService:
        return cast(CreditWiring, self._billing.crediting).service()

    @property
    def credit_accounts(self) -> CreditAccounts:
        return cast(CreditWiring, self._billing.crediting).accounts()

    @property
    def credit_settling(self) -> Settling:
        return cast(CreditWiring, self._billing.crediting).settling()

    @property
    def invoices(self) -> InvoiceService:
        return cast(InvoiceWiring, self._billing.invoicing).service()

    @property
    def subscribing(self) -> Subscribing:
        return cast(SubscriptionWiring, self._billing.subscribing).beginning()

    @property
    def subscription_means(self) -> SubscriptionMeans:
        return cast(SubscriptionWiring, self._billing.subscribing).means()

    @property
    def subscriptions(self) -> SubscriptionService:
        return cast(SubscriptionWiring, self._billing.subscribing).service()

    @property
    def stored_methods(self) -> StoredMethods:
        return cast(SubscriptionWiring, self._billing.subscribing).methods()

    @property
    def subscription_work(self) -> SubscriptionWork:
        return cast(SubscriptionWiring, self._billing.subscribing).working()

    @property
    def reconciling(self) -> Reconciling:
        return self._billing.reconciling()

    @property
    def payment_plans(self) -> PaymentPlans:
        return cast(PaymentPlanWiring, self._billing.planning).service()

    @property
    def installment_checkouts(self) -> InstallmentCheckouts:
        return cast(PaymentPlanWiring, self._billing.planning).paying()

    @property
    def plan_settling(self) -> PlanSettling:
        return cast(PaymentPlanWiring, self._billing.planning).settling()
