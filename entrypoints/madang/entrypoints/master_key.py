"""The deployment's master key: set by configuration, or made once and kept in the data folder."""

import os
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from madang.adapters.cryptography.keys import MIN_CHARACTERS, KeyRing, new_master_key
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret

FILE: Final = "secret.key"


def key_ring(settings: Settings) -> KeyRing:
    """The current key and the older ones. Raises as `master_key` does."""
    older = (Secret(key.get_secret_value()) for key in settings.older_secret_keys)
    return KeyRing(master_key(settings), *older)


def master_key(settings: Settings) -> Secret:
    """The configured key, else the one in `data_dir/secret.key`, which the first process to ask makes (mode 0600).

    Raises `Misconfigured` for a kept key that is not whole, or that can be neither read nor made. It is never replaced: what it
    has sealed could not be opened any more.
    """
    if settings.secret_key is not None:
        return Secret(settings.secret_key.get_secret_value())
    kept = settings.data_dir / FILE
    try:
        if not kept.exists():
            _make(kept)
        key = kept.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = f"the key in {kept} can be neither read nor made ({type(error).__name__})"
        raise Misconfigured(why, operation="secret_key") from None
    if len(key) < MIN_CHARACTERS:
        raise Misconfigured(f"the key in {kept} is not whole: restore it from where you keep it", operation="secret_key")
    return Secret(key)


def _make(kept: Path) -> None:
    """Written whole beside and linked into place: of several processes that start at once, all read the first one's key."""
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, beside = mkstemp(dir=kept.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_master_key().reveal())
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, kept)
    except FileExistsError:
        pass
    finally:
        Path(beside).unlink(missing_ok=True)
