"""Folders for a server that may run as another user, and socket paths that the system accepts."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from madang.adapters.embedded.errors import EmbeddedServerError
from madang.adapters.embedded.process import RunAs

_SOCKET_PATH_LIMIT = 100
"""Bytes: the system's limit is 108 on Linux and 104 on macOS, the closing zero included."""


def private_folder(path: Path, user: RunAs) -> Path:
    """Make the folder, owned by `user` and closed to others. Raises `EmbeddedServerError` when it is somebody else's."""
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or not path.is_dir():
        raise EmbeddedServerError(f"{path} must be a folder")
    owner = path.stat().st_uid
    if owner != user.uid:
        if os.geteuid() != 0 or owner not in (0, user.uid):
            raise EmbeddedServerError(f"{path} belongs to another user: remove it or choose another data_dir")
        os.chown(path, user.uid, user.gid)
    path.chmod(0o700)
    return path


def let_through(path: Path, user: RunAs) -> None:
    """Let `user` pass through the parents of `path` (the execute bit only: nobody can list or read them because of it).

    Only root needs this: PostgreSQL refuses to run as root, so it runs as a user who may not enter root's folders.
    """
    if user.uid == os.geteuid():
        return
    for parent in path.absolute().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH and parent.stat().st_uid != user.uid:
            try:
                parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            except OSError as error:
                raise EmbeddedServerError(
                    f"the system user {user.name} cannot enter {parent}: choose another data_dir, or run as an ordinary user"
                ) from error


def socket_folder(wanted: Path, socket_name: str, user: RunAs) -> Path:
    """`wanted`, or a folder with a short name in the temporary directory when the socket's path would be too long."""
    wanted = wanted.absolute()
    if len(os.fsencode(wanted / socket_name)) <= _SOCKET_PATH_LIMIT:
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).absolute() / f"madang-{user.uid}-{name}"
