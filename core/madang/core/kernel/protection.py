"""Personal data at rest: what use cases need of encryption, hashing and phone numbers, as Protocols."""

from typing import Protocol


class PersonalDataCipher(Protocol):
    """Authenticated encryption of short personal fields, and a keyed hash to find them by.

    `purpose` binds a value to its column (`"portraits.phone"`): one cut out of another row or column does not decrypt.
    """

    def encrypt(self, plaintext: str, *, purpose: str) -> bytes: ...

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str: ...

    def keyed_hash(self, value: str, *, purpose: str) -> bytes:
        """32 bytes; the same value and purpose give the same hash under one key."""
        ...


class PhoneNumbers(Protocol):
    def to_e164(self, written: str) -> str:
        """`010-1234-5678`, `+82 10 1234 5678`, `8210…` → `+821012345678`. Raises `ValidationFailed` at path `phone`."""
        ...
