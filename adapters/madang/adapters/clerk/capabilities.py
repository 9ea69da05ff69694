"""What the issuer's side can do; what hangs on the settings is told by the provider itself."""

from dataclasses import replace
from typing import Final

from madang.adapters.clerk.settings import ClerkSettings
from madang.ports.identity import IdentityCapabilities

IDENTITY: Final = IdentityCapabilities(offline=True, fetches_people=True, deletes_people=True, webhooks=True)


def as_configured(settings: ClerkSettings) -> IdentityCapabilities:
    """Without a secret key nobody is fetched or deleted, without a webhook secret no webhook is believed. With a secret key, a
    token without an e-mail address makes us ask for it."""
    has_key = settings.secret_key is not None
    return replace(
        IDENTITY,
        issuers=frozenset(settings.issuers),
        offline=not has_key,
        fetches_people=has_key,
        deletes_people=has_key,
        webhooks=settings.webhook_secret is not None,
    )
