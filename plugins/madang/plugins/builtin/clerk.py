"""Sign-in with tokens of Clerk or another OpenID Connect issuer."""

from collections.abc import Callable

from madang.adapters.clerk import capabilities
from madang.adapters.clerk.settings import ClerkSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.identity import IdentityProvider
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _identity(settings: ClerkSettings, context: ProviderContext) -> IdentityProvider:
    from madang.adapters.clerk.identity import ClerkIdentity

    return ClerkIdentity(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.IDENTITY,
            "clerk",
            ClerkSettings,
            capabilities.IDENTITY,
            _identity,
            "Sign-in with tokens of Clerk or any OpenID Connect issuer",
            requires=("httpx", "joserfc", "standardwebhooks"),
        )
    )
