"""What processes are called among all."""

import os
import socket

from madang.core.kernel.ids import new_id


def host() -> str:
    return socket.gethostname()


def new_process_id() -> str:
    """`<host>:<pid>:<random>`: unlike a pid alone it is never used again."""
    return f"{host()}:{os.getpid()}:{new_id().hex[-8:]}"
