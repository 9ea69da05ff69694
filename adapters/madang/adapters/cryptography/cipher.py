"""`PersonalDataCipher`: AES-256-GCM (NIST SP 800-38D) and HMAC-SHA256 under derived keys."""

import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from madang.adapters.cryptography.keys import KEY_BYTES, KEY_ID_BYTES, KeyRing
from madang.core.kernel.protection import DATA_KEY_PURPOSE

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_HEAD_BYTES: Final = len(VERSION) + KEY_ID_BYTES
_LEAST_BYTES: Final = _HEAD_BYTES + NONCE_BYTES + TAG_BYTES


class CiphertextInvalid(Exception):
    """The bytes were changed, cut short, meant for another purpose, or are none of ours. Says nothing of what they held."""


class AesGcmCipher:
    """An envelope is: version (1 byte), key id (8), nonce (12), ciphertext with its tag.

    Version, key id and purpose are authenticated with the text. Encrypts under the current master key, decrypts under any of
    the ring. The part of the purpose before the first dot (`portraits`) picks the derived key: with random nonces, one key
    is good for 2³² texts.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def encrypt(self, plaintext: str, *, purpose: str) -> bytes:
        return self._seal(plaintext.encode(), purpose)

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str:
        """Raises `CiphertextInvalid`, and `Misconfigured` when the key that sealed it is not in the ring."""
        return self._open(ciphertext, purpose).decode()

    def keyed_hash(self, value: str, *, purpose: str) -> bytes:
        """HMAC-SHA256 under the current master key: after a rotation, stored hashes are made anew from the decrypted values."""
        return self._hash(value, purpose, self._keys.current_id)

    def keyed_hashes(self, value: str, *, purpose: str) -> Sequence[bytes]:
        return [self._hash(value, purpose, key_id) for key_id in self._keys.key_ids]

    def new_data_key(self) -> bytes:
        return self._seal(os.urandom(KEY_BYTES), DATA_KEY_PURPOSE)

    def encrypt_under(self, wrapped: bytes, plaintext: str, *, purpose: str) -> bytes:
        """A nonce (12 bytes) and the ciphertext with its tag. Raises as `decrypt` for a key that cannot be unwrapped."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._open(wrapped, DATA_KEY_PURPOSE)).encrypt(nonce, plaintext.encode(), purpose.encode())

    def decrypt_under(self, wrapped: bytes, ciphertext: bytes, *, purpose: str) -> str:
        """Raises `CiphertextInvalid`, and as `decrypt` for a key that cannot be unwrapped."""
        nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
        if len(sealed) < TAG_BYTES:
            raise CiphertextInvalid("the text is cut short")
        try:
            return AESGCM(self._open(wrapped, DATA_KEY_PURPOSE)).decrypt(nonce, sealed, purpose.encode()).decode()
        except InvalidTag:
            raise CiphertextInvalid(f"the text was changed, or is not for {purpose}") from None

    @property
    def head(self) -> bytes:
        return VERSION + self._keys.current_id

    def key_id_of(self, head: bytes) -> str:
        """The whole head for what is none of ours."""
        return head.removeprefix(VERSION).hex()

    def is_current(self, ciphertext: bytes) -> bool:
        return ciphertext.startswith(self.head)

    def resealed(self, ciphertext: bytes, *, purpose: str) -> bytes:
        return self._seal(self._open(ciphertext, purpose), purpose)

    def rewrapped(self, wrapped: bytes) -> bytes:
        return self.resealed(wrapped, purpose=DATA_KEY_PURPOSE)

    def _seal(self, plain: bytes, purpose: str) -> bytes:
        head = self.head
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + self._aead(self._keys.current_id, purpose).encrypt(nonce, plain, head + purpose.encode())

    def _open(self, ciphertext: bytes, purpose: str) -> bytes:
        if ciphertext[:1] != VERSION:
            raise CiphertextInvalid("not an envelope of a known version")
        if len(ciphertext) < _LEAST_BYTES:
            raise CiphertextInvalid("the envelope is cut short")
        head, sealed = ciphertext[:_HEAD_BYTES], ciphertext[_HEAD_BYTES:]
        aead = self._aead(head[len(VERSION) :], purpose)
        try:
            return aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], head + purpose.encode())
        except InvalidTag:
            raise CiphertextInvalid(f"the envelope was changed, or is not for {purpose}") from None

    def _hash(self, value: str, purpose: str, key_id: bytes) -> bytes:
        bound = purpose.encode()
        message = len(bound).to_bytes(4, "big") + bound + value.encode()
        return hmac.digest(self._keys.derive(f"hash:{_family(purpose)}", key_id=key_id), message, "sha256")

    def _aead(self, key_id: bytes, purpose: str) -> AESGCM:
        return AESGCM(self._keys.derive(f"encrypt:{_family(purpose)}", key_id=key_id))


def _family(purpose: str) -> str:
    return purpose.partition(".")[0]
