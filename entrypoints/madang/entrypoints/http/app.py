"""The HTTP application, composed around a container."""

from functools import partial
from typing import Any, Final

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from madang.entrypoints.http.addresses import Addresses
from madang.entrypoints.http.billing import invoice_page, payment_page
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.docs_page import docs_handlers
from madang.entrypoints.http.edge import Edge
from madang.entrypoints.http.health import Health
from madang.entrypoints.http.identity.key_set import key_set_handler
from madang.entrypoints.http.lifespans import Lifespans, Watching
from madang.entrypoints.http.live import events
from madang.entrypoints.http.live.streams import OpenStreams
from madang.entrypoints.http.metrics import Metrics
from madang.entrypoints.http.mounts import MountedApp, Mounts
from madang.entrypoints.http.notifications import unsubscribe_page
from madang.entrypoints.http.pages.visits import Pages
from madang.entrypoints.http.pipeline import Pipeline
from madang.entrypoints.http.portraits import result_page
from madang.entrypoints.http.rate_limits import KeptLimits, RateLimits
from madang.entrypoints.http.refusals import Refusals
from madang.entrypoints.http.routes import routes_for, written_document
from madang.entrypoints.http.watch import Watch
from madang.entrypoints.providers.routing import plugins_in_use

PAGES: Final = (*result_page.PAGES, *payment_page.PAGES, *unsubscribe_page.PAGES)
_READABLE: Final = [
    "X-Request-Id",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
    "Retry-After",
    "Idempotency-Replayed",
    "Content-Disposition",
    "ETag",
]
_SENDABLE: Final = [
    "Authorization",
    "Content-Type",
    "X-API-Key",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-Id",
    "Accept-Language",
    "traceparent",
]


def create_app(container: HttpContainer) -> Litestar:
    """The application. It opens and closes nothing: who made the container does."""
    settings = container.settings
    addresses = Addresses(settings.trusted_proxies, partial(_hidden, container))
    metrics = Metrics()
    limits = RateLimits(container.limiter, addresses, KeptLimits(container.user_limits), metrics.refused)
    refusals = Refusals(container.clock, settings.timezone)
    pipeline = Pipeline(container, addresses, limits)
    used = plugins_in_use(settings.routes, settings.plugins)
    mounted = [MountedApp.of(mount) for mount in container.registry.mounts(used)]
    streams = OpenStreams(at_most=settings.live_streams, of_each=settings.live_streams_per_user)
    app = Litestar(
        [
            *(pipeline.bind(route) for route in routes_for(settings.products)),
            *Health(container, metrics).handlers(),
            key_set_handler(container.tokens),
            *docs_handlers(partial(written_document, tuple(settings.products), settings.base_url)),
            *Pages(container, addresses, limits).bind(invoice_page.PAGES),
            *(Pages(container, addresses, limits).bind(PAGES) if "portraits" in settings.products else ()),
        ],
        openapi_config=None,
        cors_config=_cors(settings.cors_origins),
        exception_handlers={Exception: refusals.for_litestar},
        request_max_body_size=None,
        lifespan=[Watching(container.revocations), Lifespans(mounted)],
        on_shutdown=[see_the_end_of_streams],
        state=State({events.STATE: streams}),
        logging_config=None,
        debug=False,
    )
    watched = Watch(metrics, container.meter, container.tracer)
    app.asgi_handler = Edge(Mounts(mounted, app.asgi_handler), watched, refusals.fallback, limits.announce)
    return app


def end_streams(app: Litestar) -> None:
    """Nobody is waited for who only listens."""
    _streams_of(app).end()


async def see_the_end_of_streams(app: Litestar) -> None:
    """Before what they stand on is closed: a server does not wait for an answer that its reader has left."""
    end_streams(app)
    await _streams_of(app).ended()


def _streams_of(app: Litestar) -> OpenStreams:
    streams: OpenStreams = app.state[events.STATE]
    return streams


def _hidden(container: HttpContainer, caller: str) -> str:
    """What may be kept of a caller: an address is personal data."""
    return container.cipher.keyed_hash(caller, purpose="http.caller").hex()[:32]


def _cors(origins: Any) -> CORSConfig | None:
    """From a list and without credentials: tokens travel in a header that no browser sends by itself."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=_SENDABLE,
        expose_headers=_READABLE,
        allow_credentials=False,
        max_age=600,
    )
