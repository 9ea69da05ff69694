"""When a payment that failed is tried again, and what follows when it never comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """In days: `retries` after the first failure, `grace` after the last retry until it is suspended, `suspended` until it
    ends. Two tries of ours are never less than a day apart, however late the first of them was made."""

    retries: Sequence[int] = (1, 3, 5, 7)
    grace: int = 3
    suspended: int = 14

    def __post_init__(self) -> None:
        ordered = sorted(set(self.retries))
        if list(self.retries) != ordered or any(day < 1 for day in ordered) or min(self.grace, self.suspended) < 0:
            raise ValueError("the days of dunning are whole, at least 1, and each later than the one before")

    def retries_left(self, made: int) -> bool:
        return made < len(self.retries)

    def next_step(self, since: datetime, made: int, now: datetime) -> datetime:
        """When the next retry is due, or after the last of them the suspension, given how many were made."""
        if self.retries_left(made):
            return max(since + timedelta(days=self.retries[made]), now + _A_DAY)
        last = self.retries[-1] if self.retries else 0
        grace = timedelta(days=self.grace)
        return max(since + timedelta(days=last) + grace, now + grace)

    def end_of_suspension(self, suspended_at: datetime) -> datetime:
        return suspended_at + timedelta(days=self.suspended)
