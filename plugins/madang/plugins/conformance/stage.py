"""What a test of a suite stands on: the remote side, and the provider built from settings as a deployment builds it."""

import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx

from madang.plugins.conformance.remote import Fault, RemoteService
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.registry import Deployment, PluginRegistry
from madang.plugins.settings import keys_of, resolve
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret

BASE_URL: Final = "http://127.0.0.1:8000"
"""Where the deployment would be reached."""

Errors: TypeAlias = tuple[type[PortError], ...]

NOTHING_DONE: Final = frozenset({Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.WRONG_KEY, Fault.HUNG_UP_BEFORE})
ANSWERED: Final = frozenset({Fault.UNAVAILABLE, Fault.RATE_LIMITED, Fault.WRONG_KEY, Fault.SERVER_ERROR})
"""Faults that the provider tells in words of its own."""
ENDLESS: Final = frozenset({Fault.SILENT, Fault.SLOW})
"""Faults that only the caller's time limit ends."""

EFFECT_ERRORS: Final[Mapping[Fault, Errors]] = {
    # A provider that does not promise that nothing was done leaves it open: to look it up costs less than to do it twice.
    Fault.UNAVAILABLE: (Unavailable, OutcomeUnknown),
    Fault.RATE_LIMITED: (RateLimited,),
    Fault.WRONG_KEY: (Misconfigured,),
    Fault.HUNG_UP_BEFORE: (OutcomeUnknown,),
    Fault.SERVER_ERROR: (OutcomeUnknown,),
    Fault.ANSWER_LOST: (OutcomeUnknown,),
    Fault.SILENT: (OutcomeUnknown,),
    Fault.SLOW: (OutcomeUnknown,),
    Fault.GARBAGE: (OutcomeUnknown,),
    Fault.CUT_OFF: (OutcomeUnknown,),
}
"""What a call that changes something outside raises for each fault."""

READ_ERRORS: Final[Mapping[Fault, Errors]] = {
    Fault.UNAVAILABLE: (Unavailable,),
    Fault.RATE_LIMITED: (RateLimited,),
    Fault.WRONG_KEY: (Misconfigured,),
    Fault.HUNG_UP_BEFORE: (Unavailable,),
    Fault.SERVER_ERROR: (Unavailable,),
    Fault.ANSWER_LOST: (Unavailable,),
    Fault.GARBAGE: (Unavailable,),
    Fault.CUT_OFF: (Unavailable,),
}
"""What a question raises: it may be asked again, whatever became of it."""


class Stage:
    """One remote side (None where the provider reaches nothing outside) and the providers that were built for it."""

    def __init__(
        self,
        kind: ProviderKind,
        plugin: str,
        name: str,
        settings: Callable[[str], Mapping[str, Any]],
        service: RemoteService | None,
        folder: Path,
    ) -> None:
        self.kind = kind
        self.plugin = plugin
        self.name = name
        self.service = service
        self.folder = folder
        self._settings = settings
        self._registries: list[PluginRegistry] = []

    @property
    def url(self) -> str:
        return self.service.url if self.service is not None else ""

    def settings(self, url: str | None = None) -> Mapping[str, Any]:
        """As the suite gives them, for the remote side or for another `url`."""
        return self._settings(self.url if url is None else url)

    def build(self, settings: Mapping[str, Any] | None = None) -> Any:
        """Another instance, as another process would have it; by default with the same settings. Raises `Misconfigured`."""
        given = {self.name: self.settings() if settings is None else settings}
        deployment = Deployment(BASE_URL, self.folder, Secret("the-deployments-master-key"), "conformance")
        registry = PluginRegistry.load(given, deployment, variables={}, modules=[self.plugin], entry_points=False, strict=True)
        self._registries.append(registry)
        return registry.build(self.kind, self.name)

    def declaration(self) -> ProviderDeclaration:
        """What the plugin declares; something must be built before."""
        return next(each for each in self._registries[-1].declarations(self.kind) if each.name == self.name)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        """A plain client, as a person has one. What the plugin serves under the deployment's own address is served; something
        must be built before."""
        pages = [each.app for each in self._registries[-1].mounts()]
        own = {BASE_URL: httpx.ASGITransport(pages[0])} if pages else {}
        async with httpx.AsyncClient(base_url=BASE_URL, verify=_trust(), trust_env=False, mounts=own) as client:
            try:
                yield client
            finally:
                for page in pages:
                    await page({"type": "lifespan"}, _shut_down, _ignore)

    def configured(self) -> object | None:
        """The plugin's own settings value, as its factory receives it."""
        return resolve(self.name, self.declaration().settings, self.settings(), {}).value

    def secrets(self) -> Mapping[str, str]:
        """Every secret setting that has a value, revealed."""
        value = self.configured()
        held = {name: getattr(value, name) for name in keys_of(type(value))} if value is not None else {}
        return {name: secret.reveal() for name, secret in held.items() if isinstance(secret, Secret) and secret}

    async def close(self) -> None:
        for registry in self._registries:
            await registry.close()


async def _shut_down() -> Mapping[str, str]:
    return {"type": "lifespan.shutdown"}


async def _ignore(_: object) -> None:
    """Nobody listens any more."""


async def outcome(call: Awaitable[object]) -> object:
    """What it answers, or the exception that it raises."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001  the test judges whatever a provider raises
        return error


async def raised(name: str, operation: str, call: Awaitable[object], expected: Errors) -> PortError:
    """The error of a call that must fail with one of `expected`, in the name of this provider and operation."""
    words = " or ".join(each.__name__ for each in expected)
    result = await outcome(call)
    if not isinstance(result, PortError):
        what = f"raised {type(result).__name__}" if isinstance(result, Exception) else f"answered {result!r}"
        raise AssertionError(f"{words} was due, and it {what}") from (result if isinstance(result, Exception) else None)
    assert isinstance(result, expected), f"{words} was due, and it raised {type(result).__name__}: {result}"
    assert result.provider == name, f"the error's provider is {result.provider!r}, and must be {name!r}"
    told = result.operation.rpartition(".")[2]
    assert told == operation, f"the error's operation is {told!r}, and must be {operation!r}"
    return result


async def not_found(stage: Stage, operation: str, call: Awaitable[object]) -> None:
    """Fails unless the call is refused as `not_found`, with the provider's code where it was the provider that refused."""
    refused = stage.service.refused if stage.service is not None else 0
    error = await raised(stage.name, operation, call, (Rejected,))
    assert getattr(error, "reason", "") == "not_found"
    told = stage.service is None or stage.service.refused == refused or error.code
    assert told, "give the error the provider's own code, or the status: an operator asks the provider by it"


@functools.cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than most tests: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
