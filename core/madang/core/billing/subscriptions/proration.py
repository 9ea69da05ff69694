"""What a change of plan within a paid period costs.

The unused part of what was paid at the old price is credited against the new price for the same time. Both are one fraction of
their prices, so the charge is that fraction of the difference. It is computed exactly, to the microsecond, and rounded once:
down to the currency's minor unit, so never against the buyer. A lower price charges nothing and gives nothing back.
"""

from datetime import datetime, timedelta

from madang.ports.money import Money

_TICK = timedelta(microseconds=1)


def proration(old: Money, new: Money, starts_at: datetime, ends_at: datetime, now: datetime) -> Money:
    """The charge for the rest of the period: from the whole difference at its start down to nothing at its end. Raises
    `CurrencyMismatch`."""
    difference = (new - old).amount
    whole, rest = (ends_at - starts_at) // _TICK, (ends_at - now) // _TICK
    if difference <= 0 or whole <= 0 or rest <= 0:
        return Money.zero(new.currency)
    return Money(difference * min(rest, whole) // whole, new.currency)
