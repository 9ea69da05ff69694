"""An issuer's keys: how often it is asked for them, how long they serve, and which of them may be used."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from contract.fake_clerk import key
from madang.adapters.clerk import issuer_keys
from madang.adapters.clerk.client import ClerkClient
from madang.adapters.clerk.issuer_keys import IssuerKeys, fits, keys_in
from madang.adapters.clerk.settings import ClerkSettings
from madang.ports.errors import (
    Misconfigured,
    PortError,
    Rejected,
    Unavailable,
)
from madang.ports.secret import Secret

ISSUER = "https://clerk.madang.example"
SETTINGS = ClerkSettings((ISSUER,), keys_lifetime=100.0, keys_stale=200.0, keys_pause=30.0)
SECRET = Secret("whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU=")


def published(name: str = "ec-1", **changes: Any) -> dict[str, Any]:
    return {**key(name).as_dict(private=False), "kid": name, **changes}


class Issuer(ClerkClient):
    """Answers from a list instead of the network; an event is waited for, and an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def public_document(self, url: str, timeout: float) -> Mapping[str, Any]:
        self.asked.append(url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        return {"keys": [published()]} if isinstance(answer, asyncio.Event) else answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_keys_are_asked_for_again_only_once_they_are_older_than_they_may_be() -> None:
    clock, issuer = Clock(), Issuer({"keys": [published()]})
    keys = IssuerKeys(ISSUER, SETTINGS, issuer, clock)
    for now, asked in ((0.0, 1), (100.0, 1), (100.1, 2), (150.0, 2)):
        clock.now = now
        assert len(await keys.find("ec-1", "ES256", 5.0)) == 1
        assert len(issuer.asked) == asked
    assert set(issuer.asked) == {f"{ISSUER}/.well-known/jwks.json"}


async def test_an_unknown_key_is_asked_for_once_in_a_pause() -> None:
    clock, issuer = Clock(), Issuer({"keys": [published()]})
    keys = IssuerKeys(ISSUER, SETTINGS, issuer, clock)
    for now, asked in ((0.0, 1), (29.9, 1), (30.0, 2), (31.0, 2)):
        clock.now = now
        with pytest.raises(Rejected, match="no such key"):
            await keys.find("another", "ES256", 5.0)
        assert len(issuer.asked) == asked


async def test_kept_keys_are_served_while_the_issuer_says_odd_things() -> None:
    clock = Clock()
    issuer = Issuer({"keys": [published()]}, RuntimeError("odd"))
    keys = IssuerKeys(ISSUER, SETTINGS, issuer, clock)
    await keys.find("ec-1", "ES256", 5.0)
    clock.now = 200.0
    assert await keys.find("ec-1", "ES256", 5.0)
    clock.now = 200.1
    with pytest.raises(Unavailable, match="cannot be read: RuntimeError") as odd:
        await keys.find("ec-1", "ES256", 5.0)
    assert odd.value.operation == "verify"


async def test_who_has_keys_does_not_wait_long_for_fresher_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "PATIENCE", 0.01)
    clock, slow = Clock(), asyncio.Event()
    keys = IssuerKeys(ISSUER, SETTINGS, Issuer({"keys": [published()]}, slow), clock)
    await keys.find("ec-1", "ES256", 5.0)
    clock.now = 150.0
    async with asyncio.timeout(50.0):
        assert await keys.find("ec-1", "ES256", 60.0)
    await keys.close()


async def test_keys_that_do_not_come_in_time_are_not_here_yet() -> None:
    keys = IssuerKeys(ISSUER, SETTINGS, Issuer(asyncio.Event()), Clock())
    with pytest.raises(Unavailable, match="not here yet"):
        await keys.find("ec-1", "ES256", 0.01)
    with pytest.raises(Unavailable, match="not come in time") as late:
        await keys.fetch(0.01)
    assert late.value.operation == "check"
    await keys.close()


