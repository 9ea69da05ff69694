"""The composition root's part for subscriptions: both kinds, and the means of payment that we charge."""

from typing import Any

from dependency_injector import containers, providers

from madang.core.billing.catalogue import Catalogue
from madang.core.billing.charges import Charges
from madang.core.billing.events import PAYMENT_CHANGED
from madang.core.billing.routing import PaymentRouting
from madang.core.billing.service import BillingService
from madang.core.billing.stored_methods import StoredMethods
from madang.core.billing.subscriptions.book import SubscriptionBook
from madang.core.billing.subscriptions.dunning import DunningPolicy
from madang.core.billing.subscriptions.hosted_asking import HostedAsking
from madang.core.billing.subscriptions.hosted_following import HostedFollowing
from madang.core.billing.subscriptions.means import SubscriptionMeans
from madang.core.billing.subscriptions.offers import PlanOffers
from madang.core.billing.subscriptions.opening import Opening
from madang.core.billing.subscriptions.personal_data import SubscriptionsPersonalData
from madang.core.billing.subscriptions.service import SubscriptionService
from madang.core.billing.subscriptions.subscribing import Subscribing
from madang.core.billing.subscriptions.work import PAYMENT_CHANGED as SUBSCRIPTION_PAYMENT_CHANGED
from madang.core.billing.subscriptions.work import SubscriptionWork
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts


def dunning_policy(settings: Settings) -> DunningPolicy:
    billing = settings.billing
    return DunningPolicy(tuple(billing.dunning_days), billing.grace_days, billing.suspended_days)


def zone_name(settings: Settings) -> str:
    """Whose calendar counts periods: the deployment's, unless billing has one of its own."""
    return settings.billing.timezone or settings.timezone


class SubscriptionWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are those of billing, and `billing`, `charges` and `routing` are its services."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    catalogue = providers.Dependency(instance_of=Catalogue)
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()
    billing = providers.Dependency(instance_of=BillingService)
    charges = providers.Dependency(instance_of=Charges)
    routing = providers.Dependency(instance_of=PaymentRouting)

    offers = providers.Singleton(PlanOffers, catalogue, routing, settings.provided.billing.price_references)
    book = providers.Singleton(SubscriptionBook, billing, charges, catalogue, notifier, clock)
    opening = providers.Singleton(Opening, units, billing, catalogue, routed, clock)
    following = providers.Singleton(HostedFollowing, book, offers, billing, routed, clock)
    asking = providers.Singleton(HostedAsking, book, offers, routed, clock)
    methods = providers.Singleton(StoredMethods, units, routed, cipher, audit_trail, clock)
    means = providers.Singleton(SubscriptionMeans, units, opening, book, routed, cipher, audit_trail, clock)
    beginning = providers.Singleton(
        Subscribing,
        units,
        offers,
        opening,
        means,
        book,
        audit_trail,
        clock,
        zone=providers.Callable(zone_name, settings),
    )
    service = providers.Singleton(SubscriptionService, units, offers, book, routed, audit_trail, clock)
    working = providers.Singleton(
        SubscriptionWork, book, offers, following, asking, billing, providers.Singleton(dunning_policy, settings), clock
    )
    work = providers.Singleton(parts.Working, working, methods)
    personal_data = providers.Singleton(SubscriptionsPersonalData, units, routed, cipher)


def hear(subscriptions: Subscriptions) -> None:
    """What others announce, and subscriptions act on."""
    subscriptions.subscribe(PAYMENT_CHANGED, SUBSCRIPTION_PAYMENT_CHANGED)
