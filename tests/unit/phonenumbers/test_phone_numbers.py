"""What people type as their phone number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.phonenumbers.phone_numbers import E164PhoneNumbers
from madang.core.kernel.errors import ValidationFailed
from madang.core.kernel.protection import PhoneNumbers

numbers: PhoneNumbers = E164PhoneNumbers()

allocated = st.sampled_from(["1234", "2345", "3456", "4567", "6789", "7777", "8888", "9999"])
eight_digits = st.builds(lambda first, last: f"{first}{last:04}", allocated, st.integers(0, 9999))
separators = st.sampled_from(["", "-", " ", ".", "  ", " - ", "\t", "—", "\u2011", "\u00a0"])
openings = st.sampled_from(["010", "+8210", "+82 10", "8210", "82 10", "82-10", "+82 (0)10", "(010)", "+82-010"])
FULL_WIDTH = str.maketrans("0123456789+-.() ", "０１２３４５６７８９＋－．（）\u3000")


@given(eight_digits, openings, separators, st.booleans(), st.sampled_from(["", " ", "\u202a", "\u200b"]))
def test_every_common_way_to_write_a_korean_mobile_number_means_the_same(
    digits: str, opening: str, separator: str, full_width: bool, edge: str
) -> None:
    written = f"{edge}{opening}{separator}{digits[:4]}{separator}{digits[4:]}{edge}"
    assert numbers.to_e164(written.translate(FULL_WIDTH) if full_width else written) == f"+8210{digits}"


@given(eight_digits)
def test_a_number_in_e164_stays_as_it_is(digits: str) -> None:
    assert numbers.to_e164(f"+8210{digits}") == f"+8210{digits}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+1 650-253-0000", "+16502530000"),
        ("+44 7400 123456", "+447400123456"),
        ("+81 90-1234-5678", "+819012345678"),
        ("011-234-5678", "+82112345678"),
    ],
)
def test_numbers_of_other_countries_and_old_prefixes_are_taken(written: str, expected: str) -> None:
    assert numbers.to_e164(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "not a number",
        "010-1234",
        "010-1234-567",
        "010-1234-56789",
        "112",
        "02-123-4567",
        "070-1234-5678",
        "+82 2-123-4567",
        "+999 1234 5678",
        "010-1234-5678;ext=9",
        "010-1234-5678\r\nBcc: someone",
        "٠١٠١٢٣٤٥٦٧٨",
        "0" * 41,
        "1" * 100_000,
    ],
)
def test_anything_else_is_refused_at_the_path_phone(written: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        numbers.to_e164(written)
    assert [problem.path for problem in refused.value.problems] == ["phone"]


@given(st.text(max_size=60))
def test_any_text_is_either_a_number_or_a_clear_refusal(written: str) -> None:
    try:
        found = numbers.to_e164(written)
    except ValidationFailed:
        return
    assert re.fullmatch(r"\+[0-9]{7,15}", found)


def test_the_refusal_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(ValidationFailed) as refused:
        numbers.to_e164("010-9876-543")
    assert "9876" not in str(refused.value)


def test_another_default_region_reads_its_own_numbers() -> None:
    assert E164PhoneNumbers("JP").to_e164("090-1234-5678") == "+819012345678"


def test_a_region_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="ISO 3166"):
        E164PhoneNumbers("XX")
