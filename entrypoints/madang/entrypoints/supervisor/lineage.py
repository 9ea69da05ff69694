"""A child knows its parent and goes when that dies: nothing runs on without the supervisor, however it ended."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping

PARENT_VARIABLE = "MADANG_SUPERVISED_BY"
_PR_SET_PDEATHSIG = 1


def for_child(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that calls `end_with_parent`."""
    return {**environment, PARENT_VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Ask for SIGTERM when the parent that set the variable dies; does nothing for a process that was started by hand."""
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent.isdigit():
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the supervisor is gone")
    else:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True, name="parent-watch").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
