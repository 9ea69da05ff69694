"""Addresses of Redis that cannot work."""

import pytest

from madang.adapters.redis.connection import connect
from madang.ports.errors import Misconfigured


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://:test-key-not-secret@127.0.0.1",
        "redis://:test-key-not-secret/more@127.0.0.1",
        "redis://:test-key-not-secret#more@127.0.0.1",
        "redis://:[test-key-not-secret@127.0.0.1",
        "redis://:test-key-not-secret\u2100@127.0.0.1",
        "redis://:test-key-not-secret@127.0.0.1?socket_timeout=test-key-not-secret",
    ],
)
def test_a_wrong_address_is_a_wrong_setting_and_is_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        connect(address)
    assert "test-key-not-secret" not in str(refused.value)
