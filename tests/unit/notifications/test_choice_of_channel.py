"""Nothing goes where it was switched off, and what concerns security always goes by e-mail."""

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from madang.core.kernel.ids import new_id
from madang.core.notifications.choice import Withheld, choose
from madang.core.notifications.delivery_log import masked
from madang.core.notifications.delivery_reports import after_report
from madang.core.notifications.kinds import ALWAYS_ON, CHANNELS, CHOSEN_BY_USERS, DEFAULTS, KINDS
from madang.core.notifications.model import Category, Channel, Notification, NotificationStatus, Preferences
from madang.ports.email import EmailStatus

ADDRESSES = {Channel.EMAIL: "kim@example.com", Channel.SMS: "+821000000000", Channel.CHAT: "Kim"}
kinds = st.sampled_from([kind for kind in KINDS.values() if kind.category is not Category.OPERATIONS])
lists = st.lists(st.sampled_from(Channel), unique=True)
preferences = st.builds(
    Preferences, st.just(new_id()), st.dictionaries(st.sampled_from(CHOSEN_BY_USERS), lists), st.integers(0, 9)
)
reachable = st.sets(st.sampled_from(list(ADDRESSES)))


@given(kind=kinds, chosen=preferences, reachable=reachable)
def test_preferences_are_kept_and_security_is_heard(kind, chosen, reachable) -> None:  # type: ignore[no-untyped-def]
    addresses = {channel: ADDRESSES[channel] for channel in reachable}
    found = choose(kind, chosen, addresses)
    wanted = chosen.chosen.get(kind.category, DEFAULTS[kind.category])
    if isinstance(found, Channel):
        assert found in addresses
        assert found in kind.channels
        assert found in wanted or (kind.category in ALWAYS_ON and found is not Channel.CHAT)
    if kind.category is Category.SECURITY:
        assert found == (Channel.EMAIL if Channel.EMAIL in addresses else Withheld.NO_ADDRESS)
    if kind.category in ALWAYS_ON:
        assert found is not Withheld.SWITCHED_OFF
        assert isinstance(found, Channel) or not set(kind.channels) & (set(addresses) - {Channel.CHAT})
    best = [channel for channel in wanted if channel in addresses and channel in kind.channels]
    if best and kind.category is not Category.SECURITY:
        assert found is best[0]


def test_defaults_are_offered_and_advertising_is_off_until_somebody_asks_for_it() -> None:
    assert all(set(DEFAULTS[category]) <= set(CHANNELS[category]) for category in Category)
    assert DEFAULTS[Category.MARKETING] == ()


@given(reports=st.lists(st.sampled_from(EmailStatus), max_size=5))
def test_reports_lead_to_the_same_state_in_whatever_order_they_come(reports: list[EmailStatus]) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    sent = Notification(new_id(), "key", Channel.EMAIL, "kind", "user:1", NotificationStatus.SENT, now, now)
    ends = set()
    for order in itertools.islice(itertools.permutations(reports), 24):
        state = sent
        for told in order:
            state = after_report(after_report(state, told, now), told, now)
        refused = state.status is NotificationStatus.FAILED
        ends.add((state.status, None if refused else state.failure))
    assert len(ends) == 1
    assert (ends.pop()[0] is NotificationStatus.FAILED) == bool({EmailStatus.BOUNCED, EmailStatus.FAILED} & set(reports))


def test_an_address_is_known_again_by_its_owner_only() -> None:
    assert masked("kim@example.com") == "k***@example.com"
    assert masked("+821012345678") == "+82********78"
