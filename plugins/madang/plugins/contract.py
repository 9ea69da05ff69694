"""Which contract a plugin was built for, and whether it may run: `MADANG_CONTRACT = "major.minor"` in the plugin.

The same major runs. The previous major runs through a shim, with a warning that names it. Anything else is refused with a
sentence. A plugin that says nothing was built for 1.0, the first contract.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from madang.plugins.declarations import Declaration

Shim: TypeAlias = Callable[[Declaration], Declaration]
"""Makes a declaration of the previous major one of the current; what it cannot translate it refuses with `ValueError`."""


def _unchanged(declaration: Declaration) -> Declaration:
    return declaration


SHIMS: Final[Mapping[int, Shim]] = {0: _unchanged}
"""By the major that a plugin was built for. The drafts before 1.0 had the declarations of 1.0."""

_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})")


class ContractRefused(Exception):
    """The plugin was built for a contract that this Madang does not speak; the message is the sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a plugin may run: through `shim` where there is one, and with which `warning` to the operator."""

    shim: Shim | None = None
    warning: str = ""


def judge(declared: object, current: str, shims: Mapping[int, Shim] = SHIMS) -> Terms:
    """The terms for a plugin that declares `declared` (None: nothing). Raises `ContractRefused`."""
    major, minor = _parse("1.0" if declared is None else declared)
    own_major, own_minor = _parse(current)
    if major > own_major:
        raise ContractRefused(f"it is built for contract {major}.{minor}, this Madang speaks {current}: update Madang")
    if major == own_major:
        newer = f"it is built for contract {major}.{minor}, this Madang speaks {current}: what is newer is not used"
        return Terms(warning=newer if minor > own_minor else "")
    built = f"it is built for contract {major}.{minor}"
    if major == own_major - 1 and major in shims:
        return Terms(shims[major], f"{built} and runs through a shim to {current}: update the plugin")
    raise ContractRefused(f"{built}, which is too old for {current}: update the plugin")


def _parse(version: object) -> tuple[int, int]:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise ContractRefused(f'MADANG_CONTRACT is {version!r}, and must be a string like "1.0"')
    return int(match[1]), int(match[2])
