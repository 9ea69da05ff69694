"""The audit trail: who did what to whom, from where, by which request. Append-only: the database refuses anything else.

Where a caller was is personal and cannot be emptied here, so it is sealed under a key of that person's own
(`personal_keys`): erasing the person destroys the key, rotating the master key wraps it anew, and no audit row changes.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.clock import Clock
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import CursorPage, CursorRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.request_context import request_id
from madang.core.kernel.unit_of_work import UnitOfWork

ORIGIN_PURPOSE: Final = "operations.origin"


class AuditAction(StrEnum):
    """The events of seed 002 ("중요 이벤트 로깅"), what concerns an account's security, and every administrative act."""

    USER_REGISTERED = "USER_REGISTERED"
    USER_LOGIN = "USER_LOGIN"
    USER_LOGIN_FAILED = "USER_LOGIN_FAILED"
    USER_LOCKED_OUT = "USER_LOCKED_OUT"
    USER_LOGOUT = "USER_LOGOUT"
    USER_CHANGED = "USER_CHANGED"
    USER_ROLE_CHANGED = "USER_ROLE_CHANGED"
    USER_SUSPENDED = "USER_SUSPENDED"
    USER_REINSTATED = "USER_REINSTATED"
    USER_ERASED = "USER_ERASED"
    EMAIL_VERIFIED = "EMAIL_VERIFIED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - a word, not a password
    PASSWORD_RESET_ASKED = "PASSWORD_RESET_ASKED"  # noqa: S105 - as above
    SESSION_REVOKED = "SESSION_REVOKED"
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"  # noqa: S105 - as above
    TWO_FACTOR_ENABLED = "TWO_FACTOR_ENABLED"
    TWO_FACTOR_DISABLED = "TWO_FACTOR_DISABLED"
    RECOVERY_CODE_USED = "RECOVERY_CODE_USED"
    API_KEY_CREATED = "API_KEY_CREATED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    EXTERNAL_IDENTITY_LINKED = "EXTERNAL_IDENTITY_LINKED"
    FILE_UPLOADED = "FILE_UPLOADED"
    FILE_DELETED = "FILE_DELETED"
    SENSITIVE_DATA_ACCESSED = "SENSITIVE_DATA_ACCESSED"
    DATA_EXPORTED = "DATA_EXPORTED"
    ERASURE_ASKED = "ERASURE_ASKED"
    KEYS_ROTATED = "KEYS_ROTATED"
    ACCESS_TOKEN_ISSUED = "ACCESS_TOKEN_ISSUED"  # noqa: S105 - as above
    WEBHOOK_ENDPOINT_CREATED = "WEBHOOK_ENDPOINT_CREATED"
    WEBHOOK_ENDPOINT_DELETED = "WEBHOOK_ENDPOINT_DELETED"
    WEBHOOK_ENDPOINT_DISABLED = "WEBHOOK_ENDPOINT_DISABLED"
    WEBHOOK_REDELIVERED = "WEBHOOK_REDELIVERED"
    PREFERENCES_CHANGED = "PREFERENCES_CHANGED"
    JOB_RETRIED = "JOB_RETRIED"
    INVARIANT_MENDED = "INVARIANT_MENDED"
    LIMITS_CHANGED = "LIMITS_CHANGED"
    PROVIDER_CHECKED = "PROVIDER_CHECKED"
    KNOWLEDGE_BASE_CHANGED = "KNOWLEDGE_BASE_CHANGED"
    ALERT_RAISED = "ALERT_RAISED"
    ALERT_CLEARED = "ALERT_CLEARED"
    PAYMENT_PROCESSED = "PAYMENT_PROCESSED"
    SUBSCRIPTION_STARTED = "SUBSCRIPTION_STARTED"
    SUBSCRIPTION_CHANGED = "SUBSCRIPTION_CHANGED"
    SUBSCRIPTION_CANCELLED = "SUBSCRIPTION_CANCELLED"
    SUBSCRIPTION_RESUMED = "SUBSCRIPTION_RESUMED"
    PAYMENT_METHOD_CHANGED = "PAYMENT_METHOD_CHANGED"
    PAYMENT_METHOD_REMOVED = "PAYMENT_METHOD_REMOVED"
    CREDITS_GRANTED = "CREDITS_GRANTED"
    CREDITS_SPENT = "CREDITS_SPENT"
    CHECKOUT_STARTED = "CHECKOUT_STARTED"
    PAYMENT_CONFIRMED = "PAYMENT_CONFIRMED"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    DISPUTE_ANSWERED = "DISPUTE_ANSWERED"
    NOTICE_REPLAYED = "NOTICE_REPLAYED"
    PAYMENT_PLAN_CREATED = "PAYMENT_PLAN_CREATED"
    PAYMENT_PLAN_LAUNCHED = "PAYMENT_PLAN_LAUNCHED"
    INSTALLMENT_CHANGED = "INSTALLMENT_CHANGED"
    MONTHLY_FEE_CHANGED = "MONTHLY_FEE_CHANGED"


