"""Identifiers: UUID version 7 (RFC 9562), so that they sort by the time they were made."""

import os
import time
from threading import Lock
from uuid import UUID, uuid5

_one_at_a_time = Lock()
_last = 0


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, 12 of their fraction, then randomness (RFC 9562, section 6.2, method 3).

    Those of one process sort in the order in which they were made, also within a millisecond and while its clock stands still.
    """
    moment = _next_moment()
    value = (moment >> 12 & (2**48 - 1)) << 80 | 0x7 << 76 | (moment & 0xFFF) << 64 | int.from_bytes(os.urandom(8), "big")
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def derived_id(origin: UUID, name: str) -> UUID:
    """Always the same for this origin and name, and of the origin's time: what is made with it sorts with it."""
    value = origin.int >> 64 << 64 | uuid5(origin, name).int & (2**62 - 1)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value | 0x2 << 62)


def _next_moment() -> int:
    """Now, in 4,096ths of a millisecond, and always more than before."""
    global _last
    now = (time.time_ns() << 12) // 1_000_000
    with _one_at_a_time:
        _last = max(now, _last + 1)
        return _last
