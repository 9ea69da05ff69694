"""Becomes another program: drops root, asks the kernel to be stopped with its parent, and executes it.

Run as a file by a bare interpreter (`python -I -S trampoline.py UID GID SIGNAL PARENT PROGRAM ARGUMENT…`), so that nothing runs
between fork and exec in a process that may have threads, and nothing of Python stays in memory afterwards.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    uid, gid, signal_number, parent = (int(value) for value in arguments[:4])
    program = arguments[4:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if signal_number and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the process that asked for this server is gone already")
    os.umask(0o077)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
