"""Whether an API key that is shown is good, and what it may do: asked of the database seldom, forgotten when it changes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from madang.core.identity.api_keys import MARK, SECRET_CHARACTERS
from madang.core.identity.model import UserStatus
from madang.core.identity.one_time import digest_of
from madang.core.identity.repository import KeyHolder, KeyHolders
from madang.core.identity.roles import permissions_of
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Unauthenticated
from madang.core.kernel.tokens import Claims

REMEMBERED: Final = timedelta(seconds=30)
"""The longest that a changed key, or a changed role of its owner, goes unnoticed in a process that is told nothing."""
_AUDIENCE: Final = "api"


class ApiKeyCheck:
    """Remembers good keys of this process for a short time; `forget` is told of every key that changed."""

    def __init__(self, holders: KeyHolders, clock: Clock, *, remembered: int = 10_000) -> None:
        self._holders = holders
        self._clock = clock
        self._capacity = remembered
        self._good: dict[bytes, Claims] = {}
        self._digests: dict[str, bytes] = {}
        self._changes = 0

    async def verify(self, written: str) -> Claims:
        """The claims of a token of this key's permissions. Raises `Unauthenticated`."""
        if not (written.isascii() and written.startswith(MARK) and len(written) == len(MARK) + SECRET_CHARACTERS):
            raise _refused()
        digest, now = digest_of(written), self._clock.now()
        known = self._good.get(digest)
        if known is not None and now < known.expires_at:
            return known
        changes = self._changes
        holder = await self._holders.by_digest(digest, now)
        if holder is None:
            raise _refused()
        claims = _claims_of(holder, now)
        if changes == self._changes:
            self._remember(digest, claims)
        return claims

    def forget(self, key_id: str | None) -> None:
        """One key, or with None all; also an answer about it that is still on its way is not remembered."""
        self._changes += 1
        if key_id is None:
            self._good.clear()
            self._digests.clear()
        elif (digest := self._digests.pop(key_id, None)) is not None:
            self._good.pop(digest, None)

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._good.pop(digest, None)
        self._good[digest] = claims
        self._digests[claims.extra["keyId"]] = digest
        if len(self._good) > self._capacity:
            oldest = self._good.pop(next(iter(self._good)))
            self._digests.pop(oldest.extra["keyId"], None)


def _claims_of(holder: KeyHolder, now: datetime) -> Claims:
    """What the owner's role lost since, the key has lost, too."""
    key = holder.key
    if key.revoked_at is not None or holder.status is not UserStatus.ACTIVE:
        raise _refused()
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("the API key has expired")
    extra: Mapping[str, Any] = {
        "userId": str(key.user_id),
        "role": holder.role,
        "permissions": sorted(key.permissions & permissions_of(holder.role)),
        "keyId": str(key.id),
    }
    until = now + REMEMBERED
    return Claims(_AUDIENCE, str(key.user_id), key.created_at, min(until, key.expires_at or until), extra)


def _refused() -> Unauthenticated:
    return Unauthenticated("the API key is not valid")
