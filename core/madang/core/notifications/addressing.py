"""Whom a message goes to and in which words: decided when it is about to be sent, by what the person wants and has by then."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE, PHONE_PURPOSE, User, UserStatus
from madang.core.identity.roles import TEAM
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.tokens import Tokens
from madang.core.notifications.choice import Withheld, choose
from madang.core.notifications.kinds import ALWAYS_ON, Kind, kind_named
from madang.core.notifications.model import (
    CONTENT,
    RECIPIENT,
    SUPPRESSED_HASH,
    TEXT,
    Category,
    Channel,
    Letter,
    Notification,
    NotificationStatus,
    Preferences,
)
from madang.core.notifications.rendering import MessageRenderer
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.ports.errors import Misconfigured

UNSUBSCRIBE: Final = "unsubscribe"
"""The audience of the tokens that switch one category of one person off."""
_UNSUBSCRIBE_LIFETIME: Final = timedelta(days=730)


class Addressing:
    def __init__(
        self,
        providers: Providers,
        renderer: MessageRenderer,
        cipher: PersonalDataCipher,
        tokens: Tokens,
        clock: Clock,
        *,
        base_url: str,
    ) -> None:
        self._providers = providers
        self._renderer = renderer
        self._cipher = cipher
        self._tokens = tokens
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    async def decide(self, uow: NotificationsUnitOfWork, notification: Notification) -> Notification | None:
        """The notification as it is to be sent, written down; None when it is not to be sent, which is written down, too.

        Asked before each try as long as surely nobody has sent it, so a person who was erased, signed off or moved meanwhile is
        heard. What was written before is kept where nothing has changed: the provider knows it by its key.
        """
        if notification.user_id is None:
            return notification
        kind = kind_named(notification.template)
        user = await uow.users.get(notification.user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            await self._withhold(uow, notification, Withheld.NOT_ACTIVE)
            return None
        addresses = await self._addresses(uow, user, kind)
        preferences = await uow.notification_preferences.get(user.id) or Preferences(user.id)
        channel = choose(kind, preferences, addresses)
        if isinstance(channel, Withheld):
            await self._withhold(uow, notification, channel)
            return None
        if notification.channel is channel and self.recipient(notification) == addresses[channel]:
            return notification
        settled = self.written(notification, kind, channel, addresses[channel], user.locale)
        return settled if await uow.notifications.settle(settled) else None

    async def farewell(
        self, uow: NotificationsUnitOfWork, user_id: UUID, notification: Notification, kind: Kind
    ) -> Notification | None:
        """To a person who is about to be erased, by e-mail; None when there is no address any more."""
        user = await uow.users.get(user_id)
        if user is None or user.email is None:
            return None
        address = self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE)
        written = self.written(notification, kind, Channel.EMAIL, address, user.locale)
        return dataclasses.replace(written, user_id=None, keeps_nothing=True)

    def written(
        self, notification: Notification, kind: Kind, channel: Channel, address: str | None, locale: str
    ) -> Notification:
        """With its words, for this reader."""
        letter = self._letter(notification, kind, channel, locale)
        return dataclasses.replace(
            notification,
            channel=channel,
            recipient=None if address is None else self._cipher.encrypt(address, purpose=RECIPIENT),
            text=self._cipher.encrypt(json.dumps(dataclasses.asdict(letter), ensure_ascii=False), purpose=TEXT),
            provider=notification.provider if notification.user_id is None else None,
            updated_at=self._clock.now(),
        )

    def recipient(self, notification: Notification) -> str | None:
        sealed = notification.recipient
        return None if sealed is None else self._cipher.decrypt(sealed, purpose=RECIPIENT)

    def letter(self, notification: Notification) -> Letter:
        """What was written. A message that came in its own words has no content, and its text is the whole letter."""
        text = self._cipher.decrypt(notification.text or b"", purpose=TEXT)
        return Letter(text) if notification.content is None else Letter(**json.loads(text))

    def sealed(self, values: Mapping[str, str]) -> bytes:
        return self._cipher.encrypt(json.dumps(dict(values), ensure_ascii=False), purpose=CONTENT)

    def _letter(self, notification: Notification, kind: Kind, channel: Channel, locale: str) -> Letter:
        values = json.loads(self._cipher.decrypt(notification.content or b"", purpose=CONTENT))
        url = self._unsubscribe_url(notification.user_id, kind.category) if kind.can_be_unsubscribed else None
        letter = self._renderer.render(kind.name, channel, locale, values, at=notification.created_at, unsubscribe_url=url)
        if url is None or channel is not Channel.EMAIL:
            return letter
        one_click = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        return dataclasses.replace(letter, headers=one_click)

    def _unsubscribe_url(self, user_id: UUID | None, category: Category) -> str | None:
        """RFC 8058: who has the address of the letter's own header may switch the category off, and nothing else."""
        if user_id is None:
            return None
        expires_at = self._clock.now() + _UNSUBSCRIBE_LIFETIME
        token = self._tokens.issue(UNSUBSCRIBE, str(user_id), expires_at=expires_at, extra={"category": category.value})
        return f"{self._base_url}/unsubscribe?token={token}"

    async def _addresses(self, uow: NotificationsUnitOfWork, user: User, kind: Kind) -> Mapping[Channel, str]:
        """Where the person can be reached with this; in the team's chat by their name.

        Only what cannot be switched off goes to an address that nobody has confirmed, and only security goes to one that
        refused letters.
        """
        found: dict[Channel, str] = {}
        if user.phone is not None:
            found[Channel.SMS] = self._cipher.decrypt(user.phone, purpose=PHONE_PURPOSE)
        if user.email is not None and (user.email_verified_at is not None or kind.category in ALWAYS_ON):
            address = self._cipher.decrypt(user.email, purpose=EMAIL_PURPOSE)
            if kind.category is Category.SECURITY or not await self._is_suppressed(uow, address):
                found[Channel.EMAIL] = address
        if user.role in TEAM and user.name is not None and self._has_chat():
            found[Channel.CHAT] = self._cipher.decrypt(user.name, purpose=NAME_PURPOSE)
        return found

    def _has_chat(self) -> bool:
        try:
            return bool(self._providers.chat_posters())
        except Misconfigured:
            return False

    async def _is_suppressed(self, uow: NotificationsUnitOfWork, address: str) -> bool:
        return await uow.email_suppressions.any_of(self._cipher.keyed_hashes(address.lower(), purpose=SUPPRESSED_HASH))

    async def _withhold(self, uow: NotificationsUnitOfWork, notification: Notification, why: Withheld) -> None:
        await uow.notifications.update(
            dataclasses.replace(
                notification,
                status=NotificationStatus.WITHHELD,
                failure=why.value,
                recipient=None,
                text=None,
                content=None,
                updated_at=self._clock.now(),
            )
        )
