"""The issuer's public keys: fetched once, kept for a while, and asked for again when a key is not known, but never often.

Whoever sends tokens with made-up key ids must not make us call the issuer for each, and an issuer that is away for an hour must
not sign everybody out.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from madang.adapters.clerk.client import ClerkClient
from madang.adapters.clerk.mapping import NAME
from madang.adapters.clerk.settings import ALGORITHMS, ClerkSettings
from madang.adapters.clerk.tokens import PublicKey, refused
from madang.ports.addresses import is_safe
from madang.ports.errors import Misconfigured, PortError, Unavailable

FETCH_SECONDS: Final = 10.0
PATIENCE: Final = 2.0
"""Seconds that a call waits for fresher keys while it holds some that may still be served."""
FIRST_PAUSE: Final = 1.0
"""Seconds between two tries while there is no key at all: nobody can sign in until one succeeds."""
MAX_KEYS: Final = 64
MAX_SAME_ID: Final = 4
MIN_RSA_BITS: Final = 2048
MIN_MODULUS_CHARACTERS: Final = 342
"""What 2048 bits take in base64: shorter ones are not even read."""
TYPES: Final[Mapping[str, type[PublicKey]]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey, "Ed25519": OKPKey}
CURVES: Final = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class IssuerKeys:
    """The keys of one issuer, for one process. `monotonic` tells seconds that only go forward."""

    def __init__(
        self, issuer: str, settings: ClerkSettings, client: ClerkClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._settings = settings
        self._client = client
        self._monotonic = monotonic
        self._keys: list[tuple[str | None, PublicKey]] = []
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failure: tuple[type[PortError], str, str | None] | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str, timeout: float) -> Sequence[PublicKey]:
        """The keys that may have signed such a token; mostly one.

        Raises `Rejected` for a key id that the issuer does not publish, and `Unavailable` or `Misconfigured` while that
        cannot be known.
        """
        if self._age() > self._settings.keys_lifetime:
            await self._refresh(min(timeout, PATIENCE) if self._known(key_id, algorithm) else timeout)
        found = self._known(key_id, algorithm)
        if not found and self._may_try():
            await self._refresh(timeout)
            found = self._known(key_id, algorithm)
        if found:
            return found
        if self._failure is not None:
            kind, why, code = self._failure
            raise kind(why, provider=NAME, operation="verify", code=code)
        if self._fetching is not None or self._fetched_at is None:
            raise Unavailable("the issuer's keys are not here yet", provider=NAME, operation="verify")
        raise refused("the issuer has no such key")

    async def fetch(self, timeout: float) -> None:
        """Fetch the keys now, for a check. Raises `Unavailable` and `Misconfigured`."""
        try:
            async with asyncio.timeout(timeout):
                await self._fetch()
        except TimeoutError:
            raise Unavailable("the issuer's keys did not come in time", provider=NAME, operation="check") from None
        except (Unavailable, Misconfigured) as error:
            raise type(error)(error.message, provider=NAME, operation="check", code=error.code) from None

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._monotonic() - self._fetched_at

    def _may_try(self) -> bool:
        pause = self._settings.keys_pause if self._keys else FIRST_PAUSE
        return self._fetching is not None or self._tried_at is None or self._monotonic() - self._tried_at >= pause

    def _known(self, key_id: str | None, algorithm: str) -> Sequence[PublicKey]:
        """Nothing once the keys are older than what may be served while the issuer is away."""
        if self._age() > self._settings.keys_stale:
            return []
        fitting = [(name, key) for name, key in self._keys if fits(key, algorithm)]
        if key_id is None:
            return [key for _, key in fitting] if len(fitting) == 1 else []
        return [key for name, key in fitting if name == key_id][:MAX_SAME_ID]

    async def _refresh(self, timeout: float) -> None:
        """One fetch for everybody who waits, and none within the pause. Its failure is kept, not raised."""
        if not self._may_try():
            return
        if self._fetching is None:
            self._tried_at = self._monotonic()
            self._fetching = asyncio.create_task(self._fetch_and_tell())
        # Whoever stops waiting, by time or by cancellation, must not take the keys from the others.
        await asyncio.wait([self._fetching], timeout=timeout)

    async def _fetch_and_tell(self) -> None:
        try:
            await self._fetch()
        except PortError as error:
            self._failure = type(error), error.message, error.code
        except Exception as error:  # noqa: BLE001  an issuer's odd answer must not count as "no such key"
            self._failure = Unavailable, f"the issuer's keys cannot be read: {type(error).__name__}", None
        finally:
            self._fetching = None

    async def _fetch(self) -> None:
        document = await self._client.public_document(await self._keys_address(), FETCH_SECONDS)
        keys = keys_in(document)
        if not keys:
            raise Unavailable("the issuer publishes no key that can be used", provider=NAME, operation="verify")
        self._keys, self._fetched_at, self._failure = keys, self._monotonic(), None

    async def _keys_address(self) -> str:
        if self._settings.jwks_url:
            return self._settings.jwks_url
        root = self._issuer.rstrip("/") + "/.well-known/"
        if not self._settings.discovery:
            return root + "jwks.json"
        found = await self._client.public_document(root + "openid-configuration", FETCH_SECONDS)
        address = found.get("jwks_uri")
        if found.get("issuer") != self._issuer or not isinstance(address, str) or not is_safe(address, query=True):
            raise Misconfigured("the issuer's description names another issuer or no keys", provider=NAME, operation="verify")
        return address


def keys_in(document: Mapping[str, Any]) -> list[tuple[str | None, PublicKey]]:
    """The usable keys of a JWK Set with their ids. One that is unknown, weak, private or for another use is left out."""
    listed = document.get("keys")
    found = [_imported(each) for each in (listed if isinstance(listed, list) else [])[:MAX_KEYS]]
    return [each for each in found if each is not None]


def fits(key: PublicKey, algorithm: str) -> bool:
    """Whether the key is of the type, curve and purpose that the algorithm asks for."""
    if not isinstance(key, TYPES[algorithm]) or key.get("alg") not in (None, algorithm):
        return False
    return algorithm not in CURVES or key.get("crv") == CURVES[algorithm]


def _imported(entry: object) -> tuple[str | None, PublicKey] | None:
    if not isinstance(entry, dict) or _PRIVATE & entry.keys():
        return None
    operations, key_id, algorithm = entry.get("key_ops", ["verify"]), entry.get("kid"), entry.get("alg")
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(key_id, str | None) or algorithm not in (None, *ALGORITHMS):
        return None
    if entry.get("kty") == "RSA" and len(str(entry.get("n"))) < MIN_MODULUS_CHARACTERS:
        return None
    kind = next((each for each in set(TYPES.values()) if each.key_type == entry.get("kty")), None)
    try:
        key = kind.import_key(entry) if kind else None
    except (JoseError, ValueError, TypeError):
        return None
    if key is None or (isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS):
        return None
    return key_id, key
