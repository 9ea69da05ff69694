"""Personal data at rest: what use cases need of encryption, hashing and phone numbers, as Protocols."""

from collections.abc import Sequence
from typing import Final, Protocol

DATA_KEY_PURPOSE: Final = "datakey.wrapped"
"""Under which a person's own data key is sealed."""


class PersonalDataCipher(Protocol):
    """Authenticated encryption of short personal fields, and a keyed hash to find them by.

    `purpose` binds a value to its column (`"portraits.phone"`): one cut out of another row or column does not decrypt.
    """

    def encrypt(self, plaintext: str, *, purpose: str) -> bytes: ...

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str: ...

    def keyed_hash(self, value: str, *, purpose: str) -> bytes:
        """32 bytes; the same value and purpose give the same hash under one key."""
        ...

    def keyed_hashes(self, value: str, *, purpose: str) -> Sequence[bytes]:
        """Under the current key first, then under each older one: what to look a value up by while keys rotate."""
        ...

    def new_data_key(self) -> bytes:
        """A fresh key for the data of one person, wrapped under the current master key: what is sealed with it is gone for
        good once the wrapped key is."""
        ...

    def encrypt_under(self, wrapped: bytes, plaintext: str, *, purpose: str) -> bytes: ...

    def decrypt_under(self, wrapped: bytes, ciphertext: bytes, *, purpose: str) -> str: ...

    @property
    def head(self) -> bytes:
        """What everything begins with that is sealed under the current master key. All heads are of one length, so storage
        tells old from new without opening anything."""
        ...

    def key_id_of(self, head: bytes) -> str:
        """Of which master key this head tells, in hex: safe to show."""
        ...

    def is_current(self, ciphertext: bytes) -> bool:
        """Whether this text (or wrapped key) is sealed under the current master key."""
        ...

    def resealed(self, ciphertext: bytes, *, purpose: str) -> bytes:
        """The same text under the current master key."""
        ...

    def rewrapped(self, wrapped: bytes) -> bytes:
        """The same data key under the current master key."""
        ...


class PhoneNumbers(Protocol):
    def to_e164(self, written: str) -> str:
        """`010-1234-5678`, `+82 10 1234 5678`, `8210…` → `+821012345678`. Raises `ValidationFailed` at path `phone`."""
        ...
