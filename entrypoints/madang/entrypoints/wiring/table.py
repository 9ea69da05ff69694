"""The composition root's table: what is made of what. Each domain's own part of it is a module of its own."""

import time

from dependency_injector import containers, providers

from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.joserfc.tokens import JoseTokens
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.idempotency import PostgresIdempotencyStore
from madang.adapters.postgres.identity.api_keys import PostgresKeyHolders
from madang.adapters.postgres.identity.revocations import Revocations
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.operations.metering import MeteringLog
from madang.adapters.postgres.operations.provider_standings import ProviderStandings
from madang.adapters.postgres.portraits.reader import PostgresPortraitReader
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.adapters.redis.connection import Client
from madang.adapters.redis.live import RedisLiveEvents
from madang.core.generation.picture_notices import PictureNotices
from madang.core.identity.api_key_check import ApiKeyCheck
from madang.core.kernel.clock import SystemClock
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Topic
from madang.core.kernel.request_context import request_id
from madang.core.kernel.tracing import Tracer
from madang.core.operations.audit import AuditTrail
from madang.core.operations.live import TellingOwners
from madang.core.operations.measurements import Meter
from madang.entrypoints.plugin_work import PluginWork
from madang.entrypoints.process_names import new_process_id
from madang.entrypoints.providers.administration import ProviderAdministration
from madang.entrypoints.providers.call_ledger import CallLedger
from madang.entrypoints.providers.calls import Listeners
from madang.entrypoints.providers.routing import RoutedProviders
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts
from madang.entrypoints.wiring.billing import BillingWiring
from madang.entrypoints.wiring.files import FileWiring
from madang.entrypoints.wiring.identity import IdentityWiring
from madang.entrypoints.wiring.notifications import NotificationWiring
from madang.entrypoints.wiring.operations import OperationWiring
from madang.entrypoints.wiring.portraits import PortraitWiring
from madang.entrypoints.wiring.privacy import PrivacyWiring
from madang.entrypoints.wiring.webhooks import WebhookWiring
from madang.entrypoints.wiring.when_asked import Developing, Numbering
from madang.plugins.registry import PluginRegistry

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
    phone_numbers = providers.Singleton(Numbering, "KR")
    photo_lab = providers.Singleton(Developing, workers=_PICTURE_THREADS)
    tokens = providers.Singleton(JoseTokens, keys.provided.derive_each.call("tokens"), clock)
    meter = providers.Singleton(Meter)
    tracer = providers.Dependency(instance_of=Tracer)
    stopwatch = providers.Object(time.monotonic)
    process_id = providers.Singleton(new_process_id)
    metering_log = providers.Singleton(MeteringLog, database)
    provider_standings = providers.Singleton(ProviderStandings, database)
    prices = providers.Singleton(parts.price_table, settings)
    call_ledger = providers.Singleton(CallLedger, metering_log, provider_standings, prices, clock, process_id)
    routed = providers.Singleton(
        RoutedProviders,
        registry,
        settings.provided.routes,
        providers.Singleton(Listeners, meter, tracer, call_ledger),
        settings.provided.routing,
        call_ledger.provided.changed,
        stopwatch,
    )

    api_key_check = providers.Singleton(ApiKeyCheck, providers.Singleton(PostgresKeyHolders, database), clock)
    revocations = providers.Singleton(Revocations, database, api_key_check.provided.forget)
    units = providers.Singleton(
        unit_of_work_factory, database, subscriptions, request_id.get, topics, revocations.provided.hear
    )
    outbox = providers.Singleton(PostgresOutbox, database, topics=topics, subscriptions=subscriptions)
    idempotency = providers.Singleton(PostgresIdempotencyStore, database, cipher)
    reader = providers.Singleton(PostgresPortraitReader, database)
    limiter = providers.Singleton(parts.limiter, redis, settings.provided.limits)
    live = providers.Singleton(RedisLiveEvents, redis)

    audit_trail = providers.Singleton(AuditTrail, cipher, clock)
    provider_administration = providers.Singleton(
        ProviderAdministration,
        registry,
        settings.provided.routes,
        provider_standings,
        metering_log,
        units,
        audit_trail,
        clock,
    )
    picture_notices = providers.Singleton(PictureNotices, units, routed, cipher, clock, base_url=base_url)
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
    selling = providers.Container(
        BillingWiring,
        settings=settings,
        units=units,
        routed=routed,
        cipher=cipher,
        tokens=tokens,
        notifier=notifications,
        operators=notifications,
        audit_trail=audit_trail,
        clock=clock,
    )
    billing = selling.service
    operating = providers.Container(
        OperationWiring,
        settings=settings,
        keys=keys,
        database=database,
        units=units,
        cipher=cipher,
        notifications=notifications,
        audit_trail=audit_trail,
        clock=clock,
    )
    filing = providers.Container(
        FileWiring,
        settings=settings,
        units=units,
        routed=routed,
        photo_lab=photo_lab,
        cipher=cipher,
        audit_trail=audit_trail,
        clock=clock,
    )
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
    picturing = providers.Container(
        PortraitWiring,
        settings=settings,
        units=units,
        reader=reader,
        billing=billing,
        routed=routed,
        photo_lab=photo_lab,
        cipher=cipher,
        phone_numbers=phone_numbers,
        notifications=notifications,
        picture_notices=picture_notices,
        audit_trail=audit_trail,
        clock=clock,
    )
    calling_back = providers.Container(
        WebhookWiring,
        settings=settings,
        units=units,
        cipher=cipher,
        notifier=notifications,
        audit_trail=audit_trail,
        clock=clock,
    )
    privacy = providers.Container(
        PrivacyWiring,
        settings=settings,
        units=units,
        contexts=providers.List(
            identity.personal_data,
            filing.personal_data,
            writing.personal_data,
            operating.user_limits,
            # Rows are locked in one order by everybody: payments, subscriptions, and wallets last.
            selling.personal_data,
            selling.subscription_personal_data,
            selling.invoices_personal_data,
            selling.plans_personal_data,
            selling.credit_personal_data,
            calling_back.personal_data,
        ),
        lockout=identity.lockout,
        password_hasher=identity.password_hasher,
        second_factor=identity.second_factor,
        notifier=notifications,
        audit_trail=audit_trail,
        clock=clock,
    )
    products = providers.Dict(portraits=picturing.handlers)
    telling_owners = providers.Singleton(TellingOwners, live, calling_back.delivering)
    recurring = providers.Callable(
        parts.recurring,
        plugin_work,
        filing.cleaning,
        identity.housekeeping,
        writing.retention,
        operating.alerts,
        operating.metering_retention,
        privacy.erasing,
        calling_back.delivering,
        selling.schedules,
    )
    recurring_work = providers.Singleton(parts.RecurringWork, recurring, clock)
    handlers = providers.Singleton(
        parts.handlers,
        tracer,
        products,
        settings.provided.products,
        selling.work,
        picture_notices,
        notifications,
        writing.delivery_reports,
        filing.cleaning,
        identity.passwords,
        privacy.erasing,
        telling_owners,
        calling_back.delivering,
        plugin_work,
        recurring_work,
    )
