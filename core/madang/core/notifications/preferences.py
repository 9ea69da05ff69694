"""Use cases of preferences: what somebody wants, by which channel, and one letter's link that says no more of this."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from madang.core.identity.model import User, UserStatus
from madang.core.identity.roles import TEAM
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound, Problem, StaleVersion, Unauthenticated, ValidationFailed
from madang.core.kernel.tokens import Tokens
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.notifications.addressing import UNSUBSCRIBE
from madang.core.notifications.kinds import ALWAYS_ON, CHANNELS, CHOSEN_BY_USERS, DEFAULTS
from madang.core.notifications.model import Category, Channel, Preferences
from madang.core.notifications.repository import NotificationsUnitOfWork
from madang.core.operations.audit import AuditAction, AuditedUnitOfWork, AuditTrail

Choices = Mapping[Category, Sequence[Channel]]


class PreferencesUnitOfWork(AuditedUnitOfWork, NotificationsUnitOfWork, Protocol):
    """Every change is in the audit trail."""


class PreferenceService:
    def __init__(
        self, units: UnitOfWorkFactory[PreferencesUnitOfWork], audit_trail: AuditTrail, tokens: Tokens, clock: Clock
    ) -> None:
        self._units = units
        self._audit_trail = audit_trail
        self._tokens = tokens
        self._clock = clock

    async def of(self, user_id: UUID) -> Preferences:
        async with self._units() as uow:
            return await uow.notification_preferences.get(user_id) or Preferences(user_id)

    async def choose(self, caller: Caller, choices: Choices, versions: Collection[int] | None = None) -> Preferences:
        """Replace what was chosen. Raises `ValidationFailed` for a channel that the category has not, for one named twice, for
        switching off what cannot be, and for the chat where somebody is not in the team; `StaleVersion` when the preferences
        are at none of `versions`."""
        _check(choices)
        async with self._units() as uow:
            user = await _active(uow, caller.person)
            _check_chat(choices, user)
            current = await uow.notification_preferences.lock(caller.person, self._clock.now())
            if versions is not None and current.version not in versions:
                raise StaleVersion("these preferences were changed meanwhile: read them again")
            return await self._change(uow, caller, current, {**current.chosen, **choices})

    def subscription(self, token: str) -> Category:
        """What an unsubscribe link is for; changes nothing. Raises `Unauthenticated` for a link that is none of ours."""
        return self._told(token)[1]

    async def unsubscribe(self, token: str, caller: Caller) -> Category:
        """Switch off one category of one person, who need not be signed in. A second time, and for somebody who is gone, it
        changes nothing. Raises `Unauthenticated` as `subscription` does."""
        user_id, category = self._told(token)
        async with self._units() as uow:
            user = await uow.users.get(user_id, lock=True)
            if user is None or user.status is UserStatus.ERASED:
                return category
            current = await uow.notification_preferences.lock(user_id, self._clock.now())
            if channels_of(current, category):
                await self._change(uow, caller, current, {**current.chosen, category: ()})
        return category

    async def _change(self, uow: PreferencesUnitOfWork, caller: Caller, current: Preferences, chosen: Choices) -> Preferences:
        changed = dataclasses.replace(current, chosen=chosen, version=current.version + 1, updated_at=self._clock.now())
        await uow.notification_preferences.save(changed)
        words = {category.value: [channel.value for channel in channels] for category, channels in chosen.items()}
        await self._audit_trail.record(
            uow,
            caller,
            AuditAction.PREFERENCES_CHANGED,
            f"user:{current.user_id}",
            person_id=current.user_id,
            notifications=words,
        )
        return changed

    def _told(self, token: str) -> tuple[UUID, Category]:
        claims = self._tokens.verify(UNSUBSCRIBE, token)
        category = claims.extra.get("category")
        if category not in {each.value for each in CHOSEN_BY_USERS if each not in ALWAYS_ON}:
            raise Unauthenticated("this link switches nothing off")
        return UUID(claims.subject), Category(category)


def channels_of(preferences: Preferences, category: Category) -> Sequence[Channel]:
    """As chosen, or by default."""
    return preferences.chosen.get(category, DEFAULTS[category])


async def _active(uow: PreferencesUnitOfWork, user_id: UUID) -> User:
    """Locked, so that an erasure comes before or after this change and not in between."""
    user = await uow.users.get(user_id, lock=True)
    if user is None or user.status is UserStatus.ERASED:
        raise NotFound("there is no such user")
    return user


def _check_chat(choices: Choices, user: User) -> None:
    chosen = [category for category, channels in choices.items() if Channel.CHAT in channels]
    if chosen and user.role not in TEAM:
        raise ValidationFailed(*(Problem(category.value, "the chat is the team's own") for category in chosen))


def _check(choices: Choices) -> None:
    problems = [problem for category, channels in choices.items() for problem in _problems(category, channels)]
    if problems:
        raise ValidationFailed(*problems)


def _problems(category: Category, channels: Sequence[Channel]) -> Sequence[Problem]:
    if category not in CHOSEN_BY_USERS:
        return [Problem(category.value, "cannot be chosen")]
    if not channels and category in ALWAYS_ON:
        return [Problem(category.value, "cannot be switched off: name at least one channel")]
    offered = CHANNELS[category]
    found = [
        Problem(f"{category.value}.{place}", f"is not sent by {channel.value}")
        for place, channel in enumerate(channels)
        if channel not in offered
    ]
    twice = [Problem(category.value, "names a channel twice")] if len(set(channels)) < len(channels) else []
    return [*found, *twice]
