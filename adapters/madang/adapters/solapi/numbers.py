"""Telephone numbers as Solapi takes them: the country's code, and the digits that are dialled inside that country."""

import re
from typing import Final

import phonenumbers

KOREA: Final = "82"
_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_SHARED: Final = 1
"""North America's code, which other countries share with an area code: Solapi wants that joined to it (`1441` is Bermuda)."""


def dialled(number: str) -> tuple[str, str]:
    """`+821012345678` as `("82", "01012345678")`. Raises `ValueError` for what is no E.164 number."""
    if not _E164.fullmatch(number):
        raise ValueError("it is not an E.164 number")
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        raise ValueError("no country has such a number") from None
    if str(parsed.country_code) == KOREA:
        return KOREA, _digits(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL))
    inside = phonenumbers.national_significant_number(parsed)
    if parsed.country_code == _SHARED and phonenumbers.region_code_for_number(parsed) not in ("US", "CA"):
        return f"{_SHARED}{inside[:3]}", inside[3:]
    return str(parsed.country_code), inside


def sending(number: str) -> str:
    """The sender's number: only Korean ones can be registered. Raises `ValueError` for another one."""
    if not number.startswith("+"):
        return _digits(number)
    country, digits = dialled(number)
    if country != KOREA:
        raise ValueError("it is not a Korean number")
    return digits


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
