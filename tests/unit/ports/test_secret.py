"""A secret shows itself by `reveal` and by nothing else."""

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.ports.secret import Secret

VALUES = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=4, max_size=40)


@dataclass(frozen=True)
class Settings:
    key: Secret


@given(VALUES)
def test_a_secret_never_shows_in_text(value: str) -> None:
    secret = Secret(value)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", f"{secret:>30}", "%s" % secret, "{}".format(secret)]  # noqa: UP031, UP032
    shown += [repr(Settings(secret)), repr([secret]), str(asdict(Settings(secret))), json.dumps({"key": secret}, default=str)]

    assert not any(value in each for each in shown)
    assert secret.reveal() == value


def test_a_secret_never_shows_in_a_log_or_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("test-key-not-secret")
    with caplog.at_level(logging.INFO):
        logging.getLogger(__name__).info("with %s and %r", secret, {"key": secret})

    assert "test-key-not-secret" not in caplog.text
    assert "test-key-not-secret" not in str(ValueError(secret))


def test_a_secret_does_not_leave_the_process() -> None:
    with pytest.raises(TypeError, match="not pickled") as raised:
        pickle.dumps(Secret("test-key-not-secret"))
    assert "test-key-not-secret" not in str(raised.value)


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret("test-key-not-secret")
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@given(VALUES, VALUES)
def test_secrets_are_equal_by_value_and_never_equal_to_text(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")
