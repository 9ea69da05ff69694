"""`PhoneNumbers`: what people type, made into E.164."""

import unicodedata
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from madang.core.kernel.errors import Problem, ValidationFailed

MAX_WRITTEN: Final = 40
_WRITTEN: Final = frozenset("0123456789+-.,/() ")
_DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−ー・"), "-")
_TAKES_SMS: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class E164PhoneNumbers:
    """Mobile numbers only, since an SMS must reach them. Without a country code a number belongs to `default_region`.

    `phonenumbers` cannot tell landline from mobile in some countries (the USA): there every valid number is taken.
    """

    def __init__(self, default_region: str = "KR") -> None:
        self._region = default_region
        self._country_code = phonenumbers.country_code_for_region(default_region)
        if not self._country_code:
            raise ValueError(f"{default_region!r} is not a region code of ISO 3166-1")

    def to_e164(self, written: str) -> str:
        plain = _plain(written)
        number = self._parse(plain)
        if number is None or not phonenumbers.is_valid_number(number) or _lacks_a_digit(number):
            raise _invalid("is not a valid phone number: write it like 010-1234-5678 or +82 10 1234 5678")
        if phonenumbers.number_type(number) not in _TAKES_SMS:
            raise _invalid("is not a mobile number")
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)

    def _parse(self, plain: str) -> PhoneNumber | None:
        """As written; else as an international number whose plus sign was left out (`82 10 …`)."""
        national = self._try(plain)
        if national is not None and phonenumbers.is_valid_number(national):
            return national
        if plain.startswith(str(self._country_code)):
            return self._try(f"+{plain}")
        return national

    def _try(self, plain: str) -> PhoneNumber | None:
        try:
            return phonenumbers.parse(plain, self._region)
        except NumberParseException:
            return None


def _lacks_a_digit(number: PhoneNumber) -> bool:
    """Korean 010 numbers always have eight digits more; the library also takes seven, which is most often a slip."""
    national = str(number.national_number)
    return number.country_code == 82 and national.startswith("10") and len(national) != 10


def _plain(written: str) -> str:
    """Full-width digits and signs to ASCII, every kind of dash to one, the invisible marks of copied contacts dropped.

    Raises `ValidationFailed` for what is still not a number.
    """
    if len(written) > MAX_WRITTEN:
        raise _invalid(f"is longer than {MAX_WRITTEN} characters")
    visible = "".join(sign for sign in written if unicodedata.category(sign) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", visible).translate(_DASHES).split())
    if not plain:
        raise _invalid("is empty")
    if not set(plain) <= _WRITTEN:
        raise _invalid("may hold only digits, spaces and the signs + - . / ( )")
    return plain


def _invalid(message: str) -> ValidationFailed:
    return ValidationFailed(Problem("phone", message))
