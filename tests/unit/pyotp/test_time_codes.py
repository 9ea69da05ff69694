"""Codes by time: as the standard computes them, in the window that is allowed, and never a step twice."""

import base64
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.pyotp.time_codes import PERIOD, PyotpTimeCodes

CODES = PyotpTimeCodes("Madang")
SECRET = base64.b32encode(b"12345678901234567890").decode()
"""Of the test vectors of RFC 6238, appendix B; theirs have eight digits, ours are the last six."""


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert CODES.step_of(SECRET, code, at(seconds), after=None) == seconds // PERIOD


@pytest.mark.parametrize(("late", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_counts_in_its_own_step_and_those_beside_it(late: int, taken: bool) -> None:
    step = CODES.step_of(SECRET, "005924", at(1234567890 + late), after=None)
    assert step == (1234567890 // PERIOD if taken else None)


def test_a_step_that_was_used_and_those_before_it_count_no_more() -> None:
    step = 1234567890 // PERIOD
    assert CODES.step_of(SECRET, "005924", at(1234567890), after=step - 1) == step
    assert CODES.step_of(SECRET, "005924", at(1234567890), after=step) is None
    assert CODES.step_of(SECRET, "005924", at(1234567890), after=step + 1) is None


@given(st.text(max_size=8))
def test_whatever_is_written_is_a_code_or_none(written: str) -> None:
    if written != "005924":
        found = CODES.step_of(SECRET, written, at(1234567890), after=None)
        assert found is None or written.isdecimal()


def test_secrets_are_new_each_time_and_long_enough() -> None:
    secrets = {CODES.new_secret() for _ in range(5)}
    assert len(secrets) == 5
    assert all(len(base64.b32decode(secret)) == 20 for secret in secrets)


def test_the_address_says_whose_it_is_and_escapes_it() -> None:
    address = CODES.address(SECRET, "name+tag@example.com?x=1&secret=other")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Madang:name+tag@example.com?x=1&secret=other"
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["Madang"]}


def test_the_picture_is_svg_that_runs_nothing() -> None:
    picture = CODES.picture(CODES.address(SECRET, "name@example.com"))
    assert picture.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert set(re.findall(r"<(\w+)", picture)) <= {"svg", "g", "path"}
