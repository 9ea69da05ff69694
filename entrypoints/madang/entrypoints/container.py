"""The composition root: every part of a process, made once, from its settings.

`open_container` connects, wires and closes again. The wiring itself is a dependency-injector container; nothing but this
module and those of the wiring knows that library. What a process does not ask for is never made: a worker has no rate limiter.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog

from madang.adapters.joserfc.tokens import JoseTokens
from madang.adapters.postgres.billing.invoice_invariants import invoice_invariants
from madang.adapters.postgres.billing.subscription_invariants import subscription_invariants
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.idempotency import PostgresIdempotencyStore
from madang.adapters.postgres.identity.revocations import Revocations
from madang.adapters.postgres.invariants import invariants
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.operations.metering import MeteringLog
from madang.adapters.postgres.operations.provider_standings import ProviderStandings
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.adapters.redis.connection import Client, connect
from madang.core.billing.events import PAYMENT_CHANGED
from madang.core.files.invariant import NoFilePastItsTime
from madang.core.files.service import FileService
from madang.core.generation.picture_notices import PictureNotices
from madang.core.identity.api_key_check import ApiKeyCheck
from madang.core.kernel.clock import Clock, SystemClock
from madang.core.kernel.invariants import Invariant
from madang.core.kernel.live import LiveEvents
from madang.core.kernel.messages import Handler, Topic
from madang.core.kernel.personal_data import PersonalData
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.schedules import schedule
from madang.core.kernel.tokens import Tokens
from madang.core.kernel.tracing import Tracer
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.audit import AuditTrail
from madang.core.operations.measurements import Meter
from madang.core.portraits.pictures import PhotoLab
from madang.core.portraits.purge_invariant import NoFilePastItsPurge
from madang.core.portraits.repository import PortraitReader
from madang.core.portraits.topics import PAYMENT_CHANGED as PORTRAITS_PAYMENT_CHANGED
from madang.core.privacy.erasing import Erasing
from madang.core.privacy.service import PrivacyService
from madang.core.webhooks.service import WebhookService
from madang.entrypoints.master_key import key_ring, master_key
from madang.entrypoints.plugin_work import PluginWork
from madang.entrypoints.providers.administration import ProviderAdministration
from madang.entrypoints.providers.call_ledger import CallLedger
from madang.entrypoints.providers.routing import RoutedProviders, plugins_in_use
from madang.entrypoints.settings import Settings
from madang.entrypoints.telemetry import tracing
from madang.entrypoints.wiring.billing import BillingServices
from madang.entrypoints.wiring.billing import hear as payments_hear
from madang.entrypoints.wiring.credits import hear as credits_hear
from madang.entrypoints.wiring.credits import invariants_of as credit_invariants
from madang.entrypoints.wiring.files import FileWiring
from madang.entrypoints.wiring.identity import IdentityServices
from madang.entrypoints.wiring.invoices import hear as invoices_hear
from madang.entrypoints.wiring.notifications import NotificationServices
from madang.entrypoints.wiring.operations import OperationServices
from madang.entrypoints.wiring.payment_plans import hear as payment_plans_hear
from madang.entrypoints.wiring.payment_plans import invariants_of as payment_plan_invariants
from madang.entrypoints.wiring.portraits import PortraitServices
from madang.entrypoints.wiring.privacy import PrivacyWiring
from madang.entrypoints.wiring.subscriptions import hear as subscriptions_hear
from madang.entrypoints.wiring.table import Wiring
from madang.entrypoints.wiring.webhooks import WebhookWiring
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.errors import Misconfigured

if TYPE_CHECKING:
    from madang.adapters.redis.limits import RedisRateLimiter

log = structlog.stdlib.get_logger("madang.container")


class Container(BillingServices, IdentityServices, NotificationServices, OperationServices, PortraitServices):
    """The parts of a process, as plain objects; each is made when it is first asked for."""

    def __init__(self, wiring: Wiring) -> None:
        BillingServices.__init__(self, wiring.selling)
        IdentityServices.__init__(self, wiring.identity)
        NotificationServices.__init__(self, wiring.writing)
        OperationServices.__init__(self, wiring.operating)
        PortraitServices.__init__(self, wiring.picturing)
        self._wiring = wiring

    def _privacy(self) -> PrivacyWiring:
        return cast(PrivacyWiring, self._wiring.privacy)

    @property
    def settings(self) -> Settings:
        return self._wiring.settings()

    @property
    def registry(self) -> PluginRegistry:
        return self._wiring.registry()

    @property
    def database(self) -> Database:
        return self._wiring.database()

    @property
    def redis(self) -> Client:
        return self._wiring.redis()

    @property
    def clock(self) -> Clock:
        return self._wiring.clock()

    @property
    def cipher(self) -> PersonalDataCipher:
        return self._wiring.cipher()

    @property
    def phone_numbers(self) -> PhoneNumbers:
        return self._wiring.phone_numbers()

    @property
    def photo_lab(self) -> PhotoLab:
        return self._wiring.photo_lab()

    @property
    def tokens(self) -> Tokens:
        return self._wiring.tokens()

    @property
    def providers(self) -> RoutedProviders:
        return self._wiring.routed()

    @property
    def process_id(self) -> str:
        """What this process is called among all."""
        return self._wiring.process_id()

    @property
    def call_ledger(self) -> CallLedger:
        return self._wiring.call_ledger()

    @property
    def metering_log(self) -> MeteringLog:
        return self._wiring.metering_log()

    @property
    def provider_administration(self) -> ProviderAdministration:
        return self._wiring.provider_administration()

    @property
    def provider_standings(self) -> ProviderStandings:
        return self._wiring.provider_standings()

    @property
    def units(self) -> UnitOfWorkFactory[PostgresUnitOfWork]:
        return self._wiring.units()

    @property
    def outbox(self) -> PostgresOutbox:
        return self._wiring.outbox()

    @property
    def idempotency(self) -> PostgresIdempotencyStore:
        return self._wiring.idempotency()

    @property
    def reader(self) -> PortraitReader:
        return self._wiring.reader()

    @property
    def limiter(self) -> "RedisRateLimiter":
        return self._wiring.limiter()

    @property
    def live(self) -> LiveEvents:
        return self._wiring.live()

    @property
    def webhooks(self) -> WebhookService:
        return cast(WebhookWiring, self._wiring.calling_back).service()

    @property
    def audit_trail(self) -> AuditTrail:
        return self._wiring.audit_trail()

    @property
    def privacy(self) -> PrivacyService:
        return self._privacy().service()

    @property
    def erasing(self) -> Erasing:
        return self._privacy().erasing()

    @property
    def api_key_check(self) -> ApiKeyCheck:
        return self._wiring.api_key_check()

    @property
    def revocations(self) -> Revocations:
        return self._wiring.revocations()

    @property
    def meter(self) -> Meter:
        return self._wiring.meter()

    @property
    def tracer(self) -> Tracer:
        return self._wiring.tracer()

    @property
    def personal_data(self) -> Sequence[PersonalData[Any]]:
        """Of every context that keeps something about users."""
        return self._privacy().personal_data()

    async def schedule_recurring_work(self) -> None:
        """Asked for by every worker that starts; what is recorded already is not recorded again."""
        await schedule(self._wiring.recurring(), self.units, self.clock)

    @property
    def files(self) -> FileService:
        return cast(FileWiring, self._wiring.filing).service()

    @property
    def picture_notices(self) -> PictureNotices:
        return self._wiring.picture_notices()

    @property
    def plugin_work(self) -> PluginWork:
        return self._wiring.plugin_work()

    @property
    def handlers(self) -> Sequence[Handler[Any]]:
        return self._wiring.handlers()

    @property
    def topics(self) -> Mapping[str, Topic]:
        return self._wiring.topics()

    @property
    def invariants(self) -> Sequence[Invariant]:
        refund_owed = partial(self._portraits.compensation().refund_owed, self.units)
        of_rows = invariants(self.database, units=self.units, refund_owed=refund_owed)
        of_portraits = NoFilePastItsPurge(self.units, self.providers.storage, self.clock)
        of_credits = credit_invariants(self.database, self.units, self.credit_settling)
        of_invoices = (*invoice_invariants(self.database, self.units), *subscription_invariants(self.database, self.units))
        of_plans = payment_plan_invariants(self.database, self.units, self.plan_settling)
        of_files = (of_portraits, NoFilePastItsTime(self.units, self.clock))
        return (*of_rows, *of_credits, *of_invoices, *of_plans, *of_files)


@asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Connected to the database that the settings name; everything that was opened is closed at the end.

    Raises `Misconfigured` for settings that cannot work, `Unavailable` for a database that is away.
    """
    if settings.database_url is None or settings.redis_url is None:
        raise Misconfigured(
            "no database and no Redis are named: set MADANG_DATABASE_URL and MADANG_REDIS_URL", operation="open"
        )
    async with AsyncExitStack() as opened:
        keys = key_ring(settings)
        registry = load_plugins(settings)
        opened.push_async_callback(registry.close)
        redis = connect(settings.redis_url)
        opened.push_async_callback(redis.aclose)
        database = await Database.connect(settings.database_url, pool_size=settings.database_pool)
        opened.push_async_callback(database.close)
        used = plugins_in_use(settings.routes, settings.plugins)
        work = PluginWork(registry.listeners(used), registry.jobs(used))
        wiring = Wiring(
            settings=settings,
            keys=keys,
            registry=registry,
            plugin_work=work,
            database=database,
            redis=redis,
            tracer=opened.enter_context(tracing(settings)),
        )
        opened.push_async_callback(lambda: wiring.call_ledger().close())
        opened.callback(lambda: wiring.photo_lab().close())
        opened.callback(lambda: wiring.calling_back.sender().close())
        opened.callback(lambda: wiring.identity.password_hasher().close())
        _connect_contexts(wiring)
        yield Container(wiring)


