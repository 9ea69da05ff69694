"""Which contexts of the core are mutated, and which tests must notice."""

from pathlib import Path
from typing import Final

from source_tree import ROOT

SPARED: Final = frozenset({"__init__.py", "repository.py", "topics.py"})
"""Names and Protocols: there is no conduct in them."""
SUITES: Final[dict[str, tuple[str, ...]]] = {
    "billing": (
        "unit/billing", "unit/core", "integration/billing", "integration/subscriptions", "integration/credits",
        "integration/payment_plans",
    ),
}  # fmt: skip


def trials_of(context: str) -> list[str]:
    return [f"tests/{each}" for each in SUITES[context]]


def modules_of(context: str) -> list[Path]:
    folder = ROOT / "core" / "madang" / "core" / context
    return [path for path in sorted(folder.rglob("*.py")) if path.name.rpartition("_")[2] not in SPARED]
