"""Children load their code while the database is being prepared, and wait at a gate before they touch it.

The gate is a pipe that nobody writes to: it is open once the supervisor has closed its end, or is gone.
"""

import os
from typing import Final

GATE_VARIABLE: Final = "MADANG_START_GATE"


class Gate:
    """The supervisor's side."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._open = False

    def descriptors(self) -> tuple[int, ...]:
        """What a child that is started now must inherit."""
        return () if self._open else (self._read,)

    def variables(self) -> dict[str, str]:
        return {} if self._open else {GATE_VARIABLE: str(self._read)}

    def open(self) -> None:
        """Let everybody through, now and from now on."""
        if not self._open:
            self._open = True
            os.close(self._write)
            os.close(self._read)


def pass_gate() -> None:
    """Wait until the gate is open; a process that was started by hand has none."""
    descriptor = os.environ.pop(GATE_VARIABLE, "")
    if descriptor.isdigit():
        with os.fdopen(int(descriptor), "rb") as gate:
            gate.read()
