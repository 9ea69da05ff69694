"""Which provider serves which kind: the deployment's routes over the registry's plugins."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import structlog

from madang.core.operations.provider_standing import BreakerChange, ProviderStanding
from madang.entrypoints.providers.calls import Listeners, guarded
from madang.entrypoints.providers.guard import Guard
from madang.entrypoints.providers.routing_rules import rules_for
from madang.entrypoints.settings import FAILS_OVER, RoutingSetting
from madang.plugins.registry import PluginRegistry
from madang.ports.chat import ChatPoster
from madang.ports.email import EmailSender
from madang.ports.errors import Misconfigured
from madang.ports.faces import FaceDetector
from madang.ports.identity import IdentityProvider
from madang.ports.image_model import ImageModel
from madang.ports.payment import PaymentGateway
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsSender
from madang.ports.storage import Storage
from madang.ports.text_model import TextModel

log = structlog.stdlib.get_logger("madang.providers")


class RoutedProviders:
    """Fulfils `Providers`. A provider is built, and put behind a guard of its own, when it is first asked for.

    Every method raises `Misconfigured` for an empty route and for a plugin that is not configured; a route that fails over only
    when none of its plugins is.
    """

    def __init__(
        self,
        registry: PluginRegistry,
        routes: Mapping[str, Sequence[str]],
        listeners: Listeners | None = None,
        patience: Mapping[str, RoutingSetting] | None = None,
        tell: Callable[[BreakerChange], None] = lambda change: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._listeners = listeners
        self._routes = routes
        self._patience = patience or {}
        self._tell = tell
        self._clock = clock
        self._guards: dict[tuple[ProviderKind, str], Guard] = {}
        self._guarded: dict[tuple[ProviderKind, str], Any] = {}

    def standings(self) -> Sequence[ProviderStanding]:
        """How this process stands with each provider that it has asked for."""
        return [guard.standing() for guard in self._guards.values()]

    def text_models(self) -> Sequence[TextModel]:
        return cast(Sequence[TextModel], self._route(ProviderKind.TEXT_MODEL))

    def image_models(self) -> Sequence[ImageModel]:
        return cast(Sequence[ImageModel], self._route(ProviderKind.IMAGE_MODEL))

    def image_model(self, name: str) -> ImageModel:
        return cast(ImageModel, self._provider(ProviderKind.IMAGE_MODEL, name))

    def payment_gateways(self) -> Sequence[PaymentGateway]:
        return cast(Sequence[PaymentGateway], self._route(ProviderKind.PAYMENT))

    def payment_gateway(self, name: str) -> PaymentGateway:
        return cast(PaymentGateway, self._provider(ProviderKind.PAYMENT, name))

    def sms_senders(self) -> Sequence[SmsSender]:
        return cast(Sequence[SmsSender], self._route(ProviderKind.SMS))

    def sms_sender(self, name: str) -> SmsSender:
        return cast(SmsSender, self._provider(ProviderKind.SMS, name))

    def email_senders(self) -> Sequence[EmailSender]:
        return cast(Sequence[EmailSender], self._route(ProviderKind.EMAIL))

    def email_sender(self, name: str) -> EmailSender:
        return cast(EmailSender, self._provider(ProviderKind.EMAIL, name))

    def chat_posters(self) -> Sequence[ChatPoster]:
        names = self._routes.get(ProviderKind.CHAT, ())
        return cast(Sequence[ChatPoster], self._usable(ProviderKind.CHAT, names) if names else ())

    def chat_poster(self, name: str) -> ChatPoster:
        return cast(ChatPoster, self._provider(ProviderKind.CHAT, name))

    def identity_provider(self, name: str) -> IdentityProvider:
        if name not in self._routes.get(ProviderKind.IDENTITY, ()):
            raise Misconfigured(f"{name} is not in routes.identity", operation="route")
        return cast(IdentityProvider, self._provider(ProviderKind.IDENTITY, name))

    def storage(self) -> Storage:
        """The first of the route: there is no fail-over for what was stored."""
        return cast(Storage, self._route(ProviderKind.STORAGE)[0])

    def face_detector(self) -> FaceDetector | None:
        names = self._routes.get(ProviderKind.FACES, ())
        return cast(FaceDetector, self._provider(ProviderKind.FACES, names[0])) if names else None

    def _route(self, kind: ProviderKind) -> Sequence[Any]:
        names = self._routes.get(kind, ())
        if not names:
            raise Misconfigured(
                f"no provider is named for {kind}: set routes.{kind} in madang.toml or MADANG_ROUTES__{kind.upper()}",
                operation="route",
            )
        return self._usable(kind, names) if kind in FAILS_OVER else [self._provider(kind, name) for name in names]

    def _usable(self, kind: ProviderKind, names: Sequence[str]) -> Sequence[Any]:
        """Those of a fail-over route that can be built: wrong keys of the second must not take the first away. Raises the first
        `Misconfigured` when none can."""
        found, wrong = [], []
        for name in names:
            try:
                found.append(self._provider(kind, name))
            except Misconfigured as error:
                log.error("a provider of the route cannot be used", kind=kind.value, provider=name, reason=error.message)
                wrong.append(error)
        if not found:
            raise wrong[0]
        return found

    def _provider(self, kind: ProviderKind, name: str) -> Any:
        if (kind, name) not in self._guarded:
            provider = self._registry.build(kind, name)
            guard = self._guards[kind, name] = self._guard(kind, name)
            self._guarded[kind, name] = guarded(provider, kind, guard, self._listeners)
        return self._guarded[kind, name]

    def _guard(self, kind: ProviderKind, name: str) -> Guard:
        def stand_ins() -> Sequence[Guard]:
            others = (self._guards.get((kind, other)) for other in self._routes.get(kind, ()) if other != name)
            return [guard for guard in others if guard is not None]

        return Guard(kind, name, rules_for(kind, self._patience), stand_ins=stand_ins, tell=self._tell, clock=self._clock)


def plugins_in_use(routes: Mapping[str, Sequence[str]], sections: Collection[str]) -> frozenset[str]:
    """The plugins that the deployment names, in a route or by a section of their own. Nobody else's pages are served and nobody
    else's jobs run: the sandbox's checkout has no place in a deployment that does not use it."""
    return frozenset(name for route in routes.values() for name in route) | frozenset(sections)


def dead_ends(registry: PluginRegistry, routes: Mapping[str, Sequence[str]]) -> Sequence[tuple[str, str, str]]:
    """The kind, the name and the reason for each provider that a route names and that cannot be used as it is set up."""
    named = [(kind, name) for kind, names in routes.items() for name in names]
    return [(kind, name, why) for kind, name in named if (why := registry.why_not(ProviderKind(kind), name))]