@pytest.mark.parametrize("error", [Unavailable, Misconfigured])
async def test_a_failure_is_told_with_its_code_until_the_pause_is_over(error: type[PortError]) -> None:
    clock = Clock()
    issuer = Issuer(error("no", provider="clerk", operation="verify", code="503"), {"keys": [published()]})
    keys = IssuerKeys(ISSUER, SETTINGS, issuer, clock)
    for now in (0.0, 0.9):
        clock.now = now
        with pytest.raises(error) as told:
            await keys.find("ec-1", "ES256", 5.0)
        assert (told.value.code, told.value.operation, told.value.provider) == ("503", "verify", "clerk")
    clock.now = 1.0
    assert await keys.find("ec-1", "ES256", 5.0)
    failing = IssuerKeys(ISSUER, SETTINGS, Issuer(error("no", provider="clerk", operation="verify", code="503")), clock)
    with pytest.raises(error) as checked:
        await failing.fetch(5.0)
    assert (checked.value.code, checked.value.operation) == ("503", "check")


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://other.example", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": "http://clerk.madang.example/keys"},
    ],
)
async def test_a_description_that_is_not_the_issuers_is_for_the_operator(described: dict[str, Any]) -> None:
    settings = replace(SETTINGS, discovery=True, audiences=("madang",))
    with pytest.raises(Misconfigured) as odd:
        await IssuerKeys(ISSUER, settings, Issuer(described), Clock()).fetch(5.0)
    assert odd.value.operation == "check"


async def test_keys_are_where_the_settings_or_the_issuer_say() -> None:
    discovery = Issuer({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/keys"}, {"keys": [published()]})
    await IssuerKeys(f"{ISSUER}/", replace(SETTINGS, discovery=True, audiences=("madang",)), discovery, Clock()).fetch(5.0)
    assert discovery.asked == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]
    named = Issuer({"keys": [published()]})
    settings = replace(SETTINGS, jwks_url="https://keys.example/jwks", audiences=("madang",))
    await IssuerKeys(ISSUER, settings, named, Clock()).fetch(5.0)
    assert named.asked == ["https://keys.example/jwks"]
    with pytest.raises(Unavailable, match="no key that can be used"):
        await IssuerKeys(ISSUER, SETTINGS, Issuer({"keys": []}), Clock()).fetch(5.0)


@pytest.mark.parametrize(
    "entry",
    [
        "no key",
        published(use="enc"),
        published(key_ops=["sign"]),
        published(key_ops="verify"),
        published(kid=7),
        published(alg="ES512"),
        published(kty="oct"),
        published(kty=None),
        published(x="?"),
        published(crv=[]),
        *(published(**{name: "AA"}) for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")),
        {"kty": "RSA", "n": "A" * 341, "e": "AQAB"},
    ],
)
def test_a_key_that_may_not_be_used_is_left_out(entry: object) -> None:
    assert keys_in({"keys": [entry]}) == []
    assert [name for name, _ in keys_in({"keys": [entry, published()]})] == ["ec-1"]


def test_up_to_64_keys_are_read() -> None:
    keys = [published(kid=f"{number}") for number in range(65)]
    assert [name for name, _ in keys_in({"keys": keys})] == [f"{number}" for number in range(64)]
    assert keys_in({"keys": "none"}) == keys_in({}) == []
    [(unnamed, _)] = keys_in({"keys": [{name: value for name, value in published(use="sig").items() if name != "kid"}]})
    assert unnamed is None


def test_a_key_fits_the_algorithm_of_its_type_curve_and_purpose() -> None:
    p256, p384 = ECKey.generate_key("P-256", private=False), ECKey.generate_key("P-384", private=False)
    ed25519, rsa = OKPKey.generate_key("Ed25519", private=False), RSAKey.generate_key(2048, private=False)
    assert [each for each in ("RS256", "ES256", "EdDSA", "Ed25519") if fits(p256, each)] == ["ES256"]
    assert [each for each in ("RS256", "ES256", "EdDSA", "Ed25519") if fits(p384, each)] == []
    assert [each for each in ("RS256", "ES256", "EdDSA", "Ed25519") if fits(ed25519, each)] == ["EdDSA", "Ed25519"]
    assert [each for each in ("RS256", "ES256", "EdDSA", "Ed25519") if fits(rsa, each)] == ["RS256"]
    meant = OKPKey.import_key({**ed25519.as_dict(), "alg": "EdDSA"})
    assert (fits(meant, "EdDSA"), fits(meant, "Ed25519")) == (True, False)
