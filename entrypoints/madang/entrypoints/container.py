"""The composition root: every part of a process, made once, from its settings.

`open_container` connects, wires and closes again. The wiring itself is a dependency-injector container; nothing outside of this
module knows that library. What a process does not ask for is never made: a worker has no rate limiter.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
from dependency_injector import containers, providers

from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.joserfc.tokens import JoseTokens
from madang.adapters.outbound.addresses import OutboundPolicy
from madang.adapters.outbound.connecting import Resolver
from madang.adapters.outbound.webhooks import SignedWebhookSender
from madang.adapters.phonenumbers.phone_numbers import E164PhoneNumbers
from madang.adapters.pillow.photo_lab import PillowPhotoLab
from madang.adapters.postgres.api_keys import PostgresKeyHolders
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.heartbeats import Heartbeats
from madang.adapters.postgres.idempotency import PostgresIdempotencyStore
from madang.adapters.postgres.invariants import invariants
from madang.adapters.postgres.measurements import MeasurementLog
from madang.adapters.postgres.outbox import PostgresOutbox
from madang.adapters.postgres.reader import PostgresPortraitReader
from madang.adapters.postgres.revocations import Revocations
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork, unit_of_work_factory
from madang.adapters.puremagic.content_types import PuremagicContentTypes
from madang.adapters.redis.connection import Client, connect
from madang.adapters.redis.live import RedisLiveEvents
from madang.core.billing.events import PAYMENT_CHANGED
from madang.core.billing.handlers import BillingHandlers
from madang.core.billing.service import BillingService
from madang.core.files.arrivals import Arrivals
from madang.core.files.cleaning import Cleaning
from madang.core.files.invariant import NoFilePastItsTime
from madang.core.files.personal_data import FilesPersonalData
from madang.core.files.service import FileService
from madang.core.identity.api_key_check import ApiKeyCheck
from madang.core.kernel.clock import Clock, SystemClock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.invariants import Invariant
from madang.core.kernel.live import LiveEvents
from madang.core.kernel.messages import Handler, Topic
from madang.core.kernel.personal_data import PersonalData
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.providers import Providers
from madang.core.kernel.request_context import request_id
from madang.core.kernel.schedules import schedule
from madang.core.kernel.tokens import Tokens
from madang.core.kernel.tracing import Tracer
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.operations.alerts import AlertService
from madang.core.operations.audit import AuditTrail
from madang.core.operations.audit_reading import AuditReading
from madang.core.operations.jobs import JobService
from madang.core.operations.live import TellingOwners
from madang.core.operations.measurements import Meter, SystemGauge
from madang.core.operations.user_limits import UserLimits
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.handlers import PortraitHandlers
from madang.core.portraits.knowledge_base import KnowledgeBaseService
from madang.core.portraits.picture_making import PictureMaking
from madang.core.portraits.pictures import PhotoLab
from madang.core.portraits.purge_invariant import NoFilePastItsPurge
from madang.core.portraits.purging import Purging
from madang.core.portraits.report_writing import ReportWriting
from madang.core.portraits.repository import PortraitReader
from madang.core.portraits.service import PortraitService
from madang.core.portraits.topics import PAYMENT_CHANGED as PORTRAITS_PAYMENT_CHANGED
from madang.core.privacy.erasing import Erasing
from madang.core.privacy.service import PrivacyService
from madang.core.webhooks.delivering import Delivering
from madang.core.webhooks.personal_data import WebhooksPersonalData
from madang.core.webhooks.service import WebhookService
from madang.entrypoints import parts
from madang.entrypoints.alert_settings import alert_rules
from madang.entrypoints.identity_wiring import IdentityServices, IdentityWiring
from madang.entrypoints.master_key import key_ring, master_key
from madang.entrypoints.notification_wiring import NotificationServices, NotificationWiring
from madang.entrypoints.plugin_work import PluginWork
from madang.entrypoints.privacy_wiring import PrivacyWiring
from madang.entrypoints.routing import RoutedProviders, plugins_in_use
from madang.entrypoints.settings import Settings
from madang.entrypoints.telemetry import tracing
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.errors import Misconfigured

if TYPE_CHECKING:
    from madang.adapters.redis.limits import RedisRateLimiter
    from madang.core.operations.key_rotation import KeyRotation

log = structlog.stdlib.get_logger("madang.container")

_PICTURE_THREADS = 2


class Wiring(containers.DeclarativeContainer):
    """What is made of what. The dependencies come from outside: they are opened before and closed after."""

    settings = providers.Dependency(instance_of=Settings)
    keys = providers.Dependency(instance_of=KeyRing)
    registry = providers.Dependency(instance_of=PluginRegistry)
    plugin_work = providers.Dependency(instance_of=PluginWork)
    database = providers.Dependency(instance_of=Database)
    redis: "providers.Dependency[Client]" = providers.Dependency()
    topics: "providers.Singleton[dict[str, Topic]]" = providers.Singleton(dict)
    subscriptions = providers.Singleton(Subscriptions)
    base_url = settings.provided.base_url

    clock = providers.Singleton(SystemClock)
    cipher = providers.Singleton(AesGcmCipher, keys)
    phone_numbers = providers.Singleton(E164PhoneNumbers, "KR")
    photo_lab = providers.Singleton(PillowPhotoLab, workers=_PICTURE_THREADS)
    tokens = providers.Singleton(JoseTokens, keys.provided.derive_each.call("tokens"), clock)
    meter = providers.Singleton(Meter)
    tracer = providers.Dependency(instance_of=Tracer)
    routed = providers.Singleton(RoutedProviders, registry, settings.provided.routes, meter, tracer)

    api_key_check = providers.Singleton(ApiKeyCheck, providers.Singleton(PostgresKeyHolders, database), clock)
    revocations = providers.Singleton(Revocations, database, api_key_check.provided.forget)
    units = providers.Singleton(
        unit_of_work_factory, database, subscriptions, request_id.get, topics, revocations.provided.hear
    )
    outbox = providers.Singleton(PostgresOutbox, database, topics=topics, subscriptions=subscriptions)
    idempotency = providers.Singleton(PostgresIdempotencyStore, database, cipher)
    reader = providers.Singleton(PostgresPortraitReader, database)
    heartbeats = providers.Singleton(Heartbeats, database)
    measurement_log = providers.Singleton(MeasurementLog, database)
    system_gauge = providers.Singleton(parts.system_gauge, settings.provided.data_dir)
    limiter = providers.Singleton(parts.limiter, redis, settings.provided.limits)
    live = providers.Singleton(RedisLiveEvents, redis)

    audit_trail = providers.Singleton(AuditTrail, cipher, clock)
    jobs = providers.Singleton(JobService, units, audit_trail)
    audit_reading = providers.Singleton(AuditReading, units, audit_trail)
    key_rotation = providers.Singleton(parts.key_rotation, database, cipher, keys, units, audit_trail)
    billing = providers.Singleton(BillingService, units, routed, clock, base_url=base_url)
    writing = providers.Container(
        NotificationWiring,
        settings=settings,
        units=units,
        routed=routed,
        tokens=tokens,
        cipher=cipher,
        audit_trail=audit_trail,
        clock=clock,
    )
    notifications = writing.service
    arrivals = providers.Singleton(
        Arrivals, providers.Singleton(parts.spool, settings), providers.Singleton(PuremagicContentTypes), photo_lab, routed
    )
    allowance = providers.Singleton(parts.allowance, settings)
    files = providers.Singleton(FileService, units, routed, arrivals, cipher, audit_trail, clock, allowance)
    file_cleaning = providers.Singleton(Cleaning, routed, clock)
    files_personal_data = providers.Singleton(FilesPersonalData, file_cleaning, cipher, routed)
    identity = providers.Container(
        IdentityWiring,
        settings=settings,
        database=database,
        units=units,
        tokens=tokens,
        cipher=cipher,
        phone_numbers=phone_numbers,
        notifier=notifications,
        audit_trail=audit_trail,
        routed=routed,
        clock=clock,
    )
    user_limits = providers.Singleton(UserLimits, units, audit_trail, clock)
    alert_rules = providers.Callable(alert_rules, settings.provided.alerts)
    alerts = providers.Singleton(AlertService, units, notifications, audit_trail, clock, alert_rules)
    knowledge_base = providers.Singleton(KnowledgeBaseService, units, audit_trail)
    portraits = providers.Singleton(
        PortraitService,
        units=units,
        reader=reader,
        billing=billing,
        providers=routed,
        photo_lab=photo_lab,
        cipher=cipher,
        phone_numbers=phone_numbers,
        clock=clock,
        base_url=base_url,
    )

    compensation = providers.Singleton(Compensation, billing, notifications, cipher, clock)
    picture_making = providers.Singleton(PictureMaking, routed, photo_lab, compensation, clock)
    report_writing = providers.Singleton(ReportWriting, routed, notifications, compensation, cipher, clock, base_url=base_url)
    purging = providers.Singleton(Purging, routed, compensation, clock)
    billing_handlers = providers.Singleton(BillingHandlers, billing, routed, clock)
    portrait_handlers = providers.Singleton(PortraitHandlers, picture_making, report_writing, purging, compensation, clock)
    resolver = providers.Singleton(Resolver)
    outbound = providers.Singleton(
        OutboundPolicy.of, plain_http=settings.provided.outbound_plain_http, networks=settings.provided.outbound_networks
    )
    webhook_sender = providers.Singleton(
        SignedWebhookSender, outbound, resolver, timeout=settings.provided.webhook_timeout_seconds
    )
    webhooks = providers.Singleton(WebhookService, units, webhook_sender, cipher, audit_trail, clock)
    delivering = providers.Singleton(Delivering, webhook_sender, cipher, audit_trail, notifications, clock)
    webhooks_personal_data = providers.Singleton(WebhooksPersonalData, cipher)
    privacy = providers.Container(
        PrivacyWiring,
        settings=settings,
        units=units,
        contexts=providers.List(
            identity.personal_data, files_personal_data, writing.personal_data, user_limits, webhooks_personal_data
        ),
        lockout=identity.lockout,
        password_hasher=identity.password_hasher,
        second_factor=identity.second_factor,
        notifier=notifications,
        audit_trail=audit_trail,
        clock=clock,
    )
    products = providers.Dict(portraits=portrait_handlers)
    telling_owners = providers.Singleton(TellingOwners, live, delivering)
    recurring = providers.Callable(
        parts.recurring,
        plugin_work,
        file_cleaning,
        identity.housekeeping,
        writing.retention,
        alerts,
        privacy.erasing,
        delivering,
    )
    recurring_work = providers.Singleton(parts.RecurringWork, recurring, clock)
    handlers = providers.Singleton(
        parts.handlers,
        tracer,
        products,
        settings.provided.products,
        billing_handlers,
        notifications,
        writing.delivery_reports,
        file_cleaning,
        identity.passwords,
        privacy.erasing,
        telling_owners,
        delivering,
        plugin_work,
        recurring_work,
    )


class Container(IdentityServices, NotificationServices):
    """The parts of a process, as plain objects; each is made when it is first asked for."""

    def __init__(self, wiring: Wiring) -> None:
        IdentityServices.__init__(self, wiring.identity)
        NotificationServices.__init__(self, wiring.writing)
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
    def providers(self) -> Providers:
        return self._wiring.routed()

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
    def heartbeats(self) -> Heartbeats:
        return self._wiring.heartbeats()

    @property
    def limiter(self) -> "RedisRateLimiter":
        return self._wiring.limiter()

    @property
    def live(self) -> LiveEvents:
        return self._wiring.live()

    @property
    def webhooks(self) -> WebhookService:
        return self._wiring.webhooks()

    @property
    def audit_trail(self) -> AuditTrail:
        return self._wiring.audit_trail()

    @property
    def jobs(self) -> JobService:
        return self._wiring.jobs()

    @property
    def privacy(self) -> PrivacyService:
        return self._privacy().service()

    @property
    def erasing(self) -> Erasing:
        return self._privacy().erasing()

    @property
    def audit_reading(self) -> AuditReading:
        return self._wiring.audit_reading()

    @property
    def key_rotation(self) -> "KeyRotation":
        return self._wiring.key_rotation()

    @property
    def api_key_check(self) -> ApiKeyCheck:
        return self._wiring.api_key_check()

    @property
    def revocations(self) -> Revocations:
        return self._wiring.revocations()

    @property
    def user_limits(self) -> UserLimits:
        return self._wiring.user_limits()

    @property
    def alerts(self) -> AlertService:
        return self._wiring.alerts()

    @property
    def meter(self) -> Meter:
        return self._wiring.meter()

    @property
    def tracer(self) -> Tracer:
        return self._wiring.tracer()

    @property
    def measurement_log(self) -> MeasurementLog:
        return self._wiring.measurement_log()

    @property
    def system_gauge(self) -> SystemGauge:
        return self._wiring.system_gauge()

    @property
    def personal_data(self) -> Sequence[PersonalData[Any]]:
        """Of every context that keeps something about users."""
        return self._privacy().personal_data()

    async def schedule_recurring_work(self) -> None:
        """Asked for by every worker that starts; what is recorded already is not recorded again."""
        await schedule(self._wiring.recurring(), self.units, self.clock)

    @property
    def files(self) -> FileService:
        return self._wiring.files()

    @property
    def billing(self) -> BillingService:
        return self._wiring.billing()

    @property
    def knowledge_base(self) -> KnowledgeBaseService:
        return self._wiring.knowledge_base()

    @property
    def portraits(self) -> PortraitService:
        return self._wiring.portraits()

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
        refund_owed = partial(self._wiring.compensation().refund_owed, self.units)
        of_rows = invariants(self.database, units=self.units, refund_owed=refund_owed)
        of_portraits = NoFilePastItsPurge(self.units, self.providers.storage, self.clock)
        return (*of_rows, of_portraits, NoFilePastItsTime(self.units, self.clock))


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
        opened.callback(lambda: wiring.photo_lab().close())
        opened.callback(lambda: wiring.resolver().close())
        opened.callback(lambda: wiring.identity.password_hasher().close())
        _connect_contexts(wiring)
        yield Container(wiring)


def _connect_contexts(wiring: Wiring) -> None:
    """Who hears what, and which topics there are."""
    subscriptions = wiring.subscriptions()
    if "portraits" in wiring.settings().products:
        subscriptions.subscribe(PAYMENT_CHANGED, PORTRAITS_PAYMENT_CHANGED)
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
