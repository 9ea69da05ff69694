"""The portrait job's states, its blocks after wrong phone numbers, its progress and its end."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.kernel.errors import Gone, WrongState
from madang.core.kernel.ids import new_id
from madang.core.portraits.model import (
    AWAITED,
    BLOCK_FOR,
    LIFETIME,
    MAX_WRONG_PHONES,
    PICTURE_COUNT,
    PORTRAIT_TRANSITIONS,
    PRICE,
    AccessAttempts,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    progress_of,
)
from unit.core.core_in_memory import NOON

STEPS = [
    PortraitStatus.PENDING_PAYMENT,
    PortraitStatus.PENDING_PHONE,
    PortraitStatus.PENDING_UPLOAD,
    PortraitStatus.PROCESSING,
    PortraitStatus.COMPLETED,
]
ENDS = [PortraitStatus.COMPLETED, PortraitStatus.FAILED, PortraitStatus.EXPIRED]
statuses = st.sampled_from(PortraitStatus)


def a_portrait(status: PortraitStatus = PortraitStatus.PENDING_PAYMENT) -> Portrait:
    return Portrait(new_id(), "account-1", status, new_id(), PRICE, "ko", NOON, NOON, NOON + LIFETIME)


def pictures(portrait: Portrait, made: int) -> Sequence[PortraitPicture]:
    states = [PictureStatus.MADE] * made + [PictureStatus.WAITING] * (PICTURE_COUNT - made)
    return [PortraitPicture(portrait.id, index, index, state) for index, state in enumerate(states)]


@given(wishes=st.lists(statuses, max_size=12))
def test_a_job_goes_only_where_the_table_allows_and_refuses_the_rest_unchanged(wishes: list[PortraitStatus]) -> None:
    portrait = a_portrait()
    for minute, wish in enumerate(wishes):
        at = NOON + timedelta(minutes=minute)
        if wish in PORTRAIT_TRANSITIONS[portrait.status]:
            portrait = portrait.to(wish, at)
            assert (portrait.status, portrait.updated_at) == (wish, at)
        else:
            with pytest.raises(WrongState) as refused:
                portrait.to(wish, at)
            assert refused.value.params == {"state": portrait.status.value, "expected": wish.value}


@given(wishes=st.lists(statuses, max_size=20))
def test_no_job_ever_goes_back_or_skips_a_step(wishes: list[PortraitStatus]) -> None:
    portrait, been = a_portrait(), [PortraitStatus.PENDING_PAYMENT]
    for wish in wishes:
        try:
            portrait = portrait.to(wish, NOON)
        except WrongState:
            continue
        been.append(wish)
    walked = [status for status in been if status in STEPS]
    assert walked == STEPS[: len(walked)]
    assert len(set(been)) == len(been)


def test_every_state_can_expire_except_the_expired_one() -> None:
    assert PORTRAIT_TRANSITIONS.keys() == AWAITED.keys() == set(PortraitStatus)
    for status in set(PortraitStatus) - {PortraitStatus.EXPIRED}:
        assert a_portrait(status).to(PortraitStatus.EXPIRED, NOON).status is PortraitStatus.EXPIRED
    assert PORTRAIT_TRANSITIONS[PortraitStatus.EXPIRED] == frozenset()


def test_nothing_fails_before_it_is_paid() -> None:
    with pytest.raises(WrongState):
        a_portrait(PortraitStatus.PENDING_PAYMENT).to(PortraitStatus.FAILED, NOON)


def test_a_job_waits_for_something_exactly_while_it_can_go_on() -> None:
    assert [status for status in PortraitStatus if AWAITED[status] is None] == ENDS


@given(status=statuses, allowed=st.sets(statuses, min_size=1))
def test_a_use_case_in_the_wrong_state_is_told_which_would_be_right(
    status: PortraitStatus, allowed: set[PortraitStatus]
) -> None:
    portrait = a_portrait(status)
    if status in allowed:
        portrait.require(*allowed)
        return
    with pytest.raises(WrongState) as refused:
        portrait.require(*allowed)
    expected: Any = refused.value.params["expected"]
    assert refused.value.params["state"] == status.value
    assert set(expected.split(" or ")) == {each.value for each in allowed}


@given(status=statuses, seconds=st.integers(-100_000, 100_000))
def test_a_job_is_open_until_its_last_second_unless_it_was_expired_earlier(status: PortraitStatus, seconds: int) -> None:
    portrait = a_portrait(status)
    at = portrait.expires_at + timedelta(seconds=seconds)
    if status is not PortraitStatus.EXPIRED and seconds < 0:
        portrait.require_open(at)
        return
    with pytest.raises(Gone) as gone:
        portrait.require_open(at)
    assert gone.value.error_code == "PORTRAIT_EXPIRED"


def test_progress_grows_with_each_step_and_each_picture_and_ends_at_a_hundred() -> None:
    seen = [progress_of(a_portrait(status), []) for status in STEPS[:3]]
    processing = a_portrait(PortraitStatus.PROCESSING)
    seen += [progress_of(processing, pictures(processing, made)) for made in range(PICTURE_COUNT + 1)]
    assert seen == [0, 10, 20, 30, 45, 60, 75]
    assert [progress_of(a_portrait(status), []) for status in ENDS] == [100, 100, 100]


WRONG = AccessAttempts(new_id(), b"address")


def test_the_third_wrong_number_blocks_for_an_hour_and_not_longer() -> None:
    once = WRONG.after_wrong(NOON)
    twice = once.after_wrong(NOON)
    assert not once.is_blocked(NOON)
    assert not twice.is_blocked(NOON)
    blocked = twice.after_wrong(NOON)
    assert blocked.is_blocked(NOON)
    assert blocked.is_blocked(NOON + BLOCK_FOR - timedelta(microseconds=1))
    assert not blocked.is_blocked(NOON + BLOCK_FOR)


def test_after_the_block_counting_begins_anew() -> None:
    blocked = WRONG.after_wrong(NOON).after_wrong(NOON).after_wrong(NOON)
    again = blocked.after_wrong(NOON + BLOCK_FOR)
    assert (again.failures, again.blocked_until) == (1, None)


@given(waits=st.lists(st.integers(0, 7200), max_size=40))
def test_nobody_gets_more_than_three_wrong_numbers_in_any_hour(waits: list[int]) -> None:
    attempts, at, tried = WRONG, NOON, []
    for wait in waits:
        at += timedelta(seconds=wait)
        if not attempts.is_blocked(at):
            attempts = attempts.after_wrong(at)
            tried.append((at, attempts.blocked_until))
    blocks = [number for number, (_, until) in enumerate(tried) if until is not None]
    assert blocks == list(range(MAX_WRONG_PHONES - 1, len(tried), MAX_WRONG_PHONES))
    for number in blocks:
        assert all(later >= tried[number][0] + BLOCK_FOR for later, _ in tried[number + 1 :])
