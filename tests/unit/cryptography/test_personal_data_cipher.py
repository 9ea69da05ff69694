"""Encryption of personal fields, the keyed hash and the ring of keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.cryptography.cipher import AesGcmCipher, CiphertextInvalid
from madang.adapters.cryptography.keys import KeyRing, new_master_key
from madang.core.kernel.protection import PersonalDataCipher
from madang.ports.errors import Misconfigured
from madang.ports.secret import Secret

OLD = Secret("test-key-not-secret-the-old-one-0000")
NEW = Secret("test-key-not-secret-the-new-one-1111")
PHONE = "portraits.phone"

cipher = AesGcmCipher(KeyRing(NEW))


def test_the_cipher_fulfils_the_protocol() -> None:
    fulfils: PersonalDataCipher = cipher
    assert fulfils is cipher


@given(
    text=st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore").decode()),
    purpose=st.sampled_from([PHONE, "a", "a.b.c", "계정.이름"]),
)
def test_what_was_encrypted_decrypts_to_the_same(text: str, purpose: str) -> None:
    assert cipher.decrypt(cipher.encrypt(text, purpose=purpose), purpose=purpose) == text


@given(data=st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(cipher.encrypt("+821012345678", purpose=PHONE))
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises((CiphertextInvalid, Misconfigured)):
        cipher.decrypt(bytes(sealed), purpose=PHONE)


@given(length=st.integers(0, 60))
def test_an_envelope_cut_short_is_noticed(length: int) -> None:
    sealed = cipher.encrypt("+821012345678", purpose=PHONE)
    with pytest.raises(CiphertextInvalid):
        cipher.decrypt(sealed[: min(length, len(sealed) - 1)], purpose=PHONE)


@given(garbage=st.binary(max_size=80))
def test_bytes_that_are_none_of_ours_are_refused(garbage: bytes) -> None:
    with pytest.raises((CiphertextInvalid, Misconfigured)):
        cipher.decrypt(garbage, purpose=PHONE)


@pytest.mark.parametrize("other", ["portraits.name", "notifications.phone", "portraits", ""])
def test_a_value_cut_out_of_another_column_does_not_decrypt(other: str) -> None:
    with pytest.raises(CiphertextInvalid):
        cipher.decrypt(cipher.encrypt("+821012345678", purpose=PHONE), purpose=other)


def test_the_same_text_never_looks_the_same_twice() -> None:
    assert len({cipher.encrypt("+821012345678", purpose=PHONE) for _ in range(50)}) == 50


def test_after_a_rotation_the_old_key_still_decrypts_and_the_new_one_encrypts() -> None:
    before = AesGcmCipher(KeyRing(OLD)).encrypt("+821012345678", purpose=PHONE)
    rotated = AesGcmCipher(KeyRing(NEW, OLD))
    assert rotated.decrypt(before, purpose=PHONE) == "+821012345678"
    after = rotated.encrypt("+821012345678", purpose=PHONE)
    assert AesGcmCipher(KeyRing(NEW)).decrypt(after, purpose=PHONE) == "+821012345678"


def test_a_key_that_is_no_longer_configured_is_named_by_its_id_and_not_shown() -> None:
    before = AesGcmCipher(KeyRing(OLD)).encrypt("+821012345678", purpose=PHONE)
    with pytest.raises(Misconfigured) as refused:
        cipher.decrypt(before, purpose=PHONE)
    assert KeyRing(OLD).current_id.hex() in str(refused.value)
    assert OLD.reveal() not in str(refused.value)


def test_the_envelope_holds_neither_the_text_nor_the_key() -> None:
    sealed = cipher.encrypt("+821012345678", purpose=PHONE)
    assert b"1012345678" not in sealed
    assert NEW.reveal().encode() not in sealed


def test_the_keyed_hash_is_stable_for_one_value_and_purpose() -> None:
    first = cipher.keyed_hash("+821012345678", purpose=PHONE)
    assert first == AesGcmCipher(KeyRing(NEW)).keyed_hash("+821012345678", purpose=PHONE)
    assert len(first) == 32


def test_the_keyed_hash_differs_by_value_purpose_and_key() -> None:
    hashes = {
        cipher.keyed_hash("+821012345678", purpose=PHONE),
        cipher.keyed_hash("+821012345679", purpose=PHONE),
        cipher.keyed_hash("+821012345678", purpose="portraits.address"),
        cipher.keyed_hash("+821012345678", purpose="notifications.phone"),
        AesGcmCipher(KeyRing(OLD)).keyed_hash("+821012345678", purpose=PHONE),
    }
    assert len(hashes) == 5


@given(purpose=st.text(max_size=8), value=st.text(max_size=8))
def test_moving_characters_between_purpose_and_value_changes_the_hash(purpose: str, value: str) -> None:
    purpose, value = (text.encode("utf-8", "ignore").decode() for text in (purpose, value))
    assert cipher.keyed_hash(value, purpose=f"p.{purpose}x") != cipher.keyed_hash(f"x{value}", purpose=f"p.{purpose}")


def test_derived_keys_differ_by_label_and_by_master_key_and_are_32_bytes() -> None:
    ring, other = KeyRing(NEW), KeyRing(OLD)
    keys = {ring.derive("tokens"), ring.derive("plugin:sandbox"), other.derive("tokens")}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}
    assert ring.derive("tokens") == KeyRing(NEW).derive("tokens")


def test_one_label_derived_from_each_key_starts_with_the_current_one() -> None:
    ring = KeyRing(NEW, OLD)
    each = ring.derive_each("tokens")
    assert list(each) == [KeyRing(NEW).current_id.hex(), KeyRing(OLD).current_id.hex()]
    assert list(each.values()) == [KeyRing(NEW).derive("tokens"), KeyRing(OLD).derive("tokens")]


def test_a_key_listed_twice_counts_once() -> None:
    assert KeyRing(NEW, OLD, NEW).key_ids == KeyRing(NEW, OLD).key_ids


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(Misconfigured) as refused:
        KeyRing(Secret("short-test-key"))
    assert "short-test-key" not in str(refused.value)


def test_a_new_master_key_is_long_enough_and_never_the_same() -> None:
    first, second = new_master_key(), new_master_key()
    assert first != second
    assert KeyRing(first).current_id != KeyRing(second).current_id
