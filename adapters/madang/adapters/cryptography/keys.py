"""The deployment's master keys, and the working keys derived from them."""

import secrets
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret

MIN_CHARACTERS: Final = 32
KEY_ID_BYTES: Final = 8
KEY_BYTES: Final = 32

_SALT: Final = b"madang master key"


class KeyRing:
    """The current master key and the older ones that it replaced.

    Working keys are derived (HKDF-SHA256, RFC 5869) by label, so no two uses share a key and none shows the master key. A
    key's id is derived from the key itself: settings list keys and no names for them, and a key cannot carry a wrong name.
    Raises `Misconfigured` for a key under 32 characters.
    """

    def __init__(self, current: Secret, *older: Secret) -> None:
        masters: dict[bytes, Secret] = {}
        for master in (current, *older):
            if len(master.reveal()) < MIN_CHARACTERS:
                raise Misconfigured(f"a secret key needs at least {MIN_CHARACTERS} random characters")
            masters.setdefault(_key_id(master), master)
        self._masters: Mapping[bytes, Secret] = MappingProxyType(masters)
        self._derive = lru_cache(maxsize=256)(self._derive_uncached)

    @property
    def current_id(self) -> bytes:
        """8 bytes; safe to show."""
        return next(iter(self._masters))

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """The current key's id, then the older ones."""
        return tuple(self._masters)

    def derive(self, label: str, *, key_id: bytes | None = None) -> bytes:
        """32 bytes for one use, from the current master key or from the one named. Raises `Misconfigured` for an unknown id."""
        wanted = self.current_id if key_id is None else key_id
        if wanted not in self._masters:
            raise Misconfigured(f"the secret key {wanted.hex()} is not configured: list it among the older keys")
        return self._derive(label, wanted)

    def derive_each(self, label: str) -> Mapping[str, bytes]:
        """Key id in hex → derived key, the current one first: for what must also accept what older keys signed."""
        return MappingProxyType({key_id.hex(): self.derive(label, key_id=key_id) for key_id in self._masters})

    def _derive_uncached(self, label: str, key_id: bytes) -> bytes:
        return _hkdf(self._masters[key_id], f"use:{label}", KEY_BYTES)


def new_master_key() -> Secret:
    """A fresh master key: 32 random bytes in URL-safe base64."""
    return Secret(secrets.token_urlsafe(KEY_BYTES))


def _key_id(master: Secret) -> bytes:
    return _hkdf(master, "key id", KEY_ID_BYTES)


def _hkdf(master: Secret, info: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=info.encode()).derive(master.reveal().encode())
