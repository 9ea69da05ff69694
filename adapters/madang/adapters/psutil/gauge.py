"""Memory, CPU and disk in per cent: of the container where the process runs in one with a limit, else of the machine.

A container's limits are read from its control group (version 2): psutil tells of the whole machine, which a container that is
killed for its memory may have plenty of.
"""

import os
import time
from pathlib import Path
from typing import Final

import psutil

from madang.core.operations.measurements import SystemReading

CONTROL_GROUP: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = "max"


class PsutilGauge:
    """Fulfils `SystemGauge`; `folder` is on the disk that is watched."""

    def __init__(self, folder: Path, *, control_group: Path = CONTROL_GROUP) -> None:
        self._folder = folder
        self._group = control_group
        self._last: tuple[float, float] | None = None
        psutil.cpu_percent()

    def read(self) -> SystemReading:
        return SystemReading(memory=self._memory(), cpu=self._cpu(), disk=self._disk())

    def _memory(self) -> float | None:
        """Without the pages of files that the kernel gives back at once when they are needed."""
        limit, used = self._number("memory.max"), self._number("memory.current")
        if limit is None or used is None:
            return float(psutil.virtual_memory().percent)
        return 100 * max(0.0, used - (self._field("memory.stat", "inactive_file") or 0.0)) / limit

    def _cpu(self) -> float | None:
        quota = self._quota()
        used = self._field("cpu.stat", "usage_usec")
        if quota is None or used is None:
            return float(psutil.cpu_percent())
        last, self._last = self._last, (time.monotonic(), used)
        if last is None or self._last[0] <= last[0]:
            return None
        return min(100.0, 100 * (used - last[1]) / 1_000_000 / (self._last[0] - last[0]) / quota)

    def _disk(self) -> float | None:
        try:
            return float(psutil.disk_usage(str(self._folder)).percent)
        except OSError:
            return None

    def _quota(self) -> float | None:
        """How many processors the container may use."""
        written = self._text("cpu.max").split()
        if len(written) != 2 or written[0] == _UNLIMITED:
            return None
        return min(float(written[0]) / float(written[1]), float(os.cpu_count() or 1))

    def _number(self, name: str) -> float | None:
        written = self._text(name).strip()
        return float(written) if written.isdigit() else None

    def _field(self, name: str, field: str) -> float | None:
        for line in self._text(name).splitlines():
            key, _, value = line.partition(" ")
            if key == field and value.isdigit():
                return float(value)
        return None

    def _text(self, name: str) -> str:
        try:
            return (self._group / name).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""
