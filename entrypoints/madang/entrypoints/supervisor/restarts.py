"""When to start again what died, and when to stop trying."""

from dataclasses import dataclass, field

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0


@dataclass(slots=True)
class Restarts:
    """Doubling delays; a process that ran `settled_after` seconds starts afresh. Gives up after `most` deaths in a row."""

    settled_after: float = 30.0
    most: int = 6
    deaths: int = field(default=0, init=False)

    def delay_after(self, lived: float) -> float | None:
        """Seconds to wait before the next start of what lived that long; None: it flaps, give up."""
        self.deaths = 1 if lived >= self.settled_after else self.deaths + 1
        if self.deaths >= self.most:
            return None
        return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self.deaths - 1)))