def _connect_contexts(wiring: Wiring) -> None:
    """Who hears what, and which topics there are."""
    subscriptions = wiring.subscriptions()
    if "portraits" in wiring.settings().products:
        subscriptions.subscribe(PAYMENT_CHANGED, PORTRAITS_PAYMENT_CHANGED)
    payments_hear(subscriptions)
    credits_hear(subscriptions)
    invoices_hear(subscriptions)
    subscriptions_hear(subscriptions)
    payment_plans_hear(subscriptions)
    wiring.plugin_work().subscribe(subscriptions)
    wiring.topics().update({handler.topic.name: handler.topic for handler in wiring.handlers()})


def load_plugins(settings: Settings, reserved: Collection[str] = ()) -> PluginRegistry:
    """The deployment's plugins, without any connection. What is wrong with their settings is logged, or raises `Misconfigured`
    with `strict_plugins`."""
    registry = PluginRegistry.load(
        settings.plugins,
        Deployment(settings.base_url, settings.data_dir, master_key(settings), settings.environment),
        modules=settings.plugin_modules,
        allowed=settings.plugins_allowed,
        strict=settings.strict_plugins,
        reserved=[*Settings.model_fields, *reserved],
    )
    for problem in registry.problems():
        log.warning("a plugin's setting is wrong", problem=str(problem))
    return registry


def make_tokens(settings: Settings) -> Tokens:
    """What signs this deployment's tokens, without any connection."""
    return JoseTokens(key_ring(settings).derive_each("tokens"), SystemClock())
