"""The servers of the tests, started once for all trials.

`python -m mutants.shared_servers` holds them in a process of its own until its input ends: what starts them loads modules of
ours, which each mutant must load anew.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMMAND = [sys.executable, "-m", "mutants.shared_servers"]


@contextmanager
def shared_servers() -> Iterator[None]:
    """The environment names them to whoever runs tests from here."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        name, _, folder = holder.stdout.readline().strip().partition("=")
        if not folder:
            raise SystemExit("the servers of the tests did not start")
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]
            holder.stdin.close()


def hold() -> None:
    from embedded_stack import FOLDER_OF_SERVERS, running_servers

    with running_servers() as folder:
        print(f"{FOLDER_OF_SERVERS}={folder}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    hold()
