"""Whether a mailed link reached whose address it was said to be."""

import dataclasses
from uuid import UUID

from madang.core.identity.model import TokenPurpose
from madang.core.identity.one_time import OneTimeTokens, digest_of
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, Gone
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail


def link_not_valid() -> Gone:
    """Unknown, used and over look alike."""
    return Gone("this link was used, is over, or never was one", code="LINK_NOT_VALID")


class EmailVerification:
    """`account_url` is where the pages for people are: the token stands in the fragment, which no server and no log sees."""

    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        one_time: OneTimeTokens,
        notifier: Notifier,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        account_url: str,
    ) -> None:
        self._units = units
        self._one_time = one_time
        self._notifier = notifier
        self._audit_trail = audit_trail
        self._clock = clock
        self._account_url = account_url

    async def send(self, uow: IdentityUnitOfWork, user_id: UUID) -> None:
        """Mail a link, in the caller's commit."""
        token = await self._one_time.issue(uow, user_id, TokenPurpose.VERIFY_EMAIL)
        key = f"verify-email:{digest_of(token).hex()}"
        link = f"{self._account_url}/verify-email#token={token}"
        await self._notifier.notify(uow, user_id, "identity.verify_email", key=key, values={"link": link})

    async def send_again(self, caller: Caller) -> None:
        """Earlier links stay good until theirs is over. Raises `Conflict` (`EMAIL_ALREADY_VERIFIED`)."""
        async with self._units() as uow:
            user = await uow.users.get(caller.person, lock=True)
            if user is None or user.email_verified_at is not None:
                raise Conflict("this address is verified already", code="EMAIL_ALREADY_VERIFIED")
            await self.send(uow, user.id)

    async def verify(self, token: str, caller: Caller) -> None:
        """Raises `Gone` (`LINK_NOT_VALID`)."""
        async with self._units() as uow:
            user_id = await self._one_time.owner(uow, token, TokenPurpose.VERIFY_EMAIL)
            user = await uow.users.get(user_id, lock=True) if user_id else None
            redeemed = await self._one_time.redeem(uow, token, TokenPurpose.VERIFY_EMAIL)
            if user is None or redeemed is None or user.email is None:
                raise link_not_valid()
            await uow.one_time_tokens.cancel(user.id, TokenPurpose.VERIFY_EMAIL)
            if user.email_verified_at is None:
                now = self._clock.now()
                await uow.users.update(
                    dataclasses.replace(user, email_verified_at=now, updated_at=now, version=user.version + 1)
                )
            subject = f"user:{user.id}"
            await self._audit_trail.record(uow, caller, AuditAction.EMAIL_VERIFIED, subject, person_id=user.id)
