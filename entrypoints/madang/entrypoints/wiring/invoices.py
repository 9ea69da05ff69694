"""The composition root's part for invoices: what issues, reads, prints and forgets them."""

from typing import Any

from dependency_injector import containers, providers

from madang.core.billing.events import PAYMENT_CHANGED, PAYMENT_REFUNDED, REFUND_CHANGED
from madang.core.billing.invoices.issuing import ISSUE, InvoiceIssuing
from madang.core.billing.invoices.personal_data import InvoicesPersonalData
from madang.core.billing.invoices.reading import InvoiceService
from madang.core.kernel.clock import Clock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.notifier import Notifier
from madang.entrypoints.invoice_settings import invoice_policy
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring.when_asked import Printing


class InvoiceWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    tokens: "providers.Dependency[Tokens]" = providers.Dependency()
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    service = providers.Singleton(InvoiceService, units, cipher, providers.Singleton(Printing), settings.provided.timezone)
    work = providers.Singleton(
        InvoiceIssuing,
        routed,
        cipher,
        notifier,
        tokens,
        clock,
        providers.Singleton(invoice_policy, settings),
        base_url=settings.provided.base_url,
    )
    personal_data = providers.Singleton(InvoicesPersonalData, cipher)


def hear(subscriptions: Subscriptions) -> None:
    """What others announce, and invoices act on."""
    for event in (PAYMENT_CHANGED, PAYMENT_REFUNDED, REFUND_CHANGED):
        subscriptions.subscribe(event, ISSUE)
