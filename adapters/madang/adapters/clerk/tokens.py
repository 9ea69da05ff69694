"""A token's header, signature and claims, judged with keys that are at hand. Pure: fetching the keys is `issuer_keys`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from madang.adapters.clerk.mapping import NAME, SUBJECT
from madang.adapters.clerk.settings import ClerkSettings
from madang.ports.errors import Rejected
from madang.ports.identity import VerifyToken

PublicKey = RSAKey | ECKey | OKPKey

MAX_TOKEN_CHARACTERS: Final = 16_384
MAX_HEADER_BYTES: Final = 4096
TYPES: Final = frozenset({"jwt", "application/jwt"})
"""Not `at+jwt` (an access token), not `logout+jwt`: the same issuer signs them with the same keys."""


class _Registry(JWSRegistry):
    """Only the configured algorithms, and headers of any name: those that point at keys (`jwk`, `jku`, `x5u`, `x5c`) are
    read by nobody. What the deployment names is allowed, so the library need not warn of an older name (`EdDSA`)."""

    max_header_length = MAX_HEADER_BYTES

    def __init__(self, algorithms: Sequence[str]) -> None:
        super().__init__(algorithms=frozenset(algorithms), strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()) or name not in self.algorithms:
            raise JoseError("the algorithm is not allowed")
        return self.algorithms[name]


class TokenRules:
    """What the settings ask of a token."""

    def __init__(self, settings: ClerkSettings) -> None:
        self._settings = settings
        self._registry = _Registry(settings.algorithms)

    def announced(self, token: str) -> tuple[str, str, str | None]:
        """Issuer, algorithm and key id as the token claims them: only to find the keys to judge it by.

        Raises `Rejected` for what cannot be a token of a known issuer.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise refused("the token is too long")
        try:
            parts = jws.extract_compact(token.encode(), registry=self._registry)
            header, claims = parts.headers(), _claims_in(parts.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise refused("it is not a signed token") from None
        algorithm, key_id, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
        if algorithm not in self._settings.algorithms or "crit" in header or "b64" in header:
            raise refused("its algorithm or header is not allowed")
        if str(header.get("typ", "JWT")).lower() not in TYPES:
            raise refused("it is a token for another purpose")
        if not isinstance(key_id, str | None) or (key_id is not None and not 0 < len(key_id) <= 255):
            raise refused("its key id is none")
        if issuer not in self._settings.issuers:
            raise refused("its issuer is not believed here")
        return str(issuer), str(algorithm), key_id

    def verified(self, request: VerifyToken, issuer: str, keys: Sequence[PublicKey]) -> Mapping[str, Any]:
        """The claims, once the signature of one of the keys and everything else holds. Raises `Rejected`."""
        claims = self._signed(request.token.reveal(), keys)
        self._check_registered(claims, issuer, request.now)
        self._check_audience(claims)
        self._check_party(claims)
        if request.nonce is not None and claims.get("nonce") != request.nonce:
            raise refused("its nonce is not that of this sign-in")
        if claims.get("sts") == "pending":
            raise refused("the session has tasks pending at the issuer")
        return claims

    def _signed(self, token: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
        for key in keys:
            try:
                return jwt.decode(token, key, registry=self._registry).claims
            except (JoseError, ValueError, TypeError, RecursionError):
                continue
        raise refused("its signature is not the issuer's")

    def _check_registered(self, claims: dict[str, Any], issuer: str, now: datetime) -> None:
        rules = JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=self._settings.leeway,
            iss={"essential": True, "value": issuer},
            sub={"essential": True},
            exp={"essential": True},
        )
        registered: dict[str, Any] = {name: claims[name] for name in ("iss", "sub", "exp", "nbf", "iat") if name in claims}
        try:
            rules.validate(registered)
        except ExpiredTokenError:
            raise refused("it has expired", "expired_token") from None
        except (InvalidClaimError, MissingClaimError) as error:
            raise refused(f"a claim is missing or wrong: {error.description}") from None
        if not SUBJECT.fullmatch(claims["sub"]):
            raise refused("its subject is none")

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud", [])
        meant = [audience] if isinstance(audience, str) else audience
        if not isinstance(meant, list) or not all(isinstance(each, str) for each in meant):
            raise refused("its audience cannot be read", "wrong_audience")
        if (meant or self._settings.audiences) and not set(meant) & set(self._settings.audiences):
            raise refused("it is meant for another audience", "wrong_audience")

    def _check_party(self, claims: Mapping[str, Any]) -> None:
        if self._settings.authorized_parties and claims.get("azp") not in self._settings.authorized_parties:
            raise refused("it was issued to a party that is not authorized", "wrong_audience")


def refused(why: str, reason: str = "invalid_token") -> Rejected:
    """The token is not believed. Nothing of the token is in the error."""
    return Rejected(why, reason=reason, provider=NAME, operation="verify")


def _claims_in(payload: bytes) -> Mapping[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise TypeError("claims are an object")
    return claims
