"""What identity knows about a person, and how it forgets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from madang.core.identity.emails import EmailAddresses
from madang.core.identity.lockout import Lockout
from madang.core.identity.model import ADDRESS_PURPOSE, AGENT_PURPOSE, EMAIL_PURPOSE, NAME_PURPOSE, PHONE_PURPOSE, Session, User
from madang.core.identity.repository import IdentityUnitOfWork
from madang.core.kernel.protection import PersonalDataCipher

TABLES: Final = frozenset(
    {
        "users",
        "sessions",
        "refresh_tokens",
        "one_time_tokens",
        "sign_in_attempts",
        "recovery_codes",
        "api_keys",
        "external_identities",
    }
)


class IdentityPersonalData:
    """Fulfils `PersonalData`."""

    name: Final = "identity"
    tables: Final = TABLES

    def __init__(self, cipher: PersonalDataCipher, emails: EmailAddresses, lockout: Lockout) -> None:
        self._cipher = cipher
        self._emails = emails
        self._lockout = lockout

    async def export(self, uow: IdentityUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        user = await uow.users.get(user_id)
        if user is None:
            return {}
        kept = await uow.identity_records.of(user_id)
        return {
            "profile": self._profile(user),
            "sessions": [self._session(session) for session in kept.sessions],
            "apiKeys": kept.api_keys,
            "externalIdentities": kept.external_identities,
            "recoveryCodesLeft": kept.recovery_codes_left,
        }

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing of ours lies outside: people at an identity provider are that provider's."""

    async def erase(self, uow: IdentityUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        """The user stays as an empty row. Sessions are ended and emptied, and deleted a day later with all that are over: until
        then every process can learn that their access tokens are worth nothing."""
        user = await uow.users.get(user_id, lock=True)
        if user is None:
            return {}
        attempts = 0
        if user.email is not None:
            spelling = self._emails.spelling(self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE))
            attempts = await self._lockout.forget(uow, self._lockout.tries(spelling, None))
        return {**await uow.identity_records.erase(user_id, now), "sign_in_attempts": attempts}

    def _profile(self, user: User) -> Mapping[str, Any]:
        return {
            "id": str(user.id),
            "email": self._opened(user.email, EMAIL_PURPOSE),
            "emailVerifiedAt": user.email_verified_at,
            "name": self._opened(user.name, NAME_PURPOSE),
            "phone": self._opened(user.phone, PHONE_PURPOSE),
            "role": user.role,
            "status": user.status.value,
            "locale": user.locale,
            "twoFactor": user.two_factor,
            "passwordChangedAt": user.password_changed_at,
            "createdAt": user.created_at,
            "updatedAt": user.updated_at,
        }

    def _session(self, session: Session) -> Mapping[str, Any]:
        return {
            "id": str(session.id),
            "address": self._opened(session.address, ADDRESS_PURPOSE),
            "agent": self._opened(session.agent, AGENT_PURPOSE),
            "createdAt": session.created_at,
            "lastUsedAt": session.last_used_at,
            "expiresAt": session.expires_at,
            "endedAt": session.revoked_at,
        }

    def _opened(self, sealed: bytes | None, purpose: str) -> str | None:
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=purpose)
