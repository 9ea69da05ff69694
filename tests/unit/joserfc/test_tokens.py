"""Tokens: what they carry, what is refused, and what is remembered."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.joserfc.tokens import JoseTokens
from madang.core.kernel.errors import Unauthenticated
from madang.core.kernel.tokens import Tokens

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
KEY = b"test-key-not-secret-aaaaaaaaaaaa"
OTHER_KEY = b"test-key-not-secret-bbbbbbbbbbbb"
HEADER = {"typ": "JWT", "alg": "Ed25519", "kid": "k1"}
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 computes in: a signature plus this is the same signature to whoever does not look."""


class HandSetClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def tokens(clock: HandSetClock) -> JoseTokens:
    return JoseTokens({"k1": KEY}, clock)


def forge(header: dict[str, Any], claims: object, seed: bytes = KEY) -> str:
    """A token made by hand, signed with any key or none."""
    body = body_of(header, claims)
    return f"{body}.{encode(private(seed).sign(body.encode()) if seed else b'')}"


def forge_by_secret(header: dict[str, Any], claims: object, secret: bytes, digest: str = "sha256") -> str:
    """The same with a symmetric algorithm."""
    body = body_of(header, claims)
    return f"{body}.{encode(hmac.digest(secret, body.encode(), digest))}"


def body_of(header: dict[str, Any], claims: object) -> str:
    return ".".join(encode(json.dumps(part).encode()) for part in (header, claims))


def private(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def public(seed: bytes, encoding: Encoding = Encoding.Raw, form: PublicFormat = PublicFormat.Raw) -> bytes:
    return private(seed).public_key().public_bytes(encoding, form)


def decode(written: str) -> bytes:
    return base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))


def restated(token: str, change: Callable[[bytes], bytes]) -> str:
    """The token with its signature changed."""
    body, _, signature = token.rpartition(".")
    return f"{body}.{encode(change(decode(signature)))}"


def plus_order(signature: bytes) -> bytes:
    return signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")


def confused(secret: bytes) -> str:
    return forge_by_secret({"typ": "JWT", "alg": "HS256", "kid": "k1"}, good_claims(role="admin"), secret)


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def good_claims(**changes: object) -> dict[str, object]:
    issued = int(NOW.timestamp())
    claims = {"iss": "madang", "aud": "api", "sub": "u1", "iat": issued, "exp": issued + 3600, "jti": "1", **changes}
    return {name: value for name, value in claims.items() if value is not None}


def test_a_token_gives_back_its_claims(tokens: Tokens) -> None:
    extra = {"userId": "u1", "role": "admin", "permissions": ["knowledge_base:write"]}
    claims = tokens.verify("api", tokens.issue("api", "u1", expires_at=LATER, extra=extra))
    assert (claims.audience, claims.subject, claims.issued_at, claims.expires_at) == ("api", "u1", NOW, LATER)
    assert claims.extra == extra


def test_a_token_made_by_hand_with_the_right_key_is_the_control_of_the_attacks(tokens: JoseTokens) -> None:
    assert tokens.verify("api", forge(HEADER, good_claims())).subject == "u1"


