"""What a deployment says about the issuers that it believes."""

import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret
from madang.ports.signing_secrets import is_signing_secret

ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA", "Ed25519"})
"""Signatures by a private key that only the issuer has. Never `none`, and never HMAC, whose secret would be a public key."""

MAX_LEEWAY: Final = 300


@dataclass(frozen=True)
class ClerkSettings:
    """`issuers` are believed exactly as in a token's `iss`, no slash added or taken away: for Clerk the Frontend API URL.

    Its keys are fetched from `<issuer>/.well-known/jwks.json` (Clerk), from the `jwks_uri` of
    `<issuer>/.well-known/openid-configuration` with `discovery` (other OpenID issuers), or from `jwks_url` (one issuer only).

    `audiences`: a token must be meant for one of them; a token that names an audience is refused where none is configured.
    `authorized_parties`: a token's `azp` must be one of them (Clerk: the origins of your web pages), and must be there. An
    issuer that serves more applications than yours (`discovery`, `jwks_url`) needs one of the two, or a token that somebody
    got for another application would sign them in here.

    `leeway` is the seconds that two clocks may differ by. Keys are asked for again after `keys_lifetime` seconds, served
    for `keys_stale` seconds while the issuer is away, and for an unknown key id fetched once in `keys_pause` seconds at most.

    `secret_key` (`sk_…`) is for Clerk's Backend API at `api_url`: without it, people are neither fetched nor deleted there.
    `webhook_secret` is `whsec_…`. `proxy` is the address of an HTTP proxy; the environment's is not used.
    """

    issuers: tuple[str, ...]
    jwks_url: str | None = None
    discovery: bool = False
    audiences: tuple[str, ...] = ()
    authorized_parties: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    leeway: int = 10
    keys_lifetime: float = 3600.0
    keys_stale: float = 86_400.0
    keys_pause: float = 30.0
    secret_key: Secret | None = None
    webhook_secret: Secret | None = None
    api_url: str = "https://api.clerk.com/v1"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        if not self.issuers:
            raise ValueError("name at least one issuer")
        for issuer in self.issuers:
            require_safe("an issuer", issuer, query=True)
        require_safe("api_url", self.api_url)
        if self.jwks_url:
            require_safe("jwks_url", self.jwks_url, query=True)
        self._check_keys()
        if not self.algorithms or not set(self.algorithms) <= ALGORITHMS:
            raise ValueError(f"algorithms are some of {', '.join(sorted(ALGORITHMS))}")
        if not 0 <= self.leeway <= MAX_LEEWAY:
            raise ValueError(f"leeway is between 0 and {MAX_LEEWAY} seconds")
        if not 0 < self.keys_lifetime <= self.keys_stale or self.keys_pause < 1:
            raise ValueError("keys_lifetime is at most keys_stale, and keys_pause at least a second")
        if self.secret_key is not None and not re.fullmatch(r"[!-~]+", self.secret_key.reveal()):
            raise ValueError("secret_key holds a character that no key has, such as a line break")
        if self.webhook_secret is not None and not is_signing_secret(self.webhook_secret):
            raise ValueError("webhook_secret is whsec_ and base64")

    def _check_keys(self) -> None:
        if self.jwks_url and (self.discovery or len(self.issuers) > 1):
            raise ValueError("jwks_url is for one issuer, and instead of discovery")
        if (self.jwks_url or self.discovery) and not (self.audiences or self.authorized_parties):
            raise ValueError("discovery and jwks_url need audiences or authorized_parties: which tokens are meant for you")
