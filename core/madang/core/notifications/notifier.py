"""How other contexts write to a person: by kind and values; language, channel, address and wording are not their affair."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from madang.core.notifications.repository import NotificationsUnitOfWork


class Notifier(Protocol):
    async def notify(
        self,
        uow: NotificationsUnitOfWork,
        user_id: UUID,
        kind: str,
        *,
        key: str,
        values: Mapping[str, str],
        subject: str | None = None,
    ) -> None:
        """Record a message of this kind (`identity.verify_email`) in the caller's commit; a second one with the same key is
        dropped. `values` fill the kind's templates and are kept encrypted, so a link with a token may be among them.
        `subject` (`user:<id>` unless given) is what it is about. Raises `LookupError` for a kind that nobody declared and
        for values that its templates lack."""
        ...
