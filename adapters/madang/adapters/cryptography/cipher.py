"""`PersonalDataCipher`: AES-256-GCM (NIST SP 800-38D) and HMAC-SHA256 under derived keys."""

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from madang.adapters.cryptography.keys import KEY_ID_BYTES, KeyRing

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
        head = VERSION + self._keys.current_id
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._aead(self._keys.current_id, purpose).encrypt(nonce, plaintext.encode(), head + purpose.encode())
        return head + nonce + sealed

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str:
        """Raises `CiphertextInvalid`, and `Misconfigured` when the key that sealed it is not in the ring."""
        if ciphertext[:1] != VERSION:
            raise CiphertextInvalid("not an envelope of a known version")
        if len(ciphertext) < _LEAST_BYTES:
            raise CiphertextInvalid("the envelope is cut short")
        head, sealed = ciphertext[:_HEAD_BYTES], ciphertext[_HEAD_BYTES:]
        aead = self._aead(head[len(VERSION) :], purpose)
        try:
            return aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], head + purpose.encode()).decode()
        except InvalidTag:
            raise CiphertextInvalid(f"the envelope was changed, or is not for {purpose}") from None

    def keyed_hash(self, value: str, *, purpose: str) -> bytes:
        """HMAC-SHA256 under the current master key: after a rotation, stored hashes are made anew from the decrypted values."""
        bound = purpose.encode()
        message = len(bound).to_bytes(4, "big") + bound + value.encode()
        return hmac.digest(self._keys.derive(f"hash:{_family(purpose)}"), message, "sha256")

    def _aead(self, key_id: bytes, purpose: str) -> AESGCM:
        return AESGCM(self._keys.derive(f"encrypt:{_family(purpose)}", key_id=key_id))


def _family(purpose: str) -> str:
    return purpose.partition(".")[0]
