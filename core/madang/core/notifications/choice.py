"""By which channel a person is written to: what they chose, what cannot be switched off, and where they can be reached."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from madang.core.notifications.kinds import ALWAYS_ON, DEFAULTS, Kind
from madang.core.notifications.model import Category, Channel, Preferences


class Withheld(StrEnum):
    """Why nothing is sent."""

    SWITCHED_OFF = "switched_off"
    NO_ADDRESS = "no_address"
    NOT_ACTIVE = "account_not_active"
    TOO_OLD = "too_old"
    ERASED = "erased"


def wanted_channels(kind: Kind, preferences: Preferences) -> Sequence[Channel]:
    """The best first. For what cannot be switched off, the chosen ones come first and the kind's others after them, so that it
    arrives also where the chosen ones have no address. Nothing goes to the team's chat that was not chosen for it."""
    if kind.category is Category.SECURITY:
        return kind.channels
    chosen = preferences.chosen.get(kind.category, DEFAULTS[kind.category])
    wanted = [channel for channel in chosen if channel in kind.channels]
    others = [channel for channel in kind.channels if channel not in (*wanted, Channel.CHAT)]
    return [*wanted, *others] if kind.category in ALWAYS_ON else wanted


def choose(kind: Kind, preferences: Preferences, addresses: Mapping[Channel, str]) -> Channel | Withheld:
    wanted = wanted_channels(kind, preferences)
    if not wanted:
        return Withheld.SWITCHED_OFF
    return next((channel for channel in wanted if channel in addresses), Withheld.NO_ADDRESS)
