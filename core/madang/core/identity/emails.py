"""E-mail addresses, as use cases need them."""

from typing import Protocol


class EmailAddresses(Protocol):
    def checked(self, written: str) -> str:
        """The address as it is kept and written to. Raises `ValidationFailed` at path `email`."""
        ...

    def spelling(self, written: str) -> str:
        """What all spellings of one address share (NFKC, lower case): what is hashed to find an account by. Never raises: what
        is no address is found in no row."""
        ...