def test_the_api_sees_the_registered_and_the_extra_claims_side_by_side(tokens: JoseTokens) -> None:
    claims = json.loads(decode(tokens.issue("api", "u1", expires_at=LATER, extra={"role": "admin"}).split(".")[1]))
    assert claims.pop("jti")
    assert claims == good_claims(role="admin", jti=None)


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "nbf", "jti"])
def test_an_extra_claim_cannot_replace_a_registered_one(tokens: JoseTokens, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        tokens.issue("api", "u1", expires_at=LATER, extra={name: "x"})


ATTACKS: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: forge({"typ": "JWT", "alg": "none", "kid": "k1"}, good_claims(), b""),
    "no algorithm, odd case": lambda: forge({"typ": "JWT", "alg": "nOnE", "kid": "k1"}, good_claims(), b""),
    "no algorithm, still signed": lambda: forge({"typ": "JWT", "alg": "none", "kid": "k1"}, good_claims()),
    "signed symmetrically with our public key": lambda: confused(public(KEY)),
    "signed symmetrically with our public key as published": lambda: confused(encode(public(KEY)).encode()),
    "signed symmetrically with our public key as PEM": lambda: confused(
        public(KEY, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "signed symmetrically under our algorithm's name": lambda: forge_by_secret(HEADER, good_claims(), public(KEY)),
    "the algorithm's older name": lambda: forge({"typ": "JWT", "alg": "EdDSA", "kid": "k1"}, good_claims()),
    "claims another algorithm": lambda: forge({"typ": "JWT", "alg": "RS256", "kid": "k1"}, good_claims()),
    "another type": lambda: forge({**HEADER, "typ": "at+jwt"}, good_claims()),
    "re-signed with another key": lambda: forge(HEADER, good_claims(role="admin"), OTHER_KEY),
    "signed with nothing": lambda: forge(HEADER, good_claims(), b""),
    "signed with zeros": lambda: restated(forge(HEADER, good_claims()), lambda _: bytes(64)),
    "truncated": lambda: forge(HEADER, good_claims())[:-1],
    "signature truncated": lambda: restated(forge(HEADER, good_claims()), lambda signature: signature[:-1]),
    "signature with more behind it": lambda: restated(forge(HEADER, good_claims()), lambda signature: signature + b"\0"),
    "signature in its other form": lambda: restated(forge(HEADER, good_claims()), plus_order),
    "padded": lambda: forge(HEADER, good_claims()) + "==",
    "a line break behind it": lambda: forge(HEADER, good_claims()) + "\n",
    "brings its own key": lambda: forge(
        {**HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": encode(public(OTHER_KEY))}}, good_claims(), OTHER_KEY
    ),
    "points to a key elsewhere": lambda: forge({**HEADER, "jku": "http://127.0.0.1/keys"}, good_claims()),
    "points to a certificate elsewhere": lambda: forge({**HEADER, "x5u": "http://127.0.0.1/keys"}, good_claims()),
    "unknown key": lambda: forge({**HEADER, "kid": "k2"}, good_claims()),
    "no key id": lambda: forge({"typ": "JWT", "alg": "Ed25519"}, good_claims()),
    "key id is a path": lambda: forge({**HEADER, "kid": "../../dev/null"}, good_claims(), bytes(32)),
    "key id is a list": lambda: forge({**HEADER, "kid": ["k1"]}, good_claims()),
    "critical extension": lambda: forge({**HEADER, "crit": ["b64"], "b64": False}, good_claims()),
    "nested header": lambda: encode(b"[" * 20_000) + ".e30.e30",
    "another issuer": lambda: forge(HEADER, good_claims(iss="somebody")),
    "no issuer": lambda: forge(HEADER, good_claims(iss=None)),
    "another audience": lambda: forge(HEADER, good_claims(aud="portrait")),
    "several audiences": lambda: forge(HEADER, good_claims(aud=["api", "portrait"])),
    "no audience": lambda: forge(HEADER, good_claims(aud=None)),
    "no subject": lambda: forge(HEADER, good_claims(sub=None)),
    "subject is a number": lambda: forge(HEADER, good_claims(sub=1)),
    "never expires": lambda: forge(HEADER, good_claims(exp=None)),
    "expiry is a text": lambda: forge(HEADER, good_claims(exp="9999999999")),
    "expiry beyond any calendar": lambda: forge(HEADER, good_claims(exp=10**30)),
    "expired": lambda: forge(HEADER, good_claims(exp=int(NOW.timestamp()))),
    "issued in the future": lambda: forge(HEADER, good_claims(iat=int(NOW.timestamp()) + 3600)),
    "not valid yet": lambda: forge(HEADER, good_claims(nbf=int(NOW.timestamp()) + 3600)),
    "no id": lambda: forge(HEADER, good_claims(jti=None)),
    "claims are a list": lambda: forge(HEADER, [1]),
    "empty": lambda: "",
    "dots": lambda: "..",
    "not base64": lambda: "%%.%%.%%",
    "not ASCII": lambda: "토큰.토큰.토큰",
    "too long": lambda: forge(HEADER, good_claims(role="x" * 9000)),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_forged_tokens_are_refused(tokens: JoseTokens, attack: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify("api", attack())


@given(data=st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    tokens = JoseTokens({"k1": KEY}, HandSetClock())
    token = tokens.issue("api", "u1", expires_at=LATER)
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda sign: sign != token[position]))
    with pytest.raises(Unauthenticated):
        tokens.verify("api", token[:position] + other + token[position + 1 :])


@given(st.text(max_size=200))
def test_any_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        JoseTokens({"k1": KEY}, HandSetClock()).verify("api", text)


def test_a_token_for_one_audience_opens_no_other_even_when_it_is_remembered(tokens: JoseTokens) -> None:
    token = tokens.issue("portrait", "p1", expires_at=LATER)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            tokens.verify("api", token)
        assert tokens.verify("portrait", token).subject == "p1"


def test_a_remembered_token_expires_to_the_second(tokens: JoseTokens, clock: HandSetClock) -> None:
    token = tokens.issue("api", "u1", expires_at=LATER)
    tokens.verify("api", token)
    clock.time = LATER - timedelta(milliseconds=1)
    tokens.verify("api", token)
    clock.time = LATER
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.verify("api", token)


def test_a_verified_token_is_remembered_and_can_be_forgotten(tokens: JoseTokens) -> None:
    token = tokens.issue("api", "u1", expires_at=LATER)
    first = tokens.verify("api", token)
    assert tokens.verify("api", token) is first
    tokens.forget(token)
    again = tokens.verify("api", token)
    assert again == first
    assert again is not first
    tokens.forget("one that was never seen")


def test_the_memory_is_bounded_and_drops_what_was_used_longest_ago(clock: HandSetClock) -> None:
    tokens = JoseTokens({"k1": KEY}, clock, remembered=2)
    a, b, c = (tokens.issue("api", name, expires_at=LATER) for name in "abc")
    first_a, first_b = tokens.verify("api", a), tokens.verify("api", b)
    tokens.verify("api", a)
    tokens.verify("api", c)
    assert tokens.verify("api", a) is first_a
    assert tokens.verify("api", b) is not first_b


def test_remembered_claims_cannot_be_changed_by_one_reader_for_the_next(tokens: JoseTokens) -> None:
    claims = tokens.verify("api", tokens.issue("api", "u1", expires_at=LATER, extra={"role": "user"}))
    with pytest.raises(TypeError):
        claims.extra["role"] = "admin"  # type: ignore[index]


def test_after_a_rotation_tokens_of_the_old_key_still_verify(clock: HandSetClock) -> None:
    before = JoseTokens({"k1": KEY}, clock).issue("api", "u1", expires_at=LATER)
    rotated = JoseTokens({"k2": OTHER_KEY, "k1": KEY}, clock)
    assert rotated.verify("api", before).subject == "u1"
    after = rotated.issue("api", "u1", expires_at=LATER)
    assert JoseTokens({"k2": OTHER_KEY}, clock).verify("api", after).subject == "u1"
    with pytest.raises(Unauthenticated):
        JoseTokens({"k2": OTHER_KEY}, clock).verify("api", before)


def test_two_tokens_for_the_same_are_not_the_same(tokens: JoseTokens) -> None:
    assert tokens.issue("api", "u1", expires_at=LATER) != tokens.issue("api", "u1", expires_at=LATER)


def test_a_host_whose_clock_is_a_little_ahead_issues_good_tokens(tokens: JoseTokens, clock: HandSetClock) -> None:
    clock.time = NOW + timedelta(seconds=5)
    token = tokens.issue("api", "u1", expires_at=LATER)
    clock.time = NOW
    assert tokens.verify("api", token).subject == "u1"


def test_the_refusal_shows_nothing_of_the_token(tokens: JoseTokens) -> None:
    token = forge(HEADER, good_claims(), OTHER_KEY)
    with pytest.raises(Unauthenticated) as refused:
        tokens.verify("api", token)
    assert token.split(".")[1] not in str(refused.value)


def test_a_signature_written_in_another_way_is_refused(tokens: JoseTokens) -> None:
    """64 bytes leave four spare bits in the last character of base64."""
    token = forge(HEADER, good_claims())
    alike = [token[:-1] + sign for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    same = [each for each in alike if decode(each.rpartition(".")[2]) == decode(token.rpartition(".")[2])]
    assert len(same) == 16
    for each in same:
        if each != token:
            with pytest.raises(Unauthenticated):
                tokens.verify("api", each)


def test_with_the_published_keys_alone_anybody_verifies_a_token(clock: HandSetClock) -> None:
    old = JoseTokens({"k1": KEY}, clock)
    rotated = JoseTokens({"k2": OTHER_KEY, "k1": KEY}, clock)
    published = {key["kid"]: key for key in json.loads(json.dumps(rotated.key_set()))["keys"]}
    assert list(published) == ["k2", "k1"]
    for token in (old.issue("api", "u1", expires_at=LATER), rotated.issue("api", "u1", expires_at=LATER)):
        header, claims, signature = token.split(".")
        key = published[json.loads(decode(header))["kid"]]
        Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(decode(signature), f"{header}.{claims}".encode())


def test_nothing_private_is_published(tokens: JoseTokens) -> None:
    assert [sorted(key) for key in tokens.key_set()["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]]
    assert encode(KEY) not in json.dumps(tokens.key_set())


@pytest.mark.parametrize("keys", [{}, {"k1": b"short"}, {"k1": KEY, "k2": b"x" * 31}, {"k1": KEY + b"x"}])
def test_signing_without_a_strong_key_is_refused(clock: HandSetClock, keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        JoseTokens(keys, clock)