@dataclass(frozen=True, slots=True)
class Origin:
    """From where: the network address and the User-Agent."""

    address: str | None = field(default=None, repr=False)
    agent: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`actor_id` is the user (or the user whose API key it was), `subject` what it was done to (`user:<id>`). `origin` is
    sealed under the key of `person_id`; `details` hold ids and words, nothing personal."""

    id: UUID
    at: datetime
    action: AuditAction
    actor_kind: CallerKind
    subject: str
    request_id: str
    actor_id: UUID | None = None
    api_key_id: UUID | None = None
    person_id: UUID | None = None
    origin: bytes | None = field(default=None, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)


class AuditRepository(Protocol):
    async def add(self, event: AuditEvent) -> None: ...

    async def page(
        self,
        request: CursorRequest,
        *,
        action: AuditAction | None = None,
        actor_id: UUID | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> CursorPage[AuditEvent]:
        """The newest first. Raises `ValidationFailed` at `cursor` for one that is none of ours."""
        ...

    async def about(self, user_id: UUID, *, limit: int) -> Sequence[AuditEvent]:
        """What this user did and what was done to them, the newest first."""
        ...


class PersonalKeyRepository(Protocol):
    """Data keys of people, each wrapped under the master key."""

    async def get(self, person_id: UUID) -> bytes | None: ...

    async def of(self, person_ids: Collection[UUID]) -> Mapping[UUID, bytes]:
        """Of those who have one."""
        ...

    async def add(self, person_id: UUID, wrapped: bytes) -> bytes:
        """Keep this one, or answer the one that a concurrent request kept first."""
        ...

    async def destroy(self, person_id: UUID) -> bool: ...


class AuditedUnitOfWork(UnitOfWork, Protocol):
    @property
    def audit(self) -> AuditRepository: ...

    @property
    def personal_keys(self) -> PersonalKeyRepository: ...


class AuditTrail:
    """Writes events in the commit of what they tell of."""

    def __init__(self, cipher: PersonalDataCipher, clock: Clock) -> None:
        self._cipher = cipher
        self._clock = clock

    async def record(
        self,
        uow: AuditedUnitOfWork,
        caller: Caller,
        action: AuditAction,
        subject: str,
        *,
        person_id: UUID | None = None,
        **details: Any,
    ) -> None:
        """`person_id` is whose data the caller's whereabouts are, where it is not the signed-in user: somebody who just signs
        in. Without either, where the caller was is not kept."""
        person = caller.user_id or person_id
        await uow.audit.add(
            AuditEvent(
                id=new_id(),
                at=self._clock.now(),
                action=action,
                actor_kind=caller.kind,
                subject=subject,
                request_id=request_id.get(),
                actor_id=caller.user_id,
                api_key_id=caller.api_key_id,
                person_id=person,
                origin=await self._sealed(uow, caller, person),
                details=details,
            )
        )

    async def origin_of(self, uow: AuditedUnitOfWork, event: AuditEvent) -> Origin | None:
        """None where it was not kept, and where the person was erased."""
        people = () if event.person_id is None else (event.person_id,)
        return self.origin_under(await uow.personal_keys.of(people), event)

    def origin_under(self, keys: Mapping[UUID, bytes], event: AuditEvent) -> Origin | None:
        """Like `origin_of`, by the wrapped keys of people that were read before."""
        wrapped = None if event.person_id is None else keys.get(event.person_id)
        if event.origin is None or wrapped is None:
            return None
        return Origin(**json.loads(self._cipher.decrypt_under(wrapped, event.origin, purpose=ORIGIN_PURPOSE)))

    async def _sealed(self, uow: AuditedUnitOfWork, caller: Caller, person: UUID | None) -> bytes | None:
        if person is None or (caller.address is None and caller.agent is None):
            return None
        wrapped = await uow.personal_keys.get(person)
        if wrapped is None:
            wrapped = await uow.personal_keys.add(person, self._cipher.new_data_key())
        written = json.dumps({"address": caller.address, "agent": caller.agent})
        return self._cipher.encrypt_under(wrapped, written, purpose=ORIGIN_PURPOSE)
