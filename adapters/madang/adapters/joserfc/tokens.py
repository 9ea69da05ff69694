"""`Tokens`: JSON Web Tokens (RFC 7519), signed with Ed25519 (RFC 8037, named as in RFC 9864) and nothing else."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import GuestProtocol, OKPKey
from joserfc.jwt import JWTClaimsRegistry

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Unauthenticated
from madang.core.kernel.ids import new_id
from madang.core.kernel.tokens import Claims

ISSUER: Final = "madang"
ALGORITHM: Final = "Ed25519"
SEED_BYTES: Final = 32
MAX_TOKEN_CHARACTERS: Final = 8192
CLOCK_SKEW: Final = 60
"""Seconds that the clock of the issuing host may be ahead of ours. An expired token gets no such grace."""

_REGISTERED: Final = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf", "jti"})


class _StrictClaims(JWTClaimsRegistry):
    """One audience as a plain string, and some tolerance for another host's clock in `iat`."""

    def validate_aud(self, value: object) -> None:
        if not isinstance(value, str):
            raise InvalidClaimError("aud")
        super().validate_aud(value)

    def validate_iat(self, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value > self.now + CLOCK_SKEW:
            raise InvalidClaimError("iat")


class JoseTokens:
    """Issues and verifies tokens, and remembers the verified ones until they expire.

    Verifying costs more than the query that a request makes, so a token that was verified once is found again in a bounded
    memory of this process; the one used longest ago is dropped first. `keys` maps key ids (`kid`) to the seeds of private
    keys, 32 bytes each: the first signs, all verify, and `key_set` publishes their public halves. Claims given as `extra` stand
    beside the registered ones (an API access token carries `userId`, `role` and `permissions`).
    """

    def __init__(self, keys: Mapping[str, bytes], clock: Clock, *, remembered: int = 10_000) -> None:
        if not keys or any(len(seed) != SEED_BYTES for seed in keys.values()):
            raise ValueError(f"signing needs at least one key, each with a seed of {SEED_BYTES} bytes")
        self._keys = {key_id: _key(key_id, seed) for key_id, seed in keys.items()}
        self._current = next(iter(self._keys))
        self._clock = clock
        self._capacity = remembered
        self._verified: dict[str, Claims] = {}

    def issue(self, audience: str, subject: str, *, expires_at: datetime, extra: Mapping[str, Any] | None = None) -> str:
        """A signed token. Times are kept in whole seconds. Raises `ValueError` for an extra claim with a registered name."""
        if clash := _REGISTERED & set(extra or ()):
            raise ValueError(f"registered claims cannot be given as extra ones: {', '.join(sorted(clash))}")
        claims: dict[str, Any] = {
            **(extra or {}),
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "iat": int(self._clock.now().timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": str(new_id()),
        }
        return jwt.encode(_header(self._current), claims, self._keys[self._current], algorithms=[ALGORITHM])

    def verify(self, audience: str, token: str) -> Claims:
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(audience, token)
        elif claims.audience != audience:
            raise _refused()
        elif self._clock.now() >= claims.expires_at:
            self.forget(token)
            raise _expired()
        self._remember(token, claims)
        return claims

    def key_set(self) -> Mapping[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517), the one that signs first."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}

    def forget(self, token: str) -> None:
        """Drop the token from memory: the next time, it is verified from the start."""
        self._verified.pop(token, None)

    def _remember(self, token: str, claims: Claims) -> None:
        self._verified.pop(token, None)
        self._verified[token] = claims
        if len(self._verified) > self._capacity:
            self._verified.pop(next(iter(self._verified)), None)

    def _decode(self, audience: str, token: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARACTERS or not _is_canonical(token):
            raise _refused()
        try:
            claims = jwt.decode(token, self._key_of, algorithms=[ALGORITHM]).claims
            self._rules(audience).validate(claims)
            return _claims_from(claims)
        except ExpiredTokenError:
            raise _expired() from None
        except (JoseError, ValueError, TypeError, OverflowError, RecursionError):
            raise _refused() from None

    def _key_of(self, guest: GuestProtocol) -> OKPKey:
        """The key that the header names; a header with anything more than ours in it was not written by us."""
        header = guest.headers()
        key_id = header.get("kid")
        if not isinstance(key_id, str) or key_id not in self._keys or header != _header(key_id):
            raise ValueError("not a header of ours")
        return self._keys[key_id]

    def _rules(self, audience: str) -> JWTClaimsRegistry:
        return _StrictClaims(
            now=int(self._clock.now().timestamp()),
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        )


def _key(key_id: str, seed: bytes) -> OKPKey:
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed), {"kid": key_id, "use": "sig", "alg": ALGORITHM})


def _header(key_id: str) -> dict[str, str]:
    return {"typ": "JWT", "alg": ALGORITHM, "kid": key_id}


def _claims_from(claims: Mapping[str, Any]) -> Claims:
    return Claims(
        audience=claims["aud"],
        subject=claims["sub"],
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        extra=MappingProxyType({name: value for name, value in claims.items() if name not in _REGISTERED}),
    )


def _is_canonical(token: str) -> bool:
    """Base64 leaves spare bits in the last character: without this, one signature could be written in several ways."""
    signature = token.rpartition(".")[2]
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == signature


def _refused() -> Unauthenticated:
    return Unauthenticated("the token is not valid")


def _expired() -> Unauthenticated:
    return Unauthenticated("the token has expired")
