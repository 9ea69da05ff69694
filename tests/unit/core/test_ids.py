"""Identifiers of one process stand in the order in which they were made: lists that sort by them have no other order."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

import pytest

from madang.core.kernel.ids import derived_id, new_id


def test_an_id_is_a_uuid_of_version_7_with_the_present_time() -> None:
    before, made, after = time.time_ns() // 1_000_000, new_id(), time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after + 1


@pytest.mark.parametrize("step", [0, 1, -5_000_000], ids=["stands still", "hardly goes", "goes back"])
def test_ids_sort_as_they_were_made_while_the_clock(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.time_ns()
    times = (start + step * n for n in range(10_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_threads_never_make_two_of_one_moment() -> None:
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda _: new_id(), range(5_000)))
    assert len({each.int >> 64 for each in ids}) == len(ids)


def test_a_derived_id_is_always_the_same_and_of_its_origins_time() -> None:
    origin, later = new_id(), new_id()
    made = derived_id(origin, "payment")
    assert made == derived_id(origin, "payment")
    assert len({made, derived_id(origin, "refund"), derived_id(later, "payment"), origin}) == 4
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 64 == origin.int >> 64
    assert made < derived_id(later, "payment")
