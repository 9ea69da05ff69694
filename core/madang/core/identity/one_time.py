"""One-time tokens: random, stored by their hash, good once and for a while. Mailed as links, or handed out as challenges."""

import dataclasses
import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.core.identity.model import OneTimeToken, TokenPurpose
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.clock import Clock

LIFETIME: Final[Mapping[TokenPurpose, timedelta]] = {
    TokenPurpose.VERIFY_EMAIL: timedelta(hours=24),
    TokenPurpose.RESET_PASSWORD: timedelta(minutes=30),
    TokenPurpose.TWO_FACTOR: timedelta(minutes=5),
}
MAX_FAILURES: Final = 5
_BYTES: Final = 32


def new_secret() -> str:
    """256 random bits in 43 characters that fit into an address."""
    return secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> bytes:
    """What is stored of a random secret: it cannot be guessed, so a plain hash keeps it."""
    return hashlib.sha256(secret.encode()).digest()


class OneTimeTokens:
    """Every method works in the caller's commit: a refusal that has to be counted must be committed before it is told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def issue(self, uow: IdentityUnitOfWork, user_id: UUID, purpose: TokenPurpose) -> str:
        """The token itself, which is nowhere else."""
        secret, now = new_secret(), self._clock.now()
        await uow.one_time_tokens.add(OneTimeToken(digest_of(secret), user_id, purpose, now, now + LIFETIME[purpose]))
        return secret

    async def owner(self, uow: IdentityUnitOfWork, written: str, purpose: TokenPurpose) -> UUID | None:
        """Whose open token it is, without locking it: who needs the user's row locks that first, then the token."""
        token = await uow.one_time_tokens.get(digest_of(written), purpose)
        return token.user_id if token is not None and self._is_open(token) else None

    async def find(self, uow: IdentityUnitOfWork, written: str, purpose: TokenPurpose) -> OneTimeToken | None:
        """The open token, locked until the commit; None for one that is unknown, used, over, or failed too often."""
        token = await uow.one_time_tokens.get(digest_of(written), purpose, lock=True)
        return token if token is not None and self._is_open(token) else None

    async def use(self, uow: IdentityUnitOfWork, token: OneTimeToken) -> None:
        """Never good again. `token` is as `find` answered it in this unit of work."""
        await uow.one_time_tokens.update(dataclasses.replace(token, used_at=self._clock.now()))

    async def fail(self, uow: IdentityUnitOfWork, token: OneTimeToken) -> int:
        """Count a wrong answer to it; how many more it bears."""
        failures = token.failures + 1
        await uow.one_time_tokens.update(dataclasses.replace(token, failures=failures))
        return MAX_FAILURES - failures

    async def redeem(self, uow: IdentityUnitOfWork, written: str, purpose: TokenPurpose) -> UUID | None:
        """Use it up; whose it was, or None as for `find`."""
        token = await self.find(uow, written, purpose)
        if token is None:
            return None
        await self.use(uow, token)
        return token.user_id

    def _is_open(self, token: OneTimeToken) -> bool:
        if token.used_at is not None or token.failures >= MAX_FAILURES:
            return False
        return token.expires_at > self._clock.now()
