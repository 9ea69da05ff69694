"""A new password: by who knows the old one, or by a mailed link. Either ends the other sessions."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from madang.core.identity.email_verification import link_not_valid
from madang.core.identity.emails import EmailAddresses
from madang.core.identity.lockout import Lockout
from madang.core.identity.model import EMAIL_PURPOSE, TokenPurpose, User, UserStatus
from madang.core.identity.one_time import OneTimeTokens, digest_of
from madang.core.identity.passwords import PasswordHasher, PasswordPolicy
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.identity.sessions import Ended
from madang.core.kernel.caller import SYSTEM, Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import PermissionDenied, Unauthenticated
from madang.core.kernel.messages import Handler, Message, NewMessage, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditAction, AuditTrail

MAIL_RESET_LINK: Final = "identity.mail_reset_link"
MAX_LINKS: Final = 5
"""To one account within `_LINKS_WITHIN`: nobody fills another's mailbox."""
_LINKS_WITHIN: Final = timedelta(hours=1)


class PasswordService:
    def __init__(
        self,
        units: UnitOfWorkFactory[IdentityUnitOfWork],
        one_time: OneTimeTokens,
        lockout: Lockout,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        emails: EmailAddresses,
        notifier: Notifier,
        cipher: PersonalDataCipher,
        audit_trail: AuditTrail,
        clock: Clock,
        *,
        account_url: str,
    ) -> None:
        self._units = units
        self._one_time = one_time
        self._lockout = lockout
        self._policy = policy
        self._hasher = hasher
        self._emails = emails
        self._notifier = notifier
        self._cipher = cipher
        self._audit_trail = audit_trail
        self._clock = clock
        self._account_url = account_url

    async def change(self, caller: Caller, current: str, new: str) -> int:
        """How many other sessions it ended. Raises `PermissionDenied` (`PASSWORD_DOES_NOT_MATCH`) for a wrong current one,
        `TooManyAttempts` after five, `ValidationFailed` at `newPassword`."""
        async with self._units() as uow:
            user = await uow.users.get(caller.person)

        async def is_right() -> bool:
            return (await self._hasher.verify(current, user.password_hash if user else None)).matches

        if not await self._lockout.counted(self._units, caller.person, is_right) or user is None:
            raise PermissionDenied("this is not the present password", code="PASSWORD_DOES_NOT_MATCH")
        self._policy.check(new, self._email_of(user), path="newPassword")
        return await self._replace(user, await self._hasher.hash(new), caller)

    async def forgot(self, email: str) -> None:
        """Whether there is such an account is the worker's to find out: here every address takes the same way."""
        spelling = self._emails.spelling(email)
        hashes = [found.hex() for found in self._cipher.keyed_hashes(spelling, purpose=EMAIL_PURPOSE)]
        async with self._units() as uow:
            uow.send(NewMessage(MAIL_RESET_LINK, {"email_hashes": hashes}))

    def handlers(self) -> Sequence[Handler[Any]]:
        return (Handler(Topic(MAIL_RESET_LINK), handle=self.mail_link),)

    async def mail_link(self, uow: IdentityUnitOfWork, message: Message) -> None:
        """To who has an account, a few an hour; also to who has signed in by an external identity alone so far."""
        hashes = [bytes.fromhex(written) for written in message.payload["email_hashes"]]
        user = await uow.users.by_email(hashes, lock=True)
        if user is None or user.status is not UserStatus.ACTIVE:
            return
        since = self._clock.now() - _LINKS_WITHIN
        if await uow.one_time_tokens.issued(user.id, TokenPurpose.RESET_PASSWORD, since) >= MAX_LINKS:
            return
        token = await self._one_time.issue(uow, user.id, TokenPurpose.RESET_PASSWORD)
        link = f"{self._account_url}/reset-password#token={token}"
        key = f"reset-password:{digest_of(token).hex()}"
        await self._notifier.notify(uow, user.id, "identity.reset_password", key=key, values={"link": link})
        await self._audit_trail.record(uow, SYSTEM, AuditAction.PASSWORD_RESET_ASKED, f"user:{user.id}")

    async def reset(self, token: str, new: str, caller: Caller) -> None:
        """Ends every session, and lets a locked-out account in again; the link also verifies the address. Raises `Gone`
        (`LINK_NOT_VALID`), `ValidationFailed` at `password`; then the link is still good."""
        async with self._units() as uow:
            user_id = await self._one_time.owner(uow, token, TokenPurpose.RESET_PASSWORD)
            user = await uow.users.get(user_id) if user_id else None
        if user is None or user.status is not UserStatus.ACTIVE:
            raise link_not_valid()
        self._policy.check(new, self._email_of(user))
        await self._replace(user, await self._hasher.hash(new), caller, token=token)

    async def _replace(self, seen: User, password_hash: str, caller: Caller, *, token: str | None = None) -> int:
        """By the token, where one is given: it is used up. Else only if the password is still the one that was checked."""
        async with self._units() as uow:
            user = await uow.users.get(seen.id, lock=True)
            if token is not None:
                redeemed = await self._one_time.redeem(uow, token, TokenPurpose.RESET_PASSWORD)
                if user is None or redeemed != user.id or user.status is not UserStatus.ACTIVE:
                    raise link_not_valid()
            elif user is None or user.password_hash != seen.password_hash:
                raise Unauthenticated("the password was changed meanwhile")
            now = self._clock.now()
            changed = dataclasses.replace(
                user, password_hash=password_hash, password_changed_at=now, updated_at=now, version=user.version + 1
            )
            if token is not None and user.email_verified_at is None:
                changed = dataclasses.replace(changed, email_verified_at=now)
                await self._shut_out_others(uow, user, caller)
            await uow.users.update(changed)
            return await self._after(uow, user, caller, by_link=token is not None)

    async def _after(self, uow: IdentityUnitOfWork, user: User, caller: Caller, *, by_link: bool) -> int:
        now = self._clock.now()
        keep = None if by_link else caller.session_id
        ended = await uow.sessions.revoke(user.id, Ended.PASSWORD_CHANGED.value, now, except_for=keep)
        for purpose in (TokenPurpose.RESET_PASSWORD, TokenPurpose.TWO_FACTOR):
            await uow.one_time_tokens.cancel(user.id, purpose)
        if by_link:
            await self._lockout.forget(uow, self._lockout.tries(self._emails.spelling(self._email_of(user) or ""), None))
        key = f"password-changed:{user.id}:{user.version + 1}"
        await self._notifier.notify(uow, user.id, "identity.password_changed", key=key, values={})
        subject, details = f"user:{user.id}", {"byLink": by_link, "sessionsEnded": len(ended)}
        await self._audit_trail.record(uow, caller, AuditAction.PASSWORD_CHANGED, subject, person_id=user.id, **details)
        return len(ended)

    async def _shut_out_others(self, uow: IdentityUnitOfWork, user: User, caller: Caller) -> None:
        """Until now nobody had proved whose address it is: whoever opened the account in another's name must not keep a way
        in, or hear what goes on in it. A second factor stays: it lets nobody in."""
        await uow.api_keys.revoke_all(user.id, self._clock.now())
        await uow.external_identities.remove_all(user.id)
        await uow.webhook_endpoints.delete_all(user.id)
        await uow.one_time_tokens.cancel(user.id, TokenPurpose.VERIFY_EMAIL)
        action, subject = AuditAction.EMAIL_VERIFIED, f"user:{user.id}"
        await self._audit_trail.record(uow, caller, action, subject, person_id=user.id, byLink="reset_password")

    def _email_of(self, user: User) -> str | None:
        return None if user.email is None else self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE)
