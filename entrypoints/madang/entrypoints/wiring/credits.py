"""The composition root's part for credits: the ledger, and who moves something in it."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dependency_injector import containers, providers

from madang.adapters.postgres.billing.credit_invariants import credit_invariants
from madang.adapters.postgres.database import Database
from madang.core.billing.catalogue import Catalogue
from madang.core.billing.credits import topics
from madang.core.billing.credits.accounts import CreditAccounts
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.monthly import MonthlyCredits
from madang.core.billing.credits.personal_data import CreditsPersonalData
from madang.core.billing.credits.purchases import CreditPurchases
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.settling import Settling
from madang.core.billing.events import (
    DISPUTE_REVERSED,
    PAYMENT_CHANGED,
    PAYMENT_REFUNDED,
    REFUND_CHANGED,
    SUBSCRIPTION_CHANGED,
    SUBSCRIPTION_PERIOD_STARTED,
)
from madang.core.billing.service import BillingService
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.invariants import Invariant
from madang.core.operations.audit import AuditTrail
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts


class CreditWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are those of billing."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    catalogue = providers.Dependency(instance_of=Catalogue)
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()
    billing = providers.Dependency(instance_of=BillingService)

    zone = providers.Singleton(ZoneInfo, settings.provided.timezone)
    ledger = providers.Singleton(Ledger, clock)
    service = providers.Singleton(CreditService, ledger)
    accounts = providers.Singleton(CreditAccounts, units, service, audit_trail, clock)
    monthly = providers.Singleton(MonthlyCredits, service, ledger, zone)
    purchases = providers.Singleton(CreditPurchases, service, billing, catalogue, clock, zone)
    settling = providers.Singleton(Settling, ledger, service, monthly, clock)
    work = providers.Singleton(parts.Working, monthly, purchases)
    personal_data = providers.Singleton(CreditsPersonalData, ledger)


def hear(subscriptions: Subscriptions) -> None:
    """What others announce, and credits act on."""
    for event in (PAYMENT_CHANGED, PAYMENT_REFUNDED, REFUND_CHANGED):
        subscriptions.subscribe(event, topics.PAYMENT_CHANGED)
    subscriptions.subscribe(DISPUTE_REVERSED, topics.DISPUTE_REVERSED)
    subscriptions.subscribe(PAYMENT_CHANGED, topics.SUBSCRIPTION_PAYMENT_CHANGED)
    subscriptions.subscribe(SUBSCRIPTION_PERIOD_STARTED, topics.PERIOD_STARTED)
    subscriptions.subscribe(SUBSCRIPTION_CHANGED, topics.SUBSCRIPTION_CHANGED)


def invariants_of(database: Database, units: Any, settling: Settling) -> Sequence[Invariant]:
    return credit_invariants(database, units, settling.settle)
