"""`EmailAddresses`: what people type, as RFC 5321 and RFC 6531 have it. No DNS is asked."""

import unicodedata
from typing import Final

from madang.core.kernel.errors import Problem, ValidationFailed

MAX_CHARACTERS: Final = 254


class ValidatedEmailAddresses:
    """Neither quoted names nor numbers in brackets for a domain are taken: nobody's mailbox needs them."""

    def checked(self, written: str) -> str:
        try:
            return _normal(written)
        except ValueError:
            raise ValidationFailed(Problem("email", "is not an e-mail address: write it like name@example.com")) from None

    def spelling(self, written: str) -> str:
        try:
            return _normal(written).lower()
        except ValueError:
            return _plain(written).lower()


def _plain(written: str) -> str:
    return unicodedata.normalize("NFKC", written).strip()


def _normal(written: str) -> str:
    """Raises `ValueError`. Domains under `.test` stay allowed: they are for trying things out, and lead nowhere."""
    from email_validator import validate_email

    plain = _plain(written)
    if len(plain) > MAX_CHARACTERS:
        raise ValueError("the address is too long")
    return validate_email(plain, check_deliverability=False, test_environment=True).normalized
