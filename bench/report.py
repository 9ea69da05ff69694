"""What was measured, as a table: numbers, ratios, and whether they reach what the design asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """One contender's rate a second, and for reads the milliseconds of the middle and of the slowest hundredth."""

    name: str
    rate: float
    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Ratio:
    """Ours divided by the peer's, and the least that it should be (None: told for orientation)."""

    what: str
    value: float
    target: float | None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "–"
        return "reached" if self.value >= self.target else "NOT reached"


def show(title: str, unit: str, measured: Sequence[Measured], ratios: Sequence[Ratio]) -> None:
    console = Console(width=118)
    numbers = Table("contender", f"{unit} a second", "p50 ms", "p99 ms", title=title, title_justify="left")
    for one in measured:
        numbers.add_row(one.name, f"{one.rate:,.0f}", milliseconds(one.p50), milliseconds(one.p99))
    console.print(numbers)
    table = Table("ours compared with", "ratio", "to reach", "verdict")
    for ratio in ratios:
        target = "–" if ratio.target is None else f"≥ {ratio.target:g}"
        table.add_row(ratio.what, f"{ratio.value:.2f} ×", target, ratio.verdict)
    if ratios:
        console.print(table)
    console.print()


def milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
