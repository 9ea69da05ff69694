"""Answers that are kept under an idempotency key: a day's worth of what somebody was told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from madang.core.kernel.unit_of_work import UnitOfWork


class KeptAnswers(Protocol):
    async def erase(self, user_id: UUID) -> int:
        """Delete what this user was answered, and what was answered about making this user; how many."""
        ...


class KeptAnswersUnitOfWork(UnitOfWork, Protocol):
    @property
    def kept_answers(self) -> KeptAnswers: ...


class KeptAnswersPersonalData:
    """Fulfils `PersonalData`. Nothing is exported: an answer repeats what the other sections hold."""

    name: Final = "answers"
    tables: Final = frozenset({"idempotency_keys"})

    async def export(self, uow: KeptAnswersUnitOfWork, user_id: UUID) -> Mapping[str, Any]:
        return {}

    async def forget_outside(self, user_id: UUID) -> None:
        """Nothing lies outside."""

    async def erase(self, uow: KeptAnswersUnitOfWork, user_id: UUID, now: datetime) -> Mapping[str, int]:
        return {"idempotency_keys": await uow.kept_answers.erase(user_id)}
